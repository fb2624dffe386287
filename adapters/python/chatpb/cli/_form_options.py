"""The options that give a form of records which no name implies, such as that of standard input."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from chatpb._files.formats import PARQUET_ENDINGS, RECORDER_ENDINGS
from chatpb.cli._document_options import FROM_HELP

if TYPE_CHECKING:
    from chatpb.storage import Form

__all__ = ["FormName", "SourceForm", "form_named", "has_only_records"]


class FormName(str, Enum):
    """A form of records, by its usual ending."""

    DB = "db"
    JSONL = "jsonl"
    BINPBS = "binpbs"
    PARQUET = "parquet"


SourceForm = Annotated[FormName | None, typer.Option("--from", metavar="FORMAT", help=FROM_HELP)]


def form_named(name: FormName | None) -> Form | None:
    """Return the form of an option; None without one."""
    from chatpb.storage import form_of

    return None if name is None else form_of(f"x.{name.value}")


def has_only_records(path: str) -> bool:
    """Return whether a name is one of a recorder's file or of Parquet, which hold nothing but records."""
    return path.rstrip("/").lower().endswith(RECORDER_ENDINGS + PARQUET_ENDINGS)
