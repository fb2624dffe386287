"""An envelope, a message without the home fields: what it holds is carried, and what it has no field for is an error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.message_factory import GetMessageClass

import chatpb
from chatpb import JsonError
from tests.engine.engines import ENGINES
from tests.engine.random_cases.schemas import descriptor

ENVELOPE: Any = GetMessageClass(descriptor("Envelope"))
EVERYTHING: Any = GetMessageClass(descriptor("Everything"))
REASON = (
    "everything.Envelope has no field for this value, and lacks the fields that hold any member (docs/contracts.md)"
)

HELD = {
    "nothing": {},
    "zeros": {"one_int64": 0, "one_string": "", "one_bool": False, "one_double": 0.0},
    "arrays and maps": {"many_string": ["", "a"], "map_of_int64": {"": 1, "b": -1}, "rows": [[], [1.5]]},
    "envelopes": {"envelope": {"envelopes": [{}, {"one_int64": 1}]}, "map_of_envelope": {"a": {}}},
    "a message with homes": {"everything": {"x": 2**70, "many_string": [], "one_int64": None, "one_bool": "yes"}},
    "an envelope in a message with homes": {"everything": {"envelope": {"one_int64": 1}}},
}
"""Objects that an envelope holds."""

REFUSED = {
    "an unknown name": ('{"one_int64":1, "x" :  2}', "/x"),
    "a name of a home": ('{"additional_properties":{}}', "/additional_properties"),
    "null": ('{"one_string":null}', "/one_string"),
    "null after space": ('{"one_string":  \n null}', "/one_string"),
    "another type": ('{"one_string":1}', "/one_string"),
    "beyond the range": ('{"one_int64":9223372036854775808}', "/one_int64"),
    "no exact double": ('{"one_double":9007199254740993}', "/one_double"),
    "an unknown string of an enum": ('{"one_enum":"mauve"}', "/one_enum"),
    "a string with a lone surrogate": ('{"one_string":"\\ud800"}', "/one_string"),
    "a name with a lone surrogate": ('{"envelope":{"\\ud800":1}}', "/envelope/�"),
    "an empty array": ('{"many_string":[]}', "/many_string"),
    "an empty array of messages": ('{"envelopes":[ ]}', "/envelopes"),
    "an empty map": ('{"map_of_int64":{}}', "/map_of_int64"),
    "an item that does not fit": ('{"many_string":["a",1]}', "/many_string"),
    "an item that is no object": ('{"envelopes":[{},1]}', "/envelopes"),
    "inside an envelope": ('{"envelope":{"envelope":{"x":[1]}}}', "/envelope/envelope/x"),
    "inside an array": ('{"envelopes":[{},{"x":1}]}', "/envelopes/1/x"),
    "inside a map": ('{"map_of_envelope":{"a/b":{"x":1}}}', "/map_of_envelope/a~1b/x"),
    "the first of two": ('{"envelope":{"x":1},"y":2}', "/envelope/x"),
    "after one that a message around it holds": (
        '{"everything":{"envelope":{"x":1}},"one_string":2}', "/one_string",
    ),
    "a message with homes that protobuf cannot hold": ('{"everything":{"\\ud800":{"x":1}}}', "/everything"),
}  # fmt: skip
"""Documents with one value without a home, and its path."""


@pytest.mark.parametrize("value", HELD.values(), ids=HELD)
def test_what_an_envelope_holds_is_carried(value: dict[str, Any]) -> None:
    message = chatpb.from_json(json.dumps(value), ENVELOPE)
    assert json.loads(chatpb.to_json(message)) == value
    assert chatpb.to_dict(chatpb.from_dict(value, ENVELOPE)) == value
    assert chatpb.from_json(chatpb.to_json(message), ENVELOPE) == message


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize("canonical", [False, True])
@pytest.mark.parametrize(("text", "path"), REFUSED.values(), ids=REFUSED)
def test_what_an_envelope_has_no_field_for_is_an_error(engine: Any, text: str, path: str, canonical: bool) -> None:
    before = "\n" + " " * 3
    for given in text, text.encode(), before + text:
        with pytest.raises(JsonError) as raised:
            engine.codec(ENVELOPE.DESCRIPTOR).json_to_wire(given, canonical, False)
        error = raised.value
        assert (error.path, error.reason) == (path, REASON)
        # It points at the value, behind the name and the colon.
        shown = given.decode() if isinstance(given, bytes) else given
        lines = shown.encode()[: error.offset].decode().split("\n")
        assert (error.line, error.column) == (len(lines), len(lines[-1]) + 1)
        assert lines[-1].rstrip().endswith(":") or not lines[-1].strip()


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_text_that_is_no_json_is_refused_for_that(engine: Any) -> None:
    with pytest.raises(JsonError, match="expected a value"):
        engine.codec(ENVELOPE.DESCRIPTOR).json_to_wire('{"x":1,"one_string":}', False, False)


@pytest.mark.parametrize(
    "convert",
    [
        lambda: chatpb.from_json('{"x":1}', ENVELOPE),
        lambda: chatpb.from_json('{"x":1}', ENVELOPE, strict=True),
        lambda: chatpb.json_to_wire('{"x":1}', ENVELOPE, canonical=True),
        lambda: chatpb.from_dict({"x": 1}, ENVELOPE),
        lambda: chatpb.from_dict({"x": 1}, ENVELOPE, canonical=True),
        lambda: chatpb.json_lines_to_wire('{"one_int64":1}\n{"x":1}', ENVELOPE),
        lambda: chatpb.members(ENVELOPE()).__setitem__("x", 1),
    ],
)
def test_every_entry_point_refuses(convert: Any) -> None:
    with pytest.raises(JsonError, match="everything.Envelope has no field") as raised:
        convert()
    assert raised.value.path == "/x"


def test_a_message_with_homes_keeps_what_its_envelope_cannot_hold() -> None:
    value = {"envelope": {"x": 1}, "envelopes": [{"one_int64": 1}, {"one_string": None}], "one_bool": True}
    message = chatpb.from_json(json.dumps(value), EVERYTHING)
    assert not message.HasField("envelope")
    assert json.loads(chatpb.to_json(message)) == value


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_fields_in_the_numbers_of_homes_are_unknown_to_an_envelope(engine: Any) -> None:
    wire = ENVELOPE(one_int64=1).SerializeToString() + b"\x68\x7f\x70\x7f\x7a\x00\x82\x01\x00"
    codec = engine.codec(ENVELOPE.DESCRIPTOR)
    for fill_required in False, True:
        assert codec.wire_to_json(wire, fill_required, False, False) == b'{"one_int64":1}'
    with pytest.raises(chatpb.WireError, match="field 13, which everything.Envelope does not have"):
        codec.wire_to_json(wire, False, True, False)
    assert [violation.rule for violation in codec.validate_wire(wire, False)] == ["unknown_field"]


def test_members_of_an_envelope_are_edited_in_place() -> None:
    message = ENVELOPE()
    view = chatpb.members(message)
    view["one_int64"] = 5
    view["everything"] = {"x": 1}
    view["envelope"] = {"many_string": ["a"]}
    view["envelope"]["many_string"].append("b")
    view["everything"]["y"] = None
    assert dict(view) == chatpb.to_dict(message)
    assert view == {"one_int64": 5, "everything": {"x": 1, "y": None}, "envelope": {"many_string": ["a", "b"]}}
    for edit in (
        lambda: view["envelope"].__setitem__("x", 1),
        lambda: view["envelope"]["many_string"].clear(),
        lambda: view.__setitem__("one_int64", None),
    ):
        before = message.SerializeToString(deterministic=True)
        with pytest.raises(JsonError):
            edit()
        assert message.SerializeToString(deterministic=True) == before
    del view["envelope"], view["one_int64"]
    assert "x" not in view
    assert list(view) == ["everything"]
