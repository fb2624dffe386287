"""What `chatpb call` shows of answers, whatever a server puts in the place of their members."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatpb.cli.commands.call import _show, _show_stream

SHOWN: dict[str, tuple[Any, str]] = {
    "text": ({"choices": [{"message": {"content": "a"}}, {"message": {"content": "b", "refusal": "c"}}]}, "a\nb\nc\n"),
    "parts": (
        {"choices": [{"message": {"content": [{"type": "text", "text": "a"}]}}]},
        '[{"type": "text", "text": "a"}]\n',
    ),
    "half a character": ({"choices": [{"message": {"content": "\ud83d lone"}}]}, "\\ud83d lone\n"),
    "choices that are text": ({"choices": "abc"}, ""),
    "choices that are none": ({"choices": [1, None, "a", {}, {"message": "a"}, {"message": [1]}]}, ""),
    "no choices": ({}, ""),
    "calls that are none": ({"choices": [{"message": {"tool_calls": 5}}, {"message": {"tool_calls": [1, "a"]}}]}, ""),
    "a call": (
        {"choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": "{\x1b}"}}]}}]},
        "f({\\u001b})\n",
    ),
    "a custom call": ({"choices": [{"message": {"tool_calls": [{"custom": {"name": "f", "input": "a"}}]}}]}, "f(a)\n"),
    "a call of text": ({"choices": [{"message": {"tool_calls": [{"function": "f"}]}}]}, "()\n"),
}


@pytest.mark.parametrize("case", SHOWN)
def test_an_answer(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer, want = SHOWN[case]
    _show(json.dumps(answer).encode(), as_json=False)
    assert capsys.readouterr().out == want


class Chunks:
    """A stream of chunks, and the completion that they add up to."""

    def __init__(self, chunks: list[Any], completion: Any) -> None:
        self._chunks = chunks
        self._completion = completion

    def __iter__(self) -> Any:
        return (json.dumps(chunk).encode() for chunk in self._chunks)

    def completion(self) -> bytes:
        return json.dumps(self._completion).encode()


STREAMS: dict[str, tuple[list[Any], str]] = {
    "text": (
        [{"choices": [{"index": 0, "delta": {"content": "a"}}]}, {"choices": [{"delta": {"refusal": "b"}}]}],
        "ab",
    ),
    "a second choice": ([{"choices": [{"index": 1, "delta": {"content": "a"}}]}], ""),
    "half a character": ([{"choices": [{"delta": {"content": "\ud83d"}}]}], "\\ud83d"),
    "what is none": ([{"choices": "a"}, {"choices": [1, {"delta": "a"}, {"delta": {"content": ["a"]}}]}, {}], ""),
}


@pytest.mark.parametrize("completion", ["a call", "calls that are none", "choices that are none"])
@pytest.mark.parametrize("case", STREAMS)
def test_a_stream(case: str, completion: str, capsys: pytest.CaptureFixture[str]) -> None:
    chunks, want = STREAMS[case]
    whole, calls = SHOWN[completion]
    _show_stream(Chunks(chunks, whole), as_json=False)
    assert capsys.readouterr().out == f"{want}\n{calls}"


def test_an_integer_that_python_does_not_convert(capsys: pytest.CaptureFixture[str]) -> None:
    text = b'{"choices":[{"message":{"content":"a"}}],"n":' + b"1" * 5000 + b"}"
    _show(text, as_json=False)
    _show(text, as_json=True)
    assert capsys.readouterr().out == f"a\n{text.decode()}\n"
