"""Detection of the document that unnamed JSON or wire bytes are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatpb import json_to_wire
from chatpb._contract.documents import DOCUMENTS
from chatpb._contract.schema import schema_of
from chatpb._detect import detect_json, detect_object, detect_wires, wire_fit
from chatpb._wire.write import varint
from chatpb.cli._demo_documents import DEMO_DOCUMENTS
from tests.support import RECORDINGS, google_type, recording


@pytest.mark.parametrize("name", DEMO_DOCUMENTS)
def test_samples(name: str) -> None:
    text = DEMO_DOCUMENTS[name]
    assert detect_object(json.loads(text)) is DOCUMENTS[name]
    assert detect_json([text.encode()]) is DOCUMENTS[name]


@pytest.mark.parametrize("name", ["request", "error"])
def test_wires(name: str) -> None:
    assert detect_wires([json_to_wire(DEMO_DOCUMENTS[name], DOCUMENTS[name])]) is DOCUMENTS[name]


def test_wires_that_fit_several_documents() -> None:
    wire = json_to_wire('{"id": "i", "model": "m", "created": 1}')
    with pytest.raises(ValueError, match="^these bytes are ChatCompletion and ChatCompletionChunk alike$"):
        detect_wires([wire])


def test_wires_that_fit_no_document() -> None:
    assert detect_wires([]) is detect_wires([b""]) is detect_wires([b"\xff"]) is DOCUMENTS["completion"]
    assert detect_wires([json_to_wire('{"x": 1}', DOCUMENTS["error"])]) is DOCUMENTS["completion"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("{}", "completion"),
        ('{"unheard_of": 1}', "completion"),
        ('{"error": {"message": "no"}}', "error"),
        ('{"error": "no"}', "error"),
        ('{"object": "error", "message": "m", "code": 400}', "error"),
        ('{"object":"error","message":"m","type":"BadRequestError","param":null,"code":400}', "error"),
        ('{"message": "m", "type": "t"}', "error"),
        ('{"detail": "Not Found"}', "error"),
        ('{"detail": [{"loc": ["body"], "msg": "field required", "type": "missing"}]}', "error"),
        ('{"error_msg": "m", "error_code": 110}', "error"),
        ('{"model": "m", "messages": [], "detail": "x"}', "request"),
        ('{"id": "1", "choices": [], "message": "m"}', "completion"),
        ('{"choices": [{"finish_reason": ["stop"], "message": {}}], "object": ["chat.completion"]}', "completion"),
        ('{"choices": [{"finish_reason": {}, "delta": {}}], "service_tier": [[]]}', "chunk"),
        ('{"messages": [], "modalities": [["text"]], "reasoning_effort": []}', "request"),
        ('{"messages": [{"role": "user", "content": "hi"}]}', "request"),
        ('{"model": "m", "messages": []}', "request"),
        ('{"choices": [{"delta": {}}]}', "chunk"),
        ('{"request": {"messages": []}, "response": {"choices": []}}', "record"),
        ('{"start_time": 1767225600000000, "stream": {"chunks": []}}', "record"),
        ('{"choices": [{"message": {}}]}', "completion"),
        ('{"id": "1", "object": "chat.completion.chunk", "choices": []}', "chunk"),
        ('{"id": "1", "object": "chat.completion", "choices": []}', "completion"),
        ('{"id": 1, "created": "x", "choices": {"delta": 1}, "object": "chat.completion.chunk"}', "chunk"),
        # A wrong type counts twice what an unknown name does, and that twice what a missing member does.
        ('{"error": {}, "stream": true}', "request"),
        ('{"messages": 5, "model": 5}', "request"),
        ('{"model": 5, "usage": {}}', "request"),
        ('{"model": 5, "code": 1}', "error"),
        # A known string of an enum counts three times what a type that fits does.
        ('{"object": "chat.completion", "error": {}}', "completion"),
        ('{"object": "chat.completion", "usage": 5, "error": {}}', "record"),
        # A null counts as a type that fits, where the contract has one.
        ('{"choices": [{"finish_reason": null}]}', "chunk"),
        ('{"stream": null}', "request"),
        # Three levels count, and three items.
        ('{"choices": [{"message": {"x": 1}}]}', "chunk"),
        ('{"choices": [{}, {"message": {"audio": {"id": "a", "transcript": 5}}}]}', "completion"),
        ('{"choices": [{}, {}, {"x": 0}, {}], "model": null}', "request"),
        ('{"choices": [{}, {"finish_reason": "x"}, {}, {"message": {"content": null}}]}', "chunk"),
    ],
)
def test_members_decide(text: str, name: str) -> None:
    assert detect_object(json.loads(text)) is DOCUMENTS[name]


def test_what_the_contract_lacks_counts_most_in_wire_bytes() -> None:
    [tag] = [field.number << 3 for field in schema_of(DOCUMENTS["completion"].DESCRIPTOR).fields() if field.enum][:1]
    present, enum, field = json_to_wire('{"id": "i"}'), varint(tag) + varint(99), varint(999 << 3) + b"\1"
    fits = [wire_fit(present + more, DOCUMENTS["completion"]) or 0 for more in (b"", enum, field, enum + field)]
    assert [round(fit / -1000) for fit in fits] == [0, 1, 1, 2]


def test_required_members_that_are_missing_count_in_wire_bytes() -> None:
    less, more = (
        wire_fit(json_to_wire(text), DOCUMENTS["completion"]) for text in ('{"id":"i"}', '{"id":"i","model":"m"}')
    )
    assert less is not None
    assert more is not None
    assert less < more < 0


def test_a_tie_goes_to_the_type_before() -> None:
    ambiguous: dict[str, Any] = {"id": "", "choices": [], "created": 0, "model": "", "object": ""}
    assert detect_object(ambiguous) is DOCUMENTS["completion"]
    assert detect_object(ambiguous, DOCUMENTS["chunk"]) is DOCUMENTS["chunk"]
    assert detect_object({"messages": []}, DOCUMENTS["chunk"]) is DOCUMENTS["request"]
    assert detect_object({"detail": "no"}, DOCUMENTS["chunk"]) is DOCUMENTS["error"]


def test_the_majority_decides_and_invalid_texts_do_not_count() -> None:
    chunk = DEMO_DOCUMENTS["chunk"].encode()
    assert detect_json([b"{", b"[1]", b"\xff", chunk]) is DOCUMENTS["chunk"]
    assert detect_json([DEMO_DOCUMENTS["error"].encode(), chunk, chunk, chunk]) is DOCUMENTS["chunk"]
    assert detect_wires([b"\xff", json_to_wire(DEMO_DOCUMENTS["error"], DOCUMENTS["error"])]) is DOCUMENTS["error"]


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
