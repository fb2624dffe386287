"""Put the chunks of a stream together.

Rules, by where a member stands. A null adds nothing, but stays where nothing else was given.

- Completion: `id`, `model` and `created` are the first that is not empty or zero; `object` is that of a completion;
  `obfuscation`, which is padding, goes. Any other member is the latest that is not empty; objects are joined.
- Choice: found by `index`, or by its place in the array where it has none. `logprobs` grow; others are the latest.
- Message: text is appended, in vendor members too (`reasoning_content`). `role`, `type` and `id` are the latest; a
  `name` that is repeated is not appended again. Objects are joined member by member; arrays grow, but elements with an
  `index` extend those of the same index and type. Numbers and booleans are the latest.
- Content that is text in one chunk and an array of parts in another becomes an array of parts.
- Audio data that ends in base64 padding is decoded before more is appended.
- Tool call: found by `index`, unless it brings an `id` other than that call's: then it is another call, known by that
  id. Without an index: by id; with neither, a function's name opens a call and anything else extends the last one.
  Calls are in order of index, then of arrival; the index, which a whole completion does not have, goes.
- A choice's `message`, which some providers send beside or instead of the delta, counts where there is no delta.
"""

from __future__ import annotations

import base64
import binascii
import copy
import json
from collections.abc import Mapping
from typing import Any, Final

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk
from chatpb._api import dict_to_json, from_json, json_to_wire, to_dict, wire_to_json

__all__ = ["Accumulator"]

Tree = dict[str, Any]

_FIRST: Final = ("id", "model", "created")
_ABSENT: Final = object()
_LATEST_TEXT: Final = ("role", "type", "id", "format", "finish_reason")


class Accumulator:
    """The completion that the chunks given so far amount to."""

    def __init__(self) -> None:
        self._top: Tree = {}
        self._choices: dict[int, _Choice] = {}

    def add(self, chunk: Any) -> None:
        """Take the next chunk: a message of any runtime, or a dict."""
        self._add(json.loads(dict_to_json(chunk)) if isinstance(chunk, Mapping) else to_dict(chunk))

    def add_wire(self, wire: bytes) -> None:
        """Take the next chunk, as wire bytes."""
        self._add(json.loads(wire_to_json(wire, ChatCompletionChunk)))

    def add_json(self, text: bytes | str) -> None:
        """Take the next chunk, as JSON text."""
        self.add_wire(json_to_wire(text, ChatCompletionChunk))

    def to_dict(self) -> Tree:
        """The completion so far, as JSON values."""
        completion = copy.deepcopy(self._top)
        if self._choices:
            completion["choices"] = [self._choices[index].to_dict() for index in sorted(self._choices)]
        return completion

    def to_wire(self) -> bytes:
        """The completion so far, as wire bytes."""
        return json_to_wire(dict_to_json(self.to_dict()), ChatCompletion)

    def to_json(self) -> bytes:
        """The completion so far, as JSON text."""
        return wire_to_json(self.to_wire(), ChatCompletion)

    def message(self, message_type: type[Any] = ChatCompletion) -> Any:
        """The completion so far, as a message of any runtime's ChatCompletion."""
        return from_json(dict_to_json(self.to_dict()), message_type)

    def _add(self, chunk: Tree) -> None:
        choices = chunk.pop("choices", _ABSENT)
        chunk.pop("obfuscation", None)
        if str(chunk.get("object")).startswith("chat.completion."):
            chunk["object"] = "chat.completion"
        for name, value in chunk.items():
            first = name in _FIRST and self._top.get(name)
            self._top[name] = self._top[name] if first else _latest(self._top.get(name), value)
        if isinstance(choices, list) and all(isinstance(choice, dict) for choice in choices):
            self._top.setdefault("choices", [])
            for place, choice in enumerate(choices):
                self._choices.setdefault(_index(choice, place), _Choice(choice.get("index"))).add(choice)
        elif choices is not _ABSENT:
            self._top["choices"] = _latest(self._top.get("choices"), choices)


class _Choice:
    def __init__(self, index: Any) -> None:
        self._members: Tree = {"index": index} if index is not None else {}
        self._message: Tree | None = None
        self._whole: Any = _ABSENT
        self._calls: list[_Call] = []

    def add(self, choice: Tree) -> None:
        delta = choice.pop("delta", None)
        if "message" in choice:
            self._whole = choice.pop("message")
        logprobs = choice.get("logprobs")
        if isinstance(logprobs, dict) and isinstance(self._members.get("logprobs"), dict):
            _grow_members(self._members["logprobs"], choice.pop("logprobs"))
        for name, value in choice.items():
            self._members[name] = _latest(self._members.get(name), value)
        if isinstance(delta, dict):
            self._message = {} if self._message is None else self._message
            self._extend(self._message, delta)

    def _extend(self, message: Tree, delta: Tree) -> None:
        calls = delta.get("tool_calls")
        if isinstance(calls, list) and all(isinstance(call, dict) for call in calls):
            message["tool_calls"] = message.get("tool_calls") or []
            for call in calls:
                self._call(call).extend(call)
            del delta["tool_calls"]
        _grow_members(message, delta)

    def _call(self, call: Tree) -> _Call:
        """The call that a piece belongs to."""
        index, name = _index(call, None), call.get("id")
        known = [each for each in self._calls if index is None or each.index == index]
        if name:
            same = [each for each in known if each.id in (name, None)] if index is not None else []
            same = same or [each for each in self._calls if each.id == name and (index is None or known)]
            if same:
                return same[-1]
        elif known and (index is not None or not (call.get("function") or {}).get("name")):
            return known[-1]
        place = index if index is not None else self._calls[-1].index if self._calls else 0
        opened = _Call(place)
        at = sum(each.index <= place for each in self._calls)
        self._calls.insert(at, opened)
        return opened

    def to_dict(self) -> Tree:
        choice = copy.deepcopy(self._members)
        message = self._message if self._message or self._whole is _ABSENT else self._whole
        if message is not None or self._whole is None:
            choice["message"] = copy.deepcopy(message)
        if self._calls and self._message is not None:
            choice["message"]["tool_calls"] = [copy.deepcopy(call.members) for call in self._calls]
        return choice


class _Call:
    def __init__(self, index: int) -> None:
        self.index = index
        self.members: Tree = {}

    @property
    def id(self) -> Any:
        return self.members.get("id") or None

    def extend(self, piece: Tree) -> None:
        piece.pop("index", None)
        _grow_members(self.members, piece)


def _index(member: Tree, default: Any) -> Any:
    index = member.get("index")
    return index if isinstance(index, int) and not isinstance(index, bool) else default


def _latest(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{name: _latest(old.get(name), value) for name, value in new.items()}}
    return old if new is None or (old and new in ("", [], {})) else new


def _grow_members(old: Tree, new: Tree) -> None:
    for name, value in new.items():
        old[name] = _grow(name, old.get(name), value)


def _grow(name: str, old: Any, new: Any) -> Any:
    if old is None or new is None:
        return new if old is None else old
    if isinstance(old, str) and isinstance(new, str):
        if name in _LATEST_TEXT:
            return new or old
        if name == "name" and old == new:
            return old
        return _join_base64(old, new) if name == "data" and old.endswith("=") else old + new
    if isinstance(old, dict) and isinstance(new, dict):
        _grow_members(old, new)
        return old
    if name == "content" and isinstance(old, (str, list)) and isinstance(new, (str, list)):
        old, new = _parts(old), _parts(new)
    if isinstance(old, list) and isinstance(new, list):
        for element in new:
            _grow_list(old, element)
        return old
    return new


def _grow_list(elements: list[Any], new: Any) -> None:
    if isinstance(new, dict) and _index(new, None) is not None:
        for old in elements:
            if isinstance(old, dict) and _index(old, None) == new["index"] and _same_type(old, new):
                _grow_members(old, {name: value for name, value in new.items() if name != "index"})
                return
    elements.append(new)


def _same_type(old: Tree, new: Tree) -> bool:
    return None in (old.get("type"), new.get("type")) or bool(old["type"] == new["type"])


def _parts(content: Any) -> list[Any]:
    """Content as an array of parts."""
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []


def _join_base64(old: str, new: str) -> str:
    try:
        return base64.b64encode(base64.b64decode(old, validate=True) + base64.b64decode(new, validate=True)).decode()
    except (binascii.Error, ValueError):
        return old + new
