"""The limits that both engines keep, in one place. docs/mapping.md gives their reasons."""

from __future__ import annotations

from typing import Final

MAX_DEPTH: Final = 200
"""Levels of nested arrays and objects in JSON text, the outermost object being level 1."""

MAX_STRUCT_DEPTH: Final = 24
"""Levels of nested arrays and objects in one value kept in `additional_properties`. A level of objects takes three
levels of protobuf messages, and most runtimes refuse more than 100 of those."""

MAX_GROUP_DEPTH: Final = 100
"""Levels of nested groups in an unknown field that is skipped."""

MAX_SIZE: Final = 2**31 - 1
"""Bytes of one document, JSON or wire: the most that protobuf runtimes accept."""

MAX_EXACT_INTEGER: Final = 2**53
"""Largest magnitude up to which every integer is a double of its own."""

MAX_EXPANDED: Final = 256 << 20
"""Bytes of the chunks that a compact stream may stand for."""
