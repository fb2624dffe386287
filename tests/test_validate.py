"""Violations of the contract, each case with all of them."""

from __future__ import annotations

import json

import pytest

import chatpb
from chatcompletion import v1
from chatpb import ContractError, Violation
from conftest import google_type

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
            ("/choices/1/logprobs", "required", "logprobs is missing"),
            ("/created", "type", "created is not an integer of int64"),
            ("/id", "not_nullable", "id is null, which the contract does not allow"),
        ],
    ),
]


@pytest.mark.parametrize(("changes", "expected"), [pytest.param(c[1], c[2], id=c[0]) for c in CASES])
def test_violations(changes: dict[str, object], expected: list[tuple[str, str, str]]) -> None:
    message = chatpb.from_dict(SOUND | changes)
    found = [(v.path, v.rule, v.message) for v in chatpb.validate(message)]
    assert sorted(found) == sorted(expected)


def test_violations_come_in_the_contracts_order() -> None:
    paths = [v.path for v in chatpb.validate(v1.ChatCompletion())]
    members = [f"/{field.name}" for field in v1.ChatCompletion.DESCRIPTOR.fields]
    assert len(paths) > 1
    assert paths == [path for path in members if path in paths]


NATIVE = [
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


@pytest.mark.parametrize(("message", "expected"), [pytest.param(c[1], c[2], id=c[0]) for c in NATIVE])
def test_what_only_native_writers_do(message: object, expected: tuple[str, str, str]) -> None:
    assert Violation(*expected) in chatpb.validate(message)


def test_strict_raises_with_every_violation() -> None:
    assert chatpb.from_dict(SOUND, strict=True) == chatpb.from_dict(SOUND)
    with pytest.raises(ContractError) as raised:
        chatpb.from_dict(SOUND | {"id": 1, "created": "1"}, strict=True)
    assert {v.path for v in raised.value.violations} == {"/id", "/created"}
    assert str(raised.value).startswith("2 violations of the contract: ")
    with pytest.raises(ContractError, match=r"^1 violation of the contract: /id: id is not a string \[type\]$"):
        chatpb.from_dict(SOUND | {"id": 1}, strict=True)


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
