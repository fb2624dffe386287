"""What `chatpb.service` exports: every error is a ChatpbError, and every type hint can be evaluated."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import chatpb
import chatpb.service
import chatpb.storage
import chatpb.streams.sse
from chatpb.service import _recording_backend, gateway
from chatpb.service._error_table import ServiceError


@pytest.mark.parametrize("module", [chatpb, chatpb.streams.sse, chatpb.storage, chatpb.service])
def test_every_error_is_a_chatpb_error(module: ModuleType) -> None:
    exported = [getattr(module, name) for name in module.__all__]
    errors = [each for each in exported if isinstance(each, type) and issubclass(each, Exception)]
    assert errors
    assert [error for error in errors if not issubclass(error, chatpb.ChatpbError)] == []


def test_a_service_error_keeps_its_own_words() -> None:
    with pytest.raises(chatpb.ChatpbError, match=r"^429 RESOURCE_EXHAUSTED: Slow down\.$"):
        raise ServiceError.of(429, "Slow down.")


def public(module: ModuleType) -> Iterator[Any]:
    """Yield the functions and classes that a module exports, and the methods of these classes."""
    for name in module.__all__:
        exported = getattr(module, name)
        yield exported
        if isinstance(exported, type):
            members = inspect.getmembers(exported, inspect.isfunction)
            yield from (function for member, function in members if not member.startswith("_") or member == "__init__")


@pytest.mark.parametrize("module", [chatpb.service, gateway, _recording_backend])
def test_type_hints_can_be_evaluated(module: ModuleType) -> None:
    found = list(public(module))
    assert found
    for each in found:
        typing.get_type_hints(each)


BY_POSITION = {
    chatpb.service.AsyncClient: ["target"],
    chatpb.service.Client: ["target"],
    chatpb.service.GrpcBackend: ["target"],
    chatpb.service.OpenAIBackend: ["base_url"],
    chatpb.service.Server: ["backend"],
    chatpb.service.serve: ["backend"],
    gateway.gateway: ["backend"],
    _recording_backend.RecordingBackend: ["backend", "recorder"],
}


@pytest.mark.parametrize("made", BY_POSITION, ids=lambda made: made.__name__)
def test_options_are_given_by_name(made: Any) -> None:
    """What comes first may be given by its name, too."""
    parameters = [each for each in inspect.signature(made).parameters.values() if each.kind != each.VAR_KEYWORD]
    first = [each.name for each in parameters if each.kind == each.POSITIONAL_OR_KEYWORD]
    assert first == BY_POSITION[made]
    assert {each.kind for each in parameters[len(first) :]} == {inspect.Parameter.KEYWORD_ONLY}
