"""Chunks put together: a case for each rule."""

from __future__ import annotations

import copy
import json
import sys
import unittest.mock
from collections.abc import Callable
from itertools import groupby
from types import FrameType
from typing import Any

import pytest

import chatcompletion_betterproto as betterproto_classes
from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk
from chatpb import JsonError, WireError, from_dict, from_json, json_to_wire, to_dict
from chatpb._engine.codec import Codec
from chatpb._engine.reference.streams import accumulate as accumulate_module
from chatpb._engine.reference.streams.accumulate import StreamAccumulator
from chatpb._engine.reference.streams.rules import stream_rules
from chatpb.streams import Accumulator
from tests.engine.engines import ENGINES, codecs_of
from tests.streams.accumulated import accumulate
from tests.support import recording


def chunk(delta: Any, **choice: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, **choice}]}


def call(**members: Any) -> dict[str, Any]:
    return chunk({"tool_calls": [members]})


def message(*chunks: dict[str, Any]) -> Any:
    return accumulate(*chunks)["choices"][0]["message"]


def function(name: str, arguments: str, **members: Any) -> dict[str, Any]:
    return {**members, "function": {"name": name, "arguments": arguments}}


A, B = {"id": "a", "function": {"name": "f", "arguments": ""}}, {"id": "b", "function": {"name": "g", "arguments": ""}}
MORE = {"function": {"arguments": "1"}}


def part(kind: str, text: str, **members: Any) -> dict[str, Any]:
    return {"type": kind, kind if kind in ("text", "thinking") else "x": text, **members}


def thinking(text: str, *signature: Any) -> dict[str, Any]:
    return chunk({"blocks": [part("thinking", text, **({"signature": signature[0]} if signature else {}))]})


def detail(kind: str, **members: Any) -> dict[str, Any]:
    return {"type": f"reasoning.{kind}", "index": 0, **members}


def details(kind: str, **members: Any) -> dict[str, Any]:
    return chunk({"details": [detail(kind, **members)]})


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
    "half a pair each": ([chunk({"content": "\ud83d"}), chunk({"content": "\ude00"})], {"content": "\U0001f600"}),
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
    "audio padded twice in one piece": (
        [chunk({"audio": {"data": "AA"}}), chunk({"audio": {"data": "==AQ==Ag=="}})],
        {"audio": {"data": "AAEC"}},
    ),
    "audio cut inside its padding": (
        [chunk({"audio": {"data": data}}) for data in ("AA=", "=AQ", "==")],
        {"audio": {"data": "AAE="}},
    ),
    "audio that is not base64": (
        [chunk({"audio": {"data": data}}) for data in ("é=", "A", "==", "=")],
        {"audio": {"data": "é=A==="}},
    ),
    "audio of a length that base64 has not": (
        [chunk({"audio": {"data": data}}) for data in ("AA==", "AQ")],
        {"audio": {"data": "AA==AQ"}},
    ),
    "audio of a vendor": ([chunk({"x": {"data": "AA=="}}), chunk({"x": {"data": "AQ=="}})], {"x": {"data": "AAE="}}),
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
    "another id, no name": (
        [call(index=0, **A), call(index=0, id="x", **MORE), call(index=0, id="y", **MORE)],
        {"tool_calls": [function("f", "11", id="a")]},
    ),
    "another id, no name, no index": (
        [call(**A), call(id="x", **MORE), call(**B), call(id="y", **MORE)],
        {"tool_calls": [function("f", "1", id="a"), function("g", "1", id="b")]},
    ),
    "another id, a custom tool's input": (
        [call(index=0, id="a", custom={"name": "c", "input": "x"}), call(index=0, id="b", custom={"input": "y"})],
        {"tool_calls": [{"id": "a", "custom": {"name": "c", "input": "xy"}}]},
    ),
    "another id, another kind of call": (
        [call(index=0, **A), call(index=0, id="b", custom={"input": "y"})],
        {"tool_calls": [function("f", "", id="a"), {"id": "b", "custom": {"input": "y"}}]},
    ),
    "another id, nothing else": ([call(index=0, **A), call(index=0, id="b")], {"tool_calls": [A, {"id": "b"}]}),
    "no indices, no ids, custom tools": (
        [call(custom={"name": "c", "input": "x"}), call(custom={"input": "y"}), call(custom={"name": "d"})],
        {"tool_calls": [{"custom": {"name": "c", "input": "xy"}}, {"custom": {"name": "d"}}]},
    ),
    "index below 0, and others without": (
        [call(index=-2, **A), call(**B), call(index=-3, id="c")],
        {"tool_calls": [{"id": "c"}, A, B]},
    ),
    "no index, the last call is not the latest": (
        [call(index=2, **A), call(index=1, **B), call(**MORE)],
        {"tool_calls": [B, function("f", "1", id="a")]},
    ),
    "no index, the only call is below 0": (
        [call(index=-2, **A), call(**MORE)],
        {"tool_calls": [function("f", "1", id="a")]},
    ),
    "index that is text": (
        [call(index="1", **A), call(index=0, **B)],
        {"tool_calls": [A, B]},
    ),
    "index of another spelling": (
        [call(index=1.0, **A), call(index=1, **MORE)],
        {"tool_calls": [function("f", "1", id="a")]},
    ),
    "a call that is none": ([call(index=0, **A), chunk({"tool_calls": [None, 1]})], {"tool_calls": [A, None, 1]}),
    "text parts": (
        [chunk({"content": [part("text", "a")]}), chunk({"content": [part("text", "b")]})],
        {"content": [part("text", "ab")]},
    ),
    "parts of one array": (
        [chunk({"content": [part("text", "a"), part("text", "b")]}), chunk({"content": [part("text", "c")] * 2})],
        {"content": [part("text", "a"), part("text", "bc"), part("text", "c")]},
    ),
    "parts of text, then text": (
        [chunk({"content": [part("text", "a")]}), chunk({"content": "b"}), chunk({"content": "c"})],
        {"content": [part("text", "abc")]},
    ),
    "text, then parts": (
        [chunk({"content": "a"}), chunk({"content": []}), chunk({"content": [part("image", "b")]})],
        {"content": [part("text", "a"), part("image", "b")]},
    ),
    "empty parts, then text": ([chunk({"content": []}), chunk({"content": "a"})], {"content": "a"}),
    "thinking in parts": (
        [chunk({"content": [{"type": "thinking", "thinking": [part("text", text)]}]}) for text in "abc"]
        + [chunk({"content": text}) for text in "de"],
        {"content": [{"type": "thinking", "thinking": [part("text", "abc")]}, part("text", "de")]},
    ),
    "thinking that its signature ends": (
        [thinking("a"), thinking("b", None), thinking("", "s"), thinking("c"), thinking("d", "t")],
        {"blocks": [part("thinking", "ab", signature="s"), part("thinking", "cd", signature="t")]},
    ),
    "thinking with a signature alone": (
        [thinking("a"), chunk({"blocks": [{"type": "thinking", "signature": "s"}]})],
        {"blocks": [part("thinking", "a", signature="s")]},
    ),
    "thinking whose signature is repeated": (
        [thinking("a", "s"), thinking("b", "s"), thinking("c", "t")],
        {"blocks": [part("thinking", "ab", signature="s"), part("thinking", "c", signature="t")]},
    ),
    "thinking that has an id in its first piece": (
        [chunk({"blocks": [part("thinking", "a", id="1")]}), thinking("b")],
        {"blocks": [part("thinking", "ab", id="1")]},
    ),
    "thinking that is the third of others, and that a signature ends": (
        [details("a", id="1"), details("b", id="2"), thinking("c", "s"), thinking("d")]
        + [chunk({"blocks": [part("text", text)]}) for text in "ef"]
        + [thinking("g", "t"), thinking("h", "t"), thinking("i")],
        {
            "details": [detail("a", id="1"), detail("b", id="2")],
            "blocks": [
                part("thinking", "c", signature="s"),
                part("thinking", "d"),
                part("text", "ef"),
                part("thinking", "gh", signature="t"),
                part("thinking", "i"),
            ],
        },
    ),
    "items without text": (
        [chunk({"x": [{"type": "image", "image": "a"}]}), chunk({"x": [{"type": "image", "image": "b"}]})],
        {"x": [{"type": "image", "image": "a"}, {"type": "image", "image": "b"}]},
    ),
    "items with other numbers": (
        [chunk({"x": [part("text", "a", at=1)]}), chunk({"x": [part("text", "b", at=2)]})],
        {"x": [part("text", "a", at=1), part("text", "b", at=2)]},
    ),
    "items of other addresses": (
        [chunk({"x": [part("text", "a", file={"url": url})]}) for url in "uuv"],
        {"x": [part("text", "aa", file={"url": "u"}), part("text", "a", file={"url": "v"})]},
    ),
    "encrypted items": (
        [details("encrypted", id=name, data=name, signature=name) for name in "ab"],
        {"details": [detail("encrypted", id=name, data=name, signature=name) for name in "ab"]},
    ),
    "encrypted items without ids": (
        [details("encrypted", data=data) for data in ("a=", "b=", "b=")],
        {"details": [detail("encrypted", data=data) for data in ("a=", "b=")]},
    ),
    "an item among others of its index": (
        [details("text", text="a"), details("encrypted", id="e", data="x"), details("text", text="b", signature="s")],
        {"details": [detail("text", text="ab", signature="s"), detail("encrypted", id="e", data="x")]},
    ),
    "an item found by id": (
        [
            details("summary", id="a", summary="1"),
            details("summary", id="b", summary="2"),
            details("summary", id="a", summary="3"),
        ],
        {"details": [detail("summary", id="a", summary="13"), detail("summary", id="b", summary="2")]},
    ),
    "items of one array and one index": (
        [chunk({"x": [{"index": 0, "t": "a"}] * 2}), chunk({"x": [{"index": 0, "t": "b"}]})],
        {"x": [{"index": 0, "t": "a"}, {"index": 0, "t": "ab"}]},
    ),
    "whole texts": (
        [
            chunk({"signature": "a", "thought_signature": "a", "imageUrl": "a", "item_id": "a", "format": "f"}),
            chunk({"signature": "b", "thought_signature": "b", "imageUrl": "b", "item_id": "b", "format": "f"}),
        ],
        {"signature": "b", "thought_signature": "b", "imageUrl": "b", "item_id": "a", "format": "f"},
    ),
    "text that is not whole": ([chunk({"curl": "a"}), chunk({"curl": "b"})], {"curl": "ab"}),
    "true": (
        [chunk({"x": {"a": True, "b": 1}}), chunk({"x": {"a": False, "b": 2, "c": 3}})],
        {"x": {"a": True, "b": 1, "c": 3}},
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
    "a choice without a message": (
        [{"choices": [{"index": 0, "x": 1}]}, {"model": "m"}],
        {"choices": [{"index": 0, "x": 1}], "model": "m"},
    ),
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
    "object, first of a vendor": (
        [{"object": "chat.completion.chunk"}, {"object": "x"}],
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
    "arrays of a choice": (
        [chunk({}, token_ids=[1]), chunk({}, token_ids=None), chunk({}, token_ids=[2, 3]), chunk({}, token_ids=[])],
        {"choices": [{"index": 0, "message": {}, "token_ids": [1, 2, 3]}]},
    ),
    "a verdict, and a later one": (
        [
            chunk({}, filter={"hate": {"filtered": False, "severity": "safe"}}),
            chunk({}, filter={"hate": {"filtered": True, "severity": "high"}}),
            chunk({}, filter={"hate": {"filtered": False, "severity": "safe"}, "self_harm": {"filtered": False}}),
        ],
        {
            "choices": [
                {
                    "index": 0,
                    "message": {},
                    "filter": {"hate": {"filtered": True, "severity": "high"}, "self_harm": {"filtered": False}},
                }
            ]
        },
    ),
    "a flag of the completion": ([{"x": True}, {"x": False}], {"x": True}),
    "index of another spelling": (
        [
            {"choices": [{"index": 1.0, "delta": {"content": "a"}}]},
            {"choices": [{"index": 1, "delta": {"content": "b"}}]},
        ],
        {"choices": [{"index": 1, "message": {"content": "ab"}}]},
    ),
    "index that is text": (
        [{"choices": [{"index": "1", "delta": {}}, {"index": 2, "delta": {}}]}],
        {"choices": [{"index": "1", "message": {}}, {"index": 2, "message": {}}]},
    ),
    "a whole message, then null": (
        [chunk(None, message={"content": "a"}), chunk(None, message=None)],
        {"choices": [{"index": 0, "message": {"content": "a"}}]},
    ),
    "a delta that is none": ([chunk("x")], {"choices": [{"index": 0, "delta": "x"}]}),
    "citations are repeated whole": ([{"citations": ["a"]}, {"citations": ["a", "b"]}], {"citations": ["a", "b"]}),
    "zero, then a number": ([{"created": 0}, {"created": -0.0}, {"created": 5}, {"created": 6}], {"created": 5}),
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


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize("copy_of", [copy.copy, copy.deepcopy])
def test_a_copy_goes_its_own_way(engine: Any, copy_of: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatpb.streams.accumulate.codec_of", engine.codec)
    one = Accumulator(nonfinite="allow")
    one.add(chunk({"content": "a", "tool_calls": [{"index": 0, **A}], "x": {"y": [1]}}, token_ids=[1]))
    other = copy_of(one)
    before = one.to_json()
    assert other.to_json() == before
    pieces = chunk({"content": "b", "tool_calls": [{"index": 0, "function": {"arguments": "}"}}], "x": {"y": [float("nan")]}},
                   token_ids=[2])  # fmt: skip
    other.add(pieces)
    assert one.to_json() == before
    one.add(pieces)
    assert one.to_json() == other.to_json() != before


def test_what_is_given_is_not_changed() -> None:
    given = call(index=0, **A)
    before = json.dumps(given)
    accumulate(given, given)
    assert json.dumps(given) == before


def test_numbers_that_json_does_not_have() -> None:
    given = chunk({"content": "a"}, logprobs={"content": [{"token": "a", "logprob": float("-inf")}]}, x=float("inf"))
    accumulator = Accumulator(nonfinite="allow")
    accumulator.add(given)
    accumulator.add(from_dict(given, ChatCompletionChunk, nonfinite="allow"))
    accumulator.add_json(json.dumps(given))
    (choice,) = accumulator.to_dict()["choices"]
    assert [each["logprob"] for each in choice["logprobs"]["content"]] == [float("-inf")] * 3
    assert choice["x"] == accumulator.message().choices[0].additional_properties["x"] == float("inf")
    assert json.loads(accumulator.to_json()) == accumulator.to_dict()
    strict = Accumulator()
    strict.add(chunk({"content": "b"}))
    with pytest.raises(JsonError, match="nonfinite"):
        strict.add(given)
    with pytest.raises(JsonError, match="nonfinite"):
        strict.add_json(json.dumps(given))
    with pytest.raises(WireError, match="nonfinite"):
        strict.add(from_dict(given, ChatCompletionChunk, nonfinite="allow"))
    assert strict.to_dict()["choices"][0]["message"] == {"content": "b"}


@pytest.mark.newest
def test_objects_of_the_openai_package() -> None:
    from openai.types.chat import ChatCompletionChunk as OpenAIChunk

    accumulator = Accumulator()
    for text in "ab":
        accumulator.add(OpenAIChunk.construct(**chunk({"content": text, "x": 2**70})))
    assert accumulator.to_dict() == {"choices": [{"index": 0, "message": {"content": "ab", "x": 2**70}}]}


@pytest.mark.parametrize("other", [None, 1, "x", b"x", [], object()])
def test_what_is_no_chunk_is_refused(other: Any) -> None:
    words = "add_wire and split_wire take wire bytes" if isinstance(other, bytes) else "is not a message class"
    with pytest.raises(TypeError, match=words):
        Accumulator().add(other)


def lines_run(work: Callable[[], object]) -> int:
    """Return how many lines of Python a function runs. It counts work, whatever the machine does meanwhile."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def indexed(count: int) -> list[dict[str, Any]]:
    return [{"index": index, "id": f"c{index}", "type": "t"} for index in range(count)]


MANY: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "calls in a chunk": lambda count: [chunk({"tool_calls": indexed(count)})],
    "calls, one a chunk": lambda count: [chunk({"tool_calls": [each]}) for each in indexed(count)],
    "calls without index": lambda count: [call(**A), *[call(id=f"{index}", **MORE) for index in range(count)]],
    "calls of one index": lambda count: [call(index=0, **{**A, "id": f"{index}"}) for index in range(count)],
    "items, one a chunk": lambda count: [chunk({"x": [each]}) for each in indexed(count)],
    "items of one index": lambda count: [chunk({"x": [{**each, "index": 0}]}) for each in indexed(count)],
    "parts, one a chunk": lambda count: [chunk({"content": [part("text", "a")]}) for _ in range(count)],
    "audio": lambda count: [chunk({"audio": {"data": "AA=="}}) for _ in range(count)],
    "names": lambda count: [call(index=0, function={"name": f"{index}"}) for index in range(count)],
    "members": lambda count: [chunk({f"{index}": "a"}) for index in range(count)],
    "choices": lambda count: [{"choices": [{"index": index, "delta": {}}]} for index in range(count)],
}


@pytest.mark.parametrize("case", MANY)
def test_twice_the_chunks_are_twice_the_work(case: str) -> None:
    def work(count: int) -> int:
        texts = [json.dumps(each).encode() for each in MANY[case](count)]
        accumulator = StreamAccumulator(stream_rules(ChatCompletionChunk.DESCRIPTOR))

        def add_all() -> None:
            for text in texts:
                accumulator.add(text)
            accumulator.json()

        return lines_run(add_all)

    assert work(400) < 2.3 * work(200)


def test_text_is_joined_once() -> None:
    accumulator = StreamAccumulator(stream_rules(ChatCompletionChunk.DESCRIPTOR))
    for _ in range(3):
        accumulator.add(json.dumps(chunk({"content": "a", "audio": {"data": "AA=="}})).encode())
    with unittest.mock.patch.object(accumulate_module, "_joined_base64", return_value="") as joined:
        accumulator.add(json.dumps(chunk({"content": "a", "audio": {"data": "AA=="}})).encode())
        assert not joined.called
        accumulator.json()
    joined.assert_called_once_with("AA==" * 4)


@pytest.mark.skipif("native" not in ENGINES, reason="the native engine is not built here")
def test_both_engines_put_recorded_streams_together() -> None:
    chunks = [json_to_wire(line, ChatCompletionChunk) for line in recording("chunk")]
    for _, group in groupby(chunks, key=lambda wire: ChatCompletionChunk.FromString(wire).id):
        python, native = (codec.accumulator(True, False) for codec in codecs_of(ChatCompletionChunk.DESCRIPTOR))
        for wire in group:
            python.add(wire)
            native.add(wire)
        assert python.json() == native.json()


@pytest.mark.skipif("native" not in ENGINES, reason="the native engine is not built here")
@pytest.mark.parametrize("case", [*MESSAGES, *COMPLETIONS, *MANY])
def test_both_engines_agree(case: str) -> None:
    """On the cases above, and on streams for which time that grows with the square would be minutes."""
    chunks = MANY[case](2000) if case in MANY else {**MESSAGES, **COMPLETIONS}[case][0]
    python, native = (codec.accumulator(True, True) for codec in codecs_of(ChatCompletionChunk.DESCRIPTOR))
    wires = [json_to_wire(json.dumps(each), ChatCompletionChunk, nonfinite="allow") for each in chunks]
    for wire in wires[:-1]:
        python.add(wire)
        native.add(wire)
    copies = python.copy(), native.copy()
    before = native.json()
    for wire in wires[-1:]:
        python.add(wire)
        native.add(wire)
    assert python.json() == native.json()
    assert [each.json() for each in copies] == [before] * 2
    for each in MANY[case](20_000) if case in MANY else ():
        native.add(json_to_wire(json.dumps(each), ChatCompletionChunk))
    assert json.loads(native.json())


@pytest.mark.parametrize("codec", codecs_of(ChatCompletionChunk.DESCRIPTOR), ids=ENGINES)
@pytest.mark.parametrize("shape", ['{"a":%s}', "[%s]", '[{"index":0,"a":%s}]', '[{"type":"text","text":%s}]'])
def test_values_as_deep_as_documents_may_be(codec: Codec, shape: str) -> None:
    deep = '"b"'
    for _ in range(195 // (1 + ("{" in shape and "[" in shape))):
        deep = shape % deep
    wire = codec.json_to_wire(f'{{"choices":[{{"delta":{{"x":{deep}}}}}]}}', False, False)
    accumulator = codec.accumulator(True, False)
    for _ in range(3):
        accumulator.add(wire)
    assert accumulator.json().count(b"b") == 3


@pytest.mark.parametrize("codec", codecs_of(ChatCompletionChunk.DESCRIPTOR), ids=ENGINES)
@pytest.mark.parametrize(
    ("before", "after", "whole"),
    [
        ({"a": True, "b": 1}, {"a": False, "b": 2}, {"a": True, "b": 1}),
        ({"a": True, "b": 1}, {"a": True, "b": 2}, {"a": True, "b": 2}),
        ({"a": False, "b": 1}, {"a": False, "b": 2}, {"a": False, "b": 2}),
        ({"a": False, "b": 1}, {"a": True, "b": 2}, {"a": True, "b": 2}),
        ({"a": True, "b": 1}, {"b": 2}, {"a": True, "b": 2}),
    ],
)
def test_an_object_keeps_what_a_true_says(codec: Codec, before: Any, after: Any, whole: Any) -> None:
    accumulator = codec.accumulator(True, False)
    for each in before, after:
        accumulator.add(codec.json_to_wire(json.dumps({"x": each}), False, False))
    assert json.loads(accumulator.json())["x"] == whole


def test_what_is_refused_adds_nothing() -> None:
    accumulator = Accumulator()
    accumulator.add(chunk({"content": "a"}))
    before = accumulator.to_wire()
    broken = json_to_wire(json.dumps(chunk({"content": "b"})), ChatCompletionChunk)[:-1]
    with pytest.raises(WireError):
        accumulator.add_wire(broken)
    with pytest.raises(JsonError):
        accumulator.add_json('{"id": 1')
    assert accumulator.to_wire() == before


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
