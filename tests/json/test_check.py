"""JSON text that is refused: each case has the whole error. And text at the limits, which is accepted."""

from __future__ import annotations

import json

import pytest

import chatpb
from chatpb import JsonError

NAN = "NaN and Infinity are not JSON; nonfinite='allow' accepts them"
END = "unexpected end of the text"
TWICE = "a second member of this name; JSON objects here have each name once"
OBJECT = "a document is a JSON object; this is something else"
ARRAY_201 = b'{"a":' + b"[" * 200 + b"]" * 200 + b"}"
OBJECT_201 = b'{"a":' * 201 + b"1" + b"}" * 201

# id, text, path, line, column, offset, reason
CASES: list[tuple[str, bytes, str, int, int, int, str]] = [
    ("empty", b"", "", 1, 1, 0, END),
    ("space-only", b" \n ", "", 2, 2, 3, END),
    ("array", b"[]", "", 1, 1, 0, OBJECT),
    ("string", b' "a"', "", 1, 2, 1, OBJECT),
    ("null", b"null", "", 1, 1, 0, OBJECT),
    ("number", b"12", "", 1, 1, 0, OBJECT),
    ("data-after", b'{} {"a":1}', "", 1, 4, 3, "unexpected data after the end of the document"),
    ("comma-after", b"{},", "", 1, 3, 2, "unexpected data after the end of the document"),
    ("unterminated-object", b'{"id":"a"', "", 1, 10, 9, END),
    ("unterminated-string", b'{"id":"a', "/id", 1, 9, 8, END),
    ("unterminated-name", b'{"id', "", 1, 5, 4, END),
    ("unterminated-array", b'{"choices":[{"index":0},', "/choices/1", 1, 25, 24, END),
    ("no-colon", b'{"id" "a"}', "/id", 1, 7, 6, "expected ':'"),
    ("no-value", b'{"id":}', "/id", 1, 7, 6, "expected a value"),
    ("no-comma", b'{"id":"a" "b":1}', "", 1, 11, 10, "expected ',' or '}'"),
    ("no-comma-in-array", b'{"v":[1 2]}', "/v", 1, 9, 8, "expected ',' or ']'"),
    ("trailing-comma", b'{"id":"a",}', "", 1, 11, 10, "expected the name of a member, in double quotes"),
    ("trailing-comma-in-array", b'{"v":[1,]}', "/v/1", 1, 9, 8, "expected a value"),
    ("bare-name", b"{id:1}", "", 1, 2, 1, "expected the name of a member, in double quotes"),
    ("single-quotes", b"{'id':1}", "", 1, 2, 1, "expected the name of a member, in double quotes"),
    ("wrong-bracket", b'{"v":[1}', "/v", 1, 8, 7, "expected ',' or ']'"),
    ("comment", b'{"id":1 /* no */}', "", 1, 9, 8, "expected ',' or '}'"),
    ("python-literal", b'{"a":True}', "/a", 1, 6, 5, "expected a value"),
    ("literal-cut", b'{"a":tru', "/a", 1, 9, 8, END),
    ("literal-long", b'{"a":trueish}', "", 1, 10, 9, "expected ',' or '}'"),
    ("number-plus", b'{"created":+1}', "/created", 1, 12, 11, "expected a value"),
    ("number-leading-zero", b'{"created":01}', "/created", 1, 12, 11, "not a JSON number"),
    ("number-no-fraction", b'{"created":1.}', "/created", 1, 12, 11, "not a JSON number"),
    ("number-no-integer", b'{"created":.5}', "/created", 1, 12, 11, "expected a value"),
    ("number-no-exponent", b'{"created":1e}', "/created", 1, 12, 11, "not a JSON number"),
    ("number-hex", b'{"created":0x10}', "", 1, 13, 12, "expected ',' or '}'"),
    ("number-minus", b'{"created":-}', "/created", 1, 12, 11, "not a JSON number"),
    ("number-cut", b'{"created":12', "/created", 1, 14, 13, END),
    ("nan", b'{"temperature":NaN}', "/temperature", 1, 16, 15, NAN),
    ("infinity", b'{"v":[Infinity]}', "/v/0", 1, 7, 6, NAN),
    ("minus-infinity", b'{"v":-Infinity}', "/v", 1, 6, 5, NAN),
    ("control-character", b'{"id":"a\nb"}', "/id", 1, 9, 8, "a control character in a string, which must be escaped"),
    ("control-in-name", b'{"i\td":1}', "", 1, 4, 3, "a control character in a string, which must be escaped"),
    ("escape", b'{"id":"\\x41"}', "/id", 1, 8, 7, "not a JSON escape"),
    ("escape-hex", b'{"id":"\\u12G4"}', "/id", 1, 8, 7, "not a JSON escape"),
    ("escape-cut", b'{"id":"\\u12', "/id", 1, 12, 11, END),
    ("duplicate", b'{"id":"a","id":"b"}', "/id", 1, 11, 10, TWICE),
    ("duplicate-by-escape", b'{"id":"a","\\u0069d":"a"}', "/id", 1, 11, 10, TWICE),
    ("duplicate-nested", b'{"choices":[{"message":{"a":1,"a":1}}]}', "/choices/0/message/a", 1, 31, 30, TWICE),
    ("duplicate-in-vendor-object", b'{"v":{"x":[{"a":1,"a":2}]}}', "/v/x/0/a", 1, 19, 18, TWICE),
    ("duplicate-in-map", b'{"metadata":{"k":"1","k":"2"}}', "/metadata/k", 1, 22, 21, TWICE),
    ("depth-201-array", ARRAY_201, "/a" + "/0" * 199, 1, 205, 204, "nesting deeper than 200 levels"),
    ("depth-201-object", OBJECT_201, "/a" * 200, 1, 1001, 1000, "nesting deeper than 200 levels"),
    ("depth-huge", b'{"a":' + b"[" * 100_000, "/a" + "/0" * 199, 1, 205, 204, "nesting deeper than 200 levels"),
    (
        "surrogate-name",
        b'{"\\ud800":1}',
        "/\ufffd",
        1,
        2,
        1,
        "a lone surrogate in the name of a member, which protobuf cannot carry",
    ),
    ("utf8-byte", b'{"id":"\xff"}', "", 1, 8, 7, "invalid UTF-8"),
    ("utf8-cut", b'{"id":"\xe2\x82', "", 1, 8, 7, "invalid UTF-8"),
    ("utf8-surrogate", b'{"id":"\xed\xa0\x80"}', "", 1, 8, 7, "invalid UTF-8"),
    ("utf8-overlong", b'{"id":"\xc0\xaf"}', "", 1, 8, 7, "invalid UTF-8"),
    ("utf16", '{"id":1}'.encode("utf-16"), "", 1, 1, 0, "invalid UTF-8"),
    ("position-in-lines", '{\n  "é": "ü",\n  "id": oops\n}'.encode(), "/id", 3, 9, 24, "expected a value"),
    ("position-after-mark", b'\xef\xbb\xbf{"id":}', "/id", 1, 8, 9, "expected a value"),
    ("pointer-escapes", b'{"a/b":{"~":}}', "/a~1b/~0", 1, 13, 12, "expected a value"),
]


@pytest.mark.parametrize(("text", "error"), [pytest.param(c[1], c[2:], id=c[0]) for c in CASES])
def test_refused(text: bytes, error: tuple[str, int, int, int, str]) -> None:
    with pytest.raises(JsonError) as raised:
        chatpb.json_to_wire(text)
    found = raised.value
    assert (found.path, found.line, found.column, found.offset, found.reason) == error


def test_a_lone_surrogate_in_a_str() -> None:
    with pytest.raises(
        JsonError, match=r"^a lone surrogate, which UTF-8 cannot encode at line 1, column 8 \(byte 7\)$"
    ):
        chatpb.json_to_wire('{"id":"\ud800"}')


def test_the_message_of_an_error() -> None:
    with pytest.raises(JsonError) as raised:
        chatpb.json_to_wire(b'{"choices":[{"index":}]}')
    assert str(raised.value) == "expected a value at line 1, column 22 (byte 21), in /choices/0/index"


DOCUMENTS = [
    '{"id":"é\\u00e9","choices":[{"index":-1.5e3,"message":{"content":null,"x":[true,false,{}]}}],"v":""}',
    ' { "messages" : [ { "content" : [ { "type" : "text" , "text" : "\\ud83d\\ude00" } ] } ] , "seed" : 12 } ',
]


@pytest.mark.parametrize("text", DOCUMENTS)
def test_truncation_at_every_byte(text: str) -> None:
    whole = text.rstrip().encode()
    for size in range(len(whole)):
        cut = whole[:size]
        with pytest.raises(JsonError) as raised:
            chatpb.json_to_wire(cut)
        # A cut inside a character is invalid UTF-8. Any other cut is an unexpected end.
        try:
            cut.decode()
        except UnicodeDecodeError as error:
            assert (raised.value.reason, raised.value.offset) == ("invalid UTF-8", error.start)
        else:
            assert (raised.value.reason, raised.value.offset) == (END, size)


@pytest.mark.parametrize("levels", [200, 199])
def test_the_deepest_vendor_object_is_kept_and_its_bytes_parse(levels: int) -> None:
    text = '{"vendor":' * levels + "1" + "}" * levels
    message = chatpb.from_json(text)
    assert json.loads(chatpb.to_json(message)) == json.loads(text)


@pytest.mark.parametrize(
    "text", ['{"temperature":NaN}', '{"v":[Infinity,-Infinity]}', '{"v":{"n":NaN,"big":18446744073709551615}}']
)
def test_nonfinite_numbers_when_allowed(text: str) -> None:
    wire = chatpb.json_to_wire(text, chatpb.CreateChatCompletionRequest, nonfinite="allow")
    assert chatpb.wire_to_json(wire, chatpb.CreateChatCompletionRequest, nonfinite="allow") == text.encode()
    with pytest.raises(chatpb.WireError, match="nonfinite='allow'|JSON value"):
        chatpb.wire_to_json(wire, chatpb.CreateChatCompletionRequest)


@pytest.mark.parametrize(
    "buffer", [bytes, bytearray, memoryview, lambda b: b.decode()], ids=["bytes", "bytearray", "memoryview", "str"]
)
def test_every_form_of_input(buffer: type) -> None:
    assert chatpb.json_to_wire(buffer('{"id":"é"}'.encode())) == chatpb.json_to_wire('{"id":"é"}')
