"""Every member of the openai package's chat types has a field in the contract that holds its values.

The walk starts at the package's response, chunk, request and error types. It goes through their pydantic models,
TypedDicts and unions side by side with the contract's descriptors. Tables list where the two differ on purpose, and why.
A row that no longer applies fails the test.
"""

from __future__ import annotations

import collections.abc
import copy
import inspect
import types
import typing
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Union

import openai.types.chat as chat
import pydantic
import pytest
import typing_extensions
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from openai.types.chat import completion_create_params
from openai.types.shared import ErrorObject

import chatcompletion.v1 as contract
from chatcompletion.v1 import options_pb2
from tests.contract.providers import typed_for_providers

pytestmark = pytest.mark.newest

ROOTS: dict[Any, str] = {
    chat.ChatCompletion: "ChatCompletion",
    chat.ChatCompletionChunk: "ChatCompletionChunk",
    completion_create_params.CompletionCreateParamsNonStreaming: "CreateChatCompletionRequest",
    completion_create_params.CompletionCreateParamsStreaming: "CreateChatCompletionRequest",
    ErrorObject: "ErrorObject",
}

# Exported types that no root refers to, with the message or enum for them.
HELD_BY = {
    "ChatCompletionContentPartImage": "ChatCompletionContentPartParam",
    "ChatCompletionContentPartText": "ChatCompletionContentPartParam",
    "ChatCompletionFunctionTool": "ChatCompletionToolParam",
    "ChatCompletionModality": "ChatCompletionModality",
    "ChatCompletionReasoningEffort": "ReasoningEffort",
    "ChatCompletionRole": "ChatCompletionRole",
}

# Exported types that the contract does not have.
NOT_HELD = {
    "ChatCompletionDeleted": "the answer to deleting a stored completion, not a completion",
    "ChatCompletionStoreMessage": "an entry of the list of a stored completion's messages, not a message",
    "CompletionListParams": "the query of a list of stored completions",
    "CompletionUpdateParams": "the body of a change of a stored completion",
    "ParsedChatCompletion": "made by the client from a response; never on the wire",
    "ParsedChatCompletionMessage": "made by the client from a response; never on the wire",
    "ParsedChoice": "made by the client from a response; never on the wire",
    "ParsedFunction": "made by the client from a response; never on the wire",
    "ParsedFunctionToolCall": "made by the client from a response; never on the wire",
}

# Fields of the contract that the package's types lack, besides those that docs/providers.md lists.
NOT_IN_PACKAGE = {
    "ChatCompletionMessageToolCall.index": "several providers number the calls of a whole response as well",
    "ChoiceDeltaToolCall.custom": "calls of custom tools stream too; the package keeps it as an extra member",
}

# Enums that only members which are not OpenAI's have.
NOT_OPENAIS = {"CacheControlType"}

# Fields that the contract requires and the package does not.
DEFAULT = "the package gives each nullable member of a response a default; the API always sends this one"
REQUIRED_BY_API = {
    "ChatCompletionChoice.logprobs": DEFAULT,
    "ChatCompletionChunkChoice.finish_reason": DEFAULT,
    "ChatCompletionMessage.content": DEFAULT,
    "ChatCompletionMessage.refusal": DEFAULT,
    "ChatCompletionTokenLogprob.bytes": DEFAULT,
    "ChoiceLogprobs.content": DEFAULT,
    "ChoiceLogprobs.refusal": DEFAULT,
    "ErrorObject.code": DEFAULT,
    "ErrorObject.param": DEFAULT,
    "TopLogprob.bytes": DEFAULT,
}


@dataclass
class Use:
    """What one class of the package says of one member."""

    required: bool
    nullable: bool
    typed_dict: bool


@dataclass
class Walk:
    """What a walk through the package's types found."""

    problems: list[str] = field(default_factory=list)
    seen: set[tuple[Any, str]] = field(default_factory=set)
    uses: dict[str, dict[Any, dict[str, Use]]] = field(default_factory=dict)
    """The members by message, class and name."""
    strings: dict[str, set[str]] = field(default_factory=dict)
    """The literals of the package by the enum that holds them."""

    def model(self, cls: Any, message: Descriptor) -> None:
        if (cls, message.name) in self.seen:
            return
        self.seen.add((cls, message.name))
        members = self.uses.setdefault(message.name, {}).setdefault(cls, {})
        for name, (hint, required) in _members(cls).items():
            where = f"{cls.__name__}.{name} ({message.name})"
            members[name] = Use(required, type(None) in _options(hint), typing_extensions.is_typeddict(cls))
            homes = _homes(message, name)
            if not homes:
                self.problems.append(f"{where}: no field")
            else:
                self.values(hint, homes, where)

    def values(self, hint: Any, homes: list[FieldDescriptor], where: str) -> None:
        """Check that exactly one of the fields holds each alternative of the type."""
        for option in _alternatives(hint):
            kind, inner = _kind(option)
            fits = [home for home in homes if _fits(kind, inner, home)]
            if len(fits) != 1:
                self.problems.append(f"{where}: nothing holds {option}")
            else:
                self.inside(kind, inner, fits[0], where)

    def inside(self, kind: str, inner: Any, home: FieldDescriptor, where: str) -> None:
        """Continue with the types inside a field's values."""
        message = home.message_type
        if kind == "literal" and home.enum_type:
            self.strings.setdefault(home.enum_type.name, set()).add(inner)
        elif kind == "model" and message:
            self.model(inner, message)
        elif kind == "map" and message:
            self.values(inner, [message.fields_by_name["value"]], f"{where}{{}}")
        elif kind == "array" and home.type != FieldDescriptor.TYPE_BYTES:
            items = message.fields_by_name["items"] if _is_wrapper(message) and message else home
            for option in _alternatives(inner):
                element, innermost = _kind(option)
                if _fits(element, innermost, items, element=True):
                    self.inside(element, innermost, items, f"{where}[]")
                else:
                    self.problems.append(f"{where}[]: nothing holds {option}")


def _members(cls: Any) -> dict[str, tuple[Any, bool]]:
    """Return the type of each member of a pydantic model or TypedDict, and whether it is required, by JSON name."""
    if typing_extensions.is_typeddict(cls):
        hints = typing_extensions.get_type_hints(cls, include_extras=True)
        required: Any = typing_extensions.Required
        return {name: (hint, typing.get_origin(hint) is required) for name, hint in hints.items()}
    fields = cls.model_fields
    return {info.alias or name: (info.annotation, info.is_required()) for name, info in fields.items()}


def _options(hint: Any) -> Iterator[Any]:
    """Yield the alternatives of a type: unions flattened, qualifiers and aliases removed, literals one by one."""
    origin = typing.get_origin(hint)
    if origin in (typing_extensions.Required, typing_extensions.NotRequired, typing_extensions.Annotated):
        yield from _options(typing.get_args(hint)[0])
    elif origin in (Union, types.UnionType):
        for option in typing.get_args(hint):
            yield from _options(option)
    elif origin is Literal:
        for value in typing.get_args(hint):
            yield type(None) if value is None else Literal[value]
    elif hint is None:
        yield type(None)
    else:
        yield hint


def _alternatives(hint: Any) -> list[Any]:
    return [option for option in _options(hint) if option is not type(None)]


def _kind(hint: Any) -> tuple[str, Any]:
    """Return the JSON kind of a type without alternatives, and the type or value inside it."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        value = typing.get_args(hint)[0]
        return "boolean literal" if isinstance(value, bool) else "literal", value
    if origin is dict:
        value = typing.get_args(hint)[1]
        return ("any", value) if value is object else ("map", value)
    if inspect.isclass(origin) and issubclass(origin, collections.abc.Iterable):
        return "array", typing.get_args(hint)[0]
    if getattr(origin, "__name__", "") == "SequenceNotStr":
        return "array", typing.get_args(hint)[0]
    if typing_extensions.is_typeddict(hint):
        return "model", hint
    if inspect.isclass(hint) and issubclass(hint, pydantic.BaseModel):
        return "model", hint
    return {str: "string", int: "integer", float: "number", bool: "boolean", object: "any"}[hint], hint


def _homes(message: Descriptor, name: str) -> list[FieldDescriptor]:
    """Return the fields for a JSON member: the field of its name, or the alternatives of the oneof of its name."""
    if name in message.oneofs_by_name:
        return list(message.oneofs_by_name[name].fields)
    found = message.fields_by_name.get(name)
    return [found] if found else []


def _fits(kind: str, inner: Any, home: FieldDescriptor, *, element: bool = False) -> bool:
    """Return whether a field, or one item of it, holds the values of a type."""
    form = home.GetOptions().Extensions[options_pb2.json_form]
    message = home.message_type
    is_map = message is not None and message.GetOptions().map_entry
    is_list = not is_map and not element and (_is_repeated(home) or _is_wrapper(message))
    if kind == "array":
        return is_list or form == options_pb2.JSON_FORM_BYTE_ARRAY
    if kind == "map" or is_list or is_map:
        return kind == "map" and is_map
    return {
        "string": _is_string(home),
        # A string field holds literals too: in a union with str they are only examples.
        "literal": _is_string(home) or _has_value(home.enum_type, inner),
        "boolean literal": home.type == FieldDescriptor.TYPE_BOOL,
        "boolean": home.type == FieldDescriptor.TYPE_BOOL,
        "integer": home.cpp_type in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64),
        "number": home.type == FieldDescriptor.TYPE_DOUBLE,
        "model": message is not None,
        "any": message is not None or form == options_pb2.JSON_FORM_TEXT,
    }[kind]


def _is_string(home: FieldDescriptor) -> bool:
    """Return whether a field holds strings: any, or those in base64."""
    form = home.GetOptions().Extensions[options_pb2.json_form]
    return home.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES) and not form


def _has_value(enum: EnumDescriptor | None, string: str) -> bool:
    return enum is not None and string in _strings(enum)


def _strings(enum: EnumDescriptor, but: Container[str] = ()) -> set[str]:
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {
        value.GetOptions().Extensions[options_pb2.json_value] or value.name.removeprefix(prefix).lower()
        for value in enum.values[1:]
        if f"{enum.name}.{value.name}" not in but
    }


def _is_repeated(home: FieldDescriptor) -> bool:
    """Return whether a field is repeated: the contract's singular fields have presence, but for a map entry's value."""
    assert home.containing_type
    return not home.has_presence and not home.containing_type.GetOptions().map_entry


def _is_wrapper(message: Descriptor | None) -> bool:
    return message is not None and [inner.name for inner in message.fields] == ["items"]


def _message(name: str) -> Descriptor:
    found: Descriptor = getattr(contract, name).DESCRIPTOR
    return found


@pytest.fixture(scope="module")
def walk() -> Walk:
    walk = Walk()
    for cls, name in ROOTS.items():
        walk.model(cls, _message(name))
    return walk


@pytest.fixture(scope="module")
def whole_walk(walk: Walk) -> Walk:
    """Return the walk, continued with the exported types that no root refers to."""
    whole = copy.deepcopy(walk)
    for exported, name in HELD_BY.items():
        held = getattr(contract, name).DESCRIPTOR
        for option in _alternatives(getattr(chat, exported)):
            if isinstance(held, Descriptor):
                whole.model(option, held)
            elif not _has_value(held, typing.get_args(option)[0]):
                whole.problems.append(f"{exported}: {name} lacks {option}")
    return whole


def _exported() -> dict[str, Any]:
    return {name: value for name, value in vars(chat).items() if name[0].isupper()}


def test_every_field_has_a_home(whole_walk: Walk) -> None:
    assert whole_walk.problems == []


def test_every_exported_type_is_reached_or_listed(walk: Walk) -> None:
    """A union is reached if each of its classes is. Literals are reached through their fields."""
    reached = {cls for cls, _ in walk.seen}
    lost = set()
    for name, value in _exported().items():
        classes = [inner for kind, inner in map(_kind, _alternatives(value)) if kind == "model"]
        if not classes or not all(cls in reached for cls in classes):
            lost.add(name)
    assert lost == HELD_BY.keys() | NOT_HELD.keys()


def test_every_typed_field_is_in_the_package(whole_walk: Walk) -> None:
    extra = set()
    for name, classes in whole_walk.uses.items():
        known = {member for members in classes.values() for member in members}
        extra |= {f"{name}.{member}" for member in _json_members(_message(name)) - known}
    listed = {name for name in typed_for_providers() if name.split(".")[0] in whole_walk.uses} - {"ErrorObject.code"}
    assert extra == NOT_IN_PACKAGE.keys() | listed


def test_every_enum_value_is_in_the_package(whole_walk: Walk) -> None:
    found = [getattr(item, "DESCRIPTOR", None) for item in vars(contract).values()]
    enums = [item for item in found if isinstance(item, EnumDescriptor)]
    listed = {name for name in typed_for_providers() if name.split(".")[0] in {enum.name for enum in enums}}
    known = {f"{enum.name}.{value.name}" for enum in enums for value in enum.values}
    assert listed <= known
    strings = {enum.name: _strings(enum, but=listed) for enum in enums if enum.name not in NOT_OPENAIS}
    assert strings == whole_walk.strings


def test_required_members_are_those_that_the_package_requires(whole_walk: Walk) -> None:
    """A message that stands for several classes requires the members that all of them require."""
    differ = set()
    for name, member, home, uses in _compared(whole_walk):
        behavior = home.GetOptions().Extensions[field_behavior_pb2.field_behavior]
        required = field_behavior_pb2.REQUIRED in behavior
        if required != all(use is not None and use.required for use in uses):
            differ.add(f"{name}.{member}")
    assert differ == REQUIRED_BY_API.keys()


def test_nullable_members_are_those_that_the_package_lets_be_none(whole_walk: Walk) -> None:
    """A model lets each optional member be None. A TypedDict allows None only where the API accepts null, so it decides."""
    differ = set()
    for name, member, home, uses in _compared(whole_walk):
        found = [use for use in uses if use is not None]
        strict = [use for use in found if use.typed_dict]
        if home.GetOptions().Extensions[options_pb2.nullable] != any(use.nullable for use in strict or found):
            differ.add(f"{name}.{member}")
    assert differ == set()


def _compared(walk: Walk) -> Iterator[tuple[str, str, FieldDescriptor, list[Use | None]]]:
    """Yield each member of the package: its message, its name, its first field, and its use by each class."""
    for name, classes in walk.uses.items():
        for member in sorted({member for members in classes.values() for member in members}):
            homes = _homes(_message(name), member)
            if homes:
                yield name, member, homes[0], [members.get(member) for members in classes.values()]


def _json_members(message: Descriptor) -> set[str]:
    unions = {union.name for union in message.oneofs if len(union.fields) > 1}
    alternatives = {home.name for name in unions for home in message.oneofs_by_name[name].fields}
    fixed = {message.fields_by_number[number].name for number in range(12, 17)}
    return unions | ({home.name for home in message.fields} - alternatives - fixed)
