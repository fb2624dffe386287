"""The options of `chatpb serve`, `gateway` and `call`. Each has an environment variable: CHATPB_ and its name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

import typer

from chatpb.cli._document_options import UNKNOWN_FIELDS_HELP, UnknownFieldsChoice

__all__ = [
    "PREFIX",
    "BackendName",
    "CertificateOptions",
    "ForwardHeaders",
    "Hosts",
    "KeepAlive",
    "LimitOptions",
    "Listen",
    "LogFormat",
    "Models",
    "ObserverOptions",
    "Origins",
    "Paths",
    "Reconnect",
    "RecordOptions",
    "Reflection",
    "ReturnHeaders",
    "Target",
    "TargetToken",
    "Targets",
    "Timeout",
    "Tokens",
    "TrustForwardedFor",
    "UnknownFields",
    "UpstreamHeaders",
    "UseTls",
    "Workers",
    "option",
]


class LogFormat(str, Enum):
    """How calls are logged, on standard error."""

    TEXT = "text"
    JSON = "json"
    NONE = "none"


_MAX_SECONDS: Final = 365 * 86400
"""The longest time that timers can take."""

PREFIX: Final = "CHATPB_"
"""Of the environment variables that stand for options."""

_TARGET_HELP: Final = "The gRPC server, unix:PATH, or another gRPC target."


def option(*names: str, metavar: str | None = None, help: str, **more: Any) -> Any:
    """Return an option of typer that reads the environment variable of its first name as well."""
    variable = PREFIX + names[0].partition("/")[0].removeprefix("--").upper().replace("-", "_")
    return typer.Option(*names, metavar=metavar, help=help, envvar=variable, **more)


BackendName = Annotated[
    str | None, option("--backend", metavar="KIND", help="echo, replay:FILE, openai:URL, or grpc:HOST:PORT.")
]
Target = Annotated[str | None, option("--target", metavar="HOST:PORT", help=_TARGET_HELP)]
Targets = Annotated[
    list[str] | None,
    option(
        "--target",
        metavar="[PATTERN=]HOST:PORT",
        help=_TARGET_HELP,
    ),
]
Listen = Annotated[
    str,
    option(
        "--listen",
        metavar="HOST:PORT",
        help="Where to listen, unix:PATH, or fd:N for an open socket; port 0: a free one.",
    ),
]
Tokens = Annotated[list[str] | None, option("--token", metavar="TOKEN", help="A bearer token to accept from callers.")]
TargetToken = Annotated[
    str | None,
    option("--target-token", metavar="TOKEN", help="The bearer token to send, in place of the caller's own."),
]
UseTls = Annotated[bool, option("--tls", help="Use TLS to the server, even without a certificate file.")]
Reflection = Annotated[
    bool, option("--reflection/--no-reflection", help="Whether clients may ask which services there are.")
]
Reconnect = Annotated[
    float,
    option(
        "--reconnect", min=0.001, max=_MAX_SECONDS, metavar="SECONDS", help="Most time between attempts to connect."
    ),
]
UpstreamHeaders = Annotated[
    list[str] | None,
    option("--upstream-header", metavar="'NAME: VALUE'", help="A header of every request to openai:URL."),
]
ForwardHeaders = Annotated[
    list[str] | None, option("--forward-header", metavar="NAME", help="Another header to pass on.")
]
ReturnHeaders = Annotated[
    list[str] | None, option("--return-header", metavar="NAME", help="Another header of answers to return.")
]
Paths = Annotated[list[str] | None, option("--path", metavar="PATH", help="Another path to answer.")]
Origins = Annotated[
    list[str] | None,
    option(
        "--allow-origin",
        metavar="URL",
        help="A site whose pages may call, such as https://a.example; * for all.",
    ),
]
Hosts = Annotated[
    list[str] | None,
    option("--allow-host", metavar="NAME", help="A name by which callers on this machine call the service."),
]
Timeout = Annotated[float, option("--timeout", min=0.001, max=_MAX_SECONDS, metavar="SECONDS", help="Longest call.")]
KeepAlive = Annotated[
    float,
    option(
        "--keep-alive",
        min=0,
        max=_MAX_SECONDS,
        metavar="SECONDS",
        help="Silence after which a stream gets a comment; 0: none.",
    ),
]
Models = Annotated[
    list[str] | None,
    option("--list-model", "--model", metavar="NAME", help="A name for /v1/models to list, in place of the backend's."),
]
UnknownFields = Annotated[
    UnknownFieldsChoice,
    option("--unknown-fields", help=UNKNOWN_FIELDS_HELP),
]
TrustForwardedFor = Annotated[
    bool,
    option(
        "--trust-forwarded-for",
        help="Callers are proxies or gateways of yours: believe whom they call for, in x-forwarded-for.",
    ),
]
Workers = Annotated[
    int, option("--workers", min=1, metavar="N", help="Processes that share the port; the limits are for each of them.")
]


@dataclass(frozen=True)
class CertificateOptions:
    """Files of TLS."""

    HEADING: ClassVar[str] = "TLS"

    tls_certificate: Annotated[
        Path | None, option("--tls-certificate", metavar="FILE", help="The certificate chain, PEM.")
    ] = None
    tls_key: Annotated[Path | None, option("--tls-key", metavar="FILE", help="The certificate's private key, PEM.")] = (
        None
    )
    tls_ca: Annotated[
        Path | None, option("--tls-ca", metavar="FILE", help="The authorities to trust for the other side, PEM.")
    ] = None


@dataclass(frozen=True)
class LimitOptions:
    """The most that a service accepts."""

    HEADING: ClassVar[str] = "Limits"

    max_message: Annotated[int, option("--max-message", min=1, max=2047, metavar="MIB", help="Largest message.")] = 64
    max_in_flight: Annotated[
        int, option("--max-in-flight", min=1, metavar="MIB", help="Most bytes of requests at once, in MiB.")
    ] = 1024
    max_calls: Annotated[int, option("--max-calls", min=1, metavar="N", help="Most calls at once.")] = 4096
    max_connections: Annotated[
        int,
        option("--max-connections", min=1, metavar="N", help="Most connections at once; open files bound it too."),
    ] = 10_000
    timeout: Timeout = 600
    body_timeout: Annotated[
        float,
        option("--body-timeout", min=0.001, max=_MAX_SECONDS, metavar="SECONDS", help="Time for a body to arrive."),
    ] = 60
    send_timeout: Annotated[
        float,
        option(
            "--send-timeout", min=0.001, max=_MAX_SECONDS, metavar="SECONDS", help="Time for a caller to read a piece."
        ),
    ] = 60
    grace: Annotated[
        float,
        option("--grace", min=0, max=_MAX_SECONDS, metavar="SECONDS", help="Time to finish calls when stopped."),
    ] = 30


@dataclass(frozen=True)
class ObserverOptions:
    """What is told about calls, and where."""

    HEADING: ClassVar[str] = "Logs, metrics and traces"

    log: Annotated[LogFormat, option("--log", help="How to log calls, on standard error.")] = LogFormat.TEXT
    metrics: Annotated[
        str | None,
        option(
            "--metrics", metavar="HOST:PORT", help="Where to serve Prometheus metrics; worker N adds N to the port."
        ),
    ] = None
    trace: Annotated[
        bool, option("--trace", help="Make OpenTelemetry spans; start it as opentelemetry-instrument -- chatpb ...")
    ] = False


@dataclass(frozen=True)
class RecordOptions:
    """Where calls are recorded, and for how long records are kept."""

    HEADING: ClassVar[str] = "Records"

    record: Annotated[
        Path | None, option("--record", metavar="FILE", help="Record every call, in an SQLite file of chatpb.storage.")
    ] = None
    record_max_bytes: Annotated[
        int | None,
        option("--record-max-bytes", min=1, metavar="BYTES", help="Size beyond which the oldest records are deleted."),
    ] = None
    record_max_age: Annotated[
        float | None, option("--record-max-age", min=0, metavar="SECONDS", help="Age at which records are deleted.")
    ] = None
