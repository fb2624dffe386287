"""Wire bytes of records: made, taken apart, their streams rewritten, and read as columns by each engine."""

from __future__ import annotations

import json
from array import array
from mmap import mmap
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatpb import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRecord,
    CreateChatCompletionRequest,
    JsonError,
    WireError,
    json_to_wire,
    wire_to_json,
)
from chatpb._engine.codec import Codec, ColumnReader
from chatpb._records.columns import COLUMNS, columns_of, record_columns_reader
from chatpb._records.parts import TAGS, compact_record, expand_record, make_record, parts_of
from tests.engine.engines import ENGINES, codecs_of
from tests.engine.json_objects import objects_of

RECORD = objects_of(ChatCompletionRecord.DESCRIPTOR)
COLUMN_READERS = [engine.column_reader(ChatCompletionRecord.DESCRIPTOR, COLUMNS) for engine in ENGINES.values()]
CODECS = codecs_of(ChatCompletion.DESCRIPTOR)
CHUNK_CODECS = codecs_of(ChatCompletionChunk.DESCRIPTOR)


def record(obj: dict[str, Any]) -> bytes:
    return json_to_wire(json.dumps(obj), ChatCompletionRecord)


def offsets_of(rows: list[bytes]) -> bytes:
    ends = array("q", [0])
    for row in rows:
        ends.append(ends[-1] + len(row))
    return ends.tobytes()


def test_make_and_take_apart() -> None:
    request = json_to_wire('{"model":"m"}', CreateChatCompletionRequest)
    response = json_to_wire('{"id":"c","choices":[]}')
    made = make_record(
        request=request, response=response, start_time=5, end_time=9, status=200, request_id="r", peer="p", labels={"b": "2", "a": "1"}
    )  # fmt: skip
    assert json.loads(wire_to_json(made, ChatCompletionRecord)) == {
        "start_time": 5,
        "end_time": 9,
        "status": 200,
        "request_id": "r",
        "request": {"model": "m"},
        "response": {"id": "c", "choices": []},
        "peer": "p",
        "labels": {"a": "1", "b": "2"},
    }
    assert made == ChatCompletionRecord.FromString(made).SerializeToString(deterministic=True)
    assert parts_of(made) == {"request": request, "response": response}
    assert make_record() == b""
    assert parts_of(make_record(stream=b"", error=b"")) == {"stream": b"", "error": b""}


def test_parts_in_any_buffer() -> None:
    wire = json_to_wire('{"id":"c"}')
    with mmap(-1, len(wire)) as mapped:
        mapped[:] = wire
        for buffer in wire, bytearray(wire), memoryview(wire), array("B", wire), mapped:
            assert make_record(response=buffer) == make_record(response=wire)
    with pytest.raises(TypeError, match="these are JSON text"):
        make_record(response=array("B", b'{"id":"c"}'))


@given(RECORD)
def test_streams_of_records(obj: dict[str, Any]) -> None:
    wire = record(obj)
    expanded = expand_record(compact_record(wire))
    assert expand_record(compact_record(expanded)) == expanded
    if not isinstance(obj.get("stream"), dict) or not isinstance(obj["stream"].get("common"), dict):
        assert ChatCompletionRecord.FromString(expanded) == ChatCompletionRecord.FromString(wire)


def test_only_the_stream_is_rewritten() -> None:
    chunks = [{"id": "c", "choices": [{"index": 0}]}, {"id": "c", "choices": []}]
    obj = {"status": 200, "stream": {"chunks": chunks, "x": 1, "y": None}, "peer": "p", "z": [1]}
    compact = compact_record(record(obj))
    assert json.loads(wire_to_json(compact, ChatCompletionRecord))["stream"]["common"] == {"id": "c"}
    assert json.loads(wire_to_json(expand_record(compact), ChatCompletionRecord)) == obj


@st.composite
def records_or_not(draw: st.DrawFn) -> bytes:
    """Draw a record, maybe with a stream in pieces, maybe damaged."""
    wire = draw(RECORD.map(record)) + draw(st.sampled_from([b"", record({"stream": {"chunks": STREAM}})]))
    cut = draw(st.integers(0, len(wire))) if draw(st.booleans()) else len(wire)
    return wire[:cut] + draw(st.sampled_from([b"", b"", b"", b"\x42\x02\x12\x00", b"\x42\x03\x12\x02\x0a"]))


@given(st.lists(records_or_not(), max_size=5))
@example([b"", b"z\x08\n\x06\nB\x03\x12\x02\n"])  # a vendor's members, damaged, and no stream
def test_columns_of_records_are_rewritten_as_single_records_are(records: list[bytes]) -> None:
    for name, single in (("compact_records", compact_record), ("expand_records", expand_record)):
        outcomes: list[Any] = []
        try:
            rows = list(map(single, records))
            outcomes.append((b"".join(rows), offsets_of(rows)))
        except WireError as error:
            outcomes.append((error.offset, error.reason))
        for codec in CHUNK_CODECS:
            try:
                outcomes.append(getattr(codec, name)(b"".join(records), offsets_of(records), TAGS["stream"], 2))
            except WireError as error:
                assert error.path[1:].split("/")[0].isdigit()
                outcomes.append((error.offset, error.reason))
        assert all(outcome == outcomes[0] for outcome in outcomes)


STREAM = [{"id": "c", "choices": [{"index": 0}]}, {"id": "c", "choices": []}]
ANSWER = {
    "id": "c",
    "created": 7,
    "model": "m",
    "choices": [
        {"finish_reason": "stop", "message": {"tool_calls": [{"function": {"name": "f"}}, {"function": {"name": "g"}}]}},
        {"finish_reason": "eos"},
        {"finish_reason": None},
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 5}},
}  # fmt: skip
CHUNKS = [
    {"id": "", "model": "", "created": 0},
    {"id": "c", "model": "m", "choices": [{"delta": {"tool_calls": [{"function": {"name": "f"}}]}}]},
    {"id": "c", "model": "m", "choices": [{"finish_reason": "stop"}], "usage": {"total_tokens": 2}},
    {"id": "c", "model": "m", "choices": [], "usage": {"total_tokens": 3}},
]

ENDED = [
    {"id": "c", "model": "m", "created": 7, "choices": [{"delta": {"tool_calls": [{"function": {"name": "f"}}]}}],
        "usage": {"prompt_tokens": 1, "total_tokens": 3, "cost": 0.5}},
    {"id": "", "model": "", "created": 0, "choices": [{"finish_reason": "", "delta": {"tool_calls": [{"function": {"name": ""}}]}}],
        "usage": {"prompt_tokens": 0, "total_tokens": 0, "cost": 0}},
    {"id": "c", "choices": [{"finish_reason": "stop"}]},
]  # fmt: skip
"""A stream in which providers leave empty what they have nothing to say of."""


@pytest.mark.parametrize(
    ("obj", "found"),
    [
        ({}, {}),
        ({"response": ANSWER}, {"id": "c", "created": 7, "model": "m", "finish_reasons": ["stop", "eos"], "tool_names": ["f", "g"],
            "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cached_tokens": 4, "reasoning_tokens": 5}),
        ({"stream": {"chunks": CHUNKS}}, {"id": "c", "model": "m", "created": 0, "streamed": 1, "finish_reasons": ["stop"],
            "tool_names": ["f"], "total_tokens": 3}),
        ({"stream": {"common": {"id": "c", "model": "m"}, "chunks": [{}, {"model": "n"}]}}, {"id": "c", "model": "n", "streamed": 1}),
        ({"stream": {"chunks": [CHUNKS[0], *ENDED, *CHUNKS[:1]]}}, {"id": "c", "model": "m", "created": 7, "streamed": 1,
            "finish_reasons": ["stop"], "tool_names": ["f"], "prompt_tokens": 1, "total_tokens": 3, "cost": 0.5}),
        ({"stream": {"common": {"id": "c", "created": 7}, "chunks": [{"id": "", "created": 0}, {}]}}, {"id": "c", "created": 7, "streamed": 1}),
        ({"request": {"model": "asked"}, "response": {"model": "", "usage": {"total_tokens": 0}}},
            {"model": "asked", "requested_model": "asked", "total_tokens": 0}),
        ({"request": {"model": ""}, "error": {"error": {"code": "", "type": ""}}}, {"model": "", "requested_model": "", "error": ""}),
        ({"request": {"model": "asked"}, "status": 502, "error": {"error": {"message": "no", "type": "t", "code": 5}}},
            {"model": "asked", "requested_model": "asked", "status": 502, "error": "t"}),
        ({"request": {"model": "asked"}, "response": {"model": "used"}}, {"model": "used", "requested_model": "asked"}),
        ({"response": {"usage": {"cost": 0.25}}}, {"cost": 0.25}),
        ({"response": {"usage": {"cost": 3}}}, {"cost": 3.0}),
        ({"response": {"usage": {"cost": "3", "x": 1}}}, {}),
        ({"stream": {"chunks": [{"usage": {"cost": 1}}, {"usage": {"cost": 1e-7}}]}}, {"cost": 1e-7, "streamed": 1}),
        ({"start_time": -1, "first_token_time": 2, "end_time": 3, "request_id": "r", "peer": "p"},
            {"start_time": -1, "first_token_time": 2, "end_time": 3, "request_id": "r", "peer": "p"}),
        ({"status": "200", "peer": 1, "response": {"created": "7", "id": {}}, "start_time": 1.5}, {}),
        ({"status": 2**40, "response": {"usage": {"total_tokens": 2**63}}}, {"status": 2**40}),
    ],
    ids=["nothing", "response", "stream", "compact", "empty-at-last", "empty-in-compact", "empty-model", "empty-alone", "error", "models", "cost", "whole-cost", "no-cost", "last-cost", "own", "other-types", "too-large"],
)  # fmt: skip
def test_columns(obj: dict[str, Any], found: dict[str, Any]) -> None:
    values = {column.name: values[0] for column, values in zip(COLUMNS, columns_of([record(obj)]), strict=True)}
    assert {name: value for name, value in values.items() if value not in (None, [])} == found


def test_named_columns() -> None:
    records = [record({"response": ANSWER}), record({"peer": "p"})]
    assert columns_of(records, "peer", "id") == [[None, "p"], ["c", None]]
    assert columns_of([], "peer", "finish_reasons") == [[], []]


@given(st.lists(RECORD.map(record) | st.binary(max_size=30), max_size=12))
def test_engines_agree_on_columns(records: list[bytes]) -> None:
    outcomes = []
    data = b"".join(records)
    for reader in COLUMN_READERS:
        for threads in (0, 2):
            try:
                found = reader.of_array(data, offsets_of(records), threads) if threads else reader.of_messages(records)
                outcomes.append([tuple(buffers) for buffers in found])
            except WireError as error:
                outcomes.append([(str(error),)])
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_many_records_over_threads() -> None:
    records = [record({"response": {**ANSWER, "id": f"c{n}"}, "status": n}) for n in range(5000)]
    reader = record_columns_reader()
    assert reader.of_array(b"".join(records), offsets_of(records), 4) == reader.of_messages(records)
    assert columns_of(records, "id", "status") == [[f"c{n}" for n in range(5000)], list(range(5000))]


@pytest.mark.parametrize("reader", COLUMN_READERS, ids=ENGINES)
def test_bad_records(reader: ColumnReader) -> None:
    with pytest.raises(WireError, match=r"^a field that runs past the end of its message at byte 2, in /1$"):
        reader.of_messages([b"", b"\x08\x01\x3a\x05"])
    for offsets in (b"", b"\0" * 7, offsets_of([b"ab"]), array("q", [1, 0]).tobytes(), array("q", [-1, 0]).tobytes()):
        with pytest.raises(ValueError, match=r"^offsets that are not those of the data$"):
            reader.of_array(b"a", offsets, 1)


@pytest.mark.parametrize("codec", CODECS, ids=ENGINES)
def test_rows(codec: Codec) -> None:
    texts = [b'{"id":"a"}', b"{}", b'{"x":1}'] * 300
    wires = [json_to_wire(text) for text in texts]
    found = codec.json_to_wire_rows(b"".join(texts), offsets_of(texts), False, 2)
    assert found == (b"".join(wires), offsets_of(wires))
    assert codec.wire_to_json_rows(*found, True, False, 2) == (b"".join(texts), offsets_of(texts))
    assert codec.json_to_wire_rows(b"..", array("q", [1, 1, 1][:1]).tobytes(), False, 2) == (b"", offsets_of([]))
    rows = [b"{}", b'{"a":}']
    with pytest.raises(JsonError) as failure:
        codec.json_to_wire_rows(b"".join(rows), offsets_of(rows), False, 1)
    assert (failure.value.path, failure.value.offset) == ("/1/a", 5)
    rows = [b"", b"\x0a\x05"]
    with pytest.raises(WireError) as wrong:
        codec.wire_to_json_rows(b"".join(rows), offsets_of(rows), True, False, 1)
    assert (wrong.value.path, wrong.value.offset) == ("/1", 0)
