"""What is left out of an input: how many documents, and for the first ones where and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["Refusals"]

MAX_LINES: Final = 20
"""Lines that describe what is left out; what comes later is only counted."""


class Refusals:
    """Counts what is left out, and describes the first ones: the one place where every reader and writer reports.

    Args:
        show: called with each line that describes something.

    Attributes:
        count: how many documents were left out, as far as that is known.
        lines: what describes the first ones, a line each.
        untold: how many lines came after those.

    """

    def __init__(self, show: Callable[[str], None] = lambda line: None) -> None:
        self.count = 0
        self.lines: list[str] = []
        self.untold = 0
        self._show = show

    def __call__(self, line: str, documents: int = 1) -> None:
        """Note that documents were left out, with one line that says which, where and why."""
        self.count += documents
        if len(self.lines) == MAX_LINES:
            self.untold += 1
        else:
            self.lines.append(line)
            self._show(line)
