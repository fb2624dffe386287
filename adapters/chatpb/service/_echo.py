"""A backend that answers with the last message's text. It needs no network: for trying things out, and for tests."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from chatcompletion.v1 import ChatCompletion, CreateChatCompletionRequest
from chatpb._api import json_to_wire, wire_to_json
from chatpb.service._call import Call
from chatpb.service._models import list_models
from chatpb.service._wires import split_answer

__all__ = ["EchoBackend"]


class EchoBackend:
    """Answers with the text of the last message, as many times as `n` says."""

    async def create(self, request: bytes, call: Call) -> bytes:
        return _answer(json.loads(wire_to_json(request, CreateChatCompletionRequest)))

    async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        for chunk in split_answer(await self.create(request, call), request):
            yield chunk

    async def models(self, call: Call) -> bytes:
        return list_models(["echo"])

    async def close(self) -> None:
        pass


def _answer(request: dict[str, Any]) -> bytes:
    messages = request.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else {}
    text = _text(last.get("content") if isinstance(last, dict) else None)
    words = len(text.split())
    count = request.get("n")
    message = {"role": "assistant", "content": text, "refusal": None}
    completion = {
        "id": "chatcmpl-echo",
        "object": "chat.completion",
        "created": 0,
        "model": request.get("model", "echo"),
        "choices": [
            {"index": index, "message": message, "logprobs": None, "finish_reason": "stop"}
            for index in range(count if isinstance(count, int) and 0 < count <= 128 else 1)
        ],
        "usage": {"prompt_tokens": words, "completion_tokens": words, "total_tokens": 2 * words},
    }
    return json_to_wire(json.dumps(completion), ChatCompletion)


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
