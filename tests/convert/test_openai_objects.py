"""`from_openai` and `to_openai`: what `create` takes, and any model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from openai.types import chat
from openai.types.chat import chat_completion, chat_completion_chunk
from pydantic import BaseModel, ConfigDict, Field, field_serializer

import chatpb
from chatcompletion import v1
from chatpb.streams import Accumulator


class Message(BaseModel):
    model_config = ConfigDict(extra="allow")
    role: str
    content: Any = None
    name: str = "unset"
    of: str = Field(default="", alias="from")


class Vision(Message):
    detail: str = "low"


class Conversation(BaseModel):
    messages: list[Message]


@dataclass
class Turn:
    role: str
    content: str | None = None
    name: str | None = None


def turns() -> Iterator[Any]:
    yield Turn("user", "a")
    yield Message.model_validate({"role": "user", "content": None, "from": "b", "x": 1})


USER = {"role": "user", "content": "a"}
NOT_GIVEN, OMIT = openai.NOT_GIVEN, getattr(openai, "omit", openai.NOT_GIVEN)

NOT_GIVEN_MEMBER = {"m": NOT_GIVEN}

REQUESTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("pydantic", {"messages": [Message(role="user", content="a")]}, {"messages": [USER]}),
    (
        "subclass",
        {"messages": Conversation(messages=[Vision(role="u", detail="h")]).messages},
        {"messages": [{"role": "u", "detail": "h"}]},
    ),
    ("dataclass", {"messages": (Turn("user", "a"),)}, {"messages": [USER]}),
    (
        "iterator",
        {"messages": turns(), "tools": [{"function": NOT_GIVEN, "type": "function"}]},
        {
            "messages": [USER, {"role": "user", "content": None, "from": "b", "x": 1}],
            "tools": [{"type": "function"}],
        },
    ),
    ("not-given", {"model": "m", "stop": NOT_GIVEN, "n": OMIT, "seed": NOT_GIVEN}, {"model": "m"}),
    ("nested", {"messages": [dict(USER, name=NOT_GIVEN)]}, {"messages": [USER]}),
    ("order", {"x": {"b": 1, "a": [NOT_GIVEN_MEMBER]}, "c": 1}, {"x": {"b": 1, "a": [{}]}, "c": 1}),
    ("extra-body", {"model": "m", "extra_body": {"top_k": 5, "model": "n"}}, {"model": "n", "top_k": 5}),
    (
        "call",
        {"model": "m", "extra_headers": {"a": "b"}, "extra_query": {}, "timeout": 5, "extra_body": None},
        {"model": "m"},
    ),
    ("none", {"model": "m", "stop": None}, {"model": "m", "stop": None}),
    ("vendor", {"anything": [1]}, {"anything": [1]}),
]


@pytest.mark.parametrize(("arguments", "body"), [pytest.param(*row[1:], id=row[0]) for row in REQUESTS])
def test_arguments_of_create(arguments: dict[str, Any], body: dict[str, Any]) -> None:
    message = chatpb.from_openai(arguments)
    assert isinstance(message, v1.CreateChatCompletionRequest)
    assert chatpb.to_dict(message) == body
    # The order is the sender's.
    assert message == chatpb.from_dict(body, v1.CreateChatCompletionRequest)


@pytest.mark.parametrize(
    "wrong", [b"a", bytearray(b"a"), {1}, frozenset({1}), object(), [NOT_GIVEN]], ids=lambda each: type(each).__name__
)
def test_what_is_no_json_value(wrong: Any) -> None:
    for arguments in {"model": wrong}, {"messages": [{"content": wrong}]}, {"extra_body": {"x": wrong}}:
        with pytest.raises(TypeError, match="is not a JSON value"):
            chatpb.from_openai(arguments)
    with pytest.raises(TypeError, match="^extra_body takes a mapping, not int$"):
        chatpb.from_openai({"extra_body": 5})


CHOICE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "a"}}
COMPLETION: dict[str, Any] = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [CHOICE],
    "x": {"y": 1},
}
CHUNK: dict[str, Any] = dict(
    COMPLETION, object="chat.completion.chunk", choices=[{"index": 0, "delta": {"content": "a"}}]
)


@pytest.mark.parametrize(
    ("obj", "message_type"),
    [
        (COMPLETION, v1.ChatCompletion),
        (CHUNK, v1.ChatCompletionChunk),
        ({"error": {"message": "m", "code": 400}}, v1.ErrorResponse),
        ({"choices": []}, v1.ChatCompletion),
        ({"id": "i", "model": "m", "messages": []}, v1.CreateChatCompletionRequest),
    ],
)
def test_a_dict_is_the_document_that_it_looks_like(obj: dict[str, Any], message_type: type[Any]) -> None:
    message = chatpb.from_openai(obj)
    assert type(message) is message_type
    assert chatpb.to_dict(message) == obj


def test_any_iterable_looks_like_an_array() -> None:
    # Without its messages, this is a completion.
    message = chatpb.from_openai({"id": "i", "model": "m", "messages": (each for each in [USER])})
    assert type(message) is v1.CreateChatCompletionRequest
    assert type(chatpb.from_openai({"id": "i", "model": "m", "messages": Turn("user")})) is v1.ChatCompletion


MODELS: list[tuple[Any, type[Any]]] = [
    (chat.ChatCompletion.construct(**COMPLETION), v1.ChatCompletion),
    (chat.ChatCompletion.construct(**COMPLETION).choices[0], v1.ChatCompletionChoice),
    (chat.ChatCompletionChunk.construct(**CHUNK).choices[0], v1.ChatCompletionChunkChoice),
    (chat_completion_chunk.ChoiceDelta(content="a"), v1.ChoiceDelta),
    (chat_completion.ChoiceLogprobs.construct(content=None), v1.ChoiceLogprobs),
    (chat.ChatCompletionMessage(role="assistant", content=None), v1.ChatCompletionMessage),
]


@pytest.mark.parametrize(("model", "message_type"), MODELS, ids=[type(row[0]).__name__ for row in MODELS])
def test_models_inside_documents_have_their_messages(model: Any, message_type: type[Any]) -> None:
    message = chatpb.from_openai(model)
    assert type(message) is message_type
    assert chatpb.to_dict(message) == model.to_dict()


class Reply(chat.ChatCompletion):
    """A model of a user's own, whose base has a message."""


@dataclass
class ChatCompletionMessage:
    """A class of another package, which has the name of a message."""

    role: str
    content: str


@pytest.mark.parametrize(
    ("model", "message_type"),
    [
        (Reply.construct(**COMPLETION), v1.ChatCompletion),
        (ChatCompletionMessage("assistant", "a"), v1.ChatCompletionMessage),
    ],
)
def test_a_model_has_the_message_of_its_name_or_of_a_base(model: Any, message_type: type[Any]) -> None:
    assert type(chatpb.from_openai(model)) is message_type


def test_a_model_without_a_message() -> None:
    with pytest.raises(
        TypeError, match="^Turn has no message of its name in the contract, .*; message_type picks one$"
    ):
        chatpb.from_openai(Turn("user"))
    assert chatpb.to_dict(chatpb.from_openai(Turn("user"), v1.ChatCompletionMessageParam)) == {"role": "user"}


LONE = "\ud83d"


def as_any(members: dict[str, Any]) -> Any:
    """Return members for a constructor whose own parameters have narrower types."""
    return members


@pytest.mark.parametrize(
    ("model", "inner"),
    [
        (chat.ChatCompletion.construct(choices=[{"index": 0, LONE: [1]}]), {"choices": [{"index": 0, LONE: [1]}]}),
        (
            chat.ChatCompletionChunk.construct(id="c", choices=[{"delta": {LONE: None}}], x=1),
            {"id": "c", "choices": [{"delta": {LONE: None}}], "x": 1},
        ),
        (
            Conversation(messages=[Message.model_construct(**as_any({"role": "user", "from": "b", LONE: 1}))]),
            {"messages": [{"role": "user", "from": "b", LONE: 1}]},
        ),
    ],
    ids=["choice", "chunk", "alias"],
)
def test_a_name_with_a_lone_surrogate_inside_a_model(model: BaseModel, inner: dict[str, Any]) -> None:
    message_type = v1.CreateChatCompletionRequest if "messages" in inner else None
    assert chatpb.to_dict(chatpb.from_openai(model, message_type)) == inner


class Loud(Message):
    @field_serializer("role")
    def loud(self, role: str) -> str:
        return role.upper()


@pytest.mark.parametrize(
    "model",
    [
        chat_completion.Choice.construct(index=0, **as_any({LONE: 1})),
        chat.ChatCompletion.construct(**as_any({LONE: 1})),
        Loud.model_construct(**as_any({"role": "user", LONE: 1})),
    ],
    ids=["choice", "completion", "serializer"],
)
def test_a_name_with_a_lone_surrogate_that_no_message_has(model: BaseModel) -> None:
    with pytest.raises(chatpb.JsonError, match="a lone surrogate in the name of a member") as caught:
        chatpb.from_openai(model, v1.ChatCompletionMessageParam if isinstance(model, Loud) else None)
    if isinstance(model, Loud):
        # It is not printed, so that there is no text to count in.
        assert (caught.value.path, caught.value.line, caught.value.column, caught.value.offset) == ("", 1, 1, 0)
    else:
        with pytest.raises(chatpb.JsonError, match="a lone surrogate in the name of a member"):
            Accumulator().add(model)


@pytest.mark.parametrize("message_type", [None, v1.ErrorResponse])
def test_an_exception_is_refused_with_what_to_do(message_type: type[Any] | None) -> None:
    error = openai.OpenAIError("slow down")
    hint = r"^OpenAIError is an exception; .* from_openai\(error\.response\.json\(\), ErrorResponse\)$"
    with pytest.raises(TypeError, match=hint):
        chatpb.from_openai(error, message_type)


def test_numbers_that_are_not_finite() -> None:
    content = [{"token": "a", "logprob": -math.inf, "bytes": None, "top_logprobs": []}]
    model = chat.ChatCompletion.construct(choices=[dict(CHOICE, logprobs={"content": content})])
    with pytest.raises(chatpb.JsonError, match="nonfinite='allow'"):
        chatpb.from_openai(model)
    message = chatpb.from_openai(model, nonfinite="allow")
    with pytest.raises(chatpb.WireError, match="nonfinite='allow'"):
        chatpb.to_openai(message)
    logprobs = chatpb.to_openai(message, nonfinite="allow").choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert logprobs.content[0].logprob == -math.inf


@pytest.mark.parametrize("changes", [{"created": "x"}, {"choices": {}}, {"usage": [1]}, {"model": None, "x": 2**70}])
def test_to_openai_keeps_wrong_types(changes: dict[str, Any]) -> None:
    model = chatpb.to_openai(chatpb.from_dict({**COMPLETION, **changes}))
    assert model.to_dict(warnings=False) == {**COMPLETION, **changes}


def test_to_openai_keeps_a_member_with_the_name_of_an_argument() -> None:
    inner = {"_fields_set": {"_fields_set": [{"_fields_set_": 1}]}, "content": None}
    values = {**COMPLETION, "_fields_set": 5, "choices": [dict(CHOICE, message=inner, _fields_set=None)]}
    model = chatpb.to_openai(chatpb.from_dict(values))
    assert model.to_dict(warnings=False) == values
    assert chatpb.to_dict(chatpb.from_openai(model)) == values
