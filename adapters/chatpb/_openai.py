"""The `openai` package's own objects: responses and chunks (pydantic models), requests (dicts).

Models are matched with messages of the contract by the names of their classes, which are the same on both sides.
The `openai` package is needed by `to_openai` alone, and imported there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from chatcompletion import v1
from chatpb._api import dict_to_json, from_json, to_dict
from chatpb._runtimes import runtime_of

__all__ = ["from_openai", "to_openai"]


@runtime_checkable
class _Model(Protocol):
    """What is used of openai.BaseModel."""

    def to_dict(self, *, mode: str, warnings: bool) -> dict[str, Any]: ...


def from_openai(obj: Any, message_type: type[Any] | None = None) -> Any:
    """The message of an object of the `openai` package.

    A model such as ChatCompletion or ChatCompletionChunk gives the message of its class's name, with the members that
    were set on it, extra ones too. A dict is the arguments of `chat.completions.create` and gives a
    CreateChatCompletionRequest; models and iterables are accepted inside it. `message_type` chooses another message
    or another runtime.

    Raises TypeError for what has no message, or holds a value that is not JSON; ChatpbError as `from_json` does.
    """
    if message_type is None:
        message_type = _message_type(obj)
    return from_json(dict_to_json(_plain(obj), _plain), message_type)


def to_openai(message: Any) -> Any:
    """The object of the `openai` package that a message stands for; the reverse of `from_openai`.

    A message whose name is that of a model gives the model, built without validation, as the package builds it from a
    response: members of wrong types are kept, extra members too. Any other message, such as a request, gives a dict.

    Raises ImportError without the `openai` package; ChatpbError as `to_json` does.
    """
    from openai import BaseModel, types

    name = runtime_of(type(message)).descriptor(type(message)).name
    model = getattr(types.chat, name, None) or getattr(types, name, None)
    values = to_dict(message)
    if isinstance(model, type) and issubclass(model, BaseModel):
        return model.construct(**values)
    return values


def _message_type(obj: Any) -> type[Any]:
    if isinstance(obj, Mapping):
        return v1.CreateChatCompletionRequest
    for base in type(obj).__mro__:
        found = getattr(v1, base.__name__, None)
        if isinstance(found, type):
            return found
    raise TypeError(f"{type(obj).__name__} has no message of its name in the contract, {v1.__name__}")


def _plain(obj: Any) -> Any:
    if isinstance(obj, _Model):
        return obj.to_dict(mode="python", warnings=False)
    if isinstance(obj, Iterable):
        return obj if isinstance(obj, Mapping) else list(obj)
    raise TypeError(f"{type(obj).__name__} is not a JSON value")
