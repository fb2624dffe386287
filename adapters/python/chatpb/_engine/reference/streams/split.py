"""Split a completion into chunks, which an accumulator puts together into the completion again.

Rules:

- The first chunk of a choice has all members of the message but its calls and those texts that accumulate by appending.
- Those texts follow in pieces, then each call: first without its arguments, then the arguments in pieces.
- The last chunk of a choice has the finish reason, the log probabilities and all other members of the choice. A `delta`
  that the choice has beside its message is there too.
- What each chunk repeats is in every chunk, the other members of the completion are in the first. Usage comes last, in
  a chunk without choices. A completion without choices is one chunk.
- A call's `index` is its place among the calls. Choices without an index are told apart by their place, behind empty
  ones.

Put together, the chunks give the completion again, with these exceptions: what only chunks have (the `index` of a call,
`obfuscation`, the `delta` of a choice) is not in a completion; choices come in the order of their indices, and those of
one index are one choice. What is no choice comes behind them, without nulls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from chatpb._engine.reference.streams.accumulate import index_of, parse
from chatpb._engine.reference.streams.rules import CALLS, CHOICES, FIRST, LATEST, PIECES, StreamRules
from chatpb._json import JsonObject
from chatpb._json.number import NumberText
from chatpb._json.print import print_value

_WORDS: Final = re.compile(r"\s*\S+|\s+$")


def split(text: bytes, rules: StreamRules, size: int | None, last: bool) -> Iterator[bytes]:
    """Yield the JSON texts of a completion's chunks, given the text that an engine printed of it.

    Args:
        text: the JSON text of the completion.
        rules: those of the type of its chunks.
        size: characters of text in each chunk; None for a word in each.
        last: whether the members that come at the end of a stream are in a last chunk.

    """
    for chunk in _Splitter(rules, size).split(parse(text.decode()), last):
        yield print_value(chunk).encode()


class _Splitter:
    def __init__(self, rules: StreamRules, size: int | None) -> None:
        self._rules = rules
        self._size = size
        self._choices = next((name for name, how in rules.chunk.items() if how == CHOICES), "")

    def split(self, completion: JsonObject, with_last: bool) -> Iterator[JsonObject]:
        for name, values in self._rules.values.items():
            for value, whole in values.items():
                if completion.get(name) == whole:
                    completion[name] = value
        rules = self._rules.chunk
        last = {name: v for name, v in completion.items() if rules.get(name) == LATEST and v is not None}
        first = {name: value for name, value in completion.items() if name not in last}
        base = {name: value for name, value in first.items() if rules.get(name) == FIRST}
        choices = first.get(self._choices)
        if not (isinstance(choices, list) and choices and all(isinstance(choice, dict) for choice in choices)):
            yield {**first, **last} if with_last else first
            return
        are_placed = all(index_of(choice) is None for choice in choices)
        for place, choice in enumerate(choices):
            before: list[JsonObject] = [{}] * place if are_placed else []
            for piece in self._choice(choice):
                yield {**base, **first, self._choices: [*before, piece]}
                first = {}
        if last and with_last:
            yield {**base, self._choices: [], **last}

    def _choice(self, choice: JsonObject) -> Iterator[JsonObject]:
        rules = self._rules
        message = choice.get(rules.message)
        if not rules.delta or not isinstance(message, dict):
            yield choice
            return
        others = {name: value for name, value in choice.items() if name != rules.message}
        index = {name: value for name, value in choice.items() if name == "index"}
        pending: JsonObject = {name: None for name in rules.pending if name in choice}
        for delta in self._deltas(message):
            yield {**index, rules.delta: delta, **pending}
        yield {rules.delta: {}, **others}

    def _deltas(self, message: JsonObject) -> Iterator[JsonObject]:
        rules = self._rules
        texts = {
            name: value
            for name, value in message.items()
            if type(value) is str and value and rules.of_name(name) == PIECES
        }
        calls = {
            name: value
            for name, value in message.items()
            if isinstance(value, list) and value and rules.delta_members.get(name) == CALLS
        }
        yield {name: value for name, value in message.items() if name not in texts and name not in calls}
        for name, text in texts.items():
            for piece in self._pieces(text):
                yield {name: piece}
        for name, items in calls.items():
            for place, call in enumerate(items):
                for piece in self._call(call) if isinstance(call, dict) else [call]:
                    placed = {**piece, "index": NumberText(place)} if isinstance(piece, dict) else piece
                    yield {name: [placed]}

    def _call(self, call: JsonObject) -> Iterator[JsonObject]:
        for kind, name in self._rules.bodies.items():
            body = call.get(kind)
            if isinstance(body, dict) and type(body.get(name)) is str:
                yield {**call, kind: {**body, name: ""}}
                for piece in self._pieces(body[name]):
                    yield {kind: {name: piece}}
                return
        yield call

    def _pieces(self, text: str) -> list[Any]:
        if self._size is None:
            return _WORDS.findall(text)
        return [text[at : at + self._size] for at in range(0, len(text), self._size)]
