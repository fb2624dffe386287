"""An OpenAI-compatible route in FastAPI over a gRPC service: it knows its callers, and tells the service who asks.

CHATPB_TARGET=127.0.0.1:50051 uvicorn front:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.responses import StreamingResponse

import chatpb
from chatpb.service import AsyncClient, AsyncStream, ServiceError
from chatpb.streams.sse import DONE, write_event

TEAMS = {"sk-red": "red", "sk-blue": "blue"}
"""The callers, by their keys."""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncClient(os.environ["CHATPB_TARGET"]) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


@app.exception_handler(ServiceError)
async def refuse(request: Request, error: ServiceError) -> Response:
    return Response(error.body, error.status, error.headers, "application/json")


@app.exception_handler(chatpb.JsonError)
async def refuse_body(request: Request, error: chatpb.JsonError) -> Response:
    return await refuse(request, ServiceError.of(400, str(error)))


def team_of(authorization: Annotated[str, Header()] = "") -> str:
    team = TEAMS.get(authorization.removeprefix("Bearer "))
    if team is None:
        raise ServiceError.of(401, "This key is unknown.", code="invalid_api_key")
    return team


@app.post("/v1/chat/completions")
async def create(request: Request, team: Annotated[str, Depends(team_of)]) -> Response:
    question = chatpb.from_json(await request.body(), chatpb.CreateChatCompletionRequest)
    chatpb.members(question)["x_team"] = team  # a member that the contract does not name
    text = chatpb.to_json(question)  # so that answers are JSON text too
    client: AsyncClient = request.app.state.client
    if not question.stream:
        return Response(await client.create(text), media_type="application/json")
    stream = client.stream(text)
    chunks = aiter(stream)
    first = await anext(chunks, b"")  # an error before the first chunk has a status of its own
    return StreamingResponse(events(stream, first, chunks), media_type="text/event-stream")


async def events(stream: AsyncStream[bytes, bytes], first: bytes, others: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async with stream:  # which ends the call when the caller leaves
        try:
            if first:
                yield write_event(first)
            async for chunk in others:
                yield write_event(chunk)
            yield DONE
        except ServiceError as error:
            yield write_event(error.body)
