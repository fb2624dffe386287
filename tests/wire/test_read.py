"""Wire bytes that are refused: each case has the whole error. And bytes cut or flipped anywhere."""

from __future__ import annotations

import json

import pytest
from google.protobuf.message import DecodeError

import chatpb
from chatcompletion.v1 import ChatCompletion, ChatCompletionChoice, CreateChatCompletionRequest
from chatpb import WireError
from chatpb._wire.write import tag
from tests.support import ALL_VECTORS, Vector, by_name, exactly_equal
from tests.wire.contract_fields import deep_struct, delimited_field, number_of, varint_field

C, R = "ChatCompletion", "CreateChatCompletionRequest"
PAST_END = "a field that runs past the end of its message"
TEXT = "text that is not a JSON value"
ID = delimited_field(C, "id", b"a")


def _choice(payload: bytes) -> bytes:
    return delimited_field(C, "choices", payload)


def _verbatim(text: bytes) -> bytes:
    return delimited_field(C, "verbatim_properties", b"\n\x01v\x12" + bytes([len(text)]) + text)


# id, bytes, path, offset, reason
CASES: list[tuple[str, bytes, str, int, str]] = [
    ("tag-cut", ID + b"\x8a", "", 3, PAST_END),
    ("length-cut", ID + ID[:1], "", 3, PAST_END),
    ("string-cut", ID + ID[:2], "", 3, PAST_END),
    ("string-length", ID[:1] + b"\xff\xff\xff\xff\x0f" + b"a", "", 0, PAST_END),
    ("varint-cut", varint_field(C, "created", 300)[:-1], "", 0, PAST_END),
    (
        "varint-long",
        varint_field(C, "created", 1)[:1] + b"\xff" * 10 + b"\x01",
        "",
        0,
        "a varint of more than ten bytes",
    ),
    ("tag-wide", b"\xff\xff\xff\xff\x7f", "", 0, "a tag of more than 32 bits"),
    ("tag-long", b"\x8a\x80\x80\x80\x80\x00\x00", "", 0, "a tag of more than 32 bits"),
    ("field-0", b"\x00\x01", "", 0, "a field numbered 0"),
    ("wire-type-7", b"\x0f", "", 0, "wire type 7, which does not exist"),
    ("end-group", b"\x0c", "", 0, "the end of a group that was not begun"),
    ("group-open", b"\xfb\x3f\x08\x01", "", 0, PAST_END),
    ("group-mismatch", b"\xfb\x3f\x08\x01\x84\x40", "", 0, "the end of a group that was not begun"),
    ("group-depth", b"\xfb\x3f" * 200, "", 0, "groups nested deeper than 100 levels"),
    ("utf8", delimited_field(C, "id", b"\xff"), "", 0, "a string that is not valid UTF-8"),
    ("utf8-surrogate", ID + delimited_field(C, "id", b"\xed\xa0\x80"), "", 3, "a string that is not valid UTF-8"),
    (
        "utf8-additional",
        delimited_field(C, "additional_properties", b"\n\x05\n\x01\xff\x12\x00"),
        "",
        0,
        "a string that is not valid UTF-8",
    ),
    ("nested", ID + _choice(b"") + _choice(b"\x0f"), "/choices/1", 7, "wire type 7, which does not exist"),
    ("nested-message", ID + delimited_field(C, "usage", b"\x0f"), "/usage", 5, "wire type 7, which does not exist"),
    ("nested-past-end", _choice(tag(1, 2) + b"\x05"), "/choices/0", 2, PAST_END),
    ("nested-map", delimited_field(C, "metadata", b"\n\x02k"), "", 0, PAST_END),
    ("text-space", _verbatim(b" "), "/v", 0, f"{TEXT} (unexpected end of the text)"),
    ("text-invalid", _verbatim(b"{a:1}"), "/v", 0, f"{TEXT} (expected the name of a member, in double quotes)"),
    ("text-injection", _verbatim(b'1,"x":2'), "/v", 0, f"{TEXT} (unexpected data after the end of the document)"),
    (
        "text-duplicate",
        _verbatim(b'{"a":1,"a":2}'),
        "/v",
        0,
        f"{TEXT} (a second member of this name; JSON objects here have each name once)",
    ),
    ("text-mark", _verbatim(b"\xef\xbb\xbf1"), "/v", 0, f"{TEXT} (expected a value)"),
    (
        "text-inside",
        _choice(_verbatim(b"{a")),
        "/choices/0/v",
        2,
        f"{TEXT} (expected the name of a member, in double quotes)",
    ),
    (
        "text-name-last",
        delimited_field(C, "verbatim_properties", b"\x12\x01x\n\x03a/b"),
        "/a~1b",
        0,
        f"{TEXT} (expected a value)",
    ),
    (
        "struct-depth",
        delimited_field(C, "additional_properties", deep_struct(200)),
        "",
        0,
        "nesting deeper than 200 levels",
    ),
]


@pytest.mark.parametrize(("wire", "error"), [pytest.param(c[1], c[2:], id=c[0]) for c in CASES])
def test_refused(wire: bytes, error: tuple[str, int, str]) -> None:
    with pytest.raises(WireError) as raised:
        chatpb.wire_to_json(wire)
    found = raised.value
    assert (found.path, found.offset, found.reason) == error


def test_the_message_of_an_error() -> None:
    with pytest.raises(WireError) as raised:
        chatpb.wire_to_json(_choice(b"\x0f"))
    assert str(raised.value) == "wire type 7, which does not exist at byte 2, in /choices/0"


def test_the_deepest_struct_prints_and_comes_back() -> None:
    text = chatpb.wire_to_json(delimited_field(C, "additional_properties", deep_struct(199)))
    assert chatpb.wire_to_json(chatpb.json_to_wire(text)) == text


NOT_THERE = "which chatcompletion.v1.ChatCompletion does not have in this form"
NO_FIELD = "null_fields names a field that chatcompletion.v1.ChatCompletionChoice does not have"
NOT_IN_STRUCT = "field 10, which google.protobuf.Struct does not have"
UNKNOWN = [
    pytest.param(b"\xfa\x3f\x03abc", "", 0, f"field 1023, {NOT_THERE}", id="field"),
    pytest.param(varint_field(C, "id", 1), "", 0, f"field {number_of(C, 'id')}, {NOT_THERE}", id="wire-type"),
    pytest.param(_choice(varint_field(C, "null_fields", 1 << 40)), "/choices/0", 2, NO_FIELD, id="bit"),
    pytest.param(delimited_field(C, "additional_properties", b"\x50\x01"), "", 0, NOT_IN_STRUCT, id="struct"),
]


@pytest.mark.parametrize(("wire", "path", "offset", "reason"), UNKNOWN)
def test_unknown_fields_are_skipped_or_refused(wire: bytes, path: str, offset: int, reason: str) -> None:
    chatpb.wire_to_json(wire, unknown_fields="skip")
    with pytest.raises(WireError) as raised:
        chatpb.wire_to_json(wire)
    what = f"{reason}; unknown_fields='skip' leaves it out"
    assert (raised.value.path, raised.value.offset, raised.value.reason) == (path, offset, what)


def test_an_error_in_text_names_its_member() -> None:
    wire = delimited_field(R, "functions", delimited_field("FunctionDefinition", "parameters", b"oops"))
    with pytest.raises(WireError) as raised:
        chatpb.wire_to_json(wire, CreateChatCompletionRequest)
    assert raised.value.path == "/functions/0/parameters"
    assert raised.value.reason == f"{TEXT} (expected a value)"


def _accepts(wire: bytes, message_type: type) -> bool:
    """Return whether the bytes can be printed as JSON, and check that the JSON comes back equal."""
    try:
        text = chatpb.wire_to_json(wire, message_type, unknown_fields="skip", nonfinite="allow")
    except WireError:
        return False
    again = chatpb.json_to_wire(text, message_type, nonfinite="allow")
    back = chatpb.wire_to_json(again, message_type, nonfinite="allow")
    assert exactly_equal(json.loads(back), json.loads(text))
    return True


def _check_against_protobuf(wire: bytes, message_type: type) -> None:
    """Check that the bytes are accepted exactly if protobuf's own parser accepts them, JSON texts aside."""
    try:
        message_type.FromString(wire)  # type: ignore[attr-defined]
        valid = True
    except DecodeError:
        valid = False
    if _accepts(wire, message_type):
        assert valid
    elif valid:
        # Protobuf does not check JSON texts, and its parser accepts a field 0 inside an unknown group.
        with pytest.raises(WireError, match=f"{TEXT}|a field numbered 0"):
            chatpb.wire_to_json(wire, message_type, unknown_fields="skip", nonfinite="allow")


@by_name([vector for vector in ALL_VECTORS if len(vector.wire) < 400])
def test_cut_at_every_byte(vector: Vector) -> None:
    for size in range(len(vector.wire)):
        _check_against_protobuf(vector.wire[:size], vector.type)


@by_name([vector for vector in ALL_VECTORS if len(vector.wire) < 400])
def test_every_bit_flipped(vector: Vector) -> None:
    for position in range(len(vector.wire) * 8):
        flipped = bytearray(vector.wire)
        flipped[position // 8] ^= 1 << position % 8
        _check_against_protobuf(bytes(flipped), vector.type)


def test_empty_messages_print_as_empty_objects() -> None:
    assert json.loads(chatpb.to_json(ChatCompletion(choices=[ChatCompletionChoice()]))) == {"choices": [{}]}
    assert chatpb.to_json(CreateChatCompletionRequest()) == b"{}"
