"""Choose the engine: the native one where it is built, else the Python one.

The environment variable CHATPB_ENGINE forces one: `python`, `native`, or `native-baseline`, which is the native engine
without the instructions that only newer processors have. An engine is asked for the codec of a message
type once; the codec's functions take their arguments by position, since their calls are part of what a small document
costs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from typing import Final, Literal, Protocol

from google.protobuf.descriptor import Descriptor

from chatpb import _python
from chatpb._python import lines, record, rows, stream
from chatpb._python.project import Leaf, PythonProjection
from chatpb._schema import schema_of
from chatpb._tables import leaf_table, tables

__all__ = ["Codec", "codec_of", "description", "engine", "whole_messages"]

JsonText = bytes | bytearray | memoryview | str
Wire = bytes | bytearray | memoryview


class Codec(Protocol):
    """Both directions for one message type, document by document and in batches; and streams, its chunks."""

    def json_to_wire(self, data: JsonText, canonical: bool, nonfinite: bool, /) -> bytes: ...

    def wire_to_json(self, wire: Wire, fill_required: bool, refuse_unknown: bool, nonfinite: bool, /) -> bytes: ...

    def json_lines_to_wire(self, data: JsonText, canonical: bool, nonfinite: bool, threads: int, /) -> bytes: ...

    def wire_to_json_lines(
        self, wire: Wire, fill_required: bool, refuse_unknown: bool, nonfinite: bool, threads: int, /
    ) -> bytes: ...

    def compact_stream(self, chunks: Sequence[bytes], /) -> bytes: ...

    def expand_stream(self, stream: bytes, /) -> list[bytes]: ...

    def json_to_wire_rows(self, data: Wire, offsets: Wire, nonfinite: bool, threads: int, /) -> tuple[bytes, bytes]: ...

    def wire_to_json_rows(self, data: Wire, offsets: Wire, nonfinite: bool, threads: int, /) -> tuple[bytes, bytes]: ...

    def compact_records(self, data: Wire, offsets: Wire, tag: int, threads: int, /) -> tuple[bytes, bytes]: ...

    def expand_records(self, data: Wire, offsets: Wire, tag: int, threads: int, /) -> tuple[bytes, bytes]: ...


class Projection(Protocol):
    """Reads columns of values from the wire bytes of messages. An error's path is the place of the message at fault."""

    def of_messages(self, messages: Sequence[bytes], /) -> list[tuple[bytes, bytes, bytes, bytes]]: ...

    def of_array(self, data: Wire, offsets: Wire, threads: int, /) -> list[tuple[bytes, bytes, bytes, bytes]]: ...


class PythonCodec:
    """The codec of the Python engine."""

    def __init__(self, descriptor: Descriptor) -> None:
        self.descriptor = descriptor

    def json_to_wire(self, data: JsonText, canonical: bool, nonfinite: bool, /) -> bytes:
        return _python.json_to_wire(data, self.descriptor, canonical=canonical, nonfinite=nonfinite)

    def wire_to_json(self, wire: Wire, fill_required: bool, refuse_unknown: bool, nonfinite: bool, /) -> bytes:
        return _python.wire_to_json(
            wire, self.descriptor, fill_required=fill_required, refuse_unknown=refuse_unknown, nonfinite=nonfinite
        )

    def json_lines_to_wire(self, data: JsonText, canonical: bool, nonfinite: bool, threads: int, /) -> bytes:
        return lines.json_lines_to_wire(data, lambda line: self.json_to_wire(line, canonical, nonfinite))

    def wire_to_json_lines(
        self, wire: Wire, fill_required: bool, refuse_unknown: bool, nonfinite: bool, threads: int, /
    ) -> bytes:
        return lines.wire_to_json_lines(
            wire, lambda one: self.wire_to_json(one, fill_required, refuse_unknown, nonfinite)
        )

    def compact_stream(self, chunks: Sequence[bytes], /) -> bytes:
        return stream.compact_stream(chunks, self.descriptor)

    def expand_stream(self, data: bytes, /) -> list[bytes]:
        return stream.expand_stream(data, self.descriptor)

    def json_to_wire_rows(self, data: Wire, offsets: Wire, nonfinite: bool, threads: int, /) -> tuple[bytes, bytes]:
        return rows.convert(data, offsets, lambda row: self.json_to_wire(row, False, nonfinite))

    def wire_to_json_rows(self, data: Wire, offsets: Wire, nonfinite: bool, threads: int, /) -> tuple[bytes, bytes]:
        return rows.convert(data, offsets, lambda row: self.wire_to_json(row, False, False, nonfinite))

    def compact_records(self, data: Wire, offsets: Wire, tag: int, threads: int, /) -> tuple[bytes, bytes]:
        return rows.convert(data, offsets, lambda row: record.compact_record(row, tag, self.compact_stream))

    def expand_records(self, data: Wire, offsets: Wire, tag: int, threads: int, /) -> tuple[bytes, bytes]:
        return rows.convert(data, offsets, lambda row: record.expand_record(row, tag, self.expand_stream))


def _choose() -> Literal["native", "python"]:
    forced = os.environ.get("CHATPB_ENGINE", "")
    if forced not in ("", "native", "native-baseline", "python"):
        raise ImportError(f"CHATPB_ENGINE must be 'native', 'native-baseline' or 'python', not {forced!r}")
    if forced == "python":
        return "python"
    try:
        import chatpb._native  # noqa: F401
    except ImportError as error:
        if forced:
            raise ImportError(
                f"CHATPB_ENGINE={forced}, but chatpb was installed without its native engine: "
                "install a wheel, or install from source where a Rust toolchain is"
            ) from error
        return "python"
    return "native"


engine: Final = _choose()
"""Name of the engine in use."""


def description() -> str:
    """The engine in use, and which build of it."""
    if engine == "python":
        return engine
    from chatpb._native import build

    return f"{engine} ({build})"


@cache
def codec_of(descriptor: Descriptor) -> Codec:
    """The codec of a message type, by the engine in use."""
    return native_codec(descriptor) if engine == "native" else PythonCodec(descriptor)


def projection_of(types: Sequence[str], leaves: Sequence[Leaf]) -> Projection:
    """What reads columns of the types from the leaves, by the engine in use."""
    if engine == "native":
        from chatpb._native import native

        return native.Projection(leaf_table(types, leaves))
    return PythonProjection(types, leaves)


def rows_of_messages(messages: Wire) -> tuple[bytes, bytes]:
    """Messages that each follow their length, as the bytes and 64-bit offsets of an Arrow array.

    Raises ValueError if they are cut short.
    """
    if engine == "native":
        from chatpb._native import native

        return native.rows_of_messages(messages)
    return rows.rows_of_messages(messages)


def messages_of_rows(data: Wire, offsets: Wire) -> bytes:
    """The way back. Raises ValueError for offsets that are not those of the data."""
    if engine == "native":
        from chatpb._native import native

        return native.messages_of_rows(data, offsets)
    return rows.messages_of_rows(data, offsets)


def fields_of_rows(data: Wire, offsets: Wire, tag: int) -> tuple[bytes, bytes]:
    """Messages that have each row of an Arrow array as the only field, of a tag. Raises ValueError as above."""
    if engine == "native":
        from chatpb._native import native

        return native.fields_of_rows(data, offsets, tag)
    return rows.fields_of_rows(data, offsets, tag)


def whole_messages(wire: Wire, limit: int) -> tuple[int, int]:
    """How many whole messages, each after its length, the bytes begin with, and where the last of them ends.

    A length of more than five bytes, or above the limit, ends the run.
    """
    if engine == "native":
        from chatpb._native import native

        return native.whole_messages(wire, limit)
    return lines.whole_messages(wire, limit)


def native_codec(descriptor: Descriptor) -> Codec:
    """The codec of the native engine, in the build that is in use."""
    from chatpb._native import native

    return native.Schema(tables(schema_of(descriptor)))
