"""JSON text without its long strings, and with them again."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpb._contract.documents import DOCUMENTS
from chatpb._detect import detect_json
from chatpb._json import long_strings
from chatpb._json.long_strings import LongStrings

LONG = long_strings._LONG
PADDING = '"' + "p" * LONG + '"'
"""A string that makes any text large."""


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_strings, "_LARGE", LONG)
        yield


# Pieces that are escaped, in more and fewer than the turns of one repetition.
strings = st.builds(
    lambda piece, times, end: piece * times + end,
    st.sampled_from(["a", '"', "\\", "\n", "\x00", "é", "漢", "😀", '\\"', "x\\"]),
    st.sampled_from([0, 1, 999, 1000, 1001, LONG - 1, LONG]),
    st.sampled_from(["", "\\", '"']),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | strings,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings, inner, max_size=3),
    max_leaves=6,
)


@given(values, st.booleans(), st.sampled_from([None, 1]))
def test_strings_that_are_put_back_are_those_that_were_taken_out(
    value: object, ascii: bool, indent: int | None
) -> None:
    text = f"[{PADDING},{json.dumps(value, ensure_ascii=ascii, indent=indent)}]".encode()
    short = LongStrings(text)
    assert len(short.text) < len(text) - LONG + 200
    assert short.put_back(short.text) == text
    # What Python makes of the shorter text means the same once the strings are back.
    again = short.put_back(json.dumps(json.loads(short.text)).encode())
    assert json.loads(again) == json.loads(text)
    assert short.put_back(json.dumps(json.loads(short.text)[1]).encode()).count(b"p" * 99) == 0


@pytest.mark.parametrize("size", range(LONG - 2, LONG + 2))
def test_a_string_is_long_from_a_number_of_bytes_on(size: int) -> None:
    text = f'[{PADDING}, "{"a" * size}"]'.encode()
    assert (b"a" * size in LongStrings(text).text) == (size < LONG)
    assert LongStrings(text[8 - LONG :]).text == text[8 - LONG :]  # not in a text that is not large


@given(values, st.integers(0, 1 << 13))
def test_a_text_that_is_cut_short_stays_so(value: object, cut: int) -> None:
    text = f"[{PADDING},{json.dumps(value)}]".encode()
    text = text[: len(text) - cut % (len(text) - LONG)]
    short = LongStrings(text)
    assert short.put_back(short.text) == text
    with pytest.raises(ValueError, match="."):
        json.loads(short.text[:-1] if short.text.endswith(b"]") else short.text)


def test_equal_strings_have_equal_marks() -> None:
    one, other = (LongStrings(f'[{PADDING}, "{"a" * LONG}"{space}]'.encode()) for space in ("", " "))
    assert json.loads(one.text) == json.loads(other.text)
    assert json.loads(one.text) != json.loads(LongStrings(one.put_back(one.text).replace(b"aa", b"ab")).text)


CONTENT = "word " * (1 << 18)
DOCUMENT = {
    "completion": {"object": "chat.completion", "choices": [{"message": {"content": CONTENT}}]},
    "request": {"model": "m", "messages": [{"role": "user", "content": CONTENT}]},
    "error": {"error": {"message": CONTENT, "type": "t", "code": None}},
}


@pytest.mark.parametrize("name", DOCUMENT)
def test_a_large_document_is_detected_without_its_strings(name: str) -> None:
    assert detect_json([json.dumps(DOCUMENT[name]).encode()]) is DOCUMENTS[name]


@given(strings)
def test_a_long_string_is_found_by_its_mark(string: str) -> None:
    text = json.dumps([PADDING, string]).encode()
    short = LongStrings(text)
    _, mark = short.parsed()
    assert json.loads(b'"%b"' % short.long(mark) if short.long(mark) else json.dumps(mark)) == string
    assert [short.long(each) for each in (None, 7, "", "short", long_strings._SALT)] == [b""] * 5


@pytest.mark.parametrize("number", ["1e400", "-1E+400", "1" * 400 + ".5"])
def test_a_number_that_would_be_infinite_is_put_back(number: str) -> None:
    short = LongStrings(f'{{"a": {number}, "b": [1.50, "1e400"]}}'.encode())
    assert short.put_back(json.dumps(short.parsed()).encode()) == f'{{"a": {number}, "b": [1.5, "1e400"]}}'.encode()
