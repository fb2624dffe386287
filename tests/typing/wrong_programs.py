"""Programs with one mistake a line, each named by the rules that mypy and pyright must give for it."""

from collections.abc import Iterator

import openai.types.chat as openai

import chatcompletion_betterproto
import chatpb
from chatcompletion import v1
from chatpb.service import AsyncClient, Client

completion = chatpb.from_json("{}")
completion.choises  # mypy: attr-defined; pyright: reportAttributeAccessIssue
completion.choices[0].mesage  # mypy: attr-defined; pyright: reportAttributeAccessIssue
completion.usage.total_tokens = "12"  # mypy: assignment; pyright: reportAttributeAccessIssue
v1.ChatCompletion(modle="m")  # mypy: call-arg; pyright: reportCallIssue
chatpb.from_jsno("{}")  # mypy: attr-defined; pyright: reportAttributeAccessIssue
chatpb.from_json(5)  # mypy: call-overload; pyright: reportArgumentType
chatpb.from_json("{}", nonfinite="yes")  # mypy: call-overload; pyright: reportArgumentType
chatpb.from_json("{}", chatpb.ErrorResponse).choices  # mypy: attr-defined; pyright: reportAttributeAccessIssue
twin = chatpb.from_json("{}", chatcompletion_betterproto.ChatCompletion)
twin.choises  # mypy: attr-defined; pyright: reportAttributeAccessIssue
chatpb.to_dict(completion).id  # mypy: attr-defined; pyright: reportAttributeAccessIssue

members = chatpb.members(completion)
members[5]  # mypy: index; pyright: reportArgumentType
members.mesage  # mypy: attr-defined; pyright: reportAttributeAccessIssue
number: int = members.copy()  # mypy: assignment; pyright: reportAssignmentType


def of_openai(answer: openai.ChatCompletion, chunk: openai.ChatCompletionChunk) -> None:
    chatpb.from_openai(answer).choises  # mypy: attr-defined; pyright: reportAttributeAccessIssue
    chatpb.from_openai(chunk).usage.total  # mypy: attr-defined; pyright: reportAttributeAccessIssue
    chatpb.from_openai(answer, chatpb.ErrorResponse).choices  # mypy: attr-defined; pyright: reportAttributeAccessIssue
    chatpb.to_openai(completion).choises  # mypy: attr-defined; pyright: reportAttributeAccessIssue
    chatpb.to_openai(v1.CreateChatCompletionRequest()).model  # mypy: attr-defined; pyright: reportAttributeAccessIssue


def of_clients(client: Client, request: v1.CreateChatCompletionRequest) -> Iterator[object]:
    client.create(request).choises  # mypy: attr-defined; pyright: reportAttributeAccessIssue
    client.create({"model": "m"}).choices  # mypy: attr-defined; pyright: reportAttributeAccessIssue
    client.create("{}").choices  # mypy: attr-defined; pyright: reportAttributeAccessIssue
    client.create(request, timeuot=5)  # mypy: call-overload; pyright: reportCallIssue
    stream = client.stream(request)
    for chunk in stream:
        yield chunk.choices[0].detla  # mypy: attr-defined; pyright: reportAttributeAccessIssue
    yield stream.completion().choises  # mypy: attr-defined; pyright: reportAttributeAccessIssue


async def of_async_clients(client: AsyncClient, request: v1.CreateChatCompletionRequest) -> None:
    (await client.create(request)).choises  # mypy: attr-defined; pyright: reportAttributeAccessIssue
    async for chunk in client.stream(request):
        chunk.choises  # mypy: attr-defined; pyright: reportAttributeAccessIssue
