"""The native engine, written in Rust: adapters/native."""

from typing import final

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
