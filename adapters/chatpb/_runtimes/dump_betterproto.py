"""The wire bytes of betterproto objects, with nothing left out.

betterproto's own serializer drops a map entry whose key and value are both empty, and takes milliseconds for a
completion. This one is compiled from what betterproto 2.0.0b7 knows of its classes and keeps its rules of what is set:
an optional field that is not None, the chosen alternative of a oneof, a list or map with something in it, a message
that was given or read. Classes of another version, or with field types that the contract does not use, go to
betterproto's serializer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from struct import pack
from typing import Any

from chatpb._python.wire import FIXED64, LEN, VARINT, delimited, signed_varint, tag
from chatpb._runtimes.build_betterproto import is_known_version
from chatpb._schema import INTEGER_RANGES

Dump = Callable[[Any], bytes]


def dump(message: Any) -> bytes:
    """The wire bytes of a betterproto message. Raises ValueError for an integer out of its field's range."""
    message_type: Any = type(message)
    dump_message = _message_dumper(message_type) if is_known_version() else None
    return dump_message(message) if dump_message else bytes(message)


@cache
def _message_dumper(message_type: Any) -> Dump | None:
    """The serializer of a class; None where it has a field of a type that is not known here."""
    from betterproto import PLACEHOLDER

    meta = message_type._betterproto
    fields = []
    for name, field in meta.meta_by_field_name.items():
        dump_field = _field_dumper(field, meta.default_gen[name], meta.cls_by_field.get(f"{name}.value"))
        if dump_field is None:
            return None
        fields.append((name, field.group, field.optional or field.group, dump_field))

    def dump_message(message: Any) -> bytes:
        attributes = object.__getattribute__(message, "__dict__")
        chosen = attributes["_group_current"]
        parts = []
        for name, group, has_presence, dump_field in fields:
            value = attributes[name]
            if value is PLACEHOLDER or value is None or (group and chosen[group] != name):
                continue
            # A message without presence of its own was set if it was read or changed.
            if value or has_presence or getattr(value, "_serialized_on_wire", False):
                parts.append(dump_field(value))
        parts.append(attributes["_unknown_fields"])
        return b"".join(parts)

    return dump_message


def _field_dumper(field: Any, default: Any, entry_type: Any) -> Dump | None:
    if field.wraps:
        return None
    if field.map_types:
        dump_key = _value_dumper(field.map_types[0], 1)
        dump_value = _value_dumper(field.map_types[1], 2)
        if not (dump_key and dump_value):
            return None
        prefix = tag(field.number, LEN)
        return lambda entries: b"".join(
            [delimited(prefix, dump_key(key) + dump_value(value)) for key, value in entries.items()]
        )
    if default is not list:
        return _value_dumper(field.proto_type, field.number)
    if field.proto_type in ("string", "bytes", "message"):
        dump_item = _value_dumper(field.proto_type, field.number)
        return dump_item and (lambda items: b"".join([dump_item(item) for item in items]))
    dump_packed = _value_dumper(field.proto_type, None)
    return dump_packed and (lambda items: delimited(tag(field.number, LEN), b"".join(map(dump_packed, items))))


def _value_dumper(kind: str, number: int | None) -> Dump | None:
    """The serializer of one value, after the tag of its number, or after none."""

    def prefix(wire_type: int) -> bytes:
        return b"" if number is None else tag(number, wire_type)

    of_length, of_varint, of_double = prefix(LEN), prefix(VARINT), prefix(FIXED64)
    if kind == "message":
        return lambda value: delimited(of_length, dump(value))
    if kind == "string":
        return lambda value: delimited(of_length, value.encode())
    if kind == "bytes":
        return lambda value: delimited(of_length, bytes(value))
    if kind == "double":
        return lambda value: of_double + pack("<d", value)
    if kind == "bool":
        return lambda value: of_varint + (b"\x01" if value else b"\x00")
    low, high = INTEGER_RANGES.get("int32" if kind == "enum" else kind, (0, -1))
    if low > high:
        return None

    def dump_integer(value: int) -> bytes:
        if not low <= value <= high:
            raise ValueError(f"{value} is out of the range of {kind}")
        return of_varint + signed_varint(int(value))

    return dump_integer
