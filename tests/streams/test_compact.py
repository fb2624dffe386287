"""Chunks compacted into one message and expanded again, by each engine and by protobuf's own merge."""

from __future__ import annotations

import json
from array import array
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpb import (
    ChatCompletionChunk,
    ChatCompletionStream,
    WireError,
    compact_stream,
    expand_stream,
    from_json,
    json_to_wire,
    wire_to_json,
)
from chatpb._engine.codec import Codec
from chatpb._engine.reference.streams import compact as compact_module
from chatpb._limits import MAX_EXPANDED
from chatpb._wire.write import delimited
from tests.engine.engines import ENGINES, codecs_of
from tests.engine.json_objects import objects_of
from tests.support import ALL_VECTORS, Vector, betterproto_type, by_name, recording

CODECS = codecs_of(ChatCompletionChunk.DESCRIPTOR)
CHUNK = objects_of(ChatCompletionChunk.DESCRIPTOR)
VARIANTS = st.lists(CHUNK, min_size=1, max_size=3).flatmap(lambda few: st.lists(st.sampled_from(few), max_size=8))


def wire(obj: dict[str, Any]) -> bytes:
    return json_to_wire(json.dumps(obj), ChatCompletionChunk)


@given(VARIANTS)
def test_chunks_come_back_by_every_way(objects: list[dict[str, Any]]) -> None:
    chunks = [wire(obj) for obj in objects]
    streams = [codec.compact_stream(chunks) for codec in CODECS]
    assert len(set(streams)) == 1
    assert [codec.expand_stream(streams[0]) for codec in CODECS] == [chunks] * len(CODECS)
    # A program in any language can expand the stream with protobuf's own merge, also after parsing and writing it.
    message = ChatCompletionStream.FromString(ChatCompletionStream.FromString(streams[0]).SerializeToString())
    common = message.common.SerializeToString()
    merged = [ChatCompletionChunk.FromString(common + kept.SerializeToString()) for kept in message.chunks]
    assert merged == [ChatCompletionChunk.FromString(chunk) for chunk in chunks]


@given(st.lists(st.binary(max_size=12) | VARIANTS.map(lambda few: wire(few[0]) if few else b""), max_size=5))
def test_any_chunks(chunks: list[bytes]) -> None:
    """Chunks as no engine writes them: fields in any order, several times, of other wire types, or no fields at all."""
    outcomes: list[bytes | str] = []
    for codec in CODECS:
        try:
            stream = codec.compact_stream(chunks)
        except WireError as error:
            outcomes.append(str(error))
            continue
        outcomes.append(stream)
        for chunk, back in zip(chunks, codec.expand_stream(stream), strict=True):
            assert sorted(chunk) == sorted(back)
    assert len(set(outcomes)) == 1


@given(st.binary(max_size=40) | st.lists(st.binary(max_size=8), max_size=4).map(b"\n\x04".join))
def test_any_stream(stream: bytes) -> None:
    outcomes = []
    for codec in CODECS:
        try:
            outcomes.append(repr(codec.expand_stream(stream)))
        except WireError as error:
            outcomes.append(str(error))
    assert len(set(outcomes)) == 1


def test_what_repeats_is_written_once() -> None:
    pieces = ["Hel", "lo", ""]
    common = {"id": "chatcmpl-1", "model": "m", "created": 1767225601, "service_tier": None, "x_vendor": {"a": [1]}}
    objects = [{**common, "choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    objects[2]["model"] = "m-2"
    chunks = [wire(obj) for obj in objects]
    stream = ChatCompletionStream.FromString(compact_stream(chunks))
    assert stream.common == ChatCompletionChunk.FromString(wire(common))
    assert [kept.ByteSize() for kept in stream.chunks] == [11, 10, 13]
    assert stream.chunks[2].model == "m-2"
    assert expand_stream(stream) == expand_stream(stream.SerializeToString()) == chunks
    assert compact_stream(map(ChatCompletionChunk.FromString, chunks)) == compact_stream(chunks)


@by_name([vector for vector in ALL_VECTORS if vector.message == "ChatCompletionStream"])
def test_vectors_are_what_their_chunks_give(vector: Vector) -> None:
    chunks = expand_stream(vector.wire)
    assert compact_stream(chunks) == vector.wire
    whole = [ChatCompletionChunk.FromString(chunk) for chunk in chunks]
    compact = ChatCompletionStream.FromString(vector.wire)
    for chunk, kept in zip(whole, compact.chunks, strict=True):
        merged = ChatCompletionChunk()
        merged.MergeFrom(compact.common)
        merged.MergeFrom(kept)
        assert chunk == merged


def test_messages_of_either_runtime() -> None:
    """The chunks have map entries without key or value, which betterproto's own serializer leaves out."""
    texts = ['{"id":"1","x":1,"y":18446744073709551615,"choices":[{"delta":{"v":{"":""}}}]}', '{"id":"1"}', "{}"]
    chunks = [json_to_wire(text, ChatCompletionChunk) for text in texts]
    stream = compact_stream(chunks)
    for message_type in (ChatCompletionStream, betterproto_type("ChatCompletionStream")):
        assert expand_stream(from_json(wire_to_json(stream, ChatCompletionStream), message_type)) == chunks
    for message_type in (ChatCompletionChunk, betterproto_type("ChatCompletionChunk")):
        assert compact_stream(from_json(text, message_type) for text in texts) == stream
    with pytest.raises(TypeError, match=r"^<class 'dict'> is not a message class of"):
        expand_stream({})


@pytest.mark.parametrize(
    ("objects", "common"),
    [
        ([], {}),
        ([{"id": "1"}], {}),
        ([{"id": "1"}, {}], {}),
        ([{"obfuscation": "a"}, {"obfuscation": "b"}], {}),
        ([{"id": "1", "x": 1}, {"id": "1", "x": 2}], {"id": "1"}),
        ([{"usage": None, "id": "1"}, {"usage": None}], {"usage": None}),
        ([{"usage": None}, {"usage": {"total_tokens": 1}}], {}),
        ([{"choices": []}] * 2, {"choices": []}),
        ([{"choices": [{}]}] * 2, {}),
    ],
    ids=["none", "one", "missing", "all-differ", "open", "null", "null-once", "empty", "repeated"],
)
def test_what_is_common(objects: list[dict[str, Any]], common: dict[str, Any]) -> None:
    chunks = [wire(obj) for obj in objects]
    stream = compact_stream(chunks)
    assert ChatCompletionStream.FromString(stream).common.SerializeToString() == (wire(common) if common else b"")
    assert expand_stream(stream) == chunks


@pytest.mark.parametrize("codec", CODECS, ids=ENGINES)
@pytest.mark.parametrize("field", [b"\x68", b"\x70"], ids=["empty_fields", "null_fields"])
def test_bits_that_a_chunk_writes_as_zero_stay_out_of_common(codec: Codec, field: bytes) -> None:
    """To protobuf's own merge, zero and absent are the same, and would leave the bits of `common`."""
    chunks = [field + b"\x02", field + b"\x02", field + b"\x00"]
    stream = codec.compact_stream(chunks)
    assert stream == b"".join(delimited(b"\x12", chunk) for chunk in chunks)
    assert codec.expand_stream(stream) == chunks
    assert codec.compact_stream(chunks[:2]) == delimited(b"\x0a", chunks[0]) + b"\x12\x00" * 2


@pytest.mark.parametrize("codec", CODECS, ids=ENGINES)
@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (b"\x12", "a field that runs past the end of its message at byte 0"),
        (b"\x0a\x02\x08", "a field that runs past the end of its message at byte 0"),
        (b"\x0a\x01\x08\x12\x00", "a field that runs past the end of its message at byte 2, in /common"),
        (b"\x12\x00\x12\x02\x0a\x05", "a field that runs past the end of its message at byte 4, in /chunks/1"),
        (b"\x0a\x82\x10\x0a\xff\x0f" + b"a" * 2047 + b"\x12\x00" * 200_000,
            f"a stream that expands to more than {MAX_EXPANDED} bytes at byte 0"),
    ],
    ids=["cut", "cut-common", "bad-common", "bad-chunk", "bomb"],
)  # fmt: skip
def test_bad_stream(codec: Codec, stream: bytes, error: str) -> None:
    with pytest.raises(WireError) as failure:
        codec.expand_stream(stream)
    assert str(failure.value) == error


@pytest.mark.parametrize("codec", CODECS, ids=ENGINES)
def test_fields_that_repeat_are_looked_at_once(codec: Codec) -> None:
    """Sizes for which time that grows with the square would be minutes."""
    count = 200_000
    created, unknown = b"\x40\x01", b"\xf8\x03\x01"
    common, own = created * count, unknown * count
    (chunk,) = codec.expand_stream(delimited(b"\x0a", common) + delimited(b"\x12", own))
    assert chunk == common + own
    (kept,) = codec.expand_stream(codec.compact_stream([own + common]))
    assert kept == own + common
    assert codec.expand_stream(codec.compact_stream([own + common, created])) == [own + common, created]


@pytest.mark.parametrize("codec", CODECS, ids=ENGINES)
def test_bad_chunk(codec: Codec) -> None:
    with pytest.raises(WireError, match=r"^a field that runs past the end of its message at byte 2, in /1$"):
        codec.compact_stream([b"", b"\x40\x01\x0a\x05"])


def test_recorded_streams() -> None:
    texts = recording("chunk")
    for _, group in groupby(texts, key=lambda text: json.loads(text).get("id")):
        chunks = [json_to_wire(text, ChatCompletionChunk) for text in group]
        streams = {codec.compact_stream(chunks) for codec in CODECS}
        assert len(streams) == 1
        assert all(codec.expand_stream(streams.copy().pop()) == chunks for codec in CODECS)


@pytest.mark.parametrize("codec", CODECS, ids=ENGINES)
def test_fields_of_one_number_stay_in_their_order(codec: Codec) -> None:
    """Whatever their wire types are, and those of `common` before those of the chunk."""
    fixed, text, integer = b"\x15abcd", b"\x12\x01a", b"\x10\x05"
    for common in (fixed + text + integer, integer + text + fixed, text + fixed):
        stream = delimited(b"\x0a", common) + delimited(b"\x12", b"\x11" + b"e" * 8)
        assert codec.expand_stream(stream) == [common + b"\x11" + b"e" * 8]


def test_the_limit_counts_the_stream_and_what_its_chunks_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = delimited(b"\x0a", b"\x10\x05") + b"\x12\x00" * 3
    assert len(stream) == 10
    expanded = len(stream) + 3 * len(b"\x10\x05")
    for limit, is_refused in ((expanded, False), (expanded - 1, True)):
        monkeypatch.setattr(compact_module, "MAX_EXPANDED", limit)
        if is_refused:
            with pytest.raises(WireError, match="a stream that expands to more than 15 bytes"):
                compact_module.expand_stream(stream, ChatCompletionChunk.DESCRIPTOR)
        else:
            compact_module.expand_stream(stream, ChatCompletionChunk.DESCRIPTOR)


@pytest.mark.parametrize("codec", CODECS, ids=ENGINES)
@pytest.mark.parametrize("before", [0, 1, 300])
def test_a_stream_stands_where_its_first_piece_is_in_a_record(codec: Codec, before: int) -> None:
    tag, other = 0x42, b"\x10\x07"
    pieces = [delimited(b"\x12", chunk) for chunk in (b"\x0a\x01a", b"\x0a\x01a\x10\x05")]
    record = other * before + other.join(delimited(bytes([tag]), piece) for piece in pieces)
    offsets = array("q", [0, len(record)]).tobytes()
    compact, _ = codec.compact_records(record, offsets, tag, 1)
    stream = codec.compact_stream([b"\x0a\x01a", b"\x0a\x01a\x10\x05"])
    assert compact == other * before + delimited(bytes([tag]), stream) + other
    whole, _ = codec.expand_records(compact, array("q", [0, len(compact)]).tobytes(), tag, 1)
    assert whole == other * before + delimited(bytes([tag]), b"".join(pieces)) + other
