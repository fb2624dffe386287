"""What the commands that scan stored records have in common."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeElapsedColumn, TimeRemainingColumn

from chatpb.cli._group import BAD_DATA, complain, fail, stderr

if TYPE_CHECKING:
    from chatpb.storage._query import Answer, Query

__all__ = ["MEMORY", "Memory", "Refused", "Results", "Since", "Threads", "Until", "packages", "watched"]

_EXTRAS: Final = {
    "pyarrow": "storage",
    "duckdb": "storage",
    "zstandard": "storage",
    "fsspec": "storage",
    "matplotlib": "chart",
    "pyspark": "spark",
}
_TIMES: Final = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]

MEMORY: Final = "512MB"


class Results(str, Enum):
    """How rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"


Since = Annotated[
    datetime | None, typer.Option(formats=_TIMES, metavar="TIME", help="Only records of this time (UTC) and later.")
]
Until = Annotated[
    datetime | None, typer.Option(formats=_TIMES, metavar="TIME", help="Only records before this time (UTC).")
]
Memory = Annotated[str, typer.Option(metavar="SIZE", help="What DuckDB keeps in memory; beyond, it uses files.")]
Threads = Annotated[int | None, typer.Option(min=1, metavar="N", help="Threads of DuckDB; all cores unless given.")]


@contextmanager
def packages() -> Iterator[None]:
    """What is inside imports packages of an extra; without them the command ends, naming it."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        fail(f"this needs {package}: pip install 'chatpb[{_EXTRAS[package]}]'")


class Refused:
    """Tells of records that cannot be read."""

    def __init__(self) -> None:
        self._any = False

    def __call__(self, line: str) -> None:
        self._any = True
        complain(line)

    def end(self) -> None:
        """End the command with status 1 if there were any."""
        if self._any:
            raise SystemExit(BAD_DATA)


def watched(query: Query, sql: str, until_rows: bool) -> Answer:
    """Run a query, a bar telling how far it is if that takes more than a moment.

    Args:
        query: where to run it.
        sql: the query.
        until_rows: the bar ends when there are rows, as they would be written across it.

    """
    bar = _Bar(query.fraction)
    bar.start()
    try:
        answer = query.run(sql)
    except BaseException:
        bar.stop()
        raise

    def batches() -> Iterator[Any]:
        try:
            for batch in answer.batches:
                if until_rows:
                    bar.stop()
                yield batch
        finally:
            bar.stop()

    return replace(answer, batches=batches())


class _Bar(Progress):
    """Tells a fraction, from its second second on."""

    def __init__(self, fraction: Callable[[], float]) -> None:
        self._fraction = fraction
        self._from = time.monotonic() + 1
        columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        super().__init__(*columns, console=stderr(), transient=True, disable=not sys.stderr.isatty())
        self._task = self.add_task("", total=1.0)

    def stop(self) -> None:
        if not self.disable:  # older releases of rich end the line of a bar that they do not show
            super().stop()

    def get_renderables(self) -> Iterable[RenderableType]:
        if self.tasks and time.monotonic() >= self._from:
            self.update(self._task, completed=self._fraction())
            yield from super().get_renderables()
