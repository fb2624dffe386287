"""Completions split into chunks, and put together again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chatcompletion_betterproto as betterproto_classes
from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk
from chatpb import JsonError, from_dict, json_to_wire, to_dict, wire_to_json
from chatpb.streams import Accumulator, split, split_wire
from tests.engine.engines import ENGINES, codecs_of
from tests.engine.json_objects import objects_of
from tests.streams.accumulated import accumulate
from tests.support import differences, recording

LOGPROB = {"token": "a", "logprob": -1, "bytes": None, "top_logprobs": []}
COMPLETION: dict[str, Any] = {
    "id": "1",
    "object": "chat.completion",
    "x": {"y": 1},
    "choices": [
        {"index": 0, "finish_reason": "tool_calls", "logprobs": {"content": [LOGPROB]}, "message": {
            "role": "assistant", "content": " two  words ", "reasoning": "hm hm", "refusal": None, "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
                {"id": "b", "type": "custom", "custom": {"name": "c", "input": "x y"}},
                {"odd": 1},
            ]}},
        {"index": 1, "finish_reason": None, "message": {"role": "assistant", "audio": {"id": "a"}}},
    ],
    "usage": {"total_tokens": 3},
}  # fmt: skip


def chunks_of(completion: Any, **options: Any) -> list[dict[str, Any]]:
    return [to_dict(each) for each in split(completion, **options)]


def test_recorded_completions_survive_being_split() -> None:
    """4 of them have an index on tool calls, where a whole completion has none. Only that is lost."""
    changed = 0
    for line in recording("completion", stand_in=False):
        want = json.loads(line)
        chunks = list(split_wire(json_to_wire(line)))
        accumulator = Accumulator()
        for wire in chunks:
            accumulator.add_wire(wire)
        if accumulator.to_dict() != want:
            assert all(path.endswith("/index") for path in differences(accumulator.to_dict(), want))
            changed += 1
    assert changed == 4


@pytest.mark.skipif("native" not in ENGINES, reason="the native engine is not built here")
def test_both_engines_split_alike() -> None:
    for line in [*recording("completion"), json.dumps(COMPLETION).encode()]:
        text = wire_to_json(json_to_wire(line))
        for size in (None, 1, 3):
            python, native = (codec.split(text, size, True) for codec in codecs_of(ChatCompletionChunk.DESCRIPTOR))
            assert list(python) == list(native)


@pytest.mark.parametrize("size", [None, 1, 5, 1000])
def test_split(size: int | None) -> None:
    chunks = list(split(COMPLETION, size=size))
    assert {to_dict(each)["object"] for each in chunks} == {"chat.completion.chunk"}
    assert accumulate(*(to_dict(each) for each in chunks)) == COMPLETION
    better = list(split(from_dict(COMPLETION), betterproto_classes.ChatCompletionChunk, size=size))
    assert [to_dict(each) for each in better] == [to_dict(each) for each in chunks]
    text = "".join(c.delta.content for each in chunks for c in each.choices)
    assert text == " two  words "


def test_the_chunks() -> None:
    base = {"id": "1", "object": "chat.completion.chunk"}
    chunks = chunks_of(COMPLETION)
    for chunk in chunks:
        assert chunk.items() >= base.items()
    assert [chunk.get("x") for chunk in chunks] == [{"y": 1}, *[None] * (len(chunks) - 1)]
    assert chunks[-1] == {**base, "choices": [], "usage": {"total_tokens": 3}}
    assert not any("usage" in chunk for chunk in chunks[:-1])
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    pending = {"index": 0, "finish_reason": None}
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "refusal": None},
        {"content": " two"}, {"content": "  words"}, {"content": " "},
        {"reasoning": "hm"}, {"reasoning": " hm"},
        {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": " 1}"}}]},
        {"tool_calls": [{"index": 1, "id": "b", "type": "custom", "custom": {"name": "c", "input": ""}}]},
        {"tool_calls": [{"index": 1, "custom": {"input": "x"}}]},
        {"tool_calls": [{"index": 1, "custom": {"input": " y"}}]},
        {"tool_calls": [{"index": 2, "odd": 1}]},
    ]  # fmt: skip
    last = {"index": 0, "delta": {}, "finish_reason": "tool_calls", "logprobs": {"content": [LOGPROB]}}
    assert choices == [
        *({**pending, "delta": delta} for delta in deltas),
        last,
        {"index": 1, "delta": {"role": "assistant", "audio": {"id": "a"}}, "finish_reason": None},
        {"index": 1, "delta": {}, "finish_reason": None},
    ]
    assert chunks_of(COMPLETION, usage=False) == chunks[:-1]


@pytest.mark.parametrize(
    ("text", "size", "pieces"),
    [
        ("", None, []),
        ("a", None, ["a"]),
        (" \n", None, [" \n"]),
        ("a b\n", None, ["a", " b", "\n"]),
        ("a\x1c\x85\u3000b", None, ["a", "\x1c\x85\u3000b"]),
        ("a\u200bb", None, ["a\u200bb"]),
        ('\u00e9\U0001f600\ud83d\n"', 1, ["\u00e9", "\U0001f600", "\ud83d", "\n", '"']),
        ("abcde", 2, ["ab", "cd", "e"]),
        ("abcd", 2, ["ab", "cd"]),
        ("abc", 2**70, ["abc"]),
    ],
)
def test_pieces(text: str, size: int | None, pieces: list[str]) -> None:
    first, *others, last = chunks_of({"choices": [{"index": 0, "message": {"content": text}}]}, size=size)
    assert first["choices"][0]["delta"] == ({} if text else {"content": ""})
    assert [chunk["choices"][0]["delta"]["content"] for chunk in others] == pieces
    assert last == {"choices": [{"index": 0, "delta": {}}]}


def test_a_delta_beside_the_message_is_kept() -> None:
    choice = {"index": 0, "message": {"content": "a b"}, "delta": {"content": " c", "x": 1}}
    chunks = chunks_of({"choices": [choice]})
    assert chunks[-1]["choices"] == [{"index": 0, "delta": {"content": " c", "x": 1}}]
    assert accumulate(*chunks) == {"choices": [{"index": 0, "message": {"content": "a b c", "x": 1}}]}


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"choices": None},
        {"choices": []},
        {"choices": [{"index": 0, "message": None}]},
        {"choices": [{}]},
        {"choices": "x"},
        {"choices": [{"message": "x"}]},
        {"choices": [{"message": {"content": "a"}}, {"message": {"content": "b c"}}, {}]},
        {"choices": [{"message": {"content": "a"}, "delta": "x"}]},
        {"choices": [{"message": {"tool_calls": [{"id": "a"}, None, {"id": "a"}, 1, {}]}}]},
        {"choices": [{"message": {"tool_calls": []}}]},
        {"choices": [{"message": {"content": [{"type": "text", "text": "a"}] * 2, "x": [{"index": 0}] * 2}}]},
        {"choices": [{"message": {"data": "AA==AQ==", "signature": "a b", "name": "a b"}}]},
        {"choices": [{"finish_reason": None, "message": {}}]},
        {"object": "x", "id": "", "created": 0, "usage": None},
        {"object": 1, "usage": {"x": True}},
    ],
)
def test_odd_completions_survive_being_split(odd: dict[str, Any]) -> None:
    assert accumulate(*chunks_of(odd)) == odd


def test_objects_of_the_openai_package() -> None:
    types = pytest.importorskip("openai.types.chat")
    assert chunks_of(types.ChatCompletion.construct(**COMPLETION)) == chunks_of(COMPLETION)


def test_numbers_that_json_does_not_have() -> None:
    completion = {"choices": [{"index": 0, "message": {"x": float("-inf")}}], "y": float("inf")}
    with pytest.raises(JsonError, match="nonfinite"):
        list(split(completion))
    accumulator = Accumulator(nonfinite="allow")
    for wire in split_wire(json_to_wire(json.dumps(completion), nonfinite="allow"), nonfinite="allow"):
        accumulator.add_wire(wire)
    assert accumulator.to_dict() == completion


def survives(completion: dict[str, Any]) -> bool:
    """Return whether a completion has nothing that only chunks have, and choices alone in order."""
    choices = completion.get("choices")
    if "obfuscation" in completion or completion.get("object") == "chat.completion.chunk":
        return False
    if not isinstance(choices, list) or not any(isinstance(choice, dict) for choice in choices):
        return True
    if not all(isinstance(choice, dict) for choice in choices):
        return False
    indices = [choice.get("index") for choice in choices]
    if not all(index is None for index in indices):
        if not all(type(index) is int and abs(index) < 2**63 for index in indices):
            return False
        if sorted(set(indices)) != indices:
            return False
    messages = [choice["message"] for choice in choices if isinstance(choice.get("message"), dict)]
    calls = [call for each in messages if isinstance(each.get("tool_calls"), list) for call in each["tool_calls"]]
    return not any("delta" in choice for choice in choices) and not any(
        isinstance(call, dict) and "index" in call for call in calls
    )


@given(objects_of(ChatCompletion.DESCRIPTOR).filter(survives), st.none() | st.integers(1, 4))
def test_any_completion_survives_being_split(completion: dict[str, Any], size: int | None) -> None:
    accumulator = Accumulator()
    for wire in split_wire(json_to_wire(json.dumps(completion)), size=size):
        accumulator.add_wire(wire)
    assert json.loads(accumulator.to_json()) == json.loads(json.dumps(completion))


@pytest.mark.parametrize(
    "wire", [b"", bytearray(b"a"), memoryview(json_to_wire(b"{}"))], ids=lambda each: type(each).__name__
)
def test_wire_bytes_have_functions_of_their_own(wire: Any) -> None:
    for take in Accumulator().add, lambda given: list(split(given)):
        with pytest.raises(TypeError, match="; add_wire and split_wire take wire bytes$"):
            take(wire)
