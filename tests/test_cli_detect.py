"""Which document of the contract is it?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatpb import json_to_wire
from chatpb._detect import ROOTS, detect_object, detect_objects, detect_wires, message_type
from chatpb.cli._samples import SAMPLES
from conftest import RECORDINGS, google_type, recording


@pytest.mark.parametrize("name", SAMPLES)
def test_samples(name: str) -> None:
    text = SAMPLES[name]
    assert detect_object(json.loads(text)) is ROOTS[name]
    assert detect_objects([text.encode()]) is ROOTS[name]


@pytest.mark.parametrize("name", ["request", "error"])
def test_wires(name: str) -> None:
    assert detect_wires([json_to_wire(SAMPLES[name], ROOTS[name])]) is ROOTS[name]


def test_wires_that_leave_it_open() -> None:
    wire = json_to_wire('{"id": "i", "model": "m", "choices": [{"index": 0}]}')
    with pytest.raises(ValueError, match="^these bytes are ChatCompletion and ChatCompletionChunk alike$"):
        detect_wires([wire])
    assert detect_wires([]) is detect_wires([b""]) is detect_wires([b"\xff"]) is ROOTS["completion"]
    assert detect_wires([json_to_wire('{"x": 1}', ROOTS["error"])]) is ROOTS["completion"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("{}", "completion"),
        ('{"unheard_of": 1}', "completion"),
        ('{"error": {"message": "no"}}', "error"),
        ('{"error": "no"}', "error"),
        ('{"messages": [{"role": "user", "content": "hi"}]}', "request"),
        ('{"model": "m", "messages": []}', "request"),
        ('{"choices": [{"delta": {}}]}', "chunk"),
        ('{"request": {"messages": []}, "response": {"choices": []}}', "record"),
        ('{"start_time": 1767225600000000, "stream": {"chunks": []}}', "record"),
        ('{"choices": [{"message": {}}]}', "completion"),
        ('{"id": "1", "object": "chat.completion.chunk", "choices": []}', "chunk"),
        ('{"id": "1", "object": "chat.completion", "choices": []}', "completion"),
        ('{"id": 1, "created": "x", "choices": {"delta": 1}, "object": "chat.completion.chunk"}', "chunk"),
    ],
)
def test_by_what_is_there(text: str, name: str) -> None:
    assert detect_object(json.loads(text)) is ROOTS[name]


def test_tie_goes_to_the_type_before() -> None:
    ambiguous: dict[str, Any] = {"id": "", "choices": [], "created": 0, "model": "", "object": ""}
    assert detect_object(ambiguous) is ROOTS["completion"]
    assert detect_object(ambiguous, ROOTS["chunk"]) is ROOTS["chunk"]
    assert detect_object({"messages": []}, ROOTS["chunk"]) is ROOTS["request"]


def test_many_outvote_one_and_bad_ones_do_not_vote() -> None:
    chunk = SAMPLES["chunk"].encode()
    assert detect_objects([b"{", b"[1]", b"\xff", chunk]) is ROOTS["chunk"]
    assert detect_objects([SAMPLES["error"].encode(), chunk, chunk, chunk]) is ROOTS["chunk"]
    assert detect_wires([b"\xff", json_to_wire(SAMPLES["error"], ROOTS["error"])]) is ROOTS["error"]


@pytest.mark.parametrize("kind", RECORDINGS)
def test_recordings(kind: str) -> None:
    expected = google_type(RECORDINGS[kind])
    texts = recording(kind)
    assert [text for text in texts if detect_object(json.loads(text)) is not expected] == []
    for text in texts:
        try:
            assert detect_wires([json_to_wire(text, expected)]) is expected
        except ValueError as error:
            assert str(error) == "these bytes are ChatCompletion and ChatCompletionChunk alike"


@pytest.mark.parametrize(
    ("name", "full_name"),
    [
        ("completion", "chatcompletion.v1.ChatCompletion"),
        ("chunk", "chatcompletion.v1.ChatCompletionChunk"),
        ("request", "chatcompletion.v1.CreateChatCompletionRequest"),
        ("error", "chatcompletion.v1.ErrorResponse"),
        ("ChatCompletionMessage", "chatcompletion.v1.ChatCompletionMessage"),
        ("chatcompletion.v1.CompletionUsage", "chatcompletion.v1.CompletionUsage"),
    ],
)
def test_message_type(name: str, full_name: str) -> None:
    assert message_type(name).DESCRIPTOR.full_name == full_name


@pytest.mark.parametrize("name", ["", "Completion", "StringList", "FinishReason", "google.protobuf.Struct"])
def test_message_type_that_is_none(name: str) -> None:
    with pytest.raises(ValueError, match="^no message is called") as failure:
        message_type(name)
    assert str(failure.value) == (
        f"no message is called {name!r}: use completion, chunk, request, error, record, or the name of a message of the contract"
    )
