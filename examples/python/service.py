"""A gRPC service whose model calls tools: `python service.py 127.0.0.1:50051`.

This model calls each tool for Oslo, and then says what the tools found; yours makes its chunks here.
"""

import sys
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import chatpb
from chatpb.service import ServiceError, serve


async def answer(request: chatpb.CreateChatCompletionRequest) -> AsyncIterator[dict[str, Any]]:
    """Yield the chunks of an answer. A caller that wants it whole gets them put together."""
    asked = chatpb.members(request)  # the request as its caller wrote it
    if not asked.get("tools"):
        raise ServiceError.of(400, "This model needs tools.", param="tools")
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": "chat.completion.chunk", "created": int(time.time())}
    head |= {"model": request.model, "x_team": asked.get("x_team")}  # a member that the contract does not name

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}

    found = [message["content"] for message in asked["messages"] if message["role"] == "tool"]
    if found:
        yield chunk({"role": "assistant", "content": "In Oslo:"})
        for text in found:
            yield chunk({"content": f" {text}"})
        yield chunk({}, "stop")
        return
    yield chunk({"role": "assistant", "content": None})
    for index, tool in enumerate(asked["tools"]):
        call = {"index": index, "id": f"call_{index}", "type": "function"}
        yield chunk({"tool_calls": [call | {"function": {"name": tool["function"]["name"], "arguments": ""}}]})
        for piece in ('{"city": ', '"Oslo"}'):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, "tool_calls")


if __name__ == "__main__":
    serve(
        answer,
        listen=sys.argv[1],
        on_start=lambda server: print(f"listening on 127.0.0.1:{server.port}", file=sys.stderr, flush=True),
    )
