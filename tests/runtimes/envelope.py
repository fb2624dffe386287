"""A runtime that chatpb does not know: a message is an object with its wire bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor

import chatpb
from chatcompletion import v1
from chatpb import Runtime, _runtimes


@dataclass
class Envelope:
    """The message class of the runtime."""

    wire: bytes


class EnvelopeRuntime:
    """The adapter of the runtime."""

    def owns(self, message_type: type) -> bool:
        return message_type is Envelope

    def descriptor(self, message_type: type) -> Descriptor:
        return v1.ChatCompletion.DESCRIPTOR

    def parse(self, message_type: type, wire: bytes) -> Envelope:
        return Envelope(wire)

    def serialize(self, message: Envelope) -> bytes:
        return message.wire


@contextmanager
def registered(runtime: Runtime) -> Iterator[None]:
    """Register a runtime for the time of the block."""
    before = list(_runtimes._registered)
    chatpb.register_runtime(runtime)
    try:
        yield
    finally:
        _runtimes._registered[:] = before
        _runtimes._forget()
