"""betterproto's classes read and write every message of the contract as google.protobuf's do.

Each message is made in google.protobuf with all its fields set, read and written by betterproto, and compared byte for
byte. Tests at the end pin what betterproto 2.0.0b7 does differently, so that a release that changes it is noticed.
"""

from __future__ import annotations

from typing import Any

import betterproto
import pytest
from betterproto.lib.google import protobuf as betterproto_google
from google.protobuf import struct_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

import chatcompletion.v1 as contract
import chatcompletion_betterproto
from tests.wire.contract_fields import delimited_field

NAMES = [name for name in contract.__all__ if isinstance(getattr(contract, name).DESCRIPTOR, Descriptor)]
ENUMS = sorted(set(contract.__all__) - set(NAMES))
FULL = {
    FieldDescriptor.CPPTYPE_BOOL: True,
    FieldDescriptor.CPPTYPE_DOUBLE: -1.5e300,
    FieldDescriptor.CPPTYPE_INT32: -(2**31),
    FieldDescriptor.CPPTYPE_INT64: -(2**63),
    FieldDescriptor.CPPTYPE_UINT64: 2**64 - 1,
}
ZERO = {
    FieldDescriptor.CPPTYPE_BOOL: False,
    FieldDescriptor.CPPTYPE_DOUBLE: -0.0,
    FieldDescriptor.CPPTYPE_INT32: 0,
    FieldDescriptor.CPPTYPE_INT64: 0,
    FieldDescriptor.CPPTYPE_UINT64: 0,
}

each_name = pytest.mark.parametrize("name", NAMES)


def _google(name: str) -> Message:
    message: Message = getattr(contract, name)()
    return message


def _betterproto(name: str) -> betterproto.Message:
    message: betterproto.Message = getattr(chatcompletion_betterproto, name)()
    return message


def _scalar(field: Any, zero: bool) -> Any:
    if field.enum_type:
        return 0 if zero else max(field.enum_type.values_by_number)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"" if zero else b"\xff\x00"
    if field.type == FieldDescriptor.TYPE_STRING:
        return "" if zero else "\U0001f600\0"
    return (ZERO if zero else FULL)[field.cpp_type]


def _fill(message: Message, zero: bool, alternative: int) -> None:
    """Set every field to its zero or to another value, and of each oneof the alternative of an index."""
    for field in message.DESCRIPTOR.fields:
        union = field.containing_oneof
        if union and len(union.fields) > 1 and field is not union.fields[alternative]:
            continue
        value = getattr(message, field.name)
        if isinstance(value, struct_pb2.Struct):
            value.update({"k": [None, True, -0.0, "", [], {}, {"k": [[], {}]}], "l": {}})
        elif field.message_type and field.message_type.GetOptions().map_entry:
            inner = field.message_type.fields_by_name["value"]
            if inner.message_type:
                _fill(value["k"], zero, alternative)
            else:
                value["k"] = "v" if inner.type == FieldDescriptor.TYPE_STRING else _scalar(inner, zero)
        elif field.message_type and isinstance(value, Message):
            value.SetInParent()
            _fill(value, zero, alternative)
        elif field.message_type:
            _fill(value.add(), zero, alternative)
            value.add()
        elif field.has_presence or not hasattr(value, "extend"):
            setattr(message, field.name, _scalar(field, zero))
        else:
            value.extend([_scalar(field, zero), _scalar(field, True), _scalar(field, False)])


@pytest.mark.parametrize("alternative", [0, 1])
@pytest.mark.parametrize("zero", [False, True], ids=["full", "zero"])
@each_name
def test_same_bytes(name: str, zero: bool, alternative: int) -> None:
    message = _google(name)
    _fill(message, zero, alternative)
    wire = message.SerializeToString(deterministic=True)
    assert bytes(_betterproto(name).parse(wire)) == wire


@each_name
def test_empty_message(name: str) -> None:
    assert bytes(_betterproto(name)) == b""
    assert bytes(_betterproto(name).parse(b"")) == b""


@each_name
def test_same_field_names(name: str) -> None:
    message: Any = _betterproto(name)
    fields = message._betterproto.meta_by_field_name
    assert {meta.number: field for field, meta in fields.items()} == {
        field.number: field.name for field in _google(name).DESCRIPTOR.fields
    }


@pytest.mark.parametrize("name", ENUMS)
def test_same_enum_values(name: str) -> None:
    enum = getattr(contract, name).DESCRIPTOR
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    values = getattr(chatcompletion_betterproto, name)
    assert {value.name: int(value) for value in values} == {
        value.name.removeprefix(prefix): value.number for value in enum.values
    }


def test_presence() -> None:
    """An absent member is None. An empty value that a program sets is written."""
    empty = chatcompletion_betterproto.ChatCompletion()
    assert (empty.usage, empty.id) == (None, None)
    message = chatcompletion_betterproto.ChatCompletion(usage=chatcompletion_betterproto.CompletionUsage(), id="")
    assert bytes(message) == contract.ChatCompletion(usage=contract.CompletionUsage(), id="").SerializeToString()


def test_unset_alternative_of_a_oneof_raises() -> None:
    message = chatcompletion_betterproto.CreateChatCompletionRequest(stop_text="")
    assert betterproto.which_one_of(message, "stop") == ("stop_text", "")
    with pytest.raises(AttributeError):
        _ = message.stop_list


# betterproto 2.0.0b7 differs from google.protobuf in these.


@pytest.mark.parametrize(
    ("key", "value", "kept"), [("k", "", b"\n\x01k"), ("", "v", b"\x12\x01v")], ids=["value", "key"]
)
def test_known_empty_strings_in_maps_are_left_out(key: str, value: str, kept: bytes) -> None:
    """The bytes are valid and mean the same, but google.protobuf writes others."""
    message = chatcompletion_betterproto.ChatCompletion(metadata={key: value})
    wire = bytes(message)
    assert wire == b"\x8a\x01" + bytes([len(kept)]) + kept
    assert contract.ChatCompletion.FromString(wire) == contract.ChatCompletion(metadata={key: value})
    struct = betterproto_google.Struct(fields={"": betterproto_google.Value(bool_value=True)})
    assert bytes(struct) == b"\n\x04\x12\x02 \x01"


def test_known_map_entry_of_empty_key_and_value_is_lost() -> None:
    assert bytes(chatcompletion_betterproto.ChatCompletion(metadata={"": ""})) == b""
    types = {"": chatcompletion_betterproto.ModerationInputTypes()}
    assert bytes(chatcompletion_betterproto.ModerationResult(category_applied_input_types=types)) == b""


def test_known_map_order_is_that_of_insertion() -> None:
    message = chatcompletion_betterproto.ChatCompletion(metadata={"b": "1", "a": "2"})
    same = contract.ChatCompletion(metadata={"b": "1", "a": "2"}).SerializeToString(deterministic=True)
    assert bytes(message) != same
    assert bytes(chatcompletion_betterproto.ChatCompletion().parse(same)) == same


def test_known_split_message_is_replaced_not_merged() -> None:
    """The second piece of an inner message replaces the first: `prompt_tokens` is lost here."""
    wire = b"\x32\x02\x08\x05\x32\x02\x10\x06"
    usage = contract.ChatCompletion.FromString(wire).usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (5, 6)
    other = chatcompletion_betterproto.ChatCompletion().parse(wire).usage
    assert other is not None
    assert (other.prompt_tokens, other.completion_tokens) == (None, 6)


def test_known_split_packed_field_is_replaced_not_appended() -> None:
    wire = delimited_field("CreateChatCompletionRequest", "modalities", b"\x01")
    wire += delimited_field("CreateChatCompletionRequest", "modalities", b"\x02")
    assert list(contract.CreateChatCompletionRequest.FromString(wire).modalities) == [1, 2]
    assert chatcompletion_betterproto.CreateChatCompletionRequest().parse(wire).modalities == [2]


def test_known_truncated_string_is_taken_as_it_is() -> None:
    wire = contract.ChatCompletion(id="abcdef").SerializeToString()[:-3]
    assert chatcompletion_betterproto.ChatCompletion().parse(wire).id == "abc"
