"""Hypothesis strategies for JSON objects: like a message's own, with wrong types and vendor members, and any others."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor
from hypothesis import strategies as st

from chatpb._contract.schema import Field, MessageSchema, schema_of

__all__ = ["any_objects", "objects_of"]

_NAMES = st.text(st.characters(codec="utf-8"), max_size=8)
_NUMBERS = (
    st.integers(-(2**70), 2**70)
    | st.integers(-5, 300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0.0, -0.0, 1.0, 2.0**53, 2.0**53 + 2, -(2.0**63), 1e22, 5e-324, 1.7976931348623157e308])
    | st.sampled_from([2**31, 2**32, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64])
)
_STRINGS = st.text(max_size=12) | st.sampled_from(["", "stop", "auto", "assistant", "text", "AAEC", "AA==", "\ud83d"])
_SCALARS = st.none() | st.booleans() | _NUMBERS | _STRINGS
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=4), max_leaves=12
)


def objects_of(descriptor: Descriptor) -> st.SearchStrategy[dict[str, Any]]:
    """Return JSON objects like those that a message type stands for, with some wrong types and vendor members."""
    return _objects(schema_of(descriptor))


def any_objects() -> st.SearchStrategy[dict[str, Any]]:
    """Return JSON objects of a few members, of any names and values."""
    return st.dictionaries(_NAMES, _VALUES, max_size=5)


def _objects(schema: MessageSchema) -> st.SearchStrategy[dict[str, Any]]:
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for member in schema.members.values():
        choices: list[st.SearchStrategy[Any]] = []
        for field in member.alternatives:
            if field.map_key:
                choices.append(st.dictionaries(_NAMES, _values_of(field.map_value), max_size=3))
            elif field.repeated:
                choices.append(st.lists(_deferred(field), max_size=3))
            else:
                choices.append(_deferred(field))
        optional[member.name] = st.one_of(*choices, st.none(), _VALUES)
    members = st.lists(st.sampled_from(sorted(optional)), max_size=5, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: optional[name] for name in names})
    )
    return st.builds(lambda typed, vendor: vendor | typed, members, st.dictionaries(_NAMES, _VALUES, max_size=2))


def _values_of(field: Field) -> st.SearchStrategy[Any]:
    """Return JSON values of the kind that a field holds. Most of them fit it."""
    match field.kind:
        case "message":
            return _objects(field.schema)
        case "list":
            return st.lists(_values_of(field.item), max_size=3)
        case "enum":
            assert field.enum
            return st.sampled_from([*field.enum.number_of, "other", ""])
        case "byte_array":
            return st.lists(st.integers(0, 255), max_size=4)
        case "bool":
            return st.booleans()
        case "string" | "bytes":
            return _STRINGS
        case "text":
            return _VALUES
        case "int32" | "int64" | "uint32" | "uint64" | "double":
            return _NUMBERS


def _deferred(field: Field) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: _values_of(field))
