"""Message classes that protoc generates: the google.protobuf runtime."""

from __future__ import annotations

from typing import cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

__all__ = ["GoogleRuntime"]


class GoogleRuntime:
    """Adapter of google.protobuf (package `protobuf`)."""

    def owns(self, message_type: type) -> bool:
        return issubclass(message_type, Message)

    def descriptor(self, message_type: type[Message]) -> Descriptor:
        # The stubs allow for descriptors of either implementation of the runtime.
        return cast("Descriptor", message_type.DESCRIPTOR)

    def parse(self, message_type: type[Message], wire: bytes) -> Message:
        return message_type.FromString(wire)

    def serialize(self, message: Message) -> bytes:
        return message.SerializeToString()
