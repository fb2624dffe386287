"""The reference engine: the mapping in Python, written to be read. docs/mapping.md gives its rules in prose.

It runs where the native engine is not built, and the tests compare the native engine with it. Each of its files has a
twin of the same name in adapters/core/src.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any, Final

from google.protobuf.descriptor import Descriptor

from chatpb._contract.schema import require_mappable, schema_of
from chatpb._engine.codec import ChunkAccumulator, Codec, Column, ColumnReader, JsonText, Wire
from chatpb._engine.reference.batch import arrow_rows, lines
from chatpb._engine.reference.batch.arrow_rows import (
    expanded_sizes,
    fields_of_rows,
    messages_of_rows,
    rows_of_messages,
)
from chatpb._engine.reference.batch.columns import ReferenceColumnReader
from chatpb._engine.reference.batch.lines import whole_messages
from chatpb._engine.reference.encode.message import json_to_wire
from chatpb._engine.reference.print import wire_to_json
from chatpb._engine.reference.streams import compact
from chatpb._engine.reference.streams.accumulate import StreamAccumulator
from chatpb._engine.reference.streams.rules import stream_rules
from chatpb._engine.reference.streams.split import split
from chatpb._engine.reference.validate import validate_wire
from chatpb._errors import ContractError, Violation
from chatpb._json.dicts import Default, dict_to_json, json_to_dict

__all__ = [
    "DESCRIPTION",
    "codec",
    "column_reader",
    "expanded_sizes",
    "fields_of_rows",
    "messages_of_rows",
    "rows_of_messages",
    "whole_messages",
]

DESCRIPTION: Final = "python"


def codec(descriptor: Descriptor) -> Codec:
    """Return the codec of a message type."""
    if schema_of(descriptor).is_list:
        raise TypeError(f"{descriptor.full_name} stands for a JSON array, and a document is an object")
    require_mappable(descriptor)
    return _ReferenceCodec(descriptor)


def column_reader(descriptor: Descriptor, columns: Sequence[Column]) -> ColumnReader:
    """Return a reader of columns from messages of a type."""
    return ReferenceColumnReader(descriptor, columns)


class _ReferenceCodec:
    """The functions of the reference engine for one message type. `chatpb._engine.codec.Codec` lists them."""

    def __init__(self, descriptor: Descriptor) -> None:
        self.descriptor = descriptor

    def json_to_wire(self, data: JsonText, canonical: bool, nonfinite: bool, strict: bool = False, /) -> bytes:
        wire = json_to_wire(data, self.descriptor, canonical=canonical, nonfinite=nonfinite)
        if strict and (violations := self.validate_wire(wire, True)):
            raise ContractError(violations)
        return wire

    def validate_wire(self, wire: Wire, strict: bool, /) -> list[Violation]:
        return validate_wire(wire, self.descriptor, strict=strict)

    def wire_to_json(
        self, wire: Wire, fill_required: bool, refuse_unknown: bool, nonfinite: bool, limit: int | None = None, /
    ) -> bytes:
        text = wire_to_json(
            wire, self.descriptor, fill_required=fill_required, refuse_unknown=refuse_unknown, nonfinite=nonfinite
        )
        if limit is not None and len(text) > limit:
            raise MemoryError(f"a result of more than {limit} bytes")
        return text

    def dict_to_wire(
        self, obj: Any, default: Default | None, canonical: bool, nonfinite: bool, strict: bool = False, /
    ) -> bytes:
        return self.json_to_wire(dict_to_json(obj, default, nonfinite), canonical, nonfinite, strict)

    def wire_to_dict(self, wire: Wire, fill_required: bool, refuse_unknown: bool, nonfinite: bool, /) -> dict[str, Any]:
        return json_to_dict(self.wire_to_json(wire, fill_required, refuse_unknown, nonfinite))

    def json_lines_to_wire(
        self, data: JsonText, canonical: bool, nonfinite: bool, threads: int, strict: bool = False, /
    ) -> bytes:
        return lines.json_lines_to_wire(data, lambda line: self.json_to_wire(line, canonical, nonfinite, strict))

    def wire_to_json_lines(
        self, wire: Wire, fill_required: bool, refuse_unknown: bool, nonfinite: bool, threads: int, /
    ) -> bytes:
        return lines.wire_to_json_lines(
            wire, lambda one: self.wire_to_json(one, fill_required, refuse_unknown, nonfinite)
        )

    def compact_stream(self, chunks: Sequence[bytes], /) -> bytes:
        return compact.compact_stream(chunks, self.descriptor)

    def expand_stream(self, stream: bytes, /) -> list[bytes]:
        return compact.expand_stream(stream, self.descriptor)

    def accumulator(self, refuse_unknown: bool, nonfinite: bool, /) -> ChunkAccumulator:
        return _ReferenceAccumulator(self, refuse_unknown, nonfinite)

    def split(self, completion: bytes, size: int | None, with_last: bool, /) -> Iterator[bytes]:
        return split(completion, stream_rules(self.descriptor), size, with_last)

    def json_to_wire_rows(self, data: Wire, offsets: Wire, nonfinite: bool, threads: int, /) -> tuple[bytes, bytes]:
        return arrow_rows.convert_rows(data, offsets, lambda row: self.json_to_wire(row, False, nonfinite))

    def wire_to_json_rows(
        self, data: Wire, offsets: Wire, refuse_unknown: bool, nonfinite: bool, threads: int, /
    ) -> tuple[bytes, bytes]:
        return arrow_rows.convert_rows(
            data, offsets, lambda row: self.wire_to_json(row, False, refuse_unknown, nonfinite)
        )

    def compact_records(self, data: Wire, offsets: Wire, tag: int, threads: int, /) -> tuple[bytes, bytes]:
        return arrow_rows.convert_rows(data, offsets, lambda row: compact.compact_record(row, tag, self.compact_stream))

    def expand_records(self, data: Wire, offsets: Wire, tag: int, threads: int, /) -> tuple[bytes, bytes]:
        return arrow_rows.convert_rows(data, offsets, lambda row: compact.expand_record(row, tag, self.expand_stream))


class _ReferenceAccumulator:
    def __init__(self, codec: _ReferenceCodec, refuse_unknown: bool, nonfinite: bool) -> None:
        self._codec = codec
        self._refuse_unknown = refuse_unknown
        self._nonfinite = nonfinite
        self._stream = StreamAccumulator(stream_rules(codec.descriptor))

    def add(self, wire: Wire, /) -> None:
        self._stream.add(self._codec.wire_to_json(wire, False, self._refuse_unknown, self._nonfinite))

    def copy(self) -> _ReferenceAccumulator:
        copied = _ReferenceAccumulator(self._codec, self._refuse_unknown, self._nonfinite)
        rules = stream_rules(self._codec.descriptor)
        copied._stream = deepcopy(self._stream, {id(rules): rules})
        return copied

    def json(self) -> bytes:
        return self._stream.json()
