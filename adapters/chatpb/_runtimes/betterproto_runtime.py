"""Message classes that betterproto's plugin generates.

betterproto keeps no descriptors, so a class is matched by its name with the messages of the contract. Classes are told
by the modules of their bases, so that betterproto itself, an optional dependency, need not be imported.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor

from chatcompletion import v1
from chatpb._runtimes.build_betterproto import build
from chatpb._runtimes.dump_betterproto import dump

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
        return build(message_type, wire, self.descriptor(message_type))

    def serialize(self, message: Any) -> bytes:
        return dump(message)
