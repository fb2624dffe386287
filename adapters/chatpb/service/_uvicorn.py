"""Run the gateway until a signal, and end as the gRPC server does."""

from __future__ import annotations

import asyncio
import socket
from types import FrameType
from typing import Any

import uvicorn

__all__ = ["run"]


class _Server(uvicorn.Server):
    """At the first signal it waits for open requests, at the second it drops their connections, which cancels them."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            loop = asyncio.get_running_loop()
            for connection in self.server_state.connections:
                loop.call_soon_threadsafe(connection.transport.abort)
        self.should_exit = True


def run(app: Any, listener: socket.socket, grace: float) -> None:
    """Serve an ASGI application on a socket that listens, until SIGTERM or SIGINT; `grace` is in seconds."""
    config = uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=round(grace))
    _Server(config).run(sockets=[listener])
