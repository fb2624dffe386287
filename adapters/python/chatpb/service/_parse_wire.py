"""Parse wire bytes into messages, with the library's own words for bytes that are wrong."""

from __future__ import annotations

from typing import TypeVar

from chatpb._convert import wire_to_json
from chatpb._errors import ChatpbError, WireError
from chatpb._runtimes import message_class

__all__ = ["parse_wire"]

M = TypeVar("M")


def parse_wire(wire: bytes, message_type: type[M]) -> M:
    """Return the message of a class, of any runtime, that has these wire bytes. Raises WireError."""
    known = message_class(message_type)
    try:
        message: M = known.parse(wire)
        return message
    except ChatpbError:
        raise
    except Exception as error:  # each runtime has errors of its own, which do not say what is wrong, and where
        wire_to_json(wire, message_type, unknown_fields="skip", nonfinite="allow")
        raise WireError("", 0, f"a message that its runtime does not parse ({type(error).__name__})") from error
