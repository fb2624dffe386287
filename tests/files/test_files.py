"""Files of documents read in blocks: the documents and errors do not depend on where blocks end."""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Callable
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any

import pytest

from chatpb import ChatpbError
from chatpb._engine import whole_messages
from chatpb._engine.reference.batch import lines
from chatpb._files import framing, read
from chatpb._files.formats import Format, format_of
from chatpb._files.read import Input, open_input
from chatpb._files.write import open_output
from chatpb._wire.write import varint
from tests.support import zstd

LIMIT = 10
Found = tuple[int, bytes | str]
STOPS = "reading stops here"


class Pipe(io.RawIOBase):
    """A stream that gives some bytes at a time and has no positions."""

    def __init__(self, data: bytes, size: int) -> None:
        self.data = BytesIO(data)
        self.size = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self.data.read(min(self.size, len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


def found(raw: io.RawIOBase | BytesIO, format: Format, limit: int = LIMIT) -> list[Found]:
    documents = Input("in", BufferedReader(raw)).documents(format, limit)
    return [(each.number, str(each.error) if each.error else each.data) for each in documents]


def short(size: int, have: int) -> str:
    return f"a message of {size} bytes, cut short after {have}; {STOPS}"


def test_nothing_is_read_after_a_wrong_length() -> None:
    pieces = iter([b"\x01a" + b"\xff" * 20, b"more"])
    runs = framing.runs_of(pieces, Format.BINPBS, LIMIT)
    assert [next(runs)[0], str(next(runs)[1]), *runs] == [1, NO_LENGTH]
    assert next(pieces) == b"more"


LONG = f"a record of more than {LIMIT} bytes, the limit"
NO_LENGTH = f"the length before a message is cut short or no length; {STOPS}"
ABOVE = f"a length of {{}} bytes, above the limit of {LIMIT}; {STOPS}"

CASES: list[tuple[str, Format, bytes, list[Found]]] = [
    ("no-line", Format.JSONL, b"", []),
    ("lines", Format.JSONL, b"{1}\n{22}\n{333}\n", [(1, b"{1}"), (2, b"{22}"), (3, b"{333}")]),
    ("blank-lines", Format.JSONL, b"\n \r\n{1}\n\n\t\n{2}\r\n\n", [(3, b"{1}"), (6, b"{2}")]),
    ("last-line-open", Format.JSONL, b"{1}\n  {2} ", [(1, b"{1}"), (2, b"{2}")]),
    ("line-of-the-limit", Format.JSONL, b"a" * 10 + b"\n" + b"b" * 10, [(1, b"a" * 10), (2, b"b" * 10)]),
    ("line-above-it", Format.JSONL, b"{1}\n" + b"a" * 11 + b"\n{3}", [(1, b"{1}"), (2, LONG), (3, b"{3}")]),
    ("lines-above-it", Format.JSONL, (b"a" * 99 + b"\n") * 2 + b"{3}\n", [(1, LONG), (2, LONG), (3, b"{3}")]),
    ("last-line-above-it", Format.JSONL, b"{1}\n" + b"a" * 50, [(1, b"{1}"), (2, LONG)]),
    ("no-message", Format.BINPBS, b"", []),
    ("messages", Format.BINPBS, b"\x00\x02ab\x00\x01c", [(1, b""), (2, b"ab"), (3, b""), (4, b"c")]),
    ("padded-length", Format.BINPBS, b"\x82\x80\x80\x80\x00ab", [(1, b"ab")]),
    ("too-padded-length", Format.BINPBS, b"\x01a\x82\x80\x80\x80\x80\x00ab", [(1, b"a"), (2, NO_LENGTH)]),
    ("message-of-the-limit", Format.BINPBS, b"\x0a" + b"a" * 10 + b"\x01b", [(1, b"a" * 10), (2, b"b")]),
    ("message-above-it", Format.BINPBS, b"\x01a\x0b" + b"a" * 11, [(1, b"a"), (2, ABOVE.format(11))]),
    ("far-above-it", Format.BINPBS, b"\xff\xff\xff\xff\x7f", [(1, ABOVE.format(2**35 - 1))]),
    ("message-cut", Format.BINPBS, b"\x01a\x05abc", [(1, b"a"), (2, short(5, 3))]),
    ("message-between", Format.BINPBS, b"\x01a\x09" + b"b" * 9 + b"\x02cd", [(1, b"a"), (2, b"b" * 9), (3, b"cd")]),
    ("line-between", Format.JSONL, b"{1}\n" + b"b" * 9 + b"\n\n{4}\n", [(1, b"{1}"), (2, b"b" * 9), (4, b"{4}")]),
    ("length-cut", Format.BINPBS, b"\x01a\x85\x80", [(1, b"a"), (2, NO_LENGTH)]),
    ("whole", Format.JSON, b"{\n1}\n", [(1, b"{\n1}\n")]),
    ("whole-above-it", Format.JSON, b"{" * 11, [(1, LONG)]),
    ("whole-of-nothing", Format.BINPB, b"", [(1, b"")]),
]  # fmt: skip


@pytest.mark.parametrize("large", [1, 3, 1 << 20])
@pytest.mark.parametrize(("format", "data", "documents"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_documents_wherever_blocks_end(
    format: Format, data: bytes, documents: list[Found], large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether they count as large, and are a run of their own, makes no difference."""
    monkeypatch.setattr(framing, "LARGE", large)
    monkeypatch.setattr(read, "LARGE", large)
    assert found(BytesIO(data), format) == documents
    for size in range(1, max(2, len(data))):
        assert found(Pipe(data, size), format) == documents
    assert found(BytesIO(gzip.compress(data)), format) == documents
    assert found(BytesIO(zstd.compress(data)), format) == documents


@pytest.mark.parametrize(("pack", "name"), [(gzip.compress, "gzip"), (zstd.compress, "zstd")], ids=["gzip", "zstd"])
@pytest.mark.parametrize("format", [Format.JSONL, Format.BINPBS])
def test_compressed_data_cut_anywhere(pack: Callable[[bytes], bytes], name: str, format: Format) -> None:
    # Documents before the damage are kept, and half a line is no document.
    texts = [b"%d" % number for number in range(1000)]
    documents = [(number, text) for number, text in enumerate(texts, 1)]
    data = b"".join(text + b"\n" if format.is_json else varint(len(text)) + text for text in texts)
    packed = pack(data[: len(data) // 2]) + pack(data[len(data) // 2 :])
    middle = len(pack(data[: len(data) // 2]))
    for at in (4, 40, middle - 1, middle + 4, len(packed) // 2, len(packed) - 1):
        *good, (number, error) = found(BytesIO(packed[:at]), format)
        assert good == documents[: len(good)]
        assert (number, error) == (len(good) + 1, f"the {name} data is damaged or cut short; {STOPS}")
        assert len(good) >= (490 if at > middle else 0)
    assert found(BytesIO(packed), format) == documents


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.jsonl", "jsonl"), ("a.ndjson.gz", "jsonl"), ("a.binpbs.zst", "binpbs"), ("a.zst", None), ("a.json.xz", None)],
)
def test_formats_of_names(name: str, format: str | None) -> None:
    assert format_of(name) == format


def test_without_its_library_zstd_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "in.jsonl.zst"
    path.write_bytes(zstd.compress(b"{}"))
    for module in ("compression", "backports"):
        monkeypatch.setitem(sys.modules, module, None)
    message = r"^zstd needs backports: pip install 'chatpb\[zstd\]'$"
    with pytest.raises(ChatpbError, match=message), open_input(str(path)):
        pass
    with pytest.raises(ChatpbError, match=message), open_output(str(tmp_path / "out.zst")):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl.zst"]


@pytest.mark.parametrize(
    "data", [case[2] for case in CASES if case[1] is Format.BINPBS], ids=lambda data: data.hex()[:20]
)
def test_engines_agree_on_whole_messages(data: bytes) -> None:
    for end in range(len(data) + 1):
        assert whole_messages(bytearray(data[:end]), LIMIT) == lines.whole_messages(data[:end], LIMIT)


@pytest.mark.parametrize(
    ("format", "framed"),
    [
        (Format.JSONL, b"{}\n"),
        (Format.JSON, b"{}\n"),
        (Format.BINPBS, b"\x02{}"),
        (Format.BINPB, b"{}"),
        (Format.TXTPB, b"{}"),
    ],
)
def test_documents_are_framed_as_they_stand_in_a_file(format: Format, framed: bytes) -> None:
    assert framing.frame(b"{}", format) == framed
