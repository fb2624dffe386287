"""The limits that both engines enforce. docs/mapping.md gives their reasons."""

from __future__ import annotations

from typing import Final

MAX_DEPTH: Final = 200
"""Levels of nested arrays and objects in JSON text. The outermost object is level 1."""

MAX_STRUCT_DEPTH: Final = 24
"""Levels of nested arrays and objects in one value kept in `additional_properties`. A level of objects takes three
levels of protobuf messages, and most runtimes refuse more than 100 of those."""

MAX_GROUP_DEPTH: Final = 100
"""Levels of nested groups in an unknown field that is skipped."""

MAX_SIZE: Final = 2**31 - 1
"""Bytes of one document, JSON or wire: the most that protobuf runtimes accept."""

MAX_EXACT_INTEGER: Final = 2**53
"""The magnitude up to which a double holds every integer exactly."""

MAX_EXPANDED: Final = 256 << 20
"""Bytes of the chunks that a compact stream may stand for."""

MAX_VIOLATIONS: Final = 1000
"""Violations that are listed of one document. Two bytes can have four of them, each of which takes hundreds."""

MAX_VIOLATION_PATHS: Final = 1 << 20
"""Bytes of the paths of those violations: the name of a member may be long, and be in the path of each."""

MAX_LENGTH_BYTES: Final = 5
"""Bytes of the length before each message in a file of messages: enough for every length up to MAX_SIZE."""
