"""Split a completion into chunks, which an Accumulator puts together into the completion again.

`chatpb/_engine/reference/streams/split.py` states the rules, and where the result differs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk
from chatpb._convert import from_json, json_to_wire, wire_to_json
from chatpb._engine import codec_of
from chatpb._inputs import Buffer
from chatpb._options import Nonfinite, UnknownFields, at_least_one
from chatpb.streams._given import wire_of_any

__all__ = ["split", "split_wire"]


def split(
    completion: Any,
    message_type: type[Any] = ChatCompletionChunk,
    *,
    size: int | None = None,
    usage: bool = True,
    nonfinite: Nonfinite = "error",
    unknown_fields: UnknownFields = "error",
) -> Iterator[Any]:
    """Yield the chunks of a completion as messages.

    Args:
        completion: a message of any runtime, a dict of JSON values, or an object of the `openai` package.
        message_type: the message class of the chunks, of any runtime.
        size: characters of text in each chunk, at least 1; None for a word in each.
        usage: whether the last chunk has the usage, if the completion has one.
        nonfinite: "allow" takes NaN, Infinity and -Infinity as numbers; "error" refuses them.
        unknown_fields: "error" refuses fields that this contract does not have; "skip" leaves them out.

    Iterating raises ValueError for a size below 1 or another value of an option, TypeError for what is no completion,
    and JsonError or WireError for one that holds what it must not.

    Examples:
        >>> from chatpb.streams import split
        >>> for chunk in split({"choices": [{"index": 0, "message": {"content": "Hello there"}}]}):
        ...     print([choice.delta.content for choice in chunk.choices])
        ...
        ['']
        ['Hello']
        [' there']
        ['']

    """
    wire = wire_of_any(completion, ChatCompletion, nonfinite)
    text = wire_to_json(wire, ChatCompletion, unknown_fields=unknown_fields, nonfinite=nonfinite)
    for chunk in split_json(text, size=size, usage=usage):
        yield from_json(chunk, message_type, nonfinite=nonfinite)


def split_wire(
    wire: Buffer,
    *,
    size: int | None = None,
    usage: bool = True,
    nonfinite: Nonfinite = "error",
    unknown_fields: UnknownFields = "error",
) -> Iterator[bytes]:
    """Yield the wire bytes of a completion's chunks, given its own. Options are those of `split`; raises WireError.

    Examples:
        >>> from chatpb import ChatCompletionChunk, json_to_wire
        >>> from chatpb.streams import split_wire
        >>> completion = json_to_wire('{"choices":[{"index":0,"message":{"content":"Hello"}}]}')
        >>> [ChatCompletionChunk.FromString(wire).choices[0].delta.content for wire in split_wire(completion, size=3)]
        ['', 'Hel', 'lo', '']

    """
    text = wire_to_json(wire, ChatCompletion, unknown_fields=unknown_fields, nonfinite=nonfinite)
    for chunk in split_json(text, size=size, usage=usage):
        yield json_to_wire(chunk, ChatCompletionChunk, nonfinite=nonfinite)


def split_json(text: bytes, *, size: int | None = None, usage: bool = True) -> Iterator[bytes]:
    """Yield the JSON text of a completion's chunks, given its own as `wire_to_json` returns it."""
    if size is not None:
        size = min(at_least_one("size", size), sys.maxsize)
    yield from codec_of(ChatCompletionChunk.DESCRIPTOR).split(text, size, usage)
