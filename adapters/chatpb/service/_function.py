"""A backend made of one function."""

from __future__ import annotations

import inspect
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk, CreateChatCompletionRequest
from chatpb._accumulate import Accumulator
from chatpb._api import dict_to_json, json_to_wire, wire_to_json
from chatpb._errors import ChatpbError
from chatpb._runtimes import runtime_of
from chatpb.service._call import Call
from chatpb.service._wires import split_answer

__all__ = ["FunctionBackend"]


class FunctionBackend:
    """Answers by an async function of the request, a CreateChatCompletionRequest.

    The function returns the answer: text, a ChatCompletion of any runtime, or a dict. Or it is an async generator of
    pieces: text, ChatCompletionChunks, or dicts. Either kind answers both calls.
    """

    def __init__(self, function: Callable[[CreateChatCompletionRequest], Any]) -> None:
        if not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)):
            raise TypeError("a backend is an async function, or an object with create, stream and close")
        self._function = function

    async def create(self, request: bytes, call: Call) -> bytes:
        if inspect.isasyncgenfunction(self._function):
            accumulator = Accumulator()
            async with aclosing(self.stream(request, call)) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    accumulator.add_wire(chunk)
            return accumulator.to_wire()
        message = _message(request)
        answer = await self._function(message)
        if isinstance(answer, str):
            member = {"role": "assistant", "content": answer, "refusal": None}
            choice = {"index": 0, "message": member, "logprobs": None, "finish_reason": "stop"}
            answer = {**_head(message, "chat.completion"), "choices": [choice]}
        return _wire(answer, ChatCompletion)

    async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        if not inspect.isasyncgenfunction(self._function):
            for chunk in split_answer(await self.create(request, call), request):
                yield chunk
            return
        message = _message(request)
        head = _head(message, "chat.completion.chunk")
        is_text = False
        async with aclosing(self._function(message)) as pieces:
            async for piece in pieces:
                if isinstance(piece, str):
                    delta = {"content": piece} if is_text else {"role": "assistant", "content": piece}
                    is_text = True
                    piece = {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
                yield _wire(piece, ChatCompletionChunk)
        if is_text:
            end = {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
            yield _wire(end, ChatCompletionChunk)

    async def close(self) -> None:
        pass


def _message(request: bytes) -> CreateChatCompletionRequest:
    wire_to_json(request, CreateChatCompletionRequest)  # says what is wrong with bytes, and where
    return CreateChatCompletionRequest.FromString(request)


def _head(request: CreateChatCompletionRequest, kind: str) -> dict[str, Any]:
    name = f"chatcmpl-{uuid.uuid4().hex}"
    return {"id": name, "object": kind, "created": int(time.time()), "model": request.model}


def _wire(answer: Any, message_type: type[Any]) -> bytes:
    """The wire bytes of what a function gave. Its own mistakes are not the caller's."""
    try:
        if isinstance(answer, Mapping):
            return json_to_wire(dict_to_json(answer), message_type)
        return runtime_of(type(answer)).serialize(answer)
    except ChatpbError as error:
        raise TypeError(f"the function gave what is no {message_type.__name__}: {type(error).__name__}") from error
