"""Run the gateway on uvicorn until a signal, and stop in the way of the gRPC server.

uvicorn waits without end for the headers of a request, and for a client that does not read. Here both have a limit,
and so has the number of connections.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import uvicorn

from chatpb.service._guard import Limits

__all__ = ["limited_protocol", "run"]

_LAST_REQUEST: Final = 1.0
"""Seconds that an idle connection stays open when the service stops. Closed at once, it would lose the request that its
client is sending."""

_CLOSE: Final = (b"connection", b"close")


class _Server(uvicorn.Server):
    """At the first signal, waits for open requests; at the second, drops their connections, which cancels them."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def main_loop(self) -> None:
        # From here on a signal is handled as above.
        self._on_ready()
        await super().main_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            loop = asyncio.get_running_loop()
            for connection in self.server_state.connections:
                loop.call_soon_threadsafe(connection.transport.abort)
        self.should_exit = True


def limited_protocol(protocol: Any, limits: Limits) -> Any:
    """Return a class of uvicorn's protocols with limits: on connections, on headers that come, on answers that wait."""

    class Limited(protocol):  # type: ignore[misc]
        _head_timer: asyncio.TimerHandle | None = None
        _send_timer: asyncio.TimerHandle | None = None
        _is_stopping = False

        @property
        def _is_idle(self) -> bool:
            return self.cycle is None or bool(self.cycle.response_complete)

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                transport.abort()
            else:
                self._head_timer = self.loop.call_later(limits.head, transport.abort)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if not self._is_idle:
                self._head_timer = _stopped(self._head_timer)
                if self._is_stopping:
                    self._end_with_answer()
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(limits.head, self.transport.abort)

        def pause_writing(self) -> None:
            super().pause_writing()
            if limits.send is not None and self._send_timer is None:
                self._send_timer = self.loop.call_later(limits.send, self.transport.abort)

        def resume_writing(self) -> None:
            self._send_timer = _stopped(self._send_timer)
            super().resume_writing()

        def timeout_keep_alive_handler(self) -> None:
            super().timeout_keep_alive_handler()
            if limits.send is not None and self._send_timer is None:
                # Closing waits for the client to read what is left of the last answer.
                self._send_timer = self.loop.call_later(limits.send, self.transport.abort)

        def shutdown(self) -> None:
            self._is_stopping = True
            if self._is_idle:
                self.loop.call_later(_LAST_REQUEST, self._close_if_idle)
            else:
                self._end_with_answer()

        def _close_if_idle(self) -> None:
            if self._is_idle and not self.transport.is_closing():
                super().shutdown()

        def _end_with_answer(self) -> None:
            """Close the connection behind the answer, and say so in its headers if they are not sent."""
            if _CLOSE not in self.cycle.scope["headers"]:
                self.cycle.scope["headers"].append(_CLOSE)
            super().shutdown()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head_timer = _stopped(self._head_timer)
            self._send_timer = _stopped(self._send_timer)
            super().connection_lost(exc)

    return Limited


def _stopped(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Stop a timer, and return None in its place."""
    if timer:
        timer.cancel()
    return None


def run(app: Any, listener: socket.socket, limits: Limits, on_ready: Callable[[], None]) -> None:
    """Serve an ASGI application on a listening socket until SIGTERM or SIGINT; requests then have `grace` seconds.

    `on_ready` is called when it answers, and stops at a signal.
    """
    config = uvicorn.Config(
        app,
        # This parser bounds the size of headers, and uvicorn takes another one where that is installed.
        http="h11",
        log_config=None,
        log_level="warning",
        ws="none",
        # uvicorn believes x-forwarded-for of every process on this machine; --trust-forwarded-for is what decides.
        proxy_headers=False,
        timeout_graceful_shutdown=round(limits.grace),
        # asyncio accepts so many connections before any can be refused, and each takes a file.
        backlog=min(2048, max(16, limits.connections // 4)),
    )
    config.load()
    config.http_protocol_class = limited_protocol(config.http_protocol_class, limits)
    _Server(config, on_ready).run(sockets=[listener])
