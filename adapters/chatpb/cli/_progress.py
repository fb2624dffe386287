"""A progress bar on standard error, for long inputs at a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from chatpb._records import STANDARD, Block, Input
from chatpb.cli._group import stderr

__all__ = ["Watch", "watch"]

LONG: Final = 1 << 20
"""Bytes of input from which on a bar is worth its place."""


class Watch:
    """Shows how far some files have been read."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total) if progress else None
        self._done = 0

    def over(self, source: Input, blocks: Iterable[Block]) -> Iterator[Block]:
        """The records of a file, its bar moving on with them."""
        for block in blocks:
            self._show(source.name, self._done + source.position())
            yield block
        self._done += source.position()
        self._show(source.name, self._done)

    def _show(self, name: str, position: int) -> None:
        if self._progress and self._task is not None:
            self._progress.update(self._task, description=os.path.basename(name), completed=position)


@contextmanager
def watch(paths: Iterable[str], quiet: bool = False) -> Iterator[Watch]:
    """Watch the reading of files: a bar if they are long and standard error is a terminal."""
    total = sum(os.stat(path).st_size for path in paths if path != STANDARD and os.path.isfile(path))
    if quiet or total < LONG or not sys.stderr.isatty():
        yield Watch(None, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), DownloadColumn())
    with Progress(*columns, TimeRemainingColumn(), console=stderr(), transient=True) as progress:
        yield Watch(progress, total)
