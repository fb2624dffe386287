"""Turn options of `chatpb serve`, `gateway` and `call` into backends, limits, addresses and credentials.

Each function raises BadParameter for a wrong option.

The packages of gRPC and HTTP are imported when a command runs, not before.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import stat
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import typer

from chatpb._options import UnknownFields
from chatpb.cli._service_options import (
    CertificateOptions,
    LimitOptions,
    LogFormat,
    ObserverOptions,
    RecordOptions,
)
from chatpb.cli._workers import Worker

if TYPE_CHECKING:
    from chatpb.service import Backend, Limits, Observer, Tls

__all__ = [
    "backend_of",
    "check_header_names",
    "check_tokens",
    "check_workers",
    "limits_of",
    "listener_of",
    "observers_of",
    "recorded",
    "routes_of",
    "silence_grpc",
    "target_of",
    "tls_of",
]


_OWN_DESCRIPTORS: Final = 64
"""File descriptors that are not connections: of libraries, records, and the system's resolver."""


def silence_grpc() -> None:
    """Keep gRPC from logging, as the commands report what goes wrong. It must be called before gRPC is imported."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def _address(text: str, option: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise typer.BadParameter(f"{text!r} is not HOST:PORT", param_hint=option)
    return host.strip("[]"), int(port)


def target_of(text: str, option: str = "--target") -> str:
    """Return a gRPC target: an address, or a name with the scheme of a resolver, such as unix:PATH."""
    if not re.match("(dns|ipv4|ipv6|unix|unix-abstract|vsock|xds):", text):
        _address(text, option)
    return text


def routes_of(targets: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pattern of models and the gRPC target of each TARGET or PATTERN=TARGET."""
    found = []
    for text in targets:
        pattern, equals, target = text.partition("=")
        found.append((pattern, target_of(target)) if equals else ("*", target_of(text)))
    return found


def check_tokens(option: str, *tokens: str | None) -> None:
    """Raise BadParameter for a token that cannot be sent."""
    from chatpb.service._call import check_token

    try:
        for token in tokens:
            if token is not None:
                check_token(token)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def tls_of(options: CertificateOptions, *, wanted: bool = False, of_server: bool = False) -> Tls | None:
    """Return the certificates of a server or of a client; None if it uses plain text."""
    from chatpb.service import Tls

    given = {
        "--tls-certificate": options.tls_certificate,
        "--tls-key": options.tls_key,
        "--tls-ca": options.tls_ca,
    }
    if not (wanted or any(given.values())):
        return None
    for option, path in given.items():
        if path and not path.is_file():
            raise typer.BadParameter(f"there is no file {str(path)!r}", param_hint=option)
    tls = Tls(*given.values())
    try:
        tls.server() if of_server else tls.client()
    except (ValueError, OSError) as error:
        hint = ", ".join(option for option, path in given.items() if path)
        raise typer.BadParameter(str(error), param_hint=hint) from None
    return tls


def limits_of(options: LimitOptions) -> Limits:
    """Return the limits of a service. Connections are at most half of the files that the process may open."""
    from chatpb.service import Limits

    return Limits(
        message=options.max_message << 20,
        in_flight=options.max_in_flight << 20,
        concurrent=options.max_calls,
        connections=min(options.max_connections, _raise_descriptors() // 2),
        timeout=options.timeout,
        body=options.body_timeout,
        send=options.send_timeout,
        grace=options.grace,
    )


def check_header_names(option: str, names: Sequence[str] | None) -> None:
    """Raise BadParameter for a name of a header that gRPC does not carry."""
    from chatpb.service._call import header_names

    try:
        header_names(names or ())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def check_workers(number: int) -> None:
    """Raise BadParameter for several workers on a system whose processes cannot share a port."""
    if number > 1 and os.name == "nt":
        raise typer.BadParameter("there is one process on Windows", param_hint="--workers")


def _raise_descriptors() -> int:
    """Raise the number of open files that the system allows this process as far as it can be, and return it.

    A connection takes one descriptor, and its call another one for the connection upstream.
    """
    try:
        import resource
    except ImportError:  # on Windows
        return 8192
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return max(soft - _OWN_DESCRIPTORS, 2) if soft != resource.RLIM_INFINITY else 1 << 20


def headers_of(pairs: Sequence[str] | None) -> dict[str, str]:
    """Return the headers that are given as NAME: VALUE."""
    found = {}
    for pair in pairs or ():
        name, colon, value = pair.partition(":")
        if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or not value.strip().isprintable():
            raise typer.BadParameter(f"{pair!r} is not NAME: VALUE", param_hint="--upstream-header")
        found[name] = value.strip()
    return found


def backend_of(
    text: str,
    upstream_headers: Sequence[str] | None = None,
    return_headers: Sequence[str] | None = None,
    unknown_fields: UnknownFields = "skip",
) -> Backend:
    """Return the backend that KIND or KIND:VALUE names. The headers are those of `openai` and what it returns."""
    from chatpb.service import EchoBackend, GrpcBackend, OpenAIBackend, ReplayBackend

    kind, _, value = text.partition(":")
    headers = headers_of(upstream_headers)
    if headers and kind != "openai":
        raise typer.BadParameter("only openai:URL sends headers", param_hint="--upstream-header")
    try:
        match kind:
            case "echo" if not value:
                return EchoBackend()
            case "replay" if value:
                return ReplayBackend(value)
            case "openai":
                where = (value,) if value else ()
                more: dict[str, Any] = {"return_headers": return_headers or (), "unknown_fields": unknown_fields}
                return OpenAIBackend(*where, headers=headers, **more)
            case "grpc" if value:
                return GrpcBackend(target_of(value, "--backend"), return_headers=return_headers or ())
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error), param_hint="--backend") from None
    kinds = "echo, replay:FILE, openai:URL, grpc:HOST:PORT"
    raise typer.BadParameter(f"{text!r} is none of {kinds}", param_hint="--backend")


def observers_of(options: ObserverOptions, worker: Worker | None) -> list[Observer]:
    """Start metrics and tracing as asked for, and return what observes the calls for them and for the log."""
    from chatpb.service import LogObserver, PrometheusObserver, TraceObserver

    found: list[Observer] = []
    log, metrics = options.log, options.metrics
    if log is not LogFormat.NONE:
        found.append(LogObserver())
    if metrics:
        host, port = _address(metrics, "--metrics")
        found.append(PrometheusObserver())
        import prometheus_client

        try:
            prometheus_client.start_http_server(port + (worker.index if worker else 0), host)
        except OSError as error:
            raise typer.BadParameter(f"cannot listen at {metrics}: {error.strerror}", param_hint="--metrics") from None
    if options.trace:
        found.append(TraceObserver())
        from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider

        if isinstance(get_tracer_provider(), ProxyTracerProvider):
            reason = "because OpenTelemetry is not set up: start it as opentelemetry-instrument -- chatpb ..."
            logging.getLogger("chatpb.service").warning("--trace makes no spans, %s", reason)
    return found


def recorded(backend: Backend, options: RecordOptions, observers: list[Observer]) -> Backend:
    """Return the backend, which also records its calls in the file if there is one."""
    if options.record is None:
        if options.record_max_bytes is not None or options.record_max_age is not None:
            raise typer.BadParameter("limits are nothing without a file", param_hint="--record")
        return backend
    from chatpb.service._recording_backend import RecordingBackend
    from chatpb.storage import BackgroundRecorder, Recorder, RecorderError

    try:
        recorder = Recorder(options.record, max_bytes=options.record_max_bytes, max_age=options.record_max_age)
    except RecorderError as error:
        raise typer.BadParameter(str(error), param_hint="--record") from None
    counts = [observer.count_records for observer in observers if hasattr(observer, "count_records")]

    def count(outcome: str, number: int) -> None:
        for each in counts:
            each(outcome, number)

    return RecordingBackend(backend, BackgroundRecorder(recorder, on_count=count))


def listener_of(listen: str, *, is_shared: bool = False) -> socket.socket:
    """Return a socket that listens at HOST:PORT, unix:PATH or fd:N; with `is_shared`, it keeps a port for others."""
    try:
        if listen.startswith("fd:"):
            return _inherited(listen.removeprefix("fd:"))
        if listen.startswith("unix:"):
            return _unix_listener(listen.removeprefix("unix:"))
        host, port = _address(listen, "--listen")
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if is_shared:
            _check_free(family, address)
        # asyncio sets TCP_NODELAY only on a socket whose protocol is named.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT if is_shared else socket.SO_REUSEADDR, 1)
        return _bound(listener, address, listens=not is_shared)
    except OSError as error:
        raise typer.BadParameter(f"cannot listen at {listen}: {error.strerror}", param_hint="--listen") from None


def _inherited(number: str) -> socket.socket:
    """Return a listening socket that this process was started with, such as systemd's."""
    if not number.isdecimal():
        raise typer.BadParameter(f"'fd:{number}' is not fd:N", param_hint="--listen")
    listener = socket.socket(fileno=int(number))
    if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise typer.BadParameter(f"fd:{number} is no socket that listens", param_hint="--listen")
    return listener


def _check_free(family: int, address: Any) -> None:
    """Raise OSError if somebody listens at an address. A port that is kept for others could be shared with him."""
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bound(trial, address)


def _unix_listener(path: str) -> socket.socket:
    """Return a socket that listens at a path, where it replaces the socket of a process that has ended."""
    with socket.socket(socket.AF_UNIX) as trial, suppress(FileNotFoundError):
        try:
            trial.connect(path)
        except ConnectionRefusedError:
            if stat.S_ISSOCK(os.stat(path).st_mode):
                os.unlink(path)
    return _bound(socket.socket(socket.AF_UNIX), path)


def _bound(listener: socket.socket, address: Any, *, listens: bool = True) -> socket.socket:
    try:
        listener.bind(address)
        if listens:
            listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener
