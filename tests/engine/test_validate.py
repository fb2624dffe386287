"""Violations of the contract: each case lists all that its message has, in both engines."""

from __future__ import annotations

import inspect
import json
import sys
from typing import Any

import pytest

import chatpb
from chatcompletion import v1
from chatpb import ContractError, Violation
from chatpb._contract.schema import ADDITIONAL_PROPERTIES, NULL_FIELDS, VERBATIM_PROPERTIES
from chatpb._errors import STACK_IS_FULL
from chatpb._limits import MAX_VIOLATION_PATHS, MAX_VIOLATIONS
from chatpb._wire.write import delimited, tag
from tests.engine.differential import outcome
from tests.engine.engines import ENGINES, codecs_of
from tests.engine.random_cases.schemas import everything
from tests.support import ALL_VECTORS, RECORDINGS, Vector, by_name, google_type, recording

each_engine = pytest.mark.parametrize("engine", ENGINES)


def violations(engine: str, message: Any, strict: bool = False) -> list[tuple[str, str, str]]:
    """Return what an engine lists for a message of google.protobuf."""
    codec = ENGINES[engine].codec(type(message).DESCRIPTOR)
    return [(v.path, v.rule, v.message) for v in codec.validate_wire(message.SerializeToString(), strict)]


def agreed(descriptor: Any, wire: bytes, strict: bool = False) -> list[Violation]:
    """Return what every engine lists for wire bytes."""
    first, *others = (codec.validate_wire(wire, strict) for codec in codecs_of(descriptor))
    assert all(other == first for other in others)
    found: list[Violation] = first
    return found


SOUND = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": None, "refusal": None},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ],
}
CHOICE = SOUND["choices"][0]  # type: ignore[index]
MESSAGE = CHOICE["message"]
FINISH = "finish_reason is a string that is not one of stop, length, tool_calls, content_filter, function_call"

# id, members that differ from the sound completion, violations as (path, rule, message)
CASES: list[tuple[str, dict[str, object], list[tuple[str, str, str]]]] = [
    ("sound", {}, []),
    ("vendor-members", {"x": 1, "choices": [CHOICE | {"y": [None]}]}, []),
    ("not-nullable", {"id": None}, [("/id", "not_nullable", "id is null, which the contract does not allow")]),
    ("empty-choices", {"choices": []}, []),
    ("type", {"created": "1"}, [("/created", "type", "created is not an integer of int64")]),
    ("type-range", {"created": 2**63}, [("/created", "type", "created is not an integer of int64")]),
    ("type-array", {"choices": {}}, [("/choices", "type", "choices is not an array whose items fit")]),
    ("type-item", {"choices": [CHOICE, 1]}, [("/choices", "type", "choices is not an array whose items fit")]),
    ("type-map", {"metadata": {"a": 1}}, [("/metadata", "type", "metadata is not an object whose members fit")]),
    ("type-message", {"usage": "none"}, [("/usage", "type", "usage is not an object")]),
    ("enum", {"choices": [CHOICE | {"finish_reason": "eos"}]}, [("/choices/0/finish_reason", "enum", FINISH)]),
    ("enum-type", {"object": 1}, [("/object", "type", "object is not a string")]),
    (
        "missing-but-nullable",
        {"choices": [CHOICE | {"message": {"role": "assistant", "content": None}}]},
        [
            (
                "/choices/0/message/refusal",
                "required_nullable",
                "refusal is missing but may be null",
            )
        ],
    ),
    (
        "several-in-order",
        {"id": None, "created": True, "choices": [CHOICE | {"message": MESSAGE | {"role": "bot"}}, {}]},
        [
            (
                "/choices/0/message/role",
                "enum",
                "role is a string that is not one of developer, system, user, assistant, tool, function",
            ),
            ("/choices/1/index", "required", "index is missing"),
            ("/choices/1/message", "required", "message is missing"),
            ("/choices/1/finish_reason", "required", "finish_reason is missing"),
            ("/choices/1/logprobs", "required_nullable", "logprobs is missing but may be null"),
            ("/created", "type", "created is not an integer of int64"),
            ("/id", "not_nullable", "id is null, which the contract does not allow"),
        ],
    ),
]


@each_engine
@pytest.mark.parametrize(("changes", "expected"), [pytest.param(c[1], c[2], id=c[0]) for c in CASES])
def test_violations(engine: str, changes: dict[str, object], expected: list[tuple[str, str, str]]) -> None:
    found = violations(engine, chatpb.from_dict(SOUND | changes))
    assert sorted(found) == sorted(expected)


@each_engine
@pytest.mark.parametrize("more", [{}, {"vendor": "x" * 20_000}], ids=["short", "long"])
@pytest.mark.parametrize(("changes", "expected"), [pytest.param(c[1], c[2], id=c[0]) for c in CASES])
def test_strict_refuses_all_but_what_is_missing_and_may_be_null(
    engine: str, more: dict[str, object], changes: dict[str, object], expected: list[tuple[str, str, str]]
) -> None:
    codec = ENGINES[engine].codec(v1.ChatCompletion.DESCRIPTOR)
    text = json.dumps(SOUND | changes | more)
    refused = sorted(each for each in expected if each[1] != "required_nullable")
    assert sorted(violations(engine, chatpb.from_json(text), strict=True)) == refused
    if refused:
        with pytest.raises(ContractError) as raised:
            codec.json_to_wire(text, False, False, True)
        assert sorted((v.path, v.rule, v.message) for v in raised.value.violations) == refused
    else:
        assert codec.json_to_wire(text, False, False, True) == codec.json_to_wire(text, False, False)


@each_engine
def test_violations_come_in_the_contracts_order(engine: str) -> None:
    paths = [path for path, _, _ in violations(engine, v1.ChatCompletion())]
    members = [f"/{field.name}" for field in v1.ChatCompletion.DESCRIPTOR.fields]
    assert len(paths) > 1
    assert paths == [path for path in members if path in paths]


BUILT = [
    (
        "conflict",
        v1.ErrorResponse(error=v1.ErrorObject(), null_fields=1 << 1),
        ("/error", "conflict", "error is in 2 homes that disagree; the first of them prints"),
    ),
    (
        "unknown-bit",
        v1.ErrorResponse(null_fields=1 << 60),
        ("", "unknown_bit", "null_fields or empty_fields names a field that does not exist"),
    ),
    (
        "unknown-empty-bit",
        v1.ErrorResponse(empty_fields=1 << 60),
        ("", "unknown_bit", "null_fields or empty_fields names a field that does not exist"),
    ),
    (
        "empty-bit",
        v1.ErrorResponse(empty_fields=1 << 1),
        ("/error", "unknown_bit", "empty_fields names error, which is neither an array nor a map"),
    ),
    (
        "verbatim-not-json",
        v1.ErrorResponse(verbatim_properties={"v": "{"}),
        ("/v", "json_text", "text that is not a JSON value: unexpected end of the text"),
    ),
    (
        "enum-number",
        v1.ChatCompletion(service_tier=99),  # type: ignore[arg-type]
        ("/service_tier", "enum", "99 is not a number of ServiceTier"),
    ),
    (
        "unspecified",
        v1.ChatCompletion(service_tier=v1.ServiceTier.SERVICE_TIER_UNSPECIFIED),
        ("/service_tier", "unspecified", "the zero value of ServiceTier has no JSON string"),
    ),
    (
        "parameters-not-json",
        v1.CreateChatCompletionRequest(functions=[v1.FunctionDefinition(parameters="oops")]),
        ("/functions/0/parameters", "json_text", "text that is not a JSON value: expected a value"),
    ),
    (
        "unknown-field",
        v1.ErrorResponse.FromString(b"\xfa\x3f\x00\xfa\x3f\x00"),
        ("", "unknown_field", "2 fields that the contract does not have"),
    ),
]


@each_engine
@pytest.mark.parametrize(("message", "expected"), [pytest.param(c[1], c[2], id=c[0]) for c in BUILT])
def test_violations_that_only_set_fields_can_have(engine: str, message: object, expected: tuple[str, str, str]) -> None:
    assert expected in violations(engine, message)


# Every message of the contract, and messages of hostile sizes.


@by_name(ALL_VECTORS)
def test_engines_agree_on_vectors(vector: Vector) -> None:
    agreed(vector.type.DESCRIPTOR, vector.wire)
    agreed(vector.type.DESCRIPTOR, vector.wire, strict=True)


@pytest.mark.parametrize("kind", RECORDINGS)
def test_engines_agree_on_recordings(kind: str) -> None:
    message_type = google_type(RECORDINGS[kind])
    for text in recording(kind)[::7]:
        wire = chatpb.json_to_wire(text, message_type)
        found = agreed(message_type.DESCRIPTOR, wire)
        refused = [violation for violation in found if violation.rule != "required_nullable"]
        assert agreed(message_type.DESCRIPTOR, wire, strict=True) == refused
        for codec in codecs_of(message_type.DESCRIPTOR):
            try:
                codec.json_to_wire(text, False, False, True)
            except ContractError as error:
                assert list(error.violations) == refused
            else:
                assert refused == []


def field(number: int, payload: bytes = b"") -> bytes:
    return delimited(tag(number, 2), payload)


def number(name: str, value: int) -> bytes:
    return tag(everything().fields_by_name[name].number, 0) + bytes([value])


def payload(name: str, *parts: bytes) -> bytes:
    return field(everything().fields_by_name[name].number, b"".join(parts))


def entry(key: bytes, value: bytes) -> bytes:
    return field(1, key) + value


def additional(name: bytes, value: bytes) -> bytes:
    return field(ADDITIONAL_PROPERTIES, field(1, entry(name, field(2, value))))


RED, UNKNOWN = b"\x10\x01", b"\x10\x05"  # a value of a map of enums, in its field 2
STRING, BOOL = field(3, b"x"), b"\x20\x01"  # values of a Struct
BAD = number("one_enum", 5)
# id, wire bytes of the message Everything, the violations but those of `required` members
PIECES: list[tuple[str, bytes, list[tuple[str, str]]]] = [
    ("the-last-number", number("one_enum", 5) + number("one_enum", 1), []),
    ("the-last-unknown-number", number("one_enum", 1) + number("one_enum", 5), [("/one_enum", "enum")]),
    ("the-last-zero", number("one_enum", 5) + number("one_enum", 0), [("/one_enum", "unspecified")]),
    ("the-last-text", payload("text", b"{") + payload("text", b"{}"), []),
    ("the-last-wrong-text", payload("text", b"{}") + payload("text", b"{"), [("/text", "json_text")]),
    ("merged", payload("one_message", BAD) + payload("one_message"), [("/one_message/one_enum", "enum")]),
    ("merged-and-mended", payload("one_message", BAD) + payload("one_message", number("one_enum", 1)), []),
    ("merged-bits", payload("one_message", BAD) + payload("one_message", tag(NULL_FIELDS, 0) + b"\x00"),
     [("/one_message/one_enum", "enum")]),
    ("a-rival", payload("union_message", BAD) + number("union_bool", 1), []),
    ("a-rival-before", number("union_bool", 1) + payload("union_message", BAD), [("/union/one_enum", "enum")]),
    ("a-rival-between", payload("union_message", BAD) + number("union_bool", 1) + payload("union_message"), []),
    ("items-of-a-rival", payload("union_list", field(1), field(1, BAD)), [("/union/1/one_enum", "enum")]),
    ("items-in-pieces", payload("union_list", field(1)) + payload("union_list", field(1, BAD)),
     [("/union/1/one_enum", "enum")]),
    ("array-in-pieces", payload("many_enum", b"\x01\x05") + number("many_enum", 0),
     [("/many_enum/1", "enum"), ("/many_enum/2", "unspecified")]),
    ("no-items", payload("many_enum"), []),
    ("texts", payload("texts", b"{") + payload("texts", b"{}") + payload("texts", b""),
     [("/texts/0", "json_text"), ("/texts/2", "json_text")]),
    ("keys", payload("map_of_enum", entry(b"a", RED)) + payload("map_of_enum", entry(b"/", UNKNOWN)),
     [("/map_of_enum/~1", "enum")]),
    ("a-key-again", payload("map_of_enum", entry(b"a", UNKNOWN)) + payload("map_of_enum", entry(b"a", RED)), []),
    ("a-value-again", payload("map_of_enum", entry(b"a", UNKNOWN + RED)), []),
    ("no-value", payload("map_of_enum", entry(b"a", b"")), [("/map_of_enum/a", "unspecified")]),
    ("a-key-of-messages-again",
     payload("map_of_message", entry(b"a", field(2, BAD))) + payload("map_of_message", entry(b"a", b"")), []),
    ("a-string", additional(b"one_enum", STRING), [("/one_enum", "enum")]),
    ("a-bool", additional(b"one_enum", BOOL), [("/one_enum", "type")]),
    ("a-string-in-an-array", additional(b"many_enum", STRING), [("/many_enum", "type")]),
    ("the-last-value", additional(b"one_enum", STRING) + additional(b"one_enum", BOOL), [("/one_enum", "type")]),
    ("the-last-string", additional(b"one_enum", BOOL) + additional(b"one_enum", STRING), [("/one_enum", "enum")]),
    ("the-last-kind", additional(b"one_enum", STRING + BOOL), [("/one_enum", "type")]),
    ("a-string-stays", additional(b"one_enum", STRING + b"\x58\x01"), [("/one_enum", "enum")]),
    ("two-homes", number("one_enum", 1) + additional(b"one_enum", STRING),
     [("/one_enum", "conflict"), ("/one_enum", "enum")]),
    ("verbatim", field(VERBATIM_PROPERTIES, entry(b"one_bool", field(2, b"1"))), [("/one_bool", "type")]),
    ("verbatim-again", b"".join(field(VERBATIM_PROPERTIES, entry(b"v", field(2, text))) for text in (b"{", b"1")), []),
    ("verbatim-and-additional",
     additional(b"v", BOOL) + field(VERBATIM_PROPERTIES, entry(b"v", field(2, b"1"))), [("/v", "conflict")]),
    ("out-of-order", payload("union_message", BAD) + number("one_enum", 5),
     [("/one_enum", "enum"), ("/union/one_enum", "enum")]),
    ("nonfinite", payload("text", b"NaN"), []),
]  # fmt: skip


@pytest.mark.parametrize(("wire", "expected"), [pytest.param(*case[1:], id=case[0]) for case in PIECES])
def test_any_encoding_is_validated_as_what_it_stands_for(wire: bytes, expected: list[tuple[str, str]]) -> None:
    found = agreed(everything(), wire)
    assert [(v.path, v.rule) for v in found if v.rule not in ("required", "required_nullable")] == expected


@pytest.mark.parametrize(
    "wire",
    [
        payload("union_message", b"\x0a\x05") + number("union_bool", 1),
        payload("union_list", field(1, b"\x0a\x05")) + number("union_bool", 1),
        payload("map_of_message", entry(b"a", field(2, b"\x0a\x05"))) + payload("map_of_message", entry(b"a", b"")),
    ],
    ids=["message", "list", "map"],
)
def test_what_is_replaced_is_read_all_the_same(wire: bytes) -> None:
    first, *others = (outcome(codec.validate_wire, wire, False) for codec in codecs_of(everything()))
    assert isinstance(first, tuple)
    assert all(other == first for other in others)


MORE = Violation("", "more", "there are more violations; the list ends here")


def test_a_list_of_violations_ends() -> None:
    choices = v1.ChatCompletion.DESCRIPTOR.fields_by_name["choices"].number
    for count in (MAX_VIOLATIONS // 4 - 2, MAX_VIOLATIONS // 4, 20 * MAX_VIOLATIONS):
        found = agreed(v1.ChatCompletion.DESCRIPTOR, field(choices) * count)
        assert (len(found), found[-1] == MORE) == (
            (4 * count + 4, False) if count < MAX_VIOLATIONS // 4 else (MAX_VIOLATIONS + 1, True)
        )
        # What follows the end of the list is read all the same.
        for codec in codecs_of(v1.ChatCompletion.DESCRIPTOR):
            with pytest.raises(chatpb.WireError, match="^a field that runs past the end of its message at byte"):
                codec.validate_wire(field(choices) * count + b"\x0a\x05", False)


@pytest.mark.parametrize("over", [0, 1])
def test_a_list_ends_when_its_paths_are_too_long(over: int) -> None:
    name = "é" + "n" * (MAX_VIOLATION_PATHS - len("/error") - len("/é".encode()) + over)
    wire = b"".join(field(VERBATIM_PROPERTIES, field(1, each.encode()) + field(2, b" ")) for each in (name, "~"))
    found = agreed(v1.ErrorResponse.DESCRIPTOR, wire)
    assert [v.path for v in found] == ["/error", f"/{name}", "" if over else "/~0"]
    assert (found[-1] == MORE) == bool(over)


def test_a_list_stays_at_its_end() -> None:
    replaced = payload("union_message", BAD) + number("union_bool", 1)
    wrong = field(VERBATIM_PROPERTIES, entry(b"v", field(2, b"{")))
    wire = payload("many_enum", b"\x05" * (MAX_VIOLATIONS + 1)) + replaced + wrong
    found = agreed(everything(), wire)
    assert (len(found), found[-1]) == (MAX_VIOLATIONS + 1, MORE)


def test_long_names_do_not_multiply() -> None:
    name = "n" * (MAX_VIOLATION_PATHS // 3)
    fields = everything().fields_by_name
    entry = field(1, name.encode()) + field(2, field(fields["many_enum"].number, b"\x05" * 100))
    found = agreed(everything(), field(fields["map_of_message"].number, entry))
    assert sum(name in violation.path for violation in found) == 3
    assert found[-1] == MORE


@pytest.mark.parametrize(("name", "most"), [("one_message", 200), ("many_message", 100), ("union_list", 100)])
def test_deep_messages_are_read_or_refused(name: str, most: int) -> None:
    descriptor = everything().fields_by_name[name]
    items = [1] if name == "union_list" else []
    for levels in (most - 1, most, most + 1, 2000):
        wire = b""
        for _ in range(levels):
            for number in (*items, descriptor.number):
                wire = field(number, wire)
        first, *others = (outcome(codec.validate_wire, wire, False) for codec in codecs_of(everything()))
        assert isinstance(first, list) == (levels < most)
        assert all(other == first for other in others)


def test_strict_raises_with_every_violation() -> None:
    assert chatpb.from_dict(SOUND, strict=True) == chatpb.from_dict(SOUND)
    with pytest.raises(ContractError) as raised:
        chatpb.from_dict(SOUND | {"id": 1, "created": "1"}, strict=True)
    assert {v.path for v in raised.value.violations} == {"/id", "/created"}
    assert str(raised.value).startswith("2 violations of the contract: ")
    with pytest.raises(ContractError, match=r"^1 violation of the contract: /id: id is not a string \[type\]$"):
        chatpb.from_dict(SOUND | {"id": 1}, strict=True)
    with pytest.raises(ContractError) as raised:
        chatpb.from_dict(SOUND | {"choices": [{}] * 7}, strict=True)
    assert len(raised.value.violations) == 21
    assert str(raised.value).endswith("/choices/6/message: message is missing [required]; and 1 more")


def test_violations_hold_no_values() -> None:
    secret = "sk-secret"
    for rule in ("id", "created", "choices", "object", "service_tier"):
        for violation in chatpb.validate(chatpb.from_dict(SOUND | {rule: [secret]})):
            assert secret not in str(violation)


def test_fill_required_writes_what_may_be_null_and_empty() -> None:
    message = v1.ChatCompletion(id="c", choices=[v1.ChatCompletionChoice(index=0, message=v1.ChatCompletionMessage())])
    filled = json.loads(chatpb.to_json(message, fill_required=True))
    assert filled == {
        "id": "c",
        "choices": [{"index": 0, "message": {"content": None, "refusal": None}, "logprobs": None}],
    }
    assert json.loads(chatpb.to_json(v1.ChatCompletionChunk(), fill_required=True)) == {"choices": []}


def test_fill_required_keeps_what_is_there() -> None:
    text = b'{"choices":[{"index":0,"message":{"content":5,"refusal":18446744073709551615},"logprobs":7}]}'
    wire = chatpb.json_to_wire(text)
    assert json.loads(chatpb.wire_to_json(wire, fill_required=True)) == json.loads(text)


@pytest.mark.parametrize("name", ["ChatCompletion", "ChatCompletionChunk", "CreateChatCompletionRequest"])
def test_an_empty_message_violates_nothing_but_required(name: str) -> None:
    assert {v.rule for v in chatpb.validate(google_type(name)())} == {"required"}


LEVELS = {
    "one_message": b"",
    "many_message": b"",
    "map_of_message": field(2),
    "union_list": b"",
    "rows": b"",
    "strings": b"",
    "additional_properties": field(1, field(2, field(6, field(1, field(5))))),
}
"""By field, a payload with levels of its own."""


@pytest.mark.parametrize("name", LEVELS)
def test_engines_count_levels_alike(name: str) -> None:
    fields = everything().fields_by_name
    kinds = set()
    for levels in range(194, 202):
        wire = field(fields[name].number, LEVELS[name])
        for _ in range(levels - 1):
            wire = field(fields["one_message"].number, wire)
        first, *others = (outcome(codec.validate_wire, wire, False) for codec in codecs_of(everything()))
        assert all(other == first for other in others)
        kinds.add(type(first))
    assert kinds == {list, tuple}


def test_a_small_stack_gives_an_error() -> None:
    number = everything().fields_by_name["many_message"].number
    wire = b""
    for _ in range(40):
        wire = field(number, wire)
    codec = ENGINES["python"].codec(everything())
    whole, before, outcomes = codec.validate_wire(wire, False), sys.getrecursionlimit(), []
    try:
        for limit in range(len(inspect.stack()) + 60, len(inspect.stack()) + 260):
            sys.setrecursionlimit(limit)
            outcomes.append(outcome(codec.validate_wire, wire, False))
    finally:
        sys.setrecursionlimit(before)
    refused = ("", 0, STACK_IS_FULL)
    at = outcomes.index(whole)
    assert (outcomes[:at], outcomes[at:]) == ([refused] * at, [whole] * (len(outcomes) - at))


def _struct_entry(name: bytes, value: bytes) -> bytes:
    entry = b"\x0a" + bytes([len(name)]) + name + b"\x12" + bytes([len(value)]) + value
    return field(15, b"\x0a" + bytes([len(entry)]) + entry)


_NO_VALUE, _STRING = b"", b"\x1a\x01s"


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        pytest.param(_struct_entry(b"created", _NO_VALUE), set(), id="no-kind"),
        pytest.param(field(16, b"\x0a\x07created"), set(), id="no-text"),
        pytest.param(field(16, b"\x0a\x07created\x12\x00"), set(), id="empty-text"),
        pytest.param(_struct_entry(b"created", _STRING) + _struct_entry(b"created", _NO_VALUE), set(), id="replaced"),
        pytest.param(_struct_entry(b"created", _NO_VALUE) + _struct_entry(b"created", _STRING), {"type"}, id="last"),
        pytest.param(
            _struct_entry(b"created", _NO_VALUE) + field(16, b"\x0a\x07created\x12\x01t"),
            {"type", "json_text"},
            id="text",
        ),
        pytest.param(_struct_entry(b"x", _NO_VALUE) + field(16, b"\x0a\x01x\x12\x011"), set(), id="open"),
        pytest.param(
            bytes([v1.ChatCompletion.CREATED_FIELD_NUMBER << 3, 5]) + _struct_entry(b"created", _NO_VALUE),
            set(),
            id="typed",
        ),
    ],
)
def test_an_entry_that_holds_nothing_is_no_violation(wire: bytes, expected: set[str]) -> None:
    found = {each.rule for each in agreed(v1.ChatCompletion.DESCRIPTOR, wire) if not each.rule.startswith("required")}
    assert found == expected
