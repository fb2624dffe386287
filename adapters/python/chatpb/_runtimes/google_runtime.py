"""The runtime google.protobuf: message classes that protoc generates."""

from __future__ import annotations

from functools import cache
from sys import intern
from typing import Any, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

__all__ = ["GoogleRuntime"]


class GoogleRuntime:
    """Adapter of google.protobuf (package `protobuf`)."""

    def owns(self, message_type: type) -> bool:
        return issubclass(message_type, Message)

    def descriptor(self, message_type: type[Message]) -> Descriptor:
        # The type stubs leave open which implementation of the runtime the descriptor is of, and that a base has none.
        descriptor = cast("Descriptor | None", message_type.DESCRIPTOR)
        if descriptor is None:
            raise TypeError(f"{message_type!r} has no descriptor, so it is not the class of a message")
        return descriptor

    def parse(self, message_type: type[Message], wire: bytes) -> Message:
        return message_type.FromString(wire)

    def serialize(self, message: Message) -> bytes:
        return message.SerializeToString()

    def get(self, message: Message, field: FieldDescriptor) -> Any:
        name, has_presence = _name_and_presence(field)
        if has_presence:
            return getattr(message, name) if message.HasField(name) else None
        return getattr(message, name) or None

    def clear(self, message: Message, field: FieldDescriptor) -> None:
        message.ClearField(field.name)

    def merge(self, message: Message, other: Message) -> None:
        message.MergeFrom(other)


@cache
def _name_and_presence(field: FieldDescriptor) -> tuple[str, bool]:
    # A descriptor makes its name anew for each reader, and Python looks up attributes by interned names faster.
    return intern(field.name), field.has_presence
