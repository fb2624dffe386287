"""The columns that people filter records by: one table of names, types and the places in a record that they come from.

Rules: a source is a JSON path into ChatCompletionRecord, through every item of arrays. Of a column's sources the first
that has a value counts, and of its values the last; a list has the values of all sources. A value counts in whichever
home the mapping put it, so that a string outside an enum shows too. What is of another type than the column's is no
value: reading columns fails only where the bytes are no message.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final, Literal

from google.protobuf.descriptor import Descriptor

from chatcompletion.v1 import ChatCompletionRecord
from chatpb._engine import Projection, projection_of
from chatpb._python.project import Leaf, Value
from chatpb._schema import Field, schema_of

__all__ = ["COLUMNS", "Column", "columns_of", "leaves_of", "projection", "values_of"]


@dataclass(frozen=True)
class Column:
    """A column that is read from records.

    Attributes:
        name: the column's name.
        type: of its values; "strings" are a list, which is empty where there are none; "present" is 1 or nothing.
        sources: JSON paths, the preferred one first.

    """

    name: str
    type: Literal["string", "integer", "strings", "present"]
    sources: tuple[str, ...]


def _answer(path: str) -> tuple[str, ...]:
    """Where a member of the answer is, streamed or not."""
    return (f"response.{path}", f"stream.chunks.{path}", f"stream.common.{path}")


COLUMNS: Final = (
    Column("request_id", "string", ("request_id",)),
    Column("id", "string", _answer("id")),
    Column("created", "integer", _answer("created")),
    Column("start_time", "integer", ("start_time",)),
    Column("first_token_time", "integer", ("first_token_time",)),
    Column("end_time", "integer", ("end_time",)),
    Column("model", "string", (*_answer("model"), "request.model")),
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
    Column("peer", "string", ("peer",)),
)


@cache
def projection(*names: str) -> Projection:
    """What reads columns, those of COLUMNS or the named ones, from the wire bytes of records."""
    columns = _named(names)
    return projection_of([column.type for column in columns], leaves_of(columns))


def leaves_of(columns: Sequence[Column]) -> list[Leaf]:
    """The sources of columns, as the descriptors have them."""
    return [
        _leaf(index, column, rank, source, ChatCompletionRecord.DESCRIPTOR)
        for index, column in enumerate(columns)
        for rank, source in enumerate(column.sources)
    ]


def columns_of(records: Sequence[bytes], *names: str) -> list[list[Value]]:
    """The values of columns, a list for each. Raises WireError; its path is the place of the record at fault."""
    columns = _named(names)
    buffers = projection(*names).of_messages(records)
    return [values_of(column.type, len(records), *each) for column, each in zip(columns, buffers, strict=True)]


def _named(names: tuple[str, ...]) -> tuple[Column, ...]:
    return tuple(column for name in names for column in COLUMNS if column.name == name) if names else COLUMNS


def values_of(kind: str, count: int, validity: bytes, lists: bytes, values: bytes, data: bytes) -> list[Value]:
    """The values that a projection's buffers hold, None where there is none."""
    if kind == "strings":
        strings = _strings(values, data)
        return [strings[start:stop] for start, stop in pairwise(array("i", lists))]
    found: Sequence[str | int] = array("q", values) if kind in ("integer", "present") else _strings(values, data)
    valid = (validity[row >> 3] >> (row & 7) & 1 for row in range(count))
    return [value if there else None for value, there in zip(found, valid, strict=True)]


def _strings(offsets: bytes, data: bytes) -> list[str]:
    return [data[start:stop].decode() for start, stop in pairwise(array("i", offsets))]


def _leaf(index: int, column: Column, rank: int, source: str, record: Descriptor) -> Leaf:
    *above, name = source.split(".")
    schema = schema_of(record)
    tags = []
    for step in above:
        field = schema.members[step].first
        tags.append(_tag(field))
        schema = field.schema
    field = schema.members[name].first
    kind = "present" if column.type == "present" else field.kind
    return Leaf(index, rank, kind, tuple(tags), _tag(field), name, dict(field.enum.string_of) if field.enum else {})


def _tag(field: Field) -> int:
    return field.number << 3 | field.wire_type
