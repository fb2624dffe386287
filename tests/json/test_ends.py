"""Where a JSON value ends, found by its brackets: where Python's parser says, for all that it reads."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpb._json.ends import end_of_value

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES, st.sampled_from(["", ",", "]", "\n", " {", ',{"a":1}', '"']), st.booleans())
def test_it_is_where_the_parser_says(value: object, after: str, is_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii)
    data = f"[ {text}{after}".encode()
    assert end_of_value(data, 2) == 2 + len(text.encode())


@pytest.mark.parametrize("inner", ['"\\""', '"[{"', '"\\\\"', '"' + '\\"' * 3000 + '"', *['"a",' * 200 + "0"]])
def test_brackets_in_strings_are_none(inner: str) -> None:
    text = f'{{"a": [{inner}]}}'.encode()
    assert end_of_value(text + b", 1]", 0) == len(text)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b'{"a": [}', b'{"a": 1]', b'"open', b'{"open', b'{"a": "\\"}', b"}", b"]", b",", b":", b"[" * 5000],
)
def test_no_end(text: bytes) -> None:
    assert end_of_value(text, 0) is None


def test_what_stands_between_brackets_is_left_to_the_parser() -> None:
    assert end_of_value(b"{nonsense: [1 2]} x", 0) == 17
    assert end_of_value(b"[" * 5000 + b"]" * 5000, 0) == 10_000
