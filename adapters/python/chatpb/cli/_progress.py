"""The progress bar of the commands. It is on standard error, appears only on a terminal, and is erased at the end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from rich.console import RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from chatpb._files.formats import STANDARD
from chatpb._files.read import Block, Input
from chatpb.cli._console import stderr_console

__all__ = ["ProgressBar", "bar_of_files"]

_LONG: Final = 1 << 20
"""Bytes of input from which on a bar is worth showing."""

_DELAY: Final = 1.0
"""Seconds without a bar where the bar shows a fraction, since most queries end by then."""


class ProgressBar(Progress):
    """A bar that shows how much is done, as `show` reports it, or as a function reports it whenever the bar is drawn.

    Args:
        total: how much there is to do.
        in_bytes: whether the bar shows bytes, rather than the time that has passed.
        hidden: whether it does not appear even on a terminal.
        fraction: reports how much is done, from 0 to 1, to any thread. The bar then appears in its second second.

    """

    def __init__(
        self,
        total: float = 1.0,
        *,
        in_bytes: bool = False,
        hidden: bool = False,
        fraction: Callable[[], float] | None = None,
    ) -> None:
        self._fraction = fraction
        self._start = time.monotonic() + (_DELAY if fraction else 0)
        names = [] if fraction else [TextColumn("{task.description}", markup=False)]
        amount = DownloadColumn() if in_bytes else TimeElapsedColumn()
        super().__init__(
            *(*names, BarColumn(), TaskProgressColumn(), amount, TimeRemainingColumn()),
            console=stderr_console(),
            transient=True,
            disable=hidden or not sys.stderr.isatty(),
        )
        self._task = self.add_task("", total=total)

    def show(self, name: str, done: float) -> None:
        """Show a name, and how much of the total is done."""
        self.update(self._task, description=name, completed=done)

    def over(self, source: Input, blocks: Iterable[Block]) -> Iterator[Block]:
        """Yield the blocks of a file, and show the bytes that have been read, those of earlier files included."""
        before = self.tasks[0].completed

        def show() -> None:
            self.show(os.path.basename(source.name), before + source.position())

        def shown(block: Block) -> Block:
            show()
            return block

        yield from map(shown, blocks)  # a loop would have a large block for as long as it is used
        show()

    def stop(self) -> None:
        if self.live.is_started:  # else some releases of rich print an empty line
            super().stop()

    def get_renderables(self) -> Iterable[RenderableType]:
        if time.monotonic() < self._start:
            return
        if self._fraction:
            self.update(self._task, completed=self._fraction())
        yield from super().get_renderables()


def bar_of_files(paths: Iterable[str], hidden: bool = False) -> ProgressBar:
    """Return a bar over the bytes of files, which appears only if they are long."""
    total = sum(os.stat(path).st_size for path in paths if path != STANDARD and os.path.isfile(path))
    return ProgressBar(total, in_bytes=True, hidden=hidden or total < _LONG)
