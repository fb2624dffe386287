"""The native engine, written in Rust: adapters/python/native over adapters/core."""

from collections.abc import Callable, Sequence
from typing import Any, final

from chatpb._engine.codec import JsonText, Wire
from chatpb._errors import Violation
from chatpb._json.dicts import Default

@final
class Codec:
    """A message type's tables, compiled. See `chatpb._engine.codec.Codec` for the functions."""

    def __new__(cls, descriptor_set: bytes, full_name: str, /) -> Codec: ...
    def describe(self) -> str: ...
    def json_to_wire(self, data: JsonText, canonical: bool, nonfinite: bool, strict: bool = False, /) -> bytes: ...
    def validate_wire(self, wire: Wire, strict: bool, /) -> list[Violation]: ...
    def wire_to_json(
        self, wire: Wire, fill_required: bool, refuse_unknown: bool, nonfinite: bool, limit: int | None = None, /
    ) -> bytes: ...
    def dict_to_wire(
        self, obj: Any, default: Default | None, canonical: bool, nonfinite: bool, strict: bool = False, /
    ) -> bytes: ...
    def wire_to_dict(
        self, wire: Wire, fill_required: bool, refuse_unknown: bool, nonfinite: bool, /
    ) -> dict[str, Any]: ...
    def json_lines_to_wire(
        self, data: JsonText, canonical: bool, nonfinite: bool, threads: int, strict: bool = False, /
    ) -> bytes: ...
    def wire_to_json_lines(
        self, wire: Wire, fill_required: bool, refuse_unknown: bool, nonfinite: bool, threads: int, /
    ) -> bytes: ...
    def compact_stream(self, chunks: Sequence[bytes], /) -> bytes: ...
    def expand_stream(self, stream: bytes, /) -> list[bytes]: ...
    def accumulator(self, refuse_unknown: bool, nonfinite: bool, /) -> ChunkAccumulator: ...
    def split(self, completion: bytes, size: int | None, with_last: bool, /) -> ChunkSplitter: ...
    def json_to_wire_rows(self, data: Wire, offsets: Wire, nonfinite: bool, threads: int, /) -> tuple[bytes, bytes]: ...
    def wire_to_json_rows(
        self, data: Wire, offsets: Wire, refuse_unknown: bool, nonfinite: bool, threads: int, /
    ) -> tuple[bytes, bytes]: ...
    def compact_records(self, data: Wire, offsets: Wire, tag: int, threads: int, /) -> tuple[bytes, bytes]: ...
    def expand_records(self, data: Wire, offsets: Wire, tag: int, threads: int, /) -> tuple[bytes, bytes]: ...

@final
class ChunkAccumulator:
    """Chunks put together. See `chatpb._engine.codec.ChunkAccumulator` for the functions."""

    def add(self, wire: Wire, /) -> None: ...
    def copy(self) -> ChunkAccumulator: ...
    def json(self) -> bytes: ...

@final
class ChunkSplitter:
    """Yields the JSON texts of a completion's chunks."""

    def __iter__(self) -> ChunkSplitter: ...
    def __next__(self) -> bytes: ...

def whole_messages(wire: Wire, limit: int, /) -> tuple[int, int]:
    """See `chatpb._engine.reference.batch.lines.whole_messages`."""

@final
class ColumnReader:
    """Columns to read, compiled. See `chatpb._engine.codec.ColumnReader` for the functions."""

    def __new__(cls, codec: Codec, columns: Sequence[tuple[str, Sequence[str]]], /) -> ColumnReader: ...
    def of_messages(self, messages: Sequence[bytes], /) -> list[tuple[bytes, bytes, bytes, bytes]]: ...
    def of_array(self, data: Wire, offsets: Wire, threads: int, /) -> list[tuple[bytes, bytes, bytes, bytes]]: ...

def rows_of_messages(messages: Wire, /) -> tuple[bytes, bytes]:
    """See `chatpb._engine.reference.batch.arrow_rows.rows_of_messages`."""

def messages_of_rows(data: Wire, offsets: Wire, /) -> bytes:
    """See `chatpb._engine.reference.batch.arrow_rows.messages_of_rows`."""

def fields_of_rows(data: Wire, offsets: Wire, tag: int, /) -> tuple[bytes, bytes]:
    """See `chatpb._engine.reference.batch.arrow_rows.fields_of_rows`."""

def expanded_sizes(data: Wire, offsets: Wire, tag: int, /) -> bytes:
    """See `chatpb._engine.reference.batch.arrow_rows.expanded_sizes`."""

def native_function(
    base: type,
    function: Callable[..., Any],
    names: Sequence[str],
    positional: int,
    defaults: Sequence[object],
    resolve: Callable[[type], tuple[Any, ...]],
    /,
) -> Any:
    """Return an object of a subclass of `base` that does what a function of its name says.

    Args:
        base: a class whose objects have no attributes.
        function: a function of `chatpb._convert` that has a native one.
        names: those of its parameters, at most five.
        positional: how many of the parameters take positional arguments.
        defaults: those of all parameters but the first, which has none.
        resolve: `chatpb._runtimes.message_class`.

    """

def instruction_set() -> str:
    """Return the name of the instruction set that long texts are scanned with."""

def instruction_sets() -> list[str]:
    """Return the names that CHATPB_SCAN may have on this machine, the widest set first."""

def forget_classes() -> None:
    """Have native functions call `resolve` anew for each class."""
