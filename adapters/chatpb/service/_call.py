"""What a backend is given with a request, and what a backend is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol

from chatpb.service._errors import ServiceError

__all__ = ["Backend", "Call", "check_token", "deadline", "pick_reply", "pick_request"]

_REQUEST: Final = frozenset(
    [
        "authorization",
        "x-request-id",
        "traceparent",
        "tracestate",
        "openai-organization",
        "openai-project",
        "idempotency-key",
    ]
)
_REPLY: Final = frozenset(["x-request-id", "retry-after", "retry-after-ms", "x-should-retry"])
_REPLY_PREFIXES: Final = ("x-ratelimit-", "openai-")


@dataclass
class Call:
    """One request's surroundings.

    Attributes:
        metadata: the caller's headers that concern a backend, by lower-case name: `authorization`, `x-request-id`,
            `traceparent`, `openai-organization` and the like.
        deadline: when the answer is of no more use, in seconds of `time.monotonic()`; None if it always is.
        reply: headers for the answer, filled by the backend before its answer or its first chunk.
        peer: the caller's address; empty if it is not known.

    """

    metadata: dict[str, str] = field(default_factory=dict)
    deadline: float | None = None
    reply: dict[str, str] = field(default_factory=dict)
    peer: str = ""

    def remaining(self) -> float | None:
        """Seconds until the deadline, not below zero; None without a deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())


class Backend(Protocol):
    """What answers requests. Bodies are wire bytes: CreateChatCompletionRequest, ChatCompletion, ChatCompletionChunk.

    Both methods raise ServiceError for what the caller is to see. A call that is cancelled, or whose deadline passes,
    is cancelled as a task is, and a stream that is not read to its end is closed; a backend releases what it holds.

    A backend that knows its models may have `async def models(self, call: Call) -> bytes`: the JSON text that
    GET /v1/models answers with.
    """

    async def create(self, request: bytes, call: Call) -> bytes:
        """Answer with a whole completion."""

    def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        """Answer with chunks, each as soon as it is known. As a rule an async generator."""

    async def close(self) -> None:
        """Release what is held for all calls."""


def check_token(token: str) -> None:
    """Raises ValueError for a bearer token that a header cannot carry as it is."""
    if not (token.isascii() and token.isprintable()) or token != token.strip() or not token:
        raise ValueError("a token is printable ASCII, not empty, without white space around it")


def pick_request(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request that concern a backend."""
    found = {name: headers[name] for name in _REQUEST if name in headers}
    return {name: value for name, value in found.items() if value.isascii() and value.isprintable()}


def pick_reply(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer that concern a caller: about limits, timing and trying again."""
    return {
        name: value
        for name, value in ((name.lower(), value) for name, value in headers.items())
        if (name in _REPLY or name.startswith(_REPLY_PREFIXES)) and value.isascii() and value.isprintable()
    }


class deadline(AbstractContextManager[None]):  # noqa: N801  (used as a function is)
    """Cancel what runs inside after some seconds (None: never), and raise a ServiceError in its place."""

    def __init__(self, seconds: float | None, status: int, message: str) -> None:
        self._seconds = seconds
        self._error = status, message
        self._timer: asyncio.TimerHandle | None = None
        self._passed = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task
        if self._seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._pass, task)

    def _pass(self, task: asyncio.Task[object]) -> None:
        self._passed = True
        task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer:
            self._timer.cancel()
        if self._passed and kind is asyncio.CancelledError:
            task = asyncio.current_task()
            if task and hasattr(task, "uncancel"):
                task.uncancel()
            raise ServiceError.of(*self._error) from None
