"""Streams in which a member changes its form: an object in one chunk, text or an array in another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcompletion.v1 import ChatCompletionChunk
from chatpb._engine.reference.streams.rules import BASE64, FIRST, LATEST, stream_rules
from chatpb.streams import Accumulator
from tests.engine.engines import codecs_of
from tests.streams.accumulated import accumulate

RULES = stream_rules(ChatCompletionChunk.DESCRIPTOR)
CALL = {"id": "a", "function": {"name": "f", "arguments": "{"}}
LOGPROB = {"token": "a", "logprob": -1}


def chunk(delta: Any, **choice: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, **choice}]}


def text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


DELTAS: dict[str, tuple[list[Any], Any]] = {
    "object, then text": ([{"x": {"a": "b"}}, {"x": "c"}], {"x": [{"a": "b"}, "c"]}),
    "text, object, text, object": (
        [{"x": "a"}, {"x": {"b": "c"}}, {"x": "d"}, {"x": {"b": "e", "f": 1}}],
        {"x": [{"b": "ce", "f": 1}, "ad"]},
    ),
    "object, array, text": ([{"x": {"a": 1}}, {"x": ["b"]}, {"x": "c"}], {"x": [{"a": 1}, ["b", "c"]]}),
    "inside an object": ([{"x": {"y": "a"}}, {"x": {"y": {"z": "b"}}}], {"x": {"y": [{"z": "b"}, "a"]}}),
    "inside an item": (
        [{"x": [{"index": 0, "y": "a"}]}, {"x": [{"index": 0, "y": {"z": "b"}}]}],
        {"x": [{"index": 0, "y": [{"z": "b"}, "a"]}]},
    ),
    "text, then an array of text": ([{"x": "a"}, {"x": ["b"]}, {"x": "c"}], {"x": ["a", "b", "c"]}),
    "text, then a number": ([{"x": "a"}, {"x": 1}, {"x": "b"}], {"x": ["a", 1, "b"]}),
    "number, then an array": ([{"x": 1}, {"x": 2}, {"x": ["a"]}], {"x": [2, "a"]}),
    "number, then parts": ([{"x": 1}, {"x": [text_part("a")]}, {"x": "b"}], {"x": [1, text_part("a"), "b"]}),
    "parts, then a number": ([{"x": [text_part("a")]}, {"x": 1}, {"x": "b"}], {"x": [text_part("a"), 1, text_part("b")]}),
    "text, then what says nothing": ([{"x": "a"}, {"x": {}}, {"x": []}, {"x": False}, {"x": -0.0}], {"x": "a"}),
    "what says nothing, then text": ([{"x": 0}, {"x": {}}, {"x": False}, {"x": "a"}, {"x": None}], {"x": "a"}),
    "object, then what says nothing": ([{"x": {"a": 1}}, {"x": ""}, {"x": False}, {"x": None}], {"x": {"a": 1}}),
    "empty object, then null": ([{"x": {}}, {"x": None}], {"x": {}}),
    "both forms, then what says nothing": (
        [{"x": {"a": 1}}, {"x": "b"}, {"x": None}, {"x": {}}, {"x": ""}, {"x": []}],
        {"x": [{"a": 1}, "b"]},
    ),
    "content that is one part": (
        [{"content": "a"}, {"content": text_part("b")}, {"content": "c"}],
        {"content": [text_part("b"), "ac"]},
    ),
    "calls, then text": ([{"tool_calls": [CALL]}, {"tool_calls": "x"}], {"tool_calls": [CALL, "x"]}),
    "text, then calls": ([{"tool_calls": "x"}, {"tool_calls": [CALL]}], {"tool_calls": ["x", CALL]}),
    "calls, then one that is in no array": (
        [{"tool_calls": [{"index": 0, **CALL}]}, {"tool_calls": {"index": 0, "function": {"arguments": "}"}}}],
        {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]},
    ),
    "calls, then what says nothing": (
        [{"tool_calls": [CALL]}, {"tool_calls": ""}, {"tool_calls": {}}, {"tool_calls": False}, {"tool_calls": None}],
        {"tool_calls": [CALL]},
    ),
    "what says nothing, then calls": ([{"tool_calls": ""}, {"tool_calls": [CALL]}], {"tool_calls": [CALL]}),
    "arguments that are an object": (
        [{"tool_calls": [{"index": 0, **CALL}]}, {"tool_calls": [{"index": 0, "function": {"arguments": {"b": "c"}}}]}],
        {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": [{"b": "c"}, "{"]}}]},
    ),
    "a member that takes the latest value": ([{"role": "assistant"}, {"role": {"a": 1}}], {"role": [{"a": 1}, "assistant"]}),
    "text behind a true that is now false": (
        [{"x": {"is_open": True, "text": "a", "n": 1}}, {"x": {"is_open": False, "text": "b", "n": 2}}],
        {"x": {"is_open": True, "text": "ab", "n": 1}},
    ),
    "a whole text behind a true that is now false": (
        [{"x": {"is_open": True, "url": "a"}}, {"x": {"is_open": False, "url": "b"}}],
        {"x": {"is_open": True, "url": "a"}},
    ),
}  # fmt: skip

STREAMS: dict[str, tuple[list[Any], Any]] = {
    "a choice beside null": (
        [chunk({"content": "a"}), {"choices": [None, *chunk({"content": "b"})["choices"]]}, chunk({"content": "c"})],
        {"choices": [{"index": 0, "message": {"content": "abc"}}]},
    ),
    "a choice beside text": (
        [{"choices": ["x", {"delta": {"content": "a"}}]}, {"choices": [{}, {"delta": {"content": "b"}}, "y"]}],
        {"choices": [{}, {"message": {"content": "ab"}}, "x", "y"]},
    ),
    "choices, then none": (
        [chunk({}), {"choices": "x"}, {"choices": None}, {"choices": ""}, {"choices": [1, [], None]}, {"choices": {"y": 1}}],
        {"choices": [{"index": 0, "message": {}}, {"y": 1}, ["x", 1, [], None]]},
    ),
    "none, then choices": ([{"choices": {"x": 1}}, chunk({})], {"choices": [{"index": 0, "message": {}}, {"x": 1}]}),
    "null, then choices": ([{"choices": None}, chunk({})], {"choices": [{"index": 0, "message": {}}]}),
    "empty object, then choices": ([{"choices": {}}, chunk({})], {"choices": [{"index": 0, "message": {}}]}),
    "what says nothing, then no choices": ([{"choices": ""}, {"choices": {}}, {"choices": []}], {"choices": []}),
    "none alone": ([{"choices": [None, 1]}, {"choices": []}], {"choices": [None, 1]}),
    "a delta that is none, and one": (
        [chunk("a"), chunk({"content": "b"}), chunk(["c"])],
        {"choices": [{"index": 0, "delta": ["a", "c"], "message": {"content": "b"}}]},
    ),
    "log probabilities": (
        [chunk({}, logprobs={"content": [LOGPROB]}), chunk({}, logprobs={"content": "x"}), chunk({}, logprobs="y"),
         chunk({}, logprobs={"content": [LOGPROB]})],
        {"choices": [{"index": 0, "message": {}, "logprobs": [{"content": [LOGPROB, text_part("x"), LOGPROB]}, "y"]}]},
    ),
    "an array of a choice, then text": (
        [chunk({}, x=[1]), chunk({}, x="a"), chunk({}, x={"b": 1}), chunk({}, x=[2]), chunk({}, x=None)],
        {"choices": [{"index": 0, "message": {}, "x": [{"b": 1}, [1, "a", 2]]}]},
    ),
    "a verdict, then text": (
        [chunk({}, x={"a": True}), chunk({}, x="b"), chunk({}, x="c"), chunk({}, x={"a": False}), chunk({}, x={})],
        {"choices": [{"index": 0, "message": {}, "x": [{"a": True}, "c"]}]},
    ),
    "an empty object of a choice, then null": (
        [chunk({}, x={}), chunk({}, x=None)],
        {"choices": [{"index": 0, "message": {}, "x": {}}]},
    ),
    "usage, then text that is repeated": (
        [{"usage": {"total_tokens": 1}}, {"usage": "x"}, {"usage": "x"}, {"usage": {"prompt_tokens": 2}}, {"usage": ""}],
        {"usage": [{"total_tokens": 1, "prompt_tokens": 2}, "x"]},
    ),
    "usage inside": (
        [{"usage": {"details": {"a": 1}}}, {"usage": {"details": "x"}}, {"usage": {"details": {"b": 2}}}],
        {"usage": {"details": [{"a": 1, "b": 2}, "x"]}},
    ),
    "text, then usage": ([{"usage": "x"}, {"usage": {"total_tokens": 1}}], {"usage": [{"total_tokens": 1}, "x"]}),
    "a flag, then usage": ([{"usage": False}, {"usage": {"total_tokens": 1}}], {"usage": {"total_tokens": 1}}),
}  # fmt: skip


@pytest.mark.parametrize("case", DELTAS)
def test_delta(case: str) -> None:
    deltas, want = DELTAS[case]
    assert accumulate(*map(chunk, deltas)) == {"choices": [{"index": 0, "message": want}]}


@pytest.mark.parametrize("case", STREAMS)
def test_stream(case: str) -> None:
    chunks, want = STREAMS[case]
    assert accumulate(*chunks) == want


NAMES = ("id", "name", "function", "arguments", "content", "text", "thinking", "x", "y", "url", "data", "is_open")
WORD = "a word"
"""Stands for a text of its own in each place where it is drawn."""


def objects_of(values: st.SearchStrategy[Any], *names: str) -> st.SearchStrategy[dict[str, Any]]:
    members = st.dictionaries(st.sampled_from([*NAMES, *names]), values, max_size=4)
    kinds = st.sampled_from([{}, {"type": "text"}, {"type": "thinking"}, {"index": 0}, {"index": 1, "type": "text"}])
    return st.builds(lambda kind, members: kind | members, kinds, members)


values = st.recursive(
    st.sampled_from([WORD, WORD, WORD, "", None, True, False, 0, 1, 2.5]),
    lambda inner: st.lists(inner, max_size=3) | objects_of(inner),
    max_leaves=8,
)
deltas = objects_of(values, "tool_calls", "tool_calls", "function_call", "audio", "reasoning_details", "images")
choices = st.fixed_dictionaries(
    {"delta": deltas | deltas | values},
    optional={"index": st.integers(0, 2), "logprobs": values, "finish_reason": values},
)
chunks = st.fixed_dictionaries(
    {"choices": st.lists(choices | choices | values, max_size=3) | values}, optional={"usage": values}
)


def with_words(value: Any, numbers: Iterator[int]) -> Any:
    """Return a value whose words all differ."""
    match value:
        case dict():
            return {name: with_words(each, numbers) for name, each in value.items()}
        case list():
            return [with_words(each, numbers) for each in value]
        case _:
            return f"<word {next(numbers)}>" if value == WORD else value


def kept_words(value: Any) -> Iterator[str]:
    """Yield the words that no rule drops, inside a delta or beside choices.

    The rules drop what chunks repeat whole, an index, and the padding of base64.
    """
    match value:
        case dict():
            for name, each in value.items():
                if name != "index" and RULES.of_name(name) not in (FIRST, LATEST, BASE64):
                    yield from kept_words(each)
        case list():
            for each in value:
                yield from kept_words(each)
        case str() if value.startswith("<word"):
            yield value


def kept_words_of_chunk(chunk: dict[str, Any]) -> Iterator[str]:
    for choice in chunk["choices"] if isinstance(chunk["choices"], list) else [chunk["choices"]]:
        is_choice = isinstance(choice, dict) and isinstance(chunk["choices"], list)
        parts = [choice.get("delta"), choice.get("logprobs")] if is_choice else [choice]
        for part in parts:
            yield from kept_words(part)


@given(st.lists(chunks, min_size=1, max_size=5))
def test_no_text_is_lost(stream: list[dict[str, Any]]) -> None:
    stream = with_words(stream, count())
    accumulator = Accumulator()
    for each in stream:
        accumulator.add_json(json.dumps(each))
    whole = accumulator.to_json().decode()
    assert [word for each in stream for word in kept_words_of_chunk(each) if word not in whole] == []


@given(st.lists(chunks, min_size=1, max_size=5))
def test_both_engines_agree(stream: list[dict[str, Any]]) -> None:
    codecs = codecs_of(ChatCompletionChunk.DESCRIPTOR)
    accumulators = [codec.accumulator(True, False) for codec in codecs]
    for each in with_words(stream, count()):
        wire = codecs[0].json_to_wire(json.dumps(each).encode(), False, False)
        for accumulator in accumulators:
            accumulator.add(wire)
        assert len({accumulator.json() for accumulator in accumulators}) == 1
