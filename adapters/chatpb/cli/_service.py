"""`chatpb serve` and `chatpb gateway`: chat completions over gRPC and HTTP.

Flags have environment variables, CHATPB_ and the flag's name. Nothing of gRPC is imported until a command runs.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from chatpb.cli._group import complain, fail

if TYPE_CHECKING:
    from chatpb.service import Backend, Limits, Observer, Server, Tls

__all__ = [
    "Authorities",
    "Certificate",
    "Key",
    "Target",
    "TargetToken",
    "Timeout",
    "UseTls",
    "gateway",
    "option",
    "packages",
    "serve",
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


class LogFormat(str, Enum):
    """How calls are logged, on standard error."""

    TEXT = "text"
    JSON = "json"
    NONE = "none"


def option(*names: str, metavar: str | None = None, help: str, **more: Any) -> Any:
    variable = "CHATPB_" + names[0].removeprefix("--").upper().replace("-", "_")
    return typer.Option(*names, metavar=metavar, help=help, envvar=variable, **more)


BackendName = Annotated[
    str | None, option("--backend", metavar="KIND", help="echo, replay:FILE, openai:URL, or grpc:HOST:PORT.")
]
Target = Annotated[str | None, option("--target", metavar="HOST:PORT", help="The gRPC server.")]
Listen = Annotated[str, option("--listen", metavar="HOST:PORT", help="Where to listen; port 0 picks a free one.")]
Tokens = Annotated[
    list[str] | None, option("--token", metavar="TOKEN", help="A bearer token that callers may bring. Repeatable.")
]
TargetToken = Annotated[
    str | None, option("--target-token", metavar="TOKEN", help="The bearer token to bring, not the caller's own.")
]
Certificate = Annotated[Path | None, option("--tls-certificate", metavar="FILE", help="The certificate chain, PEM.")]
Key = Annotated[Path | None, option("--tls-key", metavar="FILE", help="The certificate's private key, PEM.")]
Authorities = Annotated[Path | None, option("--tls-ca", metavar="FILE", help="Whom to trust on the other side, PEM.")]
UseTls = Annotated[bool, option("--tls", help="Speak TLS to the server, also without a certificate file.")]
MaxMessage = Annotated[int, option("--max-message", min=1, max=2047, metavar="MIB", help="Largest message.")]
MaxCalls = Annotated[int, option("--max-calls", min=1, metavar="N", help="Most calls at once.")]
Timeout = Annotated[float, option("--timeout", min=0.001, metavar="SECONDS", help="Longest call.")]
Grace = Annotated[float, option("--grace", min=0, metavar="SECONDS", help="Time to finish calls when stopped.")]
Log = Annotated[LogFormat, option("--log", help="How to log calls, on standard error.")]
Metrics = Annotated[str | None, option("--metrics", metavar="HOST:PORT", help="Where to serve Prometheus metrics.")]
Trace = Annotated[bool, option("--trace", help="Make OpenTelemetry spans; run it under opentelemetry-instrument.")]
RecordTo = Annotated[
    Path | None, option("--record", metavar="FILE", help="Record every call, in an SQLite file of chatpb.storage.")
]
RecordMaxBytes = Annotated[
    int | None, option("--record-max-bytes", min=1, metavar="BYTES", help="Size beyond which the oldest records go.")
]
RecordMaxAge = Annotated[
    float | None, option("--record-max-age", min=0, metavar="SECONDS", help="Age at which records go.")
]


def serve(
    backend: BackendName = None,
    listen: Listen = "127.0.0.1:50051",
    token: Tokens = None,
    tls_certificate: Certificate = None,
    tls_key: Key = None,
    tls_ca: Authorities = None,
    max_message: MaxMessage = 64,
    max_calls: MaxCalls = 4096,
    timeout: Timeout = 600,
    grace: Grace = 30,
    log: Log = LogFormat.TEXT,
    metrics: Metrics = None,
    trace: Trace = False,
    record: RecordTo = None,
    record_max_bytes: RecordMaxBytes = None,
    record_max_age: RecordMaxAge = None,
) -> None:
    """Serve chat completions over gRPC, until SIGTERM: open calls then finish, new ones are refused.

    The key for openai:URL is the caller's own, or OPENAI_API_KEY where callers bring none or bring a --token.
    """
    with packages():
        from chatpb.service import serve as run

        _address(listen, "--listen")
        tls = tls_of(tls_certificate, tls_key, tls_ca)
        if tls and not (tls_certificate and tls_key):
            raise typer.BadParameter("a server with TLS needs both", param_hint="--tls-certificate, --tls-key")
        observers = _observers(log, metrics, trace)
        behind = _recorded(_backend(backend or "echo"), record, record_max_bytes, record_max_age, observers)
        with _listening(listen):
            run(
                behind,
                listen=listen,
                on_start=_announce(listen),
                tls=tls,
                tokens=token or [],
                limits=_limits(max_message, max_calls, timeout, grace),
                observers=observers,
            )


def gateway(
    target: Target = None,
    backend: BackendName = None,
    listen: Listen = "127.0.0.1:8000",
    model: Annotated[
        list[str] | None,
        option("--model", metavar="NAME", help="A name that /v1/models lists, not what the backend tells. Repeatable."),
    ] = None,
    keep_alive: Annotated[
        float,
        option("--keep-alive", min=0, metavar="SECONDS", help="Silence after which a stream gets a comment; 0: none."),
    ] = 15,
    token: Tokens = None,
    target_token: TargetToken = None,
    tls: UseTls = False,
    tls_certificate: Certificate = None,
    tls_key: Key = None,
    tls_ca: Authorities = None,
    max_message: MaxMessage = 64,
    max_calls: MaxCalls = 4096,
    timeout: Timeout = 600,
    grace: Grace = 30,
    log: Log = LogFormat.TEXT,
    metrics: Metrics = None,
    trace: Trace = False,
    record: RecordTo = None,
    record_max_bytes: RecordMaxBytes = None,
    record_max_age: RecordMaxAge = None,
) -> None:
    """Serve an OpenAI-compatible HTTP endpoint in front of a gRPC server, or of a backend in this process."""
    with packages():
        import uvicorn

        from chatpb.service import GrpcBackend
        from chatpb.service.gateway import gateway as make

        if bool(target) == bool(backend):
            raise typer.BadParameter("give one of them", param_hint="--target, --backend")
        listener = _listener(listen)
        observers = _observers(log, metrics, trace)
        link = tls_of(tls_certificate, tls_key, tls_ca, tls)
        behind = (
            GrpcBackend(target, tls=link, token=target_token, max_message=max_message << 20)
            if target
            else _backend(str(backend))
        )
        limits = _limits(max_message, max_calls, timeout, grace)
        app = make(
            _recorded(behind, record, record_max_bytes, record_max_age, observers),
            models=model or [],
            keep_alive=keep_alive or None,
            tokens=token or [],
            limits=limits,
            observers=observers,
        )
        config = uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=round(grace))
        complain(f"chatpb gateway: listening on {listen.rpartition(':')[0]}:{listener.getsockname()[1]}")
        uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def packages() -> Iterator[None]:
    """Say which package is missing."""
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


def tls_of(certificate: Path | None, key: Path | None, ca: Path | None, wanted: bool = False) -> Tls | None:
    from chatpb.service import Tls

    given = (("--tls-certificate", certificate), ("--tls-key", key), ("--tls-ca", ca))
    for option, path in given:
        if path and not path.is_file():
            raise typer.BadParameter(f"there is no file {str(path)!r}", param_hint=option)
    if bool(certificate) != bool(key):
        raise typer.BadParameter("one is nothing without the other", param_hint="--tls-certificate, --tls-key")
    return Tls(certificate, key, ca) if wanted or certificate or ca else None


def _limits(message: int, calls: int, timeout: float, grace: float) -> Limits:
    from chatpb.service import Limits

    return Limits(message << 20, calls, timeout, grace)


def _backend(text: str) -> Backend:
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
                return GrpcBackend(value)
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error), param_hint="--backend") from None
    kinds = "echo, replay:FILE, openai:URL, grpc:HOST:PORT"
    raise typer.BadParameter(f"{text!r} is none of {kinds}", param_hint="--backend")


def _observers(log: LogFormat, metrics: str | None, trace: bool) -> list[Observer]:
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


def _recorded(
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


def _announce(listen: str) -> Any:
    def announce(server: Server) -> None:
        complain(f"chatpb serve: listening on {listen.rpartition(':')[0]}:{server.port}")

    return announce


@contextmanager
def _listening(listen: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if "bind" not in str(error):
            raise
        raise typer.BadParameter(f"cannot listen at {listen}", param_hint="--listen") from None


def _listener(listen: str) -> socket.socket:
    host, port = _address(listen, "--listen")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named since asyncio looks at it before it sets TCP_NODELAY.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise typer.BadParameter(f"cannot listen at {listen}: {error.strerror}", param_hint="--listen") from None
    listener.listen(2048)
    return listener
