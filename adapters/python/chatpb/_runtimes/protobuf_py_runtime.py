"""The runtime protobuf-py: message classes that its plugin generates.

Its classes have descriptors of their own, which name the contract's message. Classes are recognized by the module of
their base, so that protobuf-py, an optional dependency, is not imported.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chatcompletion import v1
from chatpb._errors import ChatpbError

__all__ = ["ProtobufPyRuntime"]


class ProtobufPyRuntime:
    """Adapter of protobuf-py 0.7 (package `protobuf`)."""

    def owns(self, message_type: type) -> bool:
        return any(
            base.__module__ == "protobuf._message" and base.__name__ == "Message" for base in message_type.__mro__
        )

    def descriptor(self, message_type: type[Any]) -> Descriptor:
        name = message_type.desc().type_name
        try:
            descriptor: Descriptor = v1.ChatCompletion.DESCRIPTOR.file.pool.FindMessageTypeByName(name)
        except KeyError:
            raise TypeError(f"{message_type!r} has no message of its name in the contract, {v1.__name__}") from None
        return descriptor

    def parse(self, message_type: type[Any], wire: bytes) -> Any:
        return message_type.from_binary(wire)

    def serialize(self, message: Any) -> bytes:
        try:
            wire: bytes = message.to_binary()
        except (ArithmeticError, TypeError, ValueError) as error:
            raise ChatpbError(f"a message that protobuf-py cannot encode: {error}") from None
        return wire

    def get(self, message: Any, field: FieldDescriptor) -> Any:
        own, attribute, place = _fields(message.__class__)[field.number]
        if place == "scalar" and own not in message:
            return None
        value = getattr(message, attribute)
        if place == "oneof":
            return value.value if value is not None and value.field == own.name else None
        return value or None if place == "entries" else value

    def clear(self, message: Any, field: FieldDescriptor) -> None:
        del message[_fields(message.__class__)[field.number].own]

    def merge(self, message: Any, other: Any) -> None:
        from protobuf import merge_from

        merge_from(message, other)


class _Field(NamedTuple):
    """A field: protobuf-py's own descriptor, and the attribute that has its value.

    The attribute of a scalar that is not set has the default, that of a message has None. Of a oneof, one attribute has
    the value together with the field's name.
    """

    own: Any
    attribute: str
    place: Literal["scalar", "message", "entries", "oneof"]


@cache
def _fields(message_type: Any) -> dict[int, _Field]:
    """Return the fields of a class by number."""
    return {own.number: _field(own) for own in message_type.desc().fields}


def _field(own: Any) -> _Field:
    from protobuf import DescFieldValueList, DescFieldValueMap, DescFieldValueMessage

    if isinstance(own.value, (DescFieldValueList, DescFieldValueMap)):
        return _Field(own, own.local_name, "entries")
    if own.value.oneof is not None:
        return _Field(own, own.value.oneof.local_name, "oneof")
    return _Field(own, own.local_name, "message" if isinstance(own.value, DescFieldValueMessage) else "scalar")
