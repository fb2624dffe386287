"""Whether a service is ready: whether its backend can serve, if that has `async def check(self) -> None`.

A backend of several parts has `async def check_each(self)` as well, and is ready while one of them is: a load
balancer must not keep calls from those that can be answered.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from typing import Any, Final

import grpc

from chatpb.service._error_table import ServiceError
from chatpb.service._guard import Limits, SendLimit, error_for_caller

__all__ = ["LIVENESS", "BackendHealth", "errors_of", "health_service", "raise_if_none_serves"]

LIVENESS: Final = "liveness"
"""The name of the process itself in the health service of gRPC: it is well as long as it answers."""

_LAST_WORD: Final = 1.0
"""Seconds that those who watch may take to read that the server stops."""

_AGE: Final = 1.0
"""Seconds for which an answer counts: anybody may ask, and each answer may cost a request to an endpoint."""

_log: Final = logging.getLogger("chatpb.service")


class BackendHealth:
    """Asks a backend for its health, at most once a second, for all who want to know."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._asking: asyncio.Task[None] | None = None
        self._until = time.monotonic()
        self._states: dict[str, ServiceError | None] = {}

    async def states(self) -> Mapping[str, ServiceError | None]:
        """Return what keeps each part of the backend from serving, None for nothing; one without parts is called ""."""
        if self._asking is None and time.monotonic() >= self._until:
            self._asking = asyncio.ensure_future(self._ask())
        if self._asking:
            # One who leaves must not end it: the next one would ask again, and those who go on leaving without end.
            await asyncio.shield(self._asking)
        return self._states

    async def check(self) -> None:
        """Raise ServiceError if no part of the backend can serve."""
        raise_if_none_serves(await self.states())

    async def _ask(self) -> None:
        try:
            if check_each := getattr(self._backend, "check_each", None):
                states = dict(await check_each())
            else:
                states = {"": await _error_of(self._backend)}
        except Exception as error:
            states = {"": error_for_caller(error, "check_each")}
        finally:
            self._asking = None
        self._until = time.monotonic() + _AGE
        for name, found in states.items():
            what = f"The target of {name!r}" if name else "The backend"
            if found and not self._states.get(name):
                _log.warning("%s is not ready: %d %s", what, found.status, found.code)
            elif self._states.get(name) and not found:
                _log.warning("%s is ready again.", what)
        self._states = states


def raise_if_none_serves(states: Mapping[str, ServiceError | None]) -> None:
    """Raise the first error if each part of a backend has one."""
    if (error := next(iter(states.values()), None)) and all(states.values()):
        raise error


async def _error_of(backend: Any) -> ServiceError | None:
    """Return what keeps a backend from serving."""
    try:
        if check := getattr(backend, "check", None):
            await check()
    except Exception as error:
        return error_for_caller(error, "check")
    return None


async def errors_of(backends: Mapping[str, Any], patience: float) -> dict[str, ServiceError | None]:
    """Return what keeps each of several backends from serving. Once one serves, the others have `patience` seconds."""
    asking = {name: asyncio.ensure_future(_error_of(backend)) for name, backend in backends.items()}
    waiting = set(asking.values())
    try:
        while waiting and not any(task.done() and task.result() is None for task in asking.values()):
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if waiting:
            _, waiting = await asyncio.wait(waiting, timeout=patience)
        silent = ServiceError.of(504, "The health of the service is not known.")
        return {name: silent if task in waiting else task.result() for name, task in asking.items()}
    finally:
        for task in asking.values():
            task.cancel()
        await asyncio.gather(*asking.values(), return_exceptions=True)


def health_service(backend: Any, names: Sequence[str], limits: Limits) -> Any:
    """Return the health service of gRPC, which asks the backend whenever it is asked, and then tells all who watch.

    While the backend cannot serve, those who watch have it asked again: a client that follows them sends no call until
    they hear better, and so would never ask itself.

    One who watches and does not read delays nobody else, and is ended when the time to send is over. The service of the
    package waits for such a one before it tells the others, and before it stops.

    Args:
        backend: its `check`, if it has one, decides.
        names: the services that it speaks of, besides LIVENESS.
        limits: how many may watch, as many as calls may be open, and how long they may take to read.

    """
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    followed = BackendHealth(backend)
    states = health_pb2.HealthCheckResponse

    class Health(health_pb2_grpc.HealthServicer):
        def __init__(self) -> None:
            self._state: Any = states.SERVING
            self._has_changed = asyncio.Event()
            self._room = asyncio.Semaphore(limits.concurrent)
            self._watching: set[asyncio.Task[Any]] = set()
            self._is_stopping = False

        async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
            if request.service in names:
                await self._ask()
            state = self._state_of(request.service)
            if state == states.SERVICE_UNKNOWN:
                await context.abort(grpc.StatusCode.NOT_FOUND, "There is no such service.")
            return states(status=state)

        async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802
            if self._room.locked():
                await context.abort(grpc.StatusCode.UNAVAILABLE, "Too many watch.")
            task: Any = asyncio.current_task()
            self._watching.add(task)
            try:
                async with self._room:
                    with suppress(ServiceError), closing(SendLimit(limits.send)) as sending:
                        await self._tell(request.service, context, sending)
            finally:
                self._watching.discard(task)

        async def _tell(self, name: str, context: Any, sending: SendLimit) -> None:
            """Send the state, and each later one, until the server stops."""
            told = None
            while True:
                has_changed = self._has_changed
                state = self._state_of(name)
                if state != told:
                    with sending:
                        await context.write(states(status=state))
                    told = state
                    continue  # it may have changed since
                if self._is_stopping:
                    return
                if name not in names or state == states.SERVING:
                    await has_changed.wait()
                    continue
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(has_changed.wait(), _AGE)
                    continue
                await self._ask()

        def _state_of(self, name: str) -> Any:
            if name in names:
                return self._state
            return states.SERVING if name == LIVENESS else states.SERVICE_UNKNOWN

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
