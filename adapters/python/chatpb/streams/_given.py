"""Chunks and completions in the forms that callers have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chatpb._convert import dict_to_wire
from chatpb._inputs import is_buffer
from chatpb._openai_objects import from_openai
from chatpb._options import Nonfinite
from chatpb._runtimes import is_message, message_class, wire_of


def wire_of_any(given: Any, message_type: type[Any], nonfinite: Nonfinite) -> bytes:
    """Return the wire bytes of a message of any runtime, a dict of JSON values, or an object of the `openai` package.

    `message_type` is the class of google.protobuf for what is no message. Raises TypeError for anything else, and
    JsonError for values that no document may have.
    """
    if is_message(given):
        return message_class(type(given)).serialize(given)
    if isinstance(given, Mapping):
        return dict_to_wire(given, message_type, nonfinite=nonfinite)
    if is_buffer(given):
        raise TypeError(
            f"{type(given).__name__} is neither a message nor a dict nor an object of the openai package; "
            "add_wire and split_wire take wire bytes"
        )
    if hasattr(type(given), "model_dump"):
        return wire_of(from_openai(given, message_type, nonfinite=nonfinite))
    return message_class(type(given)).serialize(given)  # raises the error that says what a message is
