"""Put the chunks of a stream together into a completion.

`chatpb/_engine/reference/streams/accumulate.py` states the rules, and why they are so.
"""

from __future__ import annotations

from typing import Any

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk
from chatpb._convert import from_json, json_to_wire, wire_to_json
from chatpb._engine import codec_of
from chatpb._inputs import Buffer, wire_bytes
from chatpb._json import JsonObject
from chatpb._json.dicts import json_to_dict
from chatpb._options import Nonfinite, UnknownFields, choice
from chatpb.streams._given import wire_of_any

__all__ = ["Accumulator"]


class Accumulator:
    """Puts chunks together: takes them one by one, and returns the completion so far at any moment.

    Args:
        nonfinite: "allow" takes NaN, Infinity and -Infinity as numbers, in chunks and in the completion; "error"
            refuses them.
        unknown_fields: "error" refuses chunks with fields that this contract does not have, which a completion would
            lack; "skip" leaves them out.

    A chunk that is refused adds nothing. Raises ValueError for another value of an option.

    Examples:
        >>> from chatpb.streams import Accumulator
        >>> accumulator = Accumulator()
        >>> accumulator.add_json('{"choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"}}]}')
        >>> accumulator.add_json('{"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}')
        >>> accumulator.to_json()
        b'{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}'

    """

    def __init__(self, *, nonfinite: Nonfinite = "error", unknown_fields: UnknownFields = "error") -> None:
        self._nonfinite = nonfinite
        allow = choice("nonfinite", nonfinite, "error", "allow")
        refuse = not choice("unknown_fields", unknown_fields, "error", "skip")
        self._chunks = codec_of(ChatCompletionChunk.DESCRIPTOR).accumulator(refuse, allow)

    def __copy__(self) -> Accumulator:
        """Return an accumulator with the same chunks, to which others may be added."""
        copied = Accumulator(nonfinite=self._nonfinite)
        copied._chunks = self._chunks.copy()
        return copied

    def __deepcopy__(self, memo: object) -> Accumulator:
        return self.__copy__()

    def add(self, chunk: Any) -> None:
        """Add the next chunk, which is not changed.

        Args:
            chunk: a message of any runtime, a dict of JSON values, or an object of the `openai` package.

        Raises:
            TypeError: the chunk is none of these, or has a value that is not JSON.
            JsonError: a dict or an object holds what no document may have.
            WireError: a message holds what JSON cannot.

        """
        self._chunks.add(wire_of_any(chunk, ChatCompletionChunk, self._nonfinite))

    def add_wire(self, wire: Buffer) -> None:
        """Add the next chunk, given its wire bytes. Raises WireError."""
        self._chunks.add(wire_bytes(wire))

    def add_json(self, text: str | Buffer) -> None:
        """Add the next chunk, given its JSON text. Raises JsonError."""
        self._chunks.add(json_to_wire(text, ChatCompletionChunk, nonfinite=self._nonfinite))

    def to_dict(self) -> JsonObject:
        """Return the completion so far as a dict of JSON values, which the caller may change."""
        return json_to_dict(self._chunks.json())

    def to_wire(self) -> bytes:
        """Return the wire bytes of the completion so far."""
        return json_to_wire(self._chunks.json(), ChatCompletion, nonfinite=self._nonfinite)

    def to_json(self) -> bytes:
        """Return the JSON text of the completion so far."""
        return wire_to_json(self.to_wire(), ChatCompletion, nonfinite=self._nonfinite)

    def message(self, message_type: type[Any] = ChatCompletion) -> Any:
        """Return the completion so far as a message of ChatCompletion, of any runtime."""
        return from_json(self._chunks.json(), message_type, nonfinite=self._nonfinite)
