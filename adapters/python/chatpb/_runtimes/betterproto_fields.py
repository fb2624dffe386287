"""Read and change fields of betterproto messages, which it keeps as attributes.

A field with presence is None where it is absent, another one has its zero value. An alternative of a oneof that is not
chosen is no attribute at all, and a list, map or message that was not used yet is a placeholder. Attributes are read
from the instance's dict, since betterproto makes each access a call of several microseconds.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple


class _Field(NamedTuple):
    name: str
    group: str | None
    has_presence: bool


def get(message: Any, number: int) -> Any:
    """Return the value of a field, None where it is not set."""
    placeholder, fields = _fields(message.__class__)
    name, group, has_presence = fields[number]
    attributes = object.__getattribute__(message, "__dict__")
    value = attributes[name]
    if value is placeholder or (group and attributes["_group_current"][group] != name):
        return None
    return value if has_presence or value or getattr(value, "_serialized_on_wire", False) else None


def clear(message: Any, number: int) -> None:
    """Remove the value of a field, if it is set."""
    placeholder, fields = _fields(message.__class__)
    name, group, _ = fields[number]
    if not group:
        setattr(message, name, message._betterproto.default_gen[name]())
    elif message._group_current[group] == name:
        message.__dict__[name] = placeholder
        message._group_current[group] = None


def merge(message: Any, other: Any) -> None:
    """Merge another message of its class into a message."""
    for number, (name, *_) in _fields(other.__class__)[1].items():
        theirs, ours = get(other, number), get(message, number)
        if theirs is None:
            continue
        if isinstance(ours, dict):
            ours.update(_copy(theirs))
        elif isinstance(ours, list):
            ours.extend(_copy(theirs))
        elif hasattr(ours, "_betterproto"):
            merge(ours, theirs)
        else:
            setattr(message, name, _copy(theirs))
    message._unknown_fields += other._unknown_fields


def _copy(value: Any) -> Any:
    """Return a copy of a value, which `deepcopy` makes without unknown fields and with warnings of deprecated ones."""
    if isinstance(value, dict):
        return {key: _copy(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_copy(each) for each in value]
    return value.__class__().parse(bytes(value)) if hasattr(value, "_betterproto") else value


@cache
def _fields(message_type: Any) -> tuple[object, dict[int, _Field]]:
    """Return what betterproto has in place of a value that was not used yet, and the fields by number."""
    from betterproto import PLACEHOLDER

    meta = message_type._betterproto
    fields = {}
    for number, name in meta.field_name_by_number.items():
        group = meta.oneof_group_by_field.get(name)
        fields[number] = _Field(name, group, bool(group or meta.meta_by_field_name[name].optional))
    return PLACEHOLDER, fields
