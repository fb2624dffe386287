"""Cut a completion into the chunks that amount to it: the reverse of an Accumulator.

Rules: a choice's first chunk has the message's members but its long texts; then come content, refusal, audio, function
call and tool calls in pieces; the last one of a choice has why it ended and its log probabilities. Usage comes last, in
a chunk without choices. Members of the completion that have no place in every chunk are on the first. Tool calls are
numbered by `index` in chunks alone, so one that a completion already has is not kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk
from chatpb._api import dict_to_json, from_json, json_to_wire, to_dict, wire_to_json

__all__ = ["split", "split_wire"]

Tree = dict[str, Any]

_ON_ALL: Final = ("id", "object", "created", "model", "service_tier", "system_fingerprint")
_IN_PIECES: Final = ("content", "refusal", "reasoning_content", "reasoning")
_WORDS: Final = re.compile(r"\s*\S+|\s+$")


def split(
    completion: Any, message_type: type[Any] = ChatCompletionChunk, *, size: int | None = None, usage: bool = True
) -> Iterator[Any]:
    """The chunks of a completion, as messages.

    Args:
        completion: a message of any runtime, or a dict.
        message_type: the chunks' class, of any runtime.
        size: characters of text in one chunk; a word each if not given.
        usage: whether there is a last chunk with the usage, if the completion has one.

    """
    tree = json.loads(dict_to_json(completion)) if isinstance(completion, Mapping) else to_dict(completion)
    for chunk in _split(tree, size, usage):
        yield from_json(dict_to_json(chunk), message_type)


def split_wire(wire: bytes, *, size: int | None = None, usage: bool = True) -> Iterator[bytes]:
    """The chunks of a completion, from wire bytes to wire bytes."""
    for chunk in _split(json.loads(wire_to_json(wire, ChatCompletion)), size, usage):
        yield json_to_wire(dict_to_json(chunk), ChatCompletionChunk)


def _split(completion: Tree, size: int | None, with_usage: bool) -> Iterator[Tree]:
    choices = completion.get("choices")
    if isinstance(completion.get("object"), str):
        completion["object"] += ".chunk"
    usage = completion.pop("usage") if completion.get("usage") is not None else None
    base: Tree = {name: completion[name] for name in _ON_ALL if name in completion}
    if not (isinstance(choices, list) and choices and all(isinstance(choice, dict) for choice in choices)):
        yield completion
    else:
        first = completion
        for choice in choices:
            for piece in _choice(choice, size):
                yield {**base, **first, "choices": [piece]}
                first = {}
    if usage is not None and with_usage:
        yield {**base, "choices": [], "usage": usage}


def _choice(choice: Tree, size: int | None) -> Iterator[Tree]:
    index = {"index": choice["index"]} if "index" in choice else {}
    if isinstance(choice.get("message"), dict):
        message = choice.pop("message")
        opening, *more = _deltas(message, size)
        pending = {"finish_reason": None} if "finish_reason" in choice else {}
        yield {**index, "delta": opening, **pending}
        for delta in more:
            yield {**index, "delta": delta, **pending}
        yield {**choice, "delta": {}}
    else:
        yield choice


def _deltas(message: Tree, size: int | None) -> Iterator[Tree]:
    texts = [(name, message[name]) for name in _IN_PIECES if isinstance(message.get(name), str)]
    calls = message.get("tool_calls")
    in_pieces = isinstance(calls, list) and all(isinstance(call, dict) for call in calls)
    later = {name for name, text in texts if text} | ({"tool_calls"} if in_pieces and calls else set())
    yield {name: value for name, value in message.items() if name not in later}
    for name, text in texts:
        for piece in _pieces(text, size):
            yield {name: piece}
    for place, call in enumerate(calls if in_pieces and calls else ()):
        for delta in _call(call, size):
            yield {"tool_calls": [{**delta, "index": place}]}


def _call(call: Tree, size: int | None) -> Iterator[Tree]:
    for kind, name in (("function", "arguments"), ("custom", "input")):
        body = call.get(kind)
        if isinstance(body, dict) and isinstance(body.get(name), str):
            yield {**call, kind: {**body, name: ""}}
            for piece in _pieces(body[name], size):
                yield {kind: {name: piece}}
            return
    yield call


def _pieces(text: str, size: int | None) -> list[str]:
    if size is None:
        return _WORDS.findall(text)
    return [text[at : at + size] for at in range(0, len(text), size)]
