"""Checks of live gRPC: the programs' clients with the Python server, and the Python client with the programs' servers."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Final

import chatpb
from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk, CreateChatCompletionRequest
from tests.conformance.checks import Result
from tests.conformance.program import Program, ProgramError

WORDS: Final = ["Hello", " caf\u00e9", " \U0001f600"]
"""The chunks of the Python server's stream."""

ERROR: Final = {"error": {"message": "Slow down", "type": "requests", "param": None, "code": "rate_limit_exceeded"}}
ERROR_LINES: Final = ["8", "429", "7", "Slow down", "rate_limit_exceeded"]


class Backend:
    """A backend that answers as the request's model says: "words", "slow" (a word, then nothing for a minute), "refuse"."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        """Set when a streamed answer ends, also when its call is cancelled."""

    async def create(self, request: bytes, call: Any) -> bytes:
        model = CreateChatCompletionRequest.FromString(request).model
        if model == "refuse":
            from chatpb.service import ServiceError

            raise ServiceError(429, json.dumps(ERROR).encode(), {"retry-after": "7"})
        return _completion(model)

    async def stream(self, request: bytes, call: Any) -> AsyncIterator[bytes]:
        model = CreateChatCompletionRequest.FromString(request).model
        try:
            for word in WORDS:
                yield _chunk(word)
                if model == "slow":
                    await asyncio.sleep(60)
        finally:
            self.stopped.set()

    async def close(self) -> None:
        """Do nothing: the backend holds nothing open."""


@contextmanager
def python_server() -> Iterator[tuple[str, Backend]]:
    """Run a Python server; yield its address and its backend."""
    from chatpb.service import Server

    backend = Backend()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = Server(backend, listen="127.0.0.1:0")
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(30)
    try:
        yield f"127.0.0.1:{server.port}", backend
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(0), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)


def client(program: Program) -> Iterator[Result]:
    """Check the program's client with the Python server."""
    with python_server() as (address, backend):

        def call(scenario: str, model: str) -> Any:
            request = chatpb.json_to_wire(json.dumps({"model": model}), CreateChatCompletionRequest)
            return program.call(address, scenario, request)

        for scenario in ("unary", "stream", "cancel", "deadline", "error"):
            backend.stopped.clear()
            model = {"cancel": "slow", "deadline": "slow", "error": "refuse"}.get(scenario, "words")
            try:
                response = call(scenario, model)
            except ProgramError as error:
                yield Result(scenario, str(error))
                continue
            found = [encoded.wire for encoded in response.messages], list(response.lines)
            expected = {
                "unary": ([_completion("words")], []),
                "stream": ([_chunk(word) for word in WORDS], []),
                "cancel": ([_chunk(WORDS[0])], []),
                "deadline": ([], ["4"]),
                "error": ([], ERROR_LINES),
            }[scenario]
            if _canonical(found, scenario) != _canonical(expected, scenario):
                yield Result(scenario, f"got {found}, not {expected}")
            elif model == "slow" and not backend.stopped.wait(10):
                yield Result(scenario, "the server did not stop")
            else:
                yield Result(scenario)


def server(program: Program) -> Iterator[Result]:
    """Check the program's server with the Python client."""
    from chatpb.service import Client, ServiceError

    address = program.serve().lines[0]
    request = {"model": "m", "messages": [{"role": "user", "content": "one two"}]}
    with Client(address, timeout=300) as caller:
        answer = caller.create(request)
        same = answer == {"model": "m", "choices": [{"message": {"content": "one two"}}]}
        yield Result("unary", "" if same else f"got {answer}")
        chunks = list(caller.stream(request))
        same = chunks == [{"choices": [{"delta": {"content": word}}]} for word in ("one", "two")]
        yield Result("stream", "" if same else f"got {chunks}")
        calls: dict[str, Any] = {"error": caller.create, "stream error": lambda body: list(caller.stream(body))}
        for case, call in calls.items():
            try:
                yield Result(case, f"got {call({'model': 'm'})}")
            except ServiceError as error:
                same = (error.code, error.message) == ("INVALID_ARGUMENT", "no messages")
                yield Result(case, "" if same else f"got {error!r}")


def _completion(model: str) -> bytes:
    message = {"role": "assistant", "content": "".join(WORDS), "refusal": None}
    vendor = {"x_vendor": {"exact": 18446744073709551615, "open": [1, None, "x"]}, "usage": None}
    return chatpb.json_to_wire(json.dumps({"model": model, "choices": [{"index": 0, "message": message}], **vendor}))


def _chunk(word: str) -> bytes:
    choice = {"index": 0, "delta": {"content": word}, "finish_reason": None, "vendor": {"a": 1}}
    return chatpb.json_to_wire(json.dumps({"choices": [choice]}), ChatCompletionChunk)


def _canonical(answer: tuple[list[bytes], list[str]], scenario: str) -> tuple[list[bytes], list[str]]:
    """Return the answer, with everything sorted that protobuf leaves unordered."""
    wires, lines = answer
    message_type: Any = ChatCompletion if scenario == "unary" else ChatCompletionChunk
    return [message_type.FromString(wire).SerializeToString(deterministic=True) for wire in wires], lines
