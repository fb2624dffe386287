"""The limit of the JSON text that an engine makes, by which storage bounds its memory."""

from __future__ import annotations

import pytest

from chatcompletion.v1 import ChatCompletion
from chatpb import json_to_wire
from chatpb._engine import codec_of

TEXTS = [
    b'{"id":"c1"}',
    b'{"choices":[%b]}' % b",".join([b'{"index":null,"logprobs":null}'] * 1_000),  # in one byte or two each
    b'{"id":"%b"}' % (b"a" * 100_000),
    b'{"id":"%b"}' % (b"\\u0001" * 100_000),
]


@pytest.mark.parametrize("text", TEXTS, ids=["short", "nulls", "string", "escapes"])
def test_text_above_the_limit_is_not_made(text: bytes) -> None:
    codec = codec_of(ChatCompletion.DESCRIPTOR)
    wire = json_to_wire(text)
    for limit in (None, len(text), 3 * len(text)):
        assert codec.wire_to_json(wire, False, True, False, limit) == text
    for limit in (0, len(text) // 10, len(text) - 1):
        with pytest.raises(MemoryError, match=f"^a result of more than {limit} bytes$"):
            codec.wire_to_json(wire, False, True, False, limit)
