"""Buffers: what other threads and processes may change is read from a copy, and an object is asked for its buffer once."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, Final

import pytest

import chatpb
from chatcompletion import v1
from chatpb import arrow
from chatpb._engine.codec import Codec
from tests.convert.test_entry_points import BUFFERS
from tests.engine.engines import ENGINES

TEXT: Final = b'{"id":"a","choices":[{"index":0,"message":{"content":"%b"}}]}' % (b"words " * 5000)
WIRE: Final = chatpb.json_to_wire(TEXT)


@pytest.fixture(params=ENGINES)
def codec(request: pytest.FixtureRequest) -> Codec:
    made: Codec = ENGINES[request.param].codec(v1.ChatCompletion.DESCRIPTOR)
    return made


@pytest.mark.parametrize("kind", BUFFERS)
def test_a_buffer_is_free_while_it_is_read(kind: str) -> None:
    """No view of it is left, not even while an error is kept."""
    data = BUFFERS[kind](TEXT + b" " * (-len(TEXT) % 4))
    broken = BUFFERS[kind](b"{" + b" " * 20_003)
    assert chatpb.json_to_wire(data) == WIRE
    with pytest.raises(chatpb.JsonError) as caught:
        chatpb.json_to_wire(broken)
    for each in (data, broken):
        if isinstance(each, bytearray):
            each.clear()
        elif isinstance(each, (mmap, memoryview)):
            each.close() if isinstance(each, mmap) else each.release()
    assert caught.value.reason == "unexpected end of the text"


# Each file holds two documents of one length in turn, so that a mixture of both is noticed, or is one of them.

DOCUMENTS: Final = [
    b'{"id":"%b","x":[%b]}' % (letter * 40_000, b",".join([number] * 20_000))
    for letter, number in ((b"a", b"123"), (b"\\", b"[1]"), (b'"', b'"\\"'))
]
READERS: Final[dict[str, tuple[Callable[[Any], object], list[bytes]]]] = {
    "json_to_wire": (chatpb.json_to_wire, DOCUMENTS),
    "from_json": (chatpb.from_json, DOCUMENTS),
    "json_lines_to_wire": (chatpb.json_lines_to_wire, DOCUMENTS),
    "wire_to_json": (chatpb.wire_to_json, [WIRE, b"\x0a" * len(WIRE), b"\xff" * len(WIRE)]),
    "validate": (chatpb.validate, [WIRE, b"\x7a\x05" * (len(WIRE) // 2) + b"\x00"[: len(WIRE) % 2], b"\xff" * len(WIRE)]),
}  # fmt: skip


@pytest.fixture
def changing(tmp_path: Path) -> Iterator[Callable[[list[bytes]], mmap]]:
    """Map a file for reading, which another thread writes to without the GIL, as another process could."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def start(contents: list[bytes]) -> mmap:
        path = tmp_path / "changing"
        path.write_bytes(contents[0])
        writer, reader = os.open(path, os.O_WRONLY), os.open(path, os.O_RDONLY)

        def write() -> None:
            while not stop.is_set():
                for content in contents:
                    os.pwrite(writer, content, 0)
            os.close(writer)

        view = mmap(reader, len(contents[0]), access=ACCESS_READ)
        os.close(reader)
        threads.append(threading.Thread(target=write))
        threads[0].start()
        return view

    yield start
    stop.set()
    for thread in threads:
        thread.join()


@pytest.mark.skipif(not hasattr(os, "pwrite"), reason="needs pwrite, which writes without moving")
@pytest.mark.parametrize(("read", "contents"), READERS.values(), ids=READERS)
def test_a_file_that_changes_while_it_is_read(
    changing: Callable[[list[bytes]], mmap], read: Callable[[Any], object], contents: list[bytes]
) -> None:
    """Each call gives what some contents of the file give, or an error of chatpb: the bytes stay as they are meanwhile."""
    assert len({len(each) for each in contents}) == 1
    data = changing(contents)
    for _ in range(60):
        try:
            result = read(data)
        except chatpb.ChatpbError:
            continue
        if isinstance(result, bytes) and read is chatpb.json_to_wire:
            v1.ChatCompletion.FromString(result)


@pytest.mark.parametrize("kind", ["bytearray", "mmap"])
def test_a_copy_is_made_before_anything_is_read(codec: Codec, kind: str) -> None:
    data = BUFFERS[kind](TEXT)
    results: list[bytes] = []
    thread = threading.Thread(
        target=lambda: results.extend(codec.json_to_wire(bytes(TEXT), False, False) for _ in "ab")
    )
    thread.start()
    assert chatpb.json_to_wire(data) == WIRE
    thread.join()
    assert results == [WIRE, WIRE]


def test_rows_are_a_part_of_their_data() -> None:
    column = arrow.from_messages(b"".join(bytes([len(each)]) + each for each in (b"\n\x01a", b"", b"\n\x02bc")))
    texts = ['{"id":"a"}', "{}", '{"id":"bc"}']
    for start in range(4):
        for stop in range(start, 4):
            assert arrow.json_column(column[start:stop]).to_pylist() == texts[start:stop]


OFFSETS: Final[dict[str, tuple[list[int], bool]]] = {
    "of the data": ([0, 1, 3], True),
    "of a part": ([1, 2, 2], True),
    "one": ([2], True),
    "none": ([], False),
    "past the end": ([0, 1, 4], False),
    "one past the end": ([4], False),
    "negative": ([-1, 1, 3], False),
    "in no order": ([0, 3, 1], False),
    "far apart": ([0, 2**62, 3], False),
    "from far": ([-(2**63), 0, 2**63 - 1], False),
}


@pytest.mark.parametrize(("offsets", "fit"), OFFSETS.values(), ids=OFFSETS)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["bytes", "bytearray", "view of every second byte"])
def test_offsets_of_rows(engine: str, kind: str, offsets: list[int], fit: bool) -> None:
    data = BUFFERS.get(kind, bytes)(b"abc")
    words = b"".join(each.to_bytes(8, sys.byteorder, signed=True) for each in offsets)
    if fit:
        rows = [b"abc"[start:stop] for start, stop in pairwise(offsets)]
        wanted = b"".join(bytes([len(row)]) + row for row in rows)
        assert ENGINES[engine].messages_of_rows(data, words) == wanted
    else:
        with pytest.raises(ValueError, match="^offsets that are not those of the data$"):
            ENGINES[engine].messages_of_rows(data, words)


# Objects that give a buffer by a function of Python, which they can from Python 3.12 on.


class Gives:
    """Gives a buffer, or raises an error, and counts how often it is asked."""

    def __init__(self, data: bytes, error: Exception | None = None) -> None:
        self.data, self.error, self.asked, self.released = data, error, 0, 0

    def __buffer__(self, flags: int) -> memoryview:
        self.asked += 1
        if self.error:
            raise self.error
        return memoryview(self.data)

    def __release_buffer__(self, view: memoryview) -> None:
        self.released += 1


ON_BUFFERS: Final[dict[str, tuple[Callable[[Any], Any], bytes]]] = {
    "json_to_wire": (chatpb.json_to_wire, TEXT),
    "from_json": (chatpb.from_json, TEXT),
    "json_lines_to_wire": (chatpb.json_lines_to_wire, TEXT),
    "wire_to_json": (chatpb.wire_to_json, WIRE),
    "wire_to_json_lines": (chatpb.wire_to_json_lines, b""),
    "validate": (chatpb.validate, WIRE),
    "compact_stream": (lambda wire: chatpb.compact_stream([wire]), WIRE),
}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="objects of Python have no buffers before 3.12")
@pytest.mark.parametrize(("call", "data"), ON_BUFFERS.values(), ids=ON_BUFFERS)
def test_an_object_is_asked_for_its_buffer_once(call: Callable[[Any], Any], data: bytes) -> None:
    given = Gives(data)
    assert call(given) == call(data)
    assert (given.asked, given.released) == (1, 1)
    for error in (TypeError("t"), ValueError("v"), BufferError("b"), RecursionError("r"), KeyError("k")):
        given = Gives(data, error)
        with pytest.raises(type(error)) as caught:
            call(given)
        assert caught.value is error
        assert given.asked == 1


@pytest.mark.parametrize(("call", "data"), ON_BUFFERS.values(), ids=ON_BUFFERS)
def test_errors_of_buffers_pass_unchanged(call: Callable[[Any], Any], data: bytes) -> None:
    released = memoryview(data)
    released.release()
    with pytest.raises(ValueError, match="^operation forbidden on released memoryview object$"):
        call(released)
    closed = mmap(-1, 10)
    closed.close()
    with pytest.raises(ValueError, match="^mmap closed or invalid$"):
        call(closed)
