"""What the commands that scan stored records have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import Enum
from typing import Annotated, Final

import typer

from chatpb.cli._group import fail

__all__ = ["MEMORY", "Memory", "Results", "Since", "Threads", "Until", "packages"]

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
