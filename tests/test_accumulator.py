"""Chunks put together: the rules one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest

import chatcompletion_betterproto as betterproto_classes
from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk
from chatpb import from_json, json_to_wire, to_dict
from chatpb.accumulator import Accumulator


def chunk(delta: Any, **choice: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, **choice}]}


def call(**members: Any) -> dict[str, Any]:
    return chunk({"tool_calls": [members]})


def message(*chunks: dict[str, Any]) -> Any:
    return accumulate(*chunks)["choices"][0]["message"]


def accumulate(*chunks: dict[str, Any]) -> dict[str, Any]:
    accumulator = Accumulator()
    for each in chunks:
        accumulator.add(each)
    return accumulator.to_dict()


def function(name: str, arguments: str, **members: Any) -> dict[str, Any]:
    return {**members, "function": {"name": name, "arguments": arguments}}


A, B = {"id": "a", "function": {"name": "f", "arguments": ""}}, {"id": "b", "function": {"name": "g", "arguments": ""}}
MORE = {"function": {"arguments": "1"}}

MESSAGES: dict[str, tuple[list[dict[str, Any]], Any]] = {
    "text": ([chunk({"content": "a"}), chunk({"content": "b"})], {"content": "ab"}),
    "null and text": ([chunk({"content": None}), chunk({"content": "b"})], {"content": "b"}),
    "null alone": ([chunk({"content": None}), chunk({})], {"content": None}),
    "text and null": ([chunk({"content": "a"}), chunk({"content": None})], {"content": "a"}),
    "refusal": ([chunk({"refusal": "n"}), chunk({"refusal": "o"})], {"refusal": "no"}),
    "role repeated": ([chunk({"role": "assistant"})] * 3, {"role": "assistant"}),
    "role emptied": ([chunk({"role": "assistant"}), chunk({"role": ""})], {"role": "assistant"}),
    "vendor text": ([chunk({"reasoning": "a"}), chunk({"reasoning": "b"})], {"reasoning": "ab"}),
    "vendor object": ([chunk({"x": {"a": "1"}}), chunk({"x": {"a": "2", "b": 3}})], {"x": {"a": "12", "b": 3}}),
    "vendor number": ([chunk({"x": 1}), chunk({"x": 2})], {"x": 2}),
    "vendor array": ([chunk({"x": [1]}), chunk({"x": [2]})], {"x": [1, 2]}),
    "vendor array by index": (
        [chunk({"x": [{"index": 0, "t": "a"}]}), chunk({"x": [{"index": 0, "t": "b"}, {"index": 1, "t": "c"}]})],
        {"x": [{"index": 0, "t": "ab"}, {"index": 1, "t": "c"}]},
    ),
    "vendor array by index and type": (
        [chunk({"x": [{"index": 0, "type": "a"}]}), chunk({"x": [{"index": 0, "type": "b"}]})],
        {"x": [{"index": 0, "type": "a"}, {"index": 0, "type": "b"}]},
    ),
    "parts and text": (
        [chunk({"content": [{"type": "thinking"}]}), chunk({"content": "a"}), chunk({"content": ""})],
        {"content": [{"type": "thinking"}, {"type": "text", "text": "a"}]},
    ),
    "a kind that changes": ([chunk({"x": "a"}), chunk({"x": {"b": 1}})], {"x": {"b": 1}}),
    "half a pair each": ([chunk({"content": "\ud83d"}), chunk({"content": "\ude00"})], {"content": "\ud83d\ude00"}),
    "big integer": ([chunk({"x": 2**70})], {"x": 2**70}),
    "function call": (
        [chunk({"function_call": {"name": "f", "arguments": "{"}}), chunk({"function_call": {"arguments": "}"}})],
        {"function_call": {"name": "f", "arguments": "{}"}},
    ),
    "audio": (
        [
            chunk({"audio": {"id": "a", "transcript": "x", "data": "AAA"}}),
            chunk({"audio": {"id": "a", "transcript": "y", "data": "AAE=", "expires_at": 5}}),
        ],
        {"audio": {"id": "a", "transcript": "xy", "data": "AAAAAE=", "expires_at": 5}},
    ),
    "audio padded": (
        [chunk({"audio": {"data": "AA=="}}), chunk({"audio": {"data": "AQ=="}})],
        {"audio": {"data": "AAE="}},
    ),
    "calls by index": (
        [call(index=0, **A), call(index=1, **B), call(index=0, **MORE), call(index=1, **MORE)],
        {"tool_calls": [function("f", "1", id="a"), function("g", "1", id="b")]},
    ),
    "calls out of order": (
        [call(index=1, **B), call(index=0, **A)],
        {"tool_calls": [function("f", "", id="a"), function("g", "", id="b")]},
    ),
    "one chunk with two pieces of a call": (
        [chunk({"tool_calls": [{"index": 0, **A}, {"index": 0, **MORE}]})],
        {"tool_calls": [function("f", "1", id="a")]},
    ),
    "colliding indices": (
        [call(index=0, **A), call(index=0, **MORE), call(index=0, **B), call(index=0, **MORE)],
        {"tool_calls": [function("f", "1", id="a"), function("g", "1", id="b")]},
    ),
    "colliding indices by id": (
        [call(index=0, **A), call(index=0, **B), call(index=0, id="a", **MORE)],
        {"tool_calls": [function("f", "1", id="a"), function("g", "", id="b")]},
    ),
    "id repeated": (
        [call(index=0, **A), call(index=0, id="a", **MORE)],
        {"tool_calls": [function("f", "1", id="a")]},
    ),
    "id that comes later": (
        [call(index=0, **MORE), call(index=0, id="a")],
        {"tool_calls": [{"function": {"arguments": "1"}, "id": "a"}]},
    ),
    "id emptied": ([call(index=0, **A), call(index=0, id="", **MORE)], {"tool_calls": [function("f", "1", id="a")]}),
    "name repeated": (
        [call(index=0, **A), call(index=0, function={"name": "f", "arguments": "1"})],
        {"tool_calls": [function("f", "1", id="a")]},
    ),
    "name in pieces": (
        [call(index=0, function={"name": "get_"}), call(index=0, function={"name": "weather"})],
        {"tool_calls": [{"function": {"name": "get_weather"}}]},
    ),
    "no indices, ids": (
        [call(**A), call(**MORE), call(**B), call(**MORE), call(id="a", **MORE)],
        {"tool_calls": [function("f", "11", id="a"), function("g", "1", id="b")]},
    ),
    "no indices, no ids": (
        [call(**function("f", "1")), call(**MORE), call(**function("g", "2"))],
        {"tool_calls": [function("f", "11"), function("g", "2")]},
    ),
    "index null": (
        [call(index=None, **A), call(index=None, **B)],
        {"tool_calls": [function("f", "", id="a"), function("g", "", id="b")]},
    ),
    "vendor member of a call": (
        [call(index=0, **A, extra={"signature": "s"}), call(index=0, **MORE)],
        {"tool_calls": [function("f", "1", id="a", extra={"signature": "s"})]},
    ),
    "custom tool": (
        [call(index=0, type="custom", custom={"name": "c", "input": "x"}), call(index=0, custom={"input": "y"})],
        {"tool_calls": [{"type": "custom", "custom": {"name": "c", "input": "xy"}}]},
    ),
    "no calls": ([chunk({"tool_calls": []})], {"tool_calls": []}),
    "calls null": ([chunk({"tool_calls": None})], {"tool_calls": None}),
    "whole message": (
        [chunk(None, message={"content": "a"}), chunk(None, message={"content": "ab"})],
        {"content": "ab"},
    ),
    "message beside delta": ([chunk({"content": "a"}, message={"content": "x"})], {"content": "a"}),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_message(case: str) -> None:
    chunks, want = MESSAGES[case]
    assert message(*chunks) == want


LP = {"token": "a", "logprob": -1, "bytes": None, "top_logprobs": []}

COMPLETIONS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "first that is not empty": (
        [{"id": "", "created": 0, "model": ""}, {"id": "1", "created": 2, "model": "m"}, {"id": "2", "created": 3}],
        {"id": "1", "created": 2, "model": "m"},
    ),
    "latest": (
        [{"usage": None, "system_fingerprint": "a"}, {"usage": {"total_tokens": 1}}, {"system_fingerprint": None}],
        {"usage": {"total_tokens": 1}, "system_fingerprint": "a"},
    ),
    "vendor objects are joined": (
        [{"x_groq": {"id": "a"}}, {"x_groq": {"usage": {"n": 1}}}],
        {"x_groq": {"id": "a", "usage": {"n": 1}}},
    ),
    "object": (
        [{"object": "chat.completion.chunk"}, {"object": "chat.completion.done"}],
        {"object": "chat.completion"},
    ),
    "object of a vendor": ([{"object": "x"}], {"object": "x"}),
    "padding goes": ([{"obfuscation": "abc", "id": "1"}], {"id": "1"}),
    "choices in order of index": (
        [{"choices": [{"index": 1, "finish_reason": "stop"}]}, {"choices": [{"index": 0}]}],
        {"choices": [{"index": 0}, {"index": 1, "finish_reason": "stop"}]},
    ),
    "choices without index": (
        [
            {"choices": [{"delta": {"content": "a"}}, {"delta": {"content": "x"}}]},
            {"choices": [{"delta": {"content": "b"}}]},
        ],
        {"choices": [{"message": {"content": "ab"}}, {"message": {"content": "x"}}]},
    ),
    "finish reason": (
        [chunk({}, finish_reason=None), chunk({}, finish_reason="stop"), chunk({}, finish_reason="")],
        {"choices": [{"index": 0, "finish_reason": "stop", "message": {}}]},
    ),
    "logprobs": (
        [
            chunk({}, logprobs=None),
            chunk({}, logprobs={"content": [LP], "refusal": None}),
            chunk({}, logprobs={"content": [LP], "refusal": [LP]}),
            chunk({}, logprobs={"content": None}),
        ],
        {"choices": [{"index": 0, "message": {}, "logprobs": {"content": [LP, LP], "refusal": [LP]}}]},
    ),
    "vendor member of a choice": (
        [chunk({}, content_filter={"a": {"filtered": False}}), chunk({}, content_filter={"b": 1})],
        {"choices": [{"index": 0, "message": {}, "content_filter": {"a": {"filtered": False}, "b": 1}}]},
    ),
    "no choices": ([{"choices": []}], {"choices": []}),
    "choices null": ([{"choices": None}], {"choices": None}),
    "usage alone at the end": ([chunk({}), {"choices": [], "usage": {}}], {**accumulate(chunk({})), "usage": {}}),
}


@pytest.mark.parametrize("case", COMPLETIONS)
def test_completion(case: str) -> None:
    chunks, want = COMPLETIONS[case]
    assert accumulate(*chunks) == want


def test_nothing() -> None:
    assert accumulate() == {}


def test_the_state_can_be_read_and_kept_at_any_moment() -> None:
    accumulator = Accumulator()
    accumulator.add(chunk({"content": "a", "tool_calls": [{"index": 0, **A}]}))
    first = accumulator.to_dict()
    kept = json.dumps(first)
    first["choices"][0]["message"]["content"] = "changed"
    accumulator.add(chunk({"content": "b"}))
    assert accumulator.to_dict()["choices"][0]["message"]["content"] == "ab"
    assert json.loads(kept)["choices"][0]["message"]["content"] == "a"


def test_what_is_given_is_not_changed() -> None:
    given = call(index=0, **A)
    before = json.dumps(given)
    accumulate(given, given)
    assert json.dumps(given) == before


def test_forms() -> None:
    text = json.dumps({"id": "1", **chunk({"content": "a"})})
    google, better = from_json(text, ChatCompletionChunk), from_json(text, betterproto_classes.ChatCompletionChunk)
    accumulator = Accumulator()
    accumulator.add(google)
    accumulator.add(better)
    accumulator.add(json.loads(text))
    accumulator.add_json(text)
    accumulator.add_wire(json_to_wire(text, ChatCompletionChunk))
    want = {"id": "1", "choices": [{"index": 0, "message": {"content": "aaaaa"}}]}
    assert accumulator.to_dict() == json.loads(accumulator.to_json()) == want
    assert ChatCompletion.FromString(accumulator.to_wire()) == accumulator.message()
    assert to_dict(accumulator.message(betterproto_classes.ChatCompletion)) == want
