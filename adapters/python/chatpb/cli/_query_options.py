"""The options of `chatpb query` and `chatpb stats`."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated, Final

import typer

__all__ = ["MEMORY", "Memory", "Output", "ResultFormat", "RowFormat", "Since", "Until"]

MEMORY: Final = "512MB"


class ResultFormat(str, Enum):
    """The form in which rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"


def _time(text: str) -> datetime:
    from chatpb.storage import time_of

    try:
        return time_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


RowFormat = Annotated[ResultFormat, typer.Option("--format", "-f", metavar="FORMAT", help="How to show the result.")]
Output = Annotated[
    str, typer.Option("--output", "-o", metavar="FILE", help="Where to write the result, - for standard output.")
]
Since = Annotated[
    datetime | None,
    typer.Option(
        "--since",
        parser=_time,
        metavar="TIME",
        help="Only records of this time (UTC) and later, such as 2026-01-31, or of an age, such as 12h or 7d.",
    ),
]
Until = Annotated[
    datetime | None, typer.Option("--until", parser=_time, metavar="TIME", help="Only records before this time (UTC).")
]
Memory = Annotated[
    str,
    typer.Option("--memory", metavar="SIZE", help="Memory that DuckDB may use; beyond that it uses temporary files."),
]
