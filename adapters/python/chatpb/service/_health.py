"""Whether a service can serve: whether its backend can, if that has `async def check(self) -> None`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any, Final

import grpc

from chatpb.service._error_table import ServiceError
from chatpb.service._guard import Limits, SendLimit

__all__ = ["BackendHealth", "health_service"]

_LAST_WORD: Final = 1.0
"""Seconds that those who watch may take to read that the server stops."""

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


def health_service(backend: Any, names: Sequence[str], limits: Limits) -> Any:
    """Return the health service of gRPC, which asks the backend whenever it is asked, and then tells all who watch.

    While the backend cannot serve, those who watch have it asked again: a client that follows them sends no call until
    they hear better, and so would never ask itself.

    One who watches and does not read delays nobody else, and is ended when the time to send is over. The service of the
    package waits for such a one before it tells the others, and before it stops.

    Args:
        backend: its `check`, if it has one, decides.
        names: the services that it speaks of.
        limits: how many may watch, as many as calls may be open, and how long they may take to read.

    """
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    followed = BackendHealth(backend)
    states = health_pb2.HealthCheckResponse

    class Health(health_pb2_grpc.HealthServicer):
        def __init__(self) -> None:
            self._state: Any = states.SERVING
            self._has_changed = asyncio.Event()
            self._watching: set[asyncio.Task[Any]] = set()
            self._is_stopping = False

        async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
            if request.service not in names:
                await context.abort(grpc.StatusCode.NOT_FOUND, "There is no such service.")
            await self._ask()
            return states(status=self._state)

        async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802
            if len(self._watching) >= limits.concurrent:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "Too many watch.")
            task: Any = asyncio.current_task()
            self._watching.add(task)
            try:
                with suppress(ServiceError), closing(SendLimit(limits.send)) as sending:
                    await self._tell(request.service in names, context, sending)
            finally:
                self._watching.discard(task)

        async def _tell(self, is_known: bool, context: Any, sending: SendLimit) -> None:
            """Send the state, and each later one, until the server stops."""
            told = None
            while True:
                has_changed = self._has_changed
                state = self._state if is_known else states.SERVICE_UNKNOWN
                if state != told:
                    with sending:
                        await context.write(states(status=state))
                    told = state
                    continue  # it may have changed since
                if self._is_stopping:
                    return
                if not is_known or self._state == states.SERVING:
                    await has_changed.wait()
                    continue
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(has_changed.wait(), _AGE)
                    continue
                await self._ask()

        async def _ask(self) -> None:
            try:
                await followed.check()
            except ServiceError:
                self._set(states.NOT_SERVING)
            else:
                self._set(states.SERVING)

        def _set(self, state: Any) -> None:
            if state != self._state and not self._is_stopping:
                self._state = state
                self._has_changed.set()
                self._has_changed = asyncio.Event()

        async def enter_graceful_shutdown(self) -> None:
            """Tell all who watch that the server does not serve, and end their calls: they never leave themselves."""
            self._set(states.NOT_SERVING)
            self._is_stopping = True
            self._has_changed.set()
            if self._watching:
                await asyncio.wait(self._watching, timeout=_LAST_WORD)

    return Health()
