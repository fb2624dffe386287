"""The formats of files of documents, by the endings of their names."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Final

from chatpb._files.compression import plain_name

__all__ = ["PARQUET_ENDINGS", "RECORDER_ENDINGS", "STANDARD", "Format", "format_of"]

STANDARD: Final = "-"
"""The path that stands for standard input or output."""

RECORDER_ENDINGS: Final = (".db", ".sqlite", ".sqlite3")
PARQUET_ENDINGS: Final = (".parquet", ".pq")
"""The endings of files that hold nothing but records."""

_ALIASES: Final = {"ndjson": "jsonl", "sse": "jsonl", "textproto": "txtpb", "pb": "binpb"}


class Format(str, Enum):
    """A format of files, by the ending of their names."""

    JSON = "json"
    JSONL = "jsonl"
    BINPB = "binpb"
    BINPBS = "binpbs"
    TXTPB = "txtpb"

    @property
    def is_stream(self) -> bool:
        """Whether a file holds any number of documents rather than one."""
        return self in (Format.JSONL, Format.BINPBS)

    @property
    def is_json(self) -> bool:
        return self in (Format.JSON, Format.JSONL)

    @property
    def is_binary(self) -> bool:
        return self in (Format.BINPB, Format.BINPBS)


def format_of(path: str) -> Format | None:
    """Return the format that a file's name stands for, with or without .gz or .zst; None if it stands for none."""
    ending = Path(plain_name(path)).suffix.removeprefix(".").lower()
    return next((format for format in Format if format.value == _ALIASES.get(ending, ending)), None)
