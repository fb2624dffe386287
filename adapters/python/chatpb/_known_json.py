"""JSON for those that must go on where a message has fields of a newer contract: services and storage.

They pass wire bytes on whole. JSON has no place for a field whose name is not known, so it is left out of the text, but
not without a word: each field is logged once, and counted for as long as the process runs.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from functools import partial
from threading import Lock
from typing import Any, Final

from chatcompletion.v1 import ChatCompletion
from chatpb._convert import wire_to_json
from chatpb._engine import codec_of
from chatpb._errors import WireError
from chatpb._inputs import Buffer, wire_bytes
from chatpb._options import Nonfinite, UnknownFields
from chatpb._runtimes import runtime_of
from chatpb._tree.read import wire_to_tree

__all__ = ["UnknownField", "known_json", "unknown_field_counts"]

UnknownField = tuple[str, int]
"""The full name of a message type, and the number of a field that it lacks here; ("", 0) stands for all beyond 256."""

_MAX_FIELDS: Final = 256
"""Fields that are told apart: who sends may choose any number."""

_LOGGER: Final = logging.getLogger("chatpb.unknown_fields")
_counts: Final[Counter[UnknownField]] = Counter()
_lock: Final = Lock()


def known_json(
    wire: Buffer,
    message_type: type[Any] = ChatCompletion,
    *,
    nonfinite: Nonfinite = "error",
    unknown_fields: UnknownFields = "skip",
    limit: int | None = None,
) -> bytes:
    """Return the JSON text of an encoded message, as `wire_to_json` does; what it leaves out is logged and counted.

    Raises WireError for bytes that are no message or hold what JSON cannot, for text of more bytes than the limit, and
    with `unknown_fields="error"` for fields that this contract does not have.
    """
    if limit is None:
        convert = partial(wire_to_json, wire, message_type, nonfinite=nonfinite)
    else:
        convert = partial(_json_within, limit, wire, message_type, nonfinite == "allow")
    try:
        return convert()
    except WireError:
        if unknown_fields == "error":
            raise
    text = convert(unknown_fields="skip")
    note_unknown_fields(wire, message_type)
    return text


def _json_within(
    limit: int, wire: Buffer, message_type: type[Any], nonfinite: bool, unknown_fields: UnknownFields = "error"
) -> bytes:
    codec = codec_of(runtime_of(message_type).descriptor(message_type))
    try:
        return codec.wire_to_json(wire_bytes(wire), False, unknown_fields == "error", nonfinite, limit)
    except MemoryError:
        raise WireError("", 0, f"its JSON has more than {limit} bytes, which is what memory allows") from None


def note_unknown_fields(wire: Buffer, message_type: type[Any]) -> None:
    """Log and count the fields of an encoded message that this contract does not have. Raises WireError."""
    with _lock:
        for field in dict.fromkeys(_unknown_fields(bytes(wire), message_type)):
            known = field if field in _counts or len(_counts) < _MAX_FIELDS else ("", 0)
            if known not in _counts:
                name, number = known
                what = f"Field {number} of {name}" if name else "Still more fields"
                _LOGGER.warning("%s: this contract lacks it, and JSON leaves it out. A newer one may have it.", what)
            _counts[known] += 1


def _unknown_fields(wire: bytes, message_type: type[Any]) -> Iterator[UnknownField]:
    descriptor = runtime_of(message_type).descriptor(message_type)
    for message in wire_to_tree(wire, descriptor, nonfinite=True).messages():
        name = message.schema.full_name
        yield from ((name, number) for number in message.unknown_fields)
        bits = (message.null_fields | message.empty_fields) & ~message.schema.known_bits
        yield from ((name, number) for number in range(bits.bit_length()) if bits >> number & 1)


def unknown_field_counts() -> dict[UnknownField, int]:
    """Return how many messages were printed as JSON without each field, since the process started.

    Examples:
        >>> from chatpb import unknown_field_counts
        >>> unknown_field_counts().get(("chatcompletion.v1.ChatCompletion", 4711), 0)
        0

    """
    with _lock:
        return dict(_counts)
