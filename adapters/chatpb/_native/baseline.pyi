"""The native engine, written in Rust: adapters/native. Every build has the same."""

from collections.abc import Callable, Sequence
from typing import Any, final

from chatpb._engine import JsonText, Wire

@final
class Schema:
    """A message type's tables, compiled. See `chatpb._engine.Codec` for the functions."""

    def __new__(cls, table: str) -> Schema: ...
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

def whole_messages(wire: Wire, limit: int, /) -> tuple[int, int]:
    """See `chatpb._python.lines.whole_messages`."""

@final
class Projection:
    """Columns to read, compiled. See `chatpb._engine.Projection` for the functions."""

    def __new__(cls, table: str) -> Projection: ...
    def of_messages(self, messages: Sequence[bytes], /) -> list[tuple[bytes, bytes, bytes, bytes]]: ...
    def of_array(self, data: Wire, offsets: Wire, threads: int, /) -> list[tuple[bytes, bytes, bytes, bytes]]: ...

def rows_of_messages(messages: Wire, /) -> tuple[bytes, bytes]:
    """See `chatpb._python.rows.rows_of_messages`."""

def messages_of_rows(data: Wire, offsets: Wire, /) -> bytes:
    """See `chatpb._python.rows.messages_of_rows`."""

def fields_of_rows(data: Wire, offsets: Wire, tag: int, /) -> tuple[bytes, bytes]:
    """See `chatpb._python.rows.fields_of_rows`."""

def shortcut(
    function: Callable[..., Any], text: str, message_type: type | None, resolve: Callable[[type], Any], /
) -> Callable[..., Any]:
    """A built-in function that serves plain calls of a function, and hands on all others.

    Args:
        function: `json_to_wire`, `wire_to_json`, `from_json` or `to_json` of `chatpb._api`; each once.
        text: its signature and its docstring, in the form of `__text_signature__`.
        message_type: the message class of a call that gives none.
        resolve: of a message class, its Schema and the function that makes or serializes its messages.

    """

def has_v3() -> bool:
    """Whether the processor has all that x86-64-v3 is compiled for."""

def forget_classes() -> None:
    """Have the shortcuts ask anew what belongs to a message class."""
