"""`chatpb serve`: chat completions over gRPC."""

from __future__ import annotations

from typing import Any

import typer

from chatpb.cli import _service_options as options
from chatpb.cli._document_options import UnknownFieldsChoice
from chatpb.cli._option_groups import with_groups
from chatpb.cli._service_logs import announce, start_logs, unknown_variables, with_port
from chatpb.cli._service_setup import (
    backend_of,
    check_header_names,
    check_tokens,
    check_workers,
    limits_of,
    listener_of,
    observers_of,
    recorded,
    silence_grpc,
    tls_of,
)
from chatpb.cli._workers import Worker, run_workers

__all__ = ["serve"]


@with_groups
def serve(
    *,
    backend: options.BackendName = None,
    listen: options.Listen = "127.0.0.1:50051",
    upstream_header: options.UpstreamHeaders = None,
    forward_header: options.ForwardHeaders = None,
    return_header: options.ReturnHeaders = None,
    token: options.Tokens = None,
    certificates: options.CertificateOptions,
    given_limits: options.LimitOptions,
    unknown_fields: options.UnknownFields = UnknownFieldsChoice.SKIP,
    trust_forwarded_for: options.TrustForwardedFor = False,
    workers: options.Workers = 1,
    reflection: options.Reflection = True,
    observing: options.ObserverOptions,
    recording: options.RecordOptions,
) -> None:
    """Serve chat completions over gRPC.

    It ends on SIGTERM: open calls then finish, and new ones are refused.
    The key for openai:URL is the caller's own, or OPENAI_API_KEY if the caller sends none or sends a --token.

    Examples:
        chatpb serve
        chatpb serve --backend openai:https://api.openai.com/v1 --record traffic.db
        chatpb serve --backend replay:answers.jsonl --listen unix:/run/chatpb.sock

    """
    silence_grpc()
    from chatpb.service import serve as run

    check_tokens("--token", *token or ())
    check_header_names("--forward-header", forward_header)
    check_header_names("--return-header", return_header)
    check_workers(workers)
    tls = tls_of(certificates, of_server=True)
    limits = limits_of(given_limits)
    behind = backend_of(backend or "echo", upstream_header, return_header, unknown_fields=unknown_fields.value)
    worker = Worker.here()
    log = observing.log
    if listen.startswith("fd:"):
        raise typer.BadParameter("gRPC takes no socket of another process", param_hint="--listen")
    if workers > 1 and listen.startswith("unix:"):
        raise typer.BadParameter("gRPC's workers cannot share unix:PATH", param_hint="--workers")
    if workers > 1 and not worker:
        keeper = listener_of(listen, is_shared=True)
        port = keeper.getsockname()[1]
        start_logs(log, unknown_variables())
        raise SystemExit(run_workers(workers, keeper, lambda: announce("serve", with_port(listen, port), log)))
    if worker:
        listen = f"{listen.rpartition(':')[0]}:{worker.listener.getsockname()[1]}"
    else:
        listener_of(listen).close()  # gRPC does not report why it cannot listen there
    start_logs(log, () if worker else unknown_variables())
    observers = observers_of(observing, worker)

    def on_start(server: Any) -> None:
        worker.is_ready() if worker else announce("serve", with_port(listen, server.port), log)

    run(
        recorded(behind, recording, observers),
        listen=listen,
        on_start=on_start,
        tls=tls,
        tokens=token or (),
        limits=limits,
        observers=observers,
        forward=forward_header or (),
        trust_forwarded_for=trust_forwarded_for,
        reflection=reflection,
        reuse_port=worker is not None,
    )
