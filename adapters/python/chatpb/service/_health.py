"""Whether a service can serve: whether its backend can, if that has `async def check(self) -> None`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from chatpb.service._error_table import ServiceError

__all__ = ["BackendHealth", "health_service"]

_AGE: Final = 1.0
"""Seconds for which an answer counts: anybody may ask, and each answer may cost a request to an endpoint."""


class BackendHealth:
    """Asks a backend for its health, at most once a second, for all who want to know."""

    def __init__(self, backend: Any) -> None:
        self._ask = getattr(backend, "check", None)
        self._lock = asyncio.Lock()
        self._until = 0.0
        self._error: ServiceError | None = None

    async def check(self) -> None:
        """Raise ServiceError if the backend cannot serve."""
        if self._ask is None:
            return
        async with self._lock:
            if time.monotonic() >= self._until:
                self._error = None
                try:
                    await self._ask()
                except ServiceError as error:
                    self._error = error
                self._until = time.monotonic() + _AGE
        if self._error:
            raise self._error


def health_service(backend: Any, names: Sequence[str]) -> Any:
    """Return the health service of gRPC, which asks the backend whenever it is asked, and then tells all who watch.

    Args:
        backend: its `check`, if it has one, decides.
        names: the services that it speaks of.

    """
    from grpc_health.v1 import health, health_pb2

    followed = BackendHealth(backend)

    class Health(health.aio.HealthServicer):
        def __init__(self) -> None:
            super().__init__()
            self._watching: set[asyncio.Task[None]] = set()
            self._is_stopping = False

        async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802
            watching = asyncio.ensure_future(super().Watch(request, context))
            self._watching.add(watching)
            try:
                await watching
            except asyncio.CancelledError:
                if not self._is_stopping:
                    raise
            finally:
                watching.cancel()
                self._watching.discard(watching)

        async def enter_graceful_shutdown(self) -> None:
            self._is_stopping = True
            await super().enter_graceful_shutdown()
            # A server that stops waits for all open calls, and those who watch never leave by themselves.
            for watching in self._watching:
                watching.cancel()
            # A call that the server ends instead makes older grpcio print a traceback.
            if self._watching:
                await asyncio.wait(self._watching)

        async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
            state: Any = health_pb2.HealthCheckResponse.SERVING
            try:
                await followed.check()
            except ServiceError:
                state = health_pb2.HealthCheckResponse.NOT_SERVING
            for name in names:
                await self.set(name, state)
            return await super().Check(request, context)

    return Health()
