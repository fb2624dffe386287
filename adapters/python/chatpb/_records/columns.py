"""The columns that people filter records by: one table of their names, types and sources in a record.

Rules: a source is a JSON path into ChatCompletionRecord, through every item of arrays. Of a column's sources the first
that has a value counts, and of its values the last; a list has the values of all sources. An empty string or a zero
counts only where there is nothing else, and never in a list: some streams end with chunks whose id is empty. A value
counts in whichever home the mapping put it, so that a string outside an enum counts too. A value of another type than
the column's does not count, so reading columns fails only where the bytes are no message.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Final

from chatcompletion.v1 import ChatCompletionRecord
from chatpb._engine import column_reader
from chatpb._engine.codec import Column, ColumnReader, ColumnValue

__all__ = ["COLUMNS", "SECONDS_UNTIL", "columns_of", "record_columns_reader", "seconds_of", "values_of"]


def _answer(path: str) -> tuple[str, ...]:
    """Return the paths of a member of the answer, which may be streamed."""
    return (f"response.{path}", f"stream.chunks.{path}", f"stream.common.{path}")


COLUMNS: Final = (
    Column("request_id", "string", ("request_id",)),
    Column("id", "string", _answer("id")),
    Column("created", "integer", _answer("created")),
    Column("start_time", "integer", ("start_time",)),
    Column("first_token_time", "integer", ("first_token_time",)),
    Column("end_time", "integer", ("end_time",)),
    Column("model", "string", (*_answer("model"), "request.model")),
    Column("requested_model", "string", ("request.model",)),
    Column("streamed", "present", ("stream",)),
    Column("status", "integer", ("status",)),
    Column("error", "string", ("error.error.code", "error.error.type", "error.error.message")),
    Column("finish_reasons", "strings", _answer("choices.finish_reason")),
    Column(
        "tool_names",
        "strings",
        ("response.choices.message.tool_calls.function.name", "stream.chunks.choices.delta.tool_calls.function.name"),
    ),
    Column("prompt_tokens", "integer", _answer("usage.prompt_tokens")),
    Column("completion_tokens", "integer", _answer("usage.completion_tokens")),
    Column("total_tokens", "integer", _answer("usage.total_tokens")),
    Column("cached_tokens", "integer", _answer("usage.prompt_tokens_details.cached_tokens")),
    Column("reasoning_tokens", "integer", _answer("usage.completion_tokens_details.reasoning_tokens")),
    Column("cost", "number", _answer("usage.cost")),
    Column("peer", "string", ("peer",)),
)


@cache
def record_columns_reader(*names: str) -> ColumnReader:
    """Return a reader of columns from the wire bytes of records: of the named columns, or of all COLUMNS."""
    columns = _columns_named(names)
    return column_reader(ChatCompletionRecord.DESCRIPTOR, columns)


SECONDS_UNTIL: Final = 253_402_300_800
"""The first second since the Unix epoch that is no time: that of the year 10000."""


def seconds_of(created: int | None) -> int | None:
    """Return a completion's `created` in seconds: some providers write milli-, micro- or nanoseconds.

    Such numbers would be years far ahead; each scale is told by its size. None where no scale gives a time.
    """
    if created is None or created <= -SECONDS_UNTIL:
        return None
    for scale in (1, 1_000, 1_000_000, 1_000_000_000):
        if created // scale < SECONDS_UNTIL:
            return created // scale
    return None


def columns_of(records: Sequence[bytes], *names: str) -> list[list[ColumnValue]]:
    """Return the values of columns of COLUMNS, a list for each column, with None where a record has no value.

    Raises WireError, with the place of the record at fault as its path.
    """
    columns = _columns_named(names)
    buffers = record_columns_reader(*names).of_messages(records)
    return [values_of(column.type, len(records), *each) for column, each in zip(columns, buffers, strict=True)]


def _columns_named(names: tuple[str, ...]) -> tuple[Column, ...]:
    return tuple(column for name in names for column in COLUMNS if column.name == name) if names else COLUMNS


def values_of(kind: str, count: int, validity: bytes, lists: bytes, values: bytes, data: bytes) -> list[ColumnValue]:
    """Return the values of one column that a ColumnReader's buffers hold, with None where there is none."""
    if kind == "strings":
        strings = _strings(values, data)
        return [strings[start:stop] for start, stop in pairwise(array("i", lists))]
    code = {"integer": "q", "present": "q", "number": "d"}.get(kind)
    found: Sequence[str | float] = array(code, values) if code else _strings(values, data)
    valid = (validity[row >> 3] >> (row & 7) & 1 for row in range(count))
    return [value if there else None for value, there in zip(found, valid, strict=True)]


def _strings(offsets: bytes, data: bytes) -> list[str]:
    return [data[start:stop].decode() for start, stop in pairwise(array("i", offsets))]
