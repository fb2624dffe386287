"""Choose the engine: `json_to_wire` and `wire_to_json` of the native one where it is built, else of the Python one."""

from __future__ import annotations

from typing import Final

from chatpb._python import json_to_wire, wire_to_json

__all__ = ["engine", "json_to_wire", "wire_to_json"]

engine: Final = "python"
"""Name of the engine in use."""
