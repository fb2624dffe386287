"""The runtime betterproto: message classes that its plugin generates.

betterproto has no descriptors, so a class gets the descriptor of the contract's message of its name. Classes are
recognized by the module of their base, so that betterproto, an optional dependency, is not imported.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chatcompletion import v1
from chatpb._runtimes.betterproto_fields import clear, get, merge
from chatpb._runtimes.betterproto_parse import parse
from chatpb._runtimes.betterproto_serialize import serialize

__all__ = ["BetterprotoRuntime"]


class BetterprotoRuntime:
    """Adapter of betterproto 2.0.0b7 (package `betterproto`)."""

    def owns(self, message_type: type) -> bool:
        return any(base.__module__ == "betterproto" and base.__name__ == "Message" for base in message_type.__mro__)

    def descriptor(self, message_type: type) -> Descriptor:
        twin = getattr(v1, message_type.__name__, None)
        if twin is None:
            raise TypeError(f"{message_type!r} has no message of its name in the contract, {v1.__name__}")
        descriptor: Descriptor = twin.DESCRIPTOR
        return descriptor

    def parse(self, message_type: type, wire: bytes) -> Any:
        return parse(message_type, wire, self.descriptor(message_type))

    def serialize(self, message: Any) -> bytes:
        return serialize(message)

    def get(self, message: Any, field: FieldDescriptor) -> Any:
        return get(message, field.number)

    def clear(self, message: Any, field: FieldDescriptor) -> None:
        clear(message, field.number)

    def merge(self, message: Any, other: Any) -> None:
        merge(message, other)
