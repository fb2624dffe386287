"""The Python engine: the readable reference of the mapping. docs/mapping.md says the same in prose."""

from chatpb._python.json_to_wire import json_to_wire
from chatpb._python.wire_to_json import wire_to_json

__all__ = ["json_to_wire", "wire_to_json"]
