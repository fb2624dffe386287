"""`chatpb serve` and `chatpb gateway`: chat completions over gRPC and HTTP."""

from __future__ import annotations

import typer

from chatpb.cli._group import complain
from chatpb.cli._service_options import (
    Authorities,
    BackendName,
    Certificate,
    Grace,
    KeepAlive,
    Key,
    Listen,
    Log,
    LogFormat,
    MaxCalls,
    MaxMessage,
    Metrics,
    Models,
    RecordMaxAge,
    RecordMaxBytes,
    RecordTo,
    Target,
    TargetToken,
    Timeout,
    Tokens,
    Trace,
    UseTls,
)
from chatpb.cli._service_parts import (
    backend_of,
    check_tokens,
    limits_of,
    listener_of,
    observers_of,
    packages,
    recorded,
    target_of,
    tls_of,
)

__all__ = ["gateway", "serve"]


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

        listener_of(listen).close()  # gRPC would not say why it cannot listen there
        check_tokens("--token", *token or ())
        tls = tls_of(tls_certificate, tls_key, tls_ca, of_server=True)
        observers = observers_of(log, metrics, trace)
        behind = recorded(backend_of(backend or "echo"), record, record_max_bytes, record_max_age, observers)
        run(
            behind,
            listen=listen,
            on_start=lambda server: _announce("serve", listen, server.port),
            tls=tls,
            tokens=token or (),
            limits=limits_of(max_message, max_calls, timeout, grace),
            observers=observers,
        )


def gateway(
    target: Target = None,
    backend: BackendName = None,
    listen: Listen = "127.0.0.1:8000",
    model: Models = None,
    keep_alive: KeepAlive = 15,
    token: Tokens = None,
    target_token: TargetToken = None,
    use_tls: UseTls = False,
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
        from chatpb.service import GrpcBackend
        from chatpb.service._uvicorn import run
        from chatpb.service.gateway import gateway as make

        if bool(target) == bool(backend):
            raise typer.BadParameter("give one of them", param_hint="--target, --backend")
        check_tokens("--token", *token or ())
        check_tokens("--target-token", target_token)
        tls = tls_of(tls_certificate, tls_key, tls_ca, wanted=use_tls)
        behind = (
            GrpcBackend(target_of(target), tls=tls, token=target_token, max_message=max_message << 20)
            if target
            else backend_of(str(backend))
        )
        observers = observers_of(log, metrics, trace)
        listener = listener_of(listen)
        app = make(
            recorded(behind, record, record_max_bytes, record_max_age, observers),
            models=model or [],
            keep_alive=keep_alive or None,
            tokens=token or (),
            limits=limits_of(max_message, max_calls, timeout, grace),
            observers=observers,
        )
        _announce("gateway", listen, listener.getsockname()[1])
        run(app, listener, grace)


def _announce(command: str, listen: str, port: int) -> None:
    complain(f"chatpb {command}: listening on {listen.rpartition(':')[0]}:{port}")
