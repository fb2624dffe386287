"""The options of `chatpb serve`, `gateway` and `call`. Each has an environment variable, CHATPB_ and its name."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "Authorities",
    "BackendName",
    "Certificate",
    "Grace",
    "KeepAlive",
    "Key",
    "Listen",
    "Log",
    "LogFormat",
    "MaxCalls",
    "MaxMessage",
    "Metrics",
    "Models",
    "RecordMaxAge",
    "RecordMaxBytes",
    "RecordTo",
    "Target",
    "TargetToken",
    "Timeout",
    "Tokens",
    "Trace",
    "UseTls",
    "option",
]


class LogFormat(str, Enum):
    """How calls are logged, on standard error."""

    TEXT = "text"
    JSON = "json"
    NONE = "none"


_LONGEST = 365 * 86400
"""Seconds, beyond which timers give out."""


def option(*names: str, metavar: str | None = None, help: str, **more: Any) -> Any:
    variable = "CHATPB_" + names[0].removeprefix("--").upper().replace("-", "_")
    return typer.Option(*names, metavar=metavar, help=help, envvar=variable, **more)


BackendName = Annotated[
    str | None, option("--backend", metavar="KIND", help="echo, replay:FILE, openai:URL, or grpc:HOST:PORT.")
]
Target = Annotated[str | None, option("--target", metavar="HOST:PORT", help="The gRPC server, or a gRPC target.")]
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
Timeout = Annotated[float, option("--timeout", min=0.001, max=_LONGEST, metavar="SECONDS", help="Longest call.")]
Grace = Annotated[
    float, option("--grace", min=0, max=_LONGEST, metavar="SECONDS", help="Time to finish calls when stopped.")
]
KeepAlive = Annotated[
    float,
    option(
        "--keep-alive",
        min=0,
        max=_LONGEST,
        metavar="SECONDS",
        help="Silence after which a stream gets a comment; 0: none.",
    ),
]
Models = Annotated[
    list[str] | None,
    option("--model", metavar="NAME", help="A name that /v1/models lists, not what the backend tells. Repeatable."),
]
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
