"""Completions cut into chunks, and put together again."""

from __future__ import annotations

import json
from typing import Any

import pytest

import chatcompletion_betterproto as betterproto_classes
from chatpb import from_dict, json_to_wire, to_dict
from chatpb.accumulator import Accumulator, split, split_wire
from compare import differences
from conftest import recording

LOGPROB = {"token": "a", "logprob": -1, "bytes": None, "top_logprobs": []}


def accumulate(*chunks: dict[str, Any]) -> dict[str, Any]:
    accumulator = Accumulator()
    for each in chunks:
        accumulator.add(each)
    return accumulator.to_dict()


def test_recorded_completions_survive_being_split() -> None:
    """All but the index that 4 of them have on tool calls, where a whole completion has none."""
    changed = 0
    for line in recording("completion"):
        want = json.loads(line)
        chunks = list(split_wire(json_to_wire(line)))
        accumulator = Accumulator()
        for wire in chunks:
            accumulator.add_wire(wire)
        if accumulator.to_dict() != want:
            assert all(path.endswith("/index") for path in differences(accumulator.to_dict(), want))
            changed += 1
    assert changed == 4


@pytest.mark.parametrize("size", [None, 1, 5, 1000])
def test_split(size: int | None) -> None:
    completion = {
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
    chunks = list(split(completion, size=size))
    assert {to_dict(each)["object"] for each in chunks} == {"chat.completion.chunk"}
    assert accumulate(*(to_dict(each) for each in chunks)) == completion
    better = list(split(from_dict(completion), betterproto_classes.ChatCompletionChunk, size=size))
    assert [to_dict(each) for each in better] == [to_dict(each) for each in chunks]
    text = "".join(c.delta.content for each in chunks for c in each.choices)
    assert text == " two  words "


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
    ],
)
def test_odd_completions_survive_being_split(odd: dict[str, Any]) -> None:
    got = accumulate(*(to_dict(each) for each in split(odd)))
    assert got == odd
