"""A backend that chooses another one by the request's model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from fnmatch import fnmatchcase
from typing import Final

from chatpb.service._call import Backend, Call
from chatpb.service._error_table import ServiceError
from chatpb.service._health import errors_of, raise_if_none_serves
from chatpb.service._request_flags import model_of

__all__ = ["ModelRouter"]

_PATIENCE: Final = 0.5
"""Seconds that a backend has to say how it is when another one is well: those who probe a service wait a second."""


class ModelRouter:
    """Passes each request on to the first backend whose pattern fits the request's model. Others get status 404.

    Args:
        routes: patterns as of a shell, such as `gpt-*` or `*`, each with its backend.

    Raises ValueError for a pattern that is given twice, or after `*`, since no model would reach its backend.

    Examples:
        >>> import asyncio
        >>> from chatpb import CreateChatCompletionRequest
        >>> from chatpb.service import Call, EchoBackend, ModelRouter, ServiceError
        >>> router = ModelRouter([("echo-*", EchoBackend())])
        >>> request = CreateChatCompletionRequest(model="other").SerializeToString()
        >>> try:
        ...     asyncio.run(router.create(request, Call()))
        ... except ServiceError as error:
        ...     print(error.status, error.message)
        ...
        404 The model does not exist.

    """

    def __init__(self, routes: Sequence[tuple[str, Backend]]) -> None:
        self._routes = list(routes)
        before: set[str] = set()
        for pattern, _ in self._routes:
            if pattern in before or "*" in before:
                why = "is given twice" if pattern in before else "stands after '*'"
                raise ValueError(
                    f"no model reaches the target of {pattern!r}, which {why}; "
                    "one target may have several addresses, as ipv4:10.0.0.1:50051,10.0.0.2:50051"
                )
            before.add(pattern)

    async def create(self, request: bytes, call: Call) -> bytes:
        return await self._backend_of(request).create(request, call)

    async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        async with aclosing(self._backend_of(request).stream(request, call)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk

    async def check(self) -> None:
        """Raise ServiceError if none of the backends can serve."""
        raise_if_none_serves(await self.check_each())

    async def check_each(self) -> dict[str, ServiceError | None]:
        """Return, by pattern, the error that keeps a backend from serving, and None for one that can serve."""
        return await errors_of(dict(self._routes), _PATIENCE)

    async def close(self) -> None:
        await asyncio.gather(*[backend.close() for _, backend in self._routes])

    def _backend_of(self, request: bytes) -> Backend:
        model = model_of(request)
        for pattern, backend in self._routes:
            if fnmatchcase(model, pattern):
                return backend
        raise ServiceError.of(404, "The model does not exist.", param="model", code="model_not_found")
