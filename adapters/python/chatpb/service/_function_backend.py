"""A backend that calls one function."""

from __future__ import annotations

import inspect
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk, CreateChatCompletionRequest
from chatpb._convert import dict_to_wire, wire_to_json
from chatpb._errors import ChatpbError
from chatpb._runtimes import runtime_of
from chatpb.service._call import Call
from chatpb.service._parse_wire import parse_wire
from chatpb.service._request_flags import split_answer
from chatpb.streams._known import add_known
from chatpb.streams.accumulate import Accumulator

__all__ = ["FunctionBackend"]


class FunctionBackend:
    """Answers with what an async function makes of the request, a CreateChatCompletionRequest, and of the Call.

    The function may leave out the parameter for the Call. It returns the answer: text, a ChatCompletion of any runtime,
    or a dict. Or it is an async generator that yields pieces: text, ChatCompletionChunks of any runtime, or dicts. Both
    kinds answer whole and as a stream.

    Raises TypeError for a function that is not async, or takes other arguments.

    Examples:
        >>> import asyncio
        >>> from chatpb import ChatCompletion, CreateChatCompletionRequest
        >>> from chatpb.service import Call, FunctionBackend
        >>> async def answer(request):
        ...     for word in ("You", " asked", f" {request.model}"):
        ...         yield word
        ...
        >>> request = CreateChatCompletionRequest(model="m").SerializeToString()
        >>> whole = asyncio.run(FunctionBackend(answer).create(request, Call()))
        >>> ChatCompletion.FromString(whole).choices[0].message.content
        'You asked m'

    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._is_generator = inspect.isasyncgenfunction(function)
        if not (self._is_generator or inspect.iscoroutinefunction(function)):
            raise TypeError("a backend is an async function, or an object with create, stream and close")
        if _takes(function, 1):
            self._answer: Callable[[CreateChatCompletionRequest, Call], Any] = lambda request, call: function(request)
        elif _takes(function, 2):
            self._answer = function
        else:
            raise TypeError("the function of a backend takes the request, or the request and the call")

    async def create(self, request: bytes, call: Call) -> bytes:
        if self._is_generator:
            accumulator = Accumulator()
            async with aclosing(self.stream(request, call)) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    add_known(accumulator, chunk)
            return accumulator.to_wire()
        message = _read_request(request)
        answer = await self._answer(message, call)
        if isinstance(answer, str):
            member = {"role": "assistant", "content": answer, "refusal": None}
            choice = {"index": 0, "message": member, "logprobs": None, "finish_reason": "stop"}
            answer = {**_first_members(message, "chat.completion"), "choices": [choice]}
        return _answer_wire(answer, ChatCompletion)

    async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        if not self._is_generator:
            for chunk in split_answer(await self.create(request, call), request):
                yield chunk
            return
        message = _read_request(request)
        first = _first_members(message, "chat.completion.chunk")
        is_text = False
        async with aclosing(self._answer(message, call)) as pieces:
            async for piece in pieces:
                if isinstance(piece, str):
                    delta = {"content": piece} if is_text else {"role": "assistant", "content": piece}
                    is_text = True
                    piece = {**first, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
                yield _answer_wire(piece, ChatCompletionChunk)
        if is_text:
            end = {**first, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
            yield _answer_wire(end, ChatCompletionChunk)

    async def close(self) -> None:
        pass


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Return whether a function can be called with so many arguments."""
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    return True


def _read_request(request: bytes) -> CreateChatCompletionRequest:
    """Return the message of a request. Raises WireError for bytes that are no message, or hold what JSON cannot."""
    wire_to_json(request, CreateChatCompletionRequest, unknown_fields="skip")
    return parse_wire(request, CreateChatCompletionRequest)


def _first_members(request: CreateChatCompletionRequest, kind: str) -> dict[str, Any]:
    """Return the members that stand before the choices in an answer; `kind` is its `object`."""
    name = f"chatcmpl-{uuid.uuid4().hex}"
    return {"id": name, "object": kind, "created": int(time.time()), "model": request.model}


def _answer_wire(answer: Any, message_type: type[Any]) -> bytes:
    """Return the wire bytes of what the function gave. Raises TypeError if it is wrong: the caller is not to blame."""
    try:
        if isinstance(answer, Mapping):
            return dict_to_wire(answer, message_type)
        return runtime_of(type(answer)).serialize(answer)
    except ChatpbError as error:
        raise TypeError(f"the function gave what is no {message_type.__name__}: {type(error).__name__}") from error
