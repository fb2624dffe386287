"""A fake model behind a FakeUpstream: tools, several choices, log probabilities, usage, and errors by model name."""

from __future__ import annotations

import json
from typing import Any

from chatpb import to_dict
from chatpb.streams import split
from tests.service.fake_upstream import HttpExchange

__all__ = ["FakeModel"]

ERRORS: dict[str, tuple[int, dict[str, Any], dict[str, str]]] = {
    "bad": (400, {"type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}, {}),
    "key": (401, {"type": "invalid_request_error", "param": None, "code": "invalid_api_key"}, {}),
    "denied": (403, {"type": "permission_error", "param": None, "code": None}, {}),
    "missing": (404, {"type": "invalid_request_error", "param": "model", "code": "model_not_found"}, {}),
    "conflict": (409, {"type": "conflict", "param": None, "code": None}, {}),
    "odd": (422, {"type": "invalid_request_error", "param": "n", "code": None, "vendor": [1, None]}, {}),
    "busy": (429, {"type": "requests", "param": None, "code": "rate_limit_exceeded"}, {"retry-after": "17"}),
    "broken": (500, {"type": "server_error", "param": None, "code": None}, {}),
    "down": (503, {"type": "server_error", "param": None, "code": "overloaded"}, {}),
}


class FakeModel:
    """Answers requests. The model `flaky` refuses every other request; a name in ERRORS always gets its error."""

    def __init__(self) -> None:
        self.flaky = 0

    async def __call__(self, exchange: HttpExchange) -> None:
        if exchange.method == "GET":
            await exchange.answer(b'{"object":"list","data":[]}')
            return
        request = exchange.request
        model = request["model"]
        if model == "flaky":
            self.flaky += 1
            if self.flaky % 2:
                await self._refuse(exchange, 429, {"type": "requests"}, {"retry-after-ms": "1"})
                return
        if model in ERRORS:
            await self._refuse(exchange, *ERRORS[model])
            return
        completion = answer(request)
        if not request.get("stream"):
            await exchange.answer(json.dumps(completion).encode(), headers={"x-request-id": "req_model"})
            return
        chunks = [json.dumps(chunk(each, request)).encode() for each in split(completion)]
        if not (request.get("stream_options") or {}).get("include_usage"):
            chunks.pop()
        if model == "breaks":
            chunks[2:] = [b'{"error":{"message":"It broke.","type":"server_error","param":null,"code":"x"}}']
        await exchange.answer_stream(chunks, {"x-request-id": "req_model"})

    async def _refuse(
        self, exchange: HttpExchange, status: int, error: dict[str, Any], headers: dict[str, str]
    ) -> None:
        body = {"error": {"message": f"No: {status}.", **error}}
        await exchange.answer(json.dumps(body).encode(), status, headers={"x-request-id": "req_no", **headers})


def chunk(message: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Return a chunk as JSON values, with `logprobs` in every choice if the request asks for them."""
    tree = to_dict(message)
    if request.get("logprobs"):
        for choice in tree["choices"]:
            choice.setdefault("logprobs", None)
    return tree


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Return the completion that answers a request."""
    text = "Hello, \u4e16\u754c \U0001f600 and more."
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "reasoning_content": "Hm, hm."}
    reason = "stop"
    if request.get("tools"):
        reason = "tool_calls"
        message["content"] = None
        message["tool_calls"] = [
            {
                "id": f"call_{name}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps({"city": city})},
            }
            for name, city in (("weather", "Paris"), ("time", "Z\u00fcrich"))
        ]
    token = {"token": "Hello", "logprob": -0.25, "bytes": [72, 101], "top_logprobs": []}
    logprobs = {"content": [token], "refusal": None} if request.get("logprobs") else None
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": request["model"],
        "system_fingerprint": None,
        "choices": [
            {"index": index, "message": message, "logprobs": logprobs, "finish_reason": reason}
            for index in range(request.get("n") or 1)
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
        "vendor": {"big": 2**63 - 1},
    }
