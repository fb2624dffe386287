"""What a backend is, and what it learns about each request besides its body."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

__all__ = [
    "CHECK_SECONDS",
    "FORWARDED_FOR",
    "USER_AGENT_OVER_GRPC",
    "Backend",
    "Call",
    "check_token",
    "forwarded_for",
    "header_names",
    "header_pairs",
    "host_and_port",
    "is_header",
    "pick_reply_headers",
    "pick_request_headers",
]

_REQUEST_HEADERS: Final = frozenset(
    [
        "authorization",
        "x-request-id",
        "traceparent",
        "tracestate",
        "openai-organization",
        "openai-project",
        "openai-beta",
        "idempotency-key",
        "http-referer",
        "x-title",
        "user-agent",
    ]
)
_REPLY_HEADERS: Final = frozenset(["x-request-id", "retry-after", "retry-after-ms", "x-should-retry"])
_REPLY_PREFIXES: Final = ("x-ratelimit-", "ratelimit-", "anthropic-ratelimit-", "openai-", "x-ms-")

_OF_ONE_MESSAGE: Final = frozenset(
    [
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
"""Headers that each service sets itself. Those of another message would make the one that is sent unreadable."""

_NAME: Final = re.compile("[0-9a-z_.-]+")
"""A name of a header that gRPC and HTTP carry. gRPC takes names that end in -bin for bytes."""

_ADDRESS: Final = re.compile(r"[0-9A-Za-z.:%_\[\]/-]{1,100}")

CHECK_SECONDS: Final = 5.0
"""Seconds that a backend may take to say whether it can serve."""

FORWARDED_FOR: Final = "x-forwarded-for"

USER_AGENT_OVER_GRPC: Final = "x-user-agent"


@dataclass
class Call:
    """What a backend learns about a request besides its body, and the headers that it answers with.

    Attributes:
        metadata: the caller's headers that concern a backend, by lower-case name: `authorization`, `x-request-id`,
            `traceparent`, `openai-organization` and the like.
        deadline: when the call ends at the latest, in seconds of `time.monotonic()`; None for no deadline.
        reply: headers for the answer, by lower-case name. The backend fills it before its answer or its first chunk.
        peer: the caller's address; empty if it is not known. Behind a proxy it is the proxy's, unless the service
            trusts `x-forwarded-for`.

    Examples:
        >>> import time
        >>> from chatpb.service import Call
        >>> call = Call(metadata={"x-request-id": "r1"}, deadline=time.monotonic() + 60)
        >>> call.metadata["x-request-id"], 0 < call.remaining() <= 60
        ('r1', True)

    """

    metadata: dict[str, str] = field(default_factory=dict)
    deadline: float | None = None
    reply: dict[str, str] = field(default_factory=dict)
    peer: str = ""

    def remaining(self) -> float | None:
        """Return the seconds until the deadline, at least zero; None without a deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())


class Backend(Protocol):
    """Answers requests. Bodies are wire bytes: CreateChatCompletionRequest, ChatCompletion, ChatCompletionChunk.

    Both methods raise ServiceError for errors that the caller should see. When the caller leaves or the deadline
    passes, the task that runs the call is cancelled, and a stream that is not read to its end is closed; a backend then
    releases what it holds for the call.

    A backend that knows its models may have `async def models(self, call: Call) -> bytes`: the JSON text that
    GET /v1/models answers with.

    Examples:
        >>> import asyncio
        >>> from chatpb import json_to_wire, wire_to_json
        >>> from chatpb.service import Backend, Call
        >>> class Greeter:
        ...     async def create(self, request, call):
        ...         return json_to_wire('{"choices":[{"index":0,"message":{"content":"Hello"}}]}')
        ...     async def stream(self, request, call):
        ...         yield json_to_wire('{"choices":[{"index":0,"delta":{"content":"Hello"}}]}')
        ...     async def close(self):
        ...         pass
        ...
        >>> backend: Backend = Greeter()
        >>> wire_to_json(asyncio.run(backend.create(b"", Call())))
        b'{"choices":[{"index":0,"message":{"content":"Hello"}}]}'

    """

    async def create(self, request: bytes, call: Call) -> bytes:
        """Answer with a whole completion."""

    def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        """Yield the answer's chunks, each as soon as it is known. Usually an async generator."""

    async def close(self) -> None:
        """Release what is held for all calls."""


def check_token(token: str) -> None:
    """Raise ValueError for a bearer token that a header cannot carry as it is."""
    if not (token.isascii() and token.isprintable()) or token != token.strip() or not token:
        raise ValueError("a token is printable ASCII, not empty, without white space around it")


def host_and_port(host: str, port: int) -> str:
    """Return an address as one text; one of IPv6 has brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def forwarded_for(headers: Mapping[str, str]) -> str:
    """Return the address that the last proxy added to `x-forwarded-for`; empty if it is none."""
    last = headers.get(FORWARDED_FOR, "").rpartition(",")[2].strip()
    return last if _ADDRESS.fullmatch(last) else ""


def is_header(name: object, value: object) -> bool:
    """Return whether both gRPC and HTTP carry a header: its name in lower case, its value printable ASCII."""
    return (
        isinstance(name, str)
        and isinstance(value, str)
        and _NAME.fullmatch(name) is not None
        and not name.endswith("-bin")
        and value.isascii()
        and value.isprintable()
    )


def header_names(names: Iterable[str]) -> frozenset[str]:
    """Return names of headers in lower case. Raise ValueError for one that is not to be passed on."""
    found = frozenset(name.lower() for name in names)
    for name in found:
        if name in _OF_ONE_MESSAGE:
            raise ValueError(f"the header {name!r} is about one message or connection, and is not passed on")
        if not is_header(name, ""):
            raise ValueError(
                f"{name!r} is no name of a header: letters, digits, '-', '_' and '.', without -bin at its end"
            )
    return found


def header_pairs(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return headers as gRPC takes them. Raise ValueError for one that it does not carry: such a call would hang."""
    pairs = tuple((str(name).lower(), value) for name, value in headers.items())
    for name, value in pairs:
        if not is_header(name, value):
            # The value may be a credential.
            raise ValueError(f"the header {name!r} cannot be sent: values are printable ASCII, names have no -bin")
    return pairs


def pick_request_headers(headers: Mapping[str, str], more: Collection[str] = ()) -> dict[str, str]:
    """Return the headers of a request that concern a backend, and those called as in `more`; names are in lower case.

    gRPC has a `user-agent` of its own, so that the caller's comes as `x-user-agent`.
    """
    found = {name: headers[name] for name in (*_REQUEST_HEADERS, *more) if name in headers}
    if agent := headers.get(USER_AGENT_OVER_GRPC):
        found["user-agent"] = agent
    return {name: value for name, value in found.items() if is_header(name, value)}


def pick_reply_headers(headers: Mapping[str, str], more: Collection[str] = ()) -> dict[str, str]:
    """Return the headers of an answer that concern a caller: limits, timing, when to try again, and those in `more`."""
    return {
        name: value
        for name, value in ((name.lower(), value) for name, value in headers.items())
        if (name in _REPLY_HEADERS or name.startswith(_REPLY_PREFIXES) or name in more) and is_header(name, value)
    }
