"""What `chatpb serve`, `gateway` and `call` make of their options, and what they say of those that are wrong.

Nothing of gRPC is imported until a command runs.
"""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from chatpb.cli._group import fail
from chatpb.cli._service_options import LogFormat

if TYPE_CHECKING:
    from chatpb.service import Backend, Limits, Observer, Tls

__all__ = [
    "backend_of",
    "check_tokens",
    "limits_of",
    "listener_of",
    "observers_of",
    "packages",
    "recorded",
    "target_of",
    "tls_of",
]

_PACKAGES: Final = (
    "grpc",
    "grpc_health",
    "grpc_reflection",
    "httpx",
    "starlette",
    "uvicorn",
    "prometheus_client",
    "zstandard",
)


@contextmanager
def packages() -> Iterator[None]:
    """Say which package is missing. What goes wrong is said here, so gRPC need not."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in _PACKAGES and not name.startswith("opentelemetry"):
            raise
        extra = "storage" if name == "zstandard" else "service"
        extra = "gateway" if name in ("starlette", "uvicorn") else extra
        extra = "observe" if name.startswith(("opentelemetry", "prometheus")) else extra
        fail(f"this command needs {name}: pip install 'chatpb[{extra}]'")


def _address(text: str, option: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise typer.BadParameter(f"{text!r} is not HOST:PORT", param_hint=option)
    return host.strip("[]"), int(port)


def target_of(text: str, option: str = "--target") -> str:
    """A gRPC target: an address, or a name with the scheme of a resolver, such as unix:PATH."""
    if not re.match("(dns|ipv4|ipv6|unix|unix-abstract|vsock|xds):", text):
        _address(text, option)
    return text


def check_tokens(option: str, *tokens: str | None) -> None:
    from chatpb.service._call import check_token

    try:
        for token in tokens:
            if token is not None:
                check_token(token)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def tls_of(
    certificate: Path | None, key: Path | None, ca: Path | None, *, wanted: bool = False, of_server: bool = False
) -> Tls | None:
    from chatpb.service import Tls

    given = {"--tls-certificate": certificate, "--tls-key": key, "--tls-ca": ca}
    if not (wanted or any(given.values())):
        return None
    for option, path in given.items():
        if path and not path.is_file():
            raise typer.BadParameter(f"there is no file {str(path)!r}", param_hint=option)
    tls = Tls(certificate, key, ca)
    try:
        tls.server() if of_server else tls.client()
    except (ValueError, OSError) as error:
        options = ", ".join(option for option, path in given.items() if path)
        raise typer.BadParameter(str(error), param_hint=options) from None
    return tls


def limits_of(message: int, calls: int, timeout: float, grace: float) -> Limits:
    from chatpb.service import Limits

    return Limits(message << 20, calls, timeout, grace)


def backend_of(text: str) -> Backend:
    from chatpb.service import EchoBackend, GrpcBackend, OpenAIBackend, ReplayBackend

    kind, _, value = text.partition(":")
    try:
        match kind:
            case "echo" if not value:
                return EchoBackend()
            case "replay" if value:
                return ReplayBackend(value)
            case "openai":
                return OpenAIBackend(value) if value else OpenAIBackend()
            case "grpc" if value:
                return GrpcBackend(target_of(value, "--backend"))
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error), param_hint="--backend") from None
    kinds = "echo, replay:FILE, openai:URL, grpc:HOST:PORT"
    raise typer.BadParameter(f"{text!r} is none of {kinds}", param_hint="--backend")


def observers_of(log: LogFormat, metrics: str | None, trace: bool) -> list[Observer]:
    from chatpb.service import JsonFormatter, LogObserver, PrometheusObserver, TraceObserver

    found: list[Observer] = []
    if log is not LogFormat.NONE:
        handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter() if log is LogFormat.JSON else logging.Formatter("%(asctime)s %(message)s"))
        for name in ("chatpb.service", "chatpb.storage"):
            logger = logging.getLogger(name)
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
        found.append(LogObserver())
    if metrics:
        host, port = _address(metrics, "--metrics")
        found.append(PrometheusObserver())
        import prometheus_client

        try:
            prometheus_client.start_http_server(port, host)
        except OSError as error:
            raise typer.BadParameter(f"cannot listen at {metrics}: {error.strerror}", param_hint="--metrics") from None
    if trace:
        found.append(TraceObserver())
    return found


def recorded(
    backend: Backend, path: Path | None, max_bytes: int | None, max_age: float | None, observers: list[Observer]
) -> Backend:
    """The backend, its calls recorded if there is a file for it."""
    if path is None:
        if max_bytes is not None or max_age is not None:
            raise typer.BadParameter("limits are nothing without a file", param_hint="--record")
        return backend
    from chatpb.service._recording import RecordingBackend
    from chatpb.storage import BackgroundRecorder, Recorder, RecorderError

    try:
        recorder = Recorder(path, max_bytes=max_bytes, max_age=max_age)
    except RecorderError as error:
        raise typer.BadParameter(str(error), param_hint="--record") from None
    counts = [observer.count_records for observer in observers if hasattr(observer, "count_records")]

    def count(outcome: str, number: int) -> None:
        for each in counts:
            each(outcome, number)

    return RecordingBackend(backend, BackgroundRecorder(recorder, on_count=count))


def listener_of(listen: str) -> socket.socket:
    """A socket that listens."""
    host, port = _address(listen, "--listen")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # The protocol is named since asyncio looks at it before it sets TCP_NODELAY.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(2048)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise typer.BadParameter(f"cannot listen at {listen}: {error.strerror}", param_hint="--listen") from None
    return listener
