"""Convert objects of the `openai` package: responses and chunks are pydantic models, requests are dicts.

A model corresponds to the message of the contract whose name is that of its class, or that stands in its place inside
such a model. Only `to_openai` imports the `openai` package.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar, get_args, overload

from google.protobuf.descriptor import Descriptor

from chatcompletion import v1
from chatpb._contract.schema import schema_of
from chatpb._convert import to_dict
from chatpb._detect import detect_object
from chatpb._errors import JsonError
from chatpb._extras import extra_for
from chatpb._options import Nonfinite, UnknownFields, choice
from chatpb._runtimes import message_class, runtime_of

if TYPE_CHECKING:
    from openai.types import chat

__all__ = ["from_openai", "to_openai"]

M = TypeVar("M")

_REQUEST: Final = v1.CreateChatCompletionRequest
_NOT_SENT: Final = ("extra_headers", "extra_query", "timeout")
"""Arguments of `create` that are about the call."""


class _Completion(Protocol):
    @property
    def object(self) -> Literal["chat.completion"]: ...


class _Chunk(Protocol):
    @property
    def object(self) -> Literal["chat.completion.chunk"]: ...


@overload
def from_openai(obj: Any, message_type: type[M], *, nonfinite: Nonfinite = "error") -> M: ...
@overload
def from_openai(
    obj: _Completion, message_type: None = None, *, nonfinite: Nonfinite = "error"
) -> v1.ChatCompletion: ...
@overload
def from_openai(
    obj: _Chunk, message_type: None = None, *, nonfinite: Nonfinite = "error"
) -> v1.ChatCompletionChunk: ...
@overload
def from_openai(obj: Any, message_type: None = None, *, nonfinite: Nonfinite = "error") -> Any: ...
def from_openai(obj: Any, message_type: type[Any] | None = None, *, nonfinite: Nonfinite = "error") -> Any:
    """Return the message of an object of the `openai` package.

    Args:
        obj: a model such as ChatCompletion or one inside it, or any other pydantic model, of which all members count
            that were set, extra ones too; a dataclass, whose fields count but for those at a default of None; or a dict
            of the arguments of `chat.completions.create`, which may hold such objects and iterables. Arguments that are
            not given are left out, `extra_body` is merged, and `extra_headers`, `extra_query` and `timeout` are no
            part of a request.
        message_type: the class of the message, of any runtime. Without it, a model gives the google.protobuf message
            that it corresponds to, and a dict a CreateChatCompletionRequest unless another document fits better.
        nonfinite: "allow" accepts NaN, Infinity and -Infinity as numbers; "error" refuses them.

    Raises:
        TypeError: the contract has no message for the model, or a value is not JSON, such as bytes or a set. So is an
            exception of the package: convert `error.response.json()`, what the service sent.
        JsonError: a value is not acceptable, such as NaN.
        ValueError: `nonfinite` has another value.

    Examples:
        >>> from openai.types.chat import ChatCompletionChunk
        >>> from chatpb import from_openai, to_json
        >>> chunk = ChatCompletionChunk.construct(id="c1", choices=[], x_request_ms=12)
        >>> to_json(from_openai(chunk))
        b'{"id":"c1","choices":[],"x_request_ms":12}'

    """
    if isinstance(obj, BaseException):
        raise TypeError(
            f"{type(obj).__name__} is an exception; the message of what the service sent is "
            "from_openai(error.response.json(), ErrorResponse)"
        )
    if message_type is None:
        message_type = _message_type(obj)
    known = message_class(message_type)
    allow = choice("nonfinite", nonfinite, "error", "allow")
    if isinstance(obj, Mapping) and runtime_of(message_type).descriptor(message_type) is _REQUEST.DESCRIPTOR:
        obj = _body(obj)
    plain = _Plain()
    try:
        wire = known.codec.dict_to_wire(obj, plain, False, allow)
    except _NotGiven:
        wire = known.codec.dict_to_wire(plain.given(obj), plain, False, allow)
    return known.parse(wire)


@overload
def to_openai(
    message: v1.ChatCompletion, *, unknown_fields: UnknownFields = ..., nonfinite: Nonfinite = ...
) -> chat.ChatCompletion: ...
@overload
def to_openai(
    message: v1.ChatCompletionChunk, *, unknown_fields: UnknownFields = ..., nonfinite: Nonfinite = ...
) -> chat.ChatCompletionChunk: ...
@overload
def to_openai(
    message: v1.CreateChatCompletionRequest, *, unknown_fields: UnknownFields = ..., nonfinite: Nonfinite = ...
) -> dict[str, Any]: ...
@overload
def to_openai(message: Any, *, unknown_fields: UnknownFields = ..., nonfinite: Nonfinite = ...) -> Any: ...
def to_openai(message: Any, *, unknown_fields: UnknownFields = "error", nonfinite: Nonfinite = "error") -> Any:
    """Return the object of the `openai` package that a message stands for.

    A message whose name is that of a model gives the model. It is built without validation, as the package builds it
    from a response, so it keeps members of wrong types, and extra members. Any other message, such as a request, gives
    a dict.

    Args:
        message: a message of any runtime.
        unknown_fields: "error" refuses fields that this contract does not have; "skip" leaves them out.
        nonfinite: "allow" gives floats that are NaN or infinite; "error" refuses them.

    Raises:
        MissingExtraError: the `openai` package is not installed. It is an ImportError.
        WireError: the message holds what JSON cannot.
        JsonError: an integer has more digits than Python converts.
        TypeError: `message` is not a message of any runtime.
        ValueError: an option has another value.

    Examples:
        >>> from chatpb import from_json, to_openai
        >>> completion = to_openai(from_json('{"id":"c1","choices":[{"index":0,"message":{"content":"Hello"}}]}'))
        >>> completion.choices[0].message.content
        'Hello'

    """
    with extra_for("to_openai"):
        from openai import BaseModel, types

    name = runtime_of(type(message)).descriptor(type(message)).name
    model = getattr(types.chat, name, None) or getattr(types, name, None)
    values = to_dict(message, unknown_fields=unknown_fields, nonfinite=nonfinite)
    if isinstance(model, type) and issubclass(model, BaseModel):
        return _construct(model, values)
    return values


def _construct(model: Any, values: dict[str, Any]) -> Any:
    """Build a model, which may have a member with the name of an argument of its `construct`."""
    taken, text = "_fields_set", str(values)
    if taken not in text:
        return model.construct(**values)
    free = f"{taken}_"
    while free in text:
        free += "_"
    return _renamed(model.construct(**_renamed(values, taken, free)), free, taken)


def _renamed(value: Any, old: str, new: str) -> Any:
    """Return a JSON value with another name for its members of a name. A model inside is changed in place."""
    if isinstance(value, list):
        return [_renamed(item, old, new) for item in value]
    if isinstance(value, dict):
        return {new if name == old else name: _renamed(item, old, new) for name, item in value.items()}
    if hasattr(type(value), "model_fields"):
        for members in value.__dict__, value.__pydantic_extra__ or {}:
            renamed = _renamed(dict(members), old, new)
            members.clear()
            members.update(renamed)
        if old in value.__pydantic_fields_set__:
            value.__pydantic_fields_set__.remove(old)
            value.__pydantic_fields_set__.add(new)
    return value


def _message_type(obj: Any) -> type[Any]:
    """Return the message class of an object. Raises TypeError if the contract has none for it."""
    if isinstance(obj, Mapping):
        return detect_object({name: _sketch(value) for name, value in obj.items() if not _is_omitted(value)}, _REQUEST)
    if (twin := _twins(sys.modules.get("openai")).get(type(obj))) is not None:
        return twin
    for base in type(obj).__mro__:
        found = getattr(v1, base.__name__, None)
        if isinstance(found, type):
            return found
    raise TypeError(
        f"{type(obj).__name__} has no message of its name in the contract, {v1.__name__}; message_type picks one"
    )


def _sketch(value: Any) -> Any:
    """Return what an argument looks like to those who guess which document it is in."""
    if value is None or isinstance(value, (str, int, float, list, dict)):
        return value
    return {} if isinstance(value, Mapping) or not isinstance(value, Iterable) else []


def _body(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of the request that a call of `create` with these arguments sends."""
    body = {name: value for name, value in arguments.items() if name not in _NOT_SENT and not _is_omitted(value)}
    extra = body.pop("extra_body", None)
    if extra is not None and not isinstance(extra, Mapping):
        raise TypeError(f"extra_body takes a mapping, not {type(extra).__name__}")
    return {**body, **(extra or {})}


def _is_omitted(value: Any) -> bool:
    """Return whether a value says that an argument is not given: `openai.NOT_GIVEN` or `openai.omit`."""
    kind = type(value)
    return kind.__name__ in ("NotGiven", "Omit") and kind.__module__.partition(".")[0] == "openai"


class _NotGiven(Exception):
    """A value inside an object is not given, so that its member must be left out."""


class _Plain:
    """Returns the dicts of models and the lists of iterables, each of which is read once."""

    def __init__(self) -> None:
        self._read: dict[int, tuple[Any, Any]] = {}

    def __call__(self, obj: Any) -> Any:
        """Return the dict or list of an object. Raises TypeError for what is no JSON value."""
        if id(obj) not in self._read:
            self._read[id(obj)] = obj, _plain(obj)
        return self._read[id(obj)][1]

    def given(self, obj: Any) -> Any:
        """Return a value without the members that are not given."""
        if obj is None or isinstance(obj, (str, int, float)):
            return obj
        if isinstance(obj, Mapping):
            return {name: self.given(value) for name, value in obj.items() if not _is_omitted(value)}
        if _is_omitted(obj):
            raise TypeError(f"{type(obj).__name__} is not a JSON value")
        return [self.given(item) for item in obj] if isinstance(obj, (list, tuple)) else self.given(self(obj))


def _plain(obj: Any) -> Any:
    kind: Any = type(obj)
    if _is_omitted(obj):
        raise _NotGiven
    if hasattr(kind, "model_dump"):
        # Models inside count as what they are, not as what the model around them declares.
        try:
            return obj.model_dump(by_alias=True, exclude_unset=True, warnings=False, serialize_as_any=True)
        except UnicodeEncodeError:
            return _members_of(obj)
    if hasattr(kind, "__fields_set__"):
        return obj.dict(by_alias=True, exclude_unset=True)
    if is_dataclass(kind):
        members = {each.name: getattr(obj, each.name) for each in fields(kind)}
        unset = {each.name for each in fields(kind) if each.default is None and members[each.name] is None}
        return {name: value for name, value in members.items() if name not in unset}
    if isinstance(obj, Mapping):
        return obj
    if isinstance(obj, Iterable) and not isinstance(obj, (str, bytes, bytearray, memoryview, Set)):
        return list(obj)
    raise TypeError(f"{kind.__name__} is not a JSON value")


def _members_of(model: Any) -> dict[str, Any]:
    """Return the members of a model that were set. Pydantic does not dump those with a lone surrogate in their name."""
    kind = type(model)
    decorators = kind.__pydantic_decorators__
    if decorators.computed_fields or decorators.field_serializers or decorators.model_serializers:
        reason = f"a lone surrogate in the name of a member of {kind.__name__}, which has serializers of its own"
        raise JsonError("", 1, 1, 0, reason)
    members = {
        kind.model_fields[name].serialization_alias or name: value
        for name, value in model.__dict__.items()
        if name in model.model_fields_set and not kind.model_fields[name].exclude
    }
    return {**members, **(model.model_extra or {})}


@cache
def _twins(openai: Any) -> dict[type[Any], type[Any]]:
    """Return the message classes of the package's models, found from the models of documents by their members."""
    found: dict[type[Any], type[Any]] = {}
    chat = getattr(getattr(openai, "types", None), "chat", None)
    waiting: list[tuple[Any, Any]] = [
        (getattr(chat, name, None), message) for name, message in vars(v1).items() if isinstance(message, type)
    ]
    while waiting:
        model, message = waiting.pop()
        descriptor = getattr(message, "DESCRIPTOR", None)
        if not hasattr(model, "model_fields") or not isinstance(descriptor, Descriptor) or model in found:
            continue
        found[model] = message
        schema = schema_of(descriptor)
        for name, info in model.model_fields.items():
            held = schema.members.get(info.alias or name)
            for each in held.alternatives if held else ():
                inner = each.item if each.kind == "list" else each
                if inner.kind == "message" and not inner.map_key:
                    waiting += [(one, getattr(v1, inner.schema.name)) for one in _models(info.annotation)]
    return found


def _models(annotation: Any) -> Iterator[Any]:
    """Yield the models in an annotation."""
    if hasattr(annotation, "model_fields"):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
