"""The reference engine at the limit of a document's size, with a small limit in place of 2 GiB."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatcompletion.v1 import ChatCompletion
from chatpb import JsonError, WireError
from chatpb._engine import reference

LIMIT = 24
CODEC = reference.codec(ChatCompletion.DESCRIPTOR)


@pytest.fixture(autouse=True)
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in "_json.check", "_json.dicts", "_tree.read":
        monkeypatch.setattr(f"chatpb.{module}.MAX_SIZE", LIMIT)


@pytest.mark.parametrize("char", ["a", "é", "日", "\U0001f353"])
def test_a_text_has_at_most_so_many_bytes(char: str) -> None:
    size = len(char.encode())
    for count in range(LIMIT // size + 2):
        text = json.dumps({"x": char * count}, ensure_ascii=False, separators=(",", ":"))
        for given in text, text.encode():
            if len(text.encode()) <= LIMIT:
                assert CODEC.json_to_wire(given, False, False)
            else:
                with pytest.raises(JsonError, match=f"^a document of more than {LIMIT} bytes at line 1, column 1 "):
                    CODEC.json_to_wire(given, False, False)


def test_a_message_has_at_most_so_many_bytes() -> None:
    for count in range(LIMIT + 2):
        wire = bytes([10, count]) + b"a" * count
        if len(wire) <= LIMIT:
            assert CODEC.wire_to_json(wire, False, False, False)
        else:
            with pytest.raises(WireError, match=f"^a message of more than {LIMIT} bytes at byte 0$"):
                CODEC.wire_to_json(wire, False, False, False)


@pytest.mark.parametrize("inside", [[object()], {"y": object()}], ids=["array", "object"])
def test_a_dict_is_read_until_its_text_is_too_long(inside: Any) -> None:
    # An array or object that starts behind the limit is not read.
    name = "x" * (LIMIT - len('{"":"",'))
    for more in range(3):
        obj = {name + "x" * more: "", "z": inside}
        with pytest.raises((TypeError, JsonError)) as caught:
            CODEC.dict_to_wire(obj, None, False, False)
        start = len(json.dumps({**obj, "z": 0}, separators=(",", ":"))) - len("0}")
        assert (caught.type is JsonError) == (start > LIMIT), more
