"""A backend that answers with the text of the last message. It needs no network, which suits trials and tests."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from chatcompletion.v1 import ChatCompletion, CreateChatCompletionRequest
from chatpb._convert import json_to_wire
from chatpb._known_json import known_json
from chatpb.service._call import Call
from chatpb.service._error_table import parse_body
from chatpb.service._model_list import list_models
from chatpb.service._request_flags import split_answer

__all__ = ["EchoBackend"]


class EchoBackend:
    """Answers with the text of the last message, in as many choices as the request's `n` asks for.

    Examples:
        >>> import asyncio
        >>> from chatpb import ChatCompletion, CreateChatCompletionRequest, json_to_wire
        >>> from chatpb.service import Call, EchoBackend
        >>> request = json_to_wire('{"messages":[{"role":"user","content":"Hello"}]}', CreateChatCompletionRequest)
        >>> answer = asyncio.run(EchoBackend().create(request, Call()))
        >>> ChatCompletion.FromString(answer).choices[0].message.content
        'Hello'

    """

    async def create(self, request: bytes, call: Call) -> bytes:
        return _answer(parse_body(known_json(request, CreateChatCompletionRequest)) or {})

    async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        for chunk in split_answer(await self.create(request, call), request):
            yield chunk

    async def models(self, call: Call) -> bytes:
        """Return the JSON text of a list with one model, `echo`."""
        return list_models(["echo"])

    async def close(self) -> None:
        pass


def _answer(request: dict[str, Any]) -> bytes:
    """Return the wire bytes of the completion that answers a request, given as JSON values."""
    messages = request.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else {}
    text = _text(last.get("content") if isinstance(last, dict) else None)
    words = len(text.split())
    count, model = request.get("n"), request.get("model", "echo")
    message = {"role": "assistant", "content": text, "refusal": None}
    completion = {
        "id": "chatcmpl-echo",
        "object": "chat.completion",
        "created": 0,
        "model": None if isinstance(model, float) else model,  # of too many digits to be converted
        "choices": [
            {"index": index, "message": message, "logprobs": None, "finish_reason": "stop"}
            for index in range(count if isinstance(count, int) and 0 < count <= 128 else 1)
        ],
        "usage": {"prompt_tokens": words, "completion_tokens": words, "total_tokens": 2 * words},
    }
    return json_to_wire(json.dumps(completion), ChatCompletion)


def _text(content: Any) -> str:
    """Return the text of a message's content, which may be an array of parts."""
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
