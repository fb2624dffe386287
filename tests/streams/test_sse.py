"""Event streams. Each case is fed whole, byte by byte, and split in two at every byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcompletion.v1 import ChatCompletionChunk
from chatpb import from_json, json_to_wire, to_dict, wire_to_json
from chatpb.streams.sse import (
    DONE,
    ChunkReader,
    ErrorEvent,
    Event,
    EventReader,
    StreamError,
    write_chunk,
    write_comment,
    write_event,
)
from tests.support import recording

A, B = Event(b"a"), Event(b"b")

CASES: dict[str, tuple[bytes, list[Event]]] = {
    "lf": (b"data: a\n\ndata: b\n\n", [A, B]),
    "crlf": (b"data: a\r\n\r\ndata: b\r\n\r\n", [A, B]),
    "cr": (b"data: a\r\rdata: b\r\r", [A, B]),
    "mixed": (b"data: a\r\n\ndata: b\n\r\n", [A, B]),
    "no space": (b"data:a\n\n", [A]),
    "one space goes": (b"data:  a \n\n", [Event(b" a ")]),
    "several lines": (b"data: a\ndata\ndata: b\n\n", [Event(b"a\n\nb")]),
    "comments": (b": hello\n\n:\n\ndata: a\n: inside\n\n: bye\n\n", [A]),
    "name": (b"event: error\ndata: a\n\ndata: b\n\n", [Event(b"a", "error"), B]),
    "other fields": (b"id: 1\nretry: 5\ndata: a\nunknown: x\n\n", [A]),
    "event without data": (b"event: ping\n\ndata: a\n\n", [A]),
    "empty data": (b"data:\n\n", [Event(b"")]),
    "empty lines": (b"\n\n\ndata: a\n\n\n\n\ndata: b\n\n", [A, B]),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [A]),
    "byte order mark of a later line": (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [A]),
    "not utf-8": (b"data: \xff\n\n", [Event(b"\xff")]),
    "cut off": (b"data: a\n\ndata: b", [A, B]),
    "cut off after the line": (b"data: a\n\ndata: b\r\n", [A, B]),
    "cut off in a comment": (b"data: a\n\n: b", [A]),
    "nothing": (b"", []),
}


def splits(data: bytes) -> Iterator[list[bytes]]:
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    for at in range(len(data)):
        yield [data[:at], b"", data[at:]]


def read(reader: EventReader | ChunkReader, pieces: list[bytes]) -> list[Any]:
    found: list[Any] = []
    for piece in pieces:
        found += reader.feed(piece)
    return [*found, *reader.close()]


@pytest.mark.parametrize("case", CASES)
def test_events(case: str) -> None:
    data, want = CASES[case]
    for pieces in splits(data):
        assert read(EventReader(), pieces) == want


CHUNK = b'{"id":"1","choices":[]}'
ERROR = b'{"error":{"message":"no","code":429}}'


@pytest.mark.parametrize(
    ("data", "count", "is_done"),
    [
        (b"data: %b\n\ndata: [DONE]\n\n" % CHUNK, 1, True),
        (b"data: %b\n\ndata: [DONE]" % CHUNK, 1, True),
        (b"data: %b\n\n" % CHUNK, 1, False),
        (b"data: %b" % CHUNK, 1, False),
        (b"data: [DONE]\n\ndata: garbage\n\n", 0, True),
        (b"data:\n\ndata: \n\n: x\n\ndata: %b\n\n" % CHUNK, 1, False),
        (b'data: {"id":"1",\ndata: "choices":[]}\n\n', 1, False),
        (b'data: {"error":null,"choices":[]}\n\n', 1, False),
        (b'data: {"choices":[],"error":{"a":1}}\n\n', 1, False),
        (b"data: null\n\ndata: %b\n\n" % CHUNK, 1, False),
        (b"event: ping\ndata: {}\n\ndata: %b\n\n" % CHUNK, 1, False),
        (b"event: chunk\ndata: %b\n\n" % CHUNK, 1, False),
        (b"%b\n\ndata: %b\n\n" % (CHUNK, CHUNK), 2, False),
        (b'data: {"choices":[],"x":"\\"error\\""}\n\n', 1, False),
    ],
)
def test_chunks(data: bytes, count: int, is_done: bool) -> None:
    for pieces in splits(data):
        reader = ChunkReader()
        assert len(read(reader, pieces)) == count
        assert reader.is_done is is_done


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"data: %b\n\n" % ERROR, ERROR),
        (b"event: error\ndata: {}\n\n", b"{}"),
        (b"event: error\ndata: it broke\n\n", b"it broke"),
        (b'data: {"error":"text"}\n\n', b'{"error":"text"}'),
        (b'data: {"object":"error","message":"m"}\n\n', b'{"object":"error","message":"m"}'),
        (b'data: {"error":"text","choices":null}\n\n', b'{"error":"text","choices":null}'),
        (b'data: {"error":"text","n":%b}\n\n' % (b"1" * 5000), b'{"error":"text","n":%b}' % (b"1" * 5000)),
        (ERROR + b"\n\n", ERROR),
        (b'{\n"error":\n{"a":1}\n}\n\n', b'{\n"error":\n{"a":1}\n}'),
    ],
)
def test_error_events_are_raised_after_the_chunks_before_them(data: bytes, body: bytes) -> None:
    for pieces in splits(b"data: %b\n\n%b" % (CHUNK, data)):
        reader = ChunkReader()
        found: list[bytes] = []
        with pytest.raises(ErrorEvent, match="^the stream reports an error$") as caught:
            found.extend(chain.from_iterable(map(reader.feed, pieces)))
        assert caught.value.body == body
        assert [wire_to_json(wire, ChatCompletionChunk) for wire in found] == [CHUNK]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"data: garbage\n\n", "an event that is not a chunk: "),
        (b"data: [1]\n\n", "an event that is not a chunk: "),
        (b'data: {"id":', "the stream ends inside an event"),
        (b'data: {"id":"1"}\ndata: ,', "the stream ends inside an event"),
        (b"data: %b\n\n" % (b"x" * 99), "an event of more than 64 bytes, the limit"),
        (b"data: %b" % (b"x" * 99), "an event of more than 64 bytes, the limit"),
        (b"x" * 99, "an event of more than 64 bytes, the limit"),
    ],
)
def test_refused(data: bytes, words: str) -> None:
    for pieces in splits(data):
        with pytest.raises(StreamError, match="^" + words.replace("[", r"\[")):
            read(ChunkReader(max_event=64), pieces)


def test_comments_without_end_are_no_event() -> None:
    reader = EventReader(max_event=64)
    for _ in range(1000):
        assert not list(reader.feed(b": keep-alive\n"))
    assert list(reader.feed(b"data: a\n\n")) == [A]


@pytest.mark.parametrize(
    ("stream", "wanted"),
    [
        (b"data: a\n:" + b"c" * 99 + b"\n\n", [A]),
        (b"data: a\n:" + b"c" * 99 + b"data: x\ndata: b\n\n", [Event(b"a\nb")]),
        (b":" + b"c" * 99 + b"\rdata: a\r\r", [A]),
        (b": c\n" * 99 + b"data: a", [A]),
        (b"data: a\n" + b": c\n" * 99, [A]),
        (b"data: a\n:" + b"c" * 99, [A]),
        (b"data:" + b"a" * 59 + b"\n" + b": c\n" * 99 + b"\n", [Event(b"a" * 59)]),
        (b"data:" + b"a" * 59 + b"\n" + b": c\n" * 99, [Event(b"a" * 59)]),
        (b"data:" + b"a" * 58 + b"\n" + b": c\n" * 99, [Event(b"a" * 58)]),
    ],
)
def test_comments_do_not_count(stream: bytes, wanted: list[Event]) -> None:
    """Not where they end, where they are cut, or where the event is as large as events may be."""
    for pieces in splits(stream):
        assert read(EventReader(max_event=64), pieces) == wanted


def test_comments_do_not_hide_an_event_that_is_too_large() -> None:
    for pieces in splits(b"data:" + b"a" * 60 + b"\n" + b": c\n" * 9 + b"\n"):
        with pytest.raises(StreamError, match="^an event of more than 64 bytes, the limit$"):
            read(EventReader(max_event=64), pieces)


class Counted(bytearray):
    """Counts the bytes that are taken out of it."""

    taken = 0

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        if isinstance(found, bytearray):
            self.taken += len(found)
        return found


def test_comments_near_the_limit_are_looked_at_once() -> None:
    reader = EventReader(max_event=100_000)
    counted = reader._buffer = Counted()
    assert not list(reader.feed(b"data: " + b"x" * 99_900 + b"\n"))
    counted.taken = 0
    for _ in range(1000):
        assert not list(reader.feed(b": " + b"c" * 397 + b"\n"))
    assert counted.taken < 1000 * 1000


def test_messages() -> None:
    reader = ChunkReader(ChatCompletionChunk)
    assert list(reader.feed(b"data: %b\n\n" % CHUNK)) == [from_json(CHUNK, ChatCompletionChunk)]


def test_what_is_no_chunk_does_not_hold_the_next_one_back() -> None:
    for other in b"event: ping\ndata: {}\n\n", b"data: null\n\n", b": x\n\n":
        reader = ChunkReader()
        assert len(list(reader.feed(other + b"data: %b\n\n" % CHUNK))) == 1


def test_data_in_any_buffer() -> None:
    for data in b"a", b"a\nb", b"a\rb":
        buffers: list[Any] = [bytearray(data), memoryview(data)]
        for buffer in buffers:
            assert write_event(buffer) == write_event(data)
            assert type(write_event(buffer)) is bytes


def test_writing() -> None:
    message = from_json(CHUNK, ChatCompletionChunk)
    assert write_chunk(message) == write_chunk(message.SerializeToString()) == b"data: %b\n\n" % CHUNK
    assert write_event(b"a\r\nb", "x") == b"event: x\ndata: a\ndata: b\n\n"
    assert write_comment() == b": keep-alive\n"
    assert DONE == b"data: [DONE]\n\n"
    with pytest.raises(ValueError, match="^a comment is one line$"):
        write_comment("a\n\ndata: b")
    with pytest.raises(ValueError, match="^the name of an event is one line$"):
        write_event(b"a", "x\ndata: b")
    other: Any = b"a"
    with pytest.raises(TypeError, match="^a comment is a str, not bytes$"):
        write_comment(other)
    with pytest.raises(TypeError, match="^the name of an event is a str, not bytes$"):
        write_event(b"a", other)


@given(st.lists(st.binary(max_size=30)), st.integers(1, 7))
def test_what_is_written_is_read(datas: list[bytes], size: int) -> None:
    """Data without CR comes back equal. A CR would be read as the end of a line, and come back as LF."""
    datas = [data.replace(b"\r", b"") for data in datas]
    stream = b"".join(write_comment() + write_event(data) for data in datas)
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [event.data for event in read(EventReader(), pieces)] == datas


def test_recorded_chunks_come_back() -> None:
    chunks = recording("chunk")
    wires = [json_to_wire(chunk, ChatCompletionChunk) for chunk in chunks]
    stream = b"".join(map(write_chunk, wires)) + DONE
    reader = ChunkReader()
    assert read(reader, [stream[at : at + 1000] for at in range(0, len(stream), 1000)]) == wires
    assert reader.is_done
    again = ChunkReader(ChatCompletionChunk)
    messages = read(again, [b"data: " + chunk.strip() + b"\r\n\r\n" for chunk in chunks[:500]])
    assert [to_dict(message) for message in messages] == [json.loads(chunk) for chunk in chunks[:500]]
