"""`chatpb gateway`: an OpenAI-compatible endpoint over HTTP."""

from __future__ import annotations

from typing import Any

import typer

from chatpb.cli import _service_options as options
from chatpb.cli._document_options import UnknownFieldsChoice
from chatpb.cli._option_groups import with_groups
from chatpb.cli._service_logs import address_of, announce, start_logs, unknown_variables
from chatpb.cli._service_setup import (
    backend_of,
    check_header_names,
    check_tokens,
    check_workers,
    limits_of,
    listener_of,
    observers_of,
    recorded,
    routes_of,
    silence_grpc,
    tls_of,
)
from chatpb.cli._workers import Worker, run_workers

__all__ = ["gateway"]


@with_groups
def gateway(
    *,
    target: options.Targets = None,
    backend: options.BackendName = None,
    listen: options.Listen = "127.0.0.1:8000",
    model: options.Models = None,
    path: options.Paths = None,
    allow_origin: options.Origins = None,
    allow_host: options.Hosts = None,
    keep_alive: options.KeepAlive = 15,
    reconnect: options.Reconnect = 3,
    upstream_header: options.UpstreamHeaders = None,
    forward_header: options.ForwardHeaders = None,
    return_header: options.ReturnHeaders = None,
    token: options.Tokens = None,
    target_token: options.TargetToken = None,
    use_tls: options.UseTls = False,
    certificates: options.CertificateOptions,
    given_limits: options.LimitOptions,
    unknown_fields: options.UnknownFields = UnknownFieldsChoice.SKIP,
    trust_forwarded_for: options.TrustForwardedFor = False,
    workers: options.Workers = 1,
    observing: options.ObserverOptions,
    recording: options.RecordOptions,
) -> None:
    """Serve an OpenAI-compatible HTTP endpoint.

    It stands in front of a gRPC server (--target), or of a backend in this process (--backend). With PATTERN= a target
    gets only the models of the pattern, as gpt-*. It ends on SIGTERM: open calls then finish.

    Examples:
        chatpb gateway --target 127.0.0.1:50051
        chatpb gateway --backend echo --listen 127.0.0.1:8080
        chatpb gateway --target 'gpt-*=10.0.0.1:50051' --target 10.0.0.2:50051

    """
    silence_grpc()
    from chatpb.service import Backend, GrpcBackend, ModelRouter
    from chatpb.service._uvicorn import run
    from chatpb.service.gateway import gateway as make_app

    if bool(target) == bool(backend):
        raise typer.BadParameter("give one of them", param_hint="--target, --backend")
    if target and upstream_header:
        raise typer.BadParameter("only openai:URL sends headers", param_hint="--upstream-header")
    check_tokens("--token", *token or ())
    check_tokens("--target-token", target_token)
    check_header_names("--forward-header", forward_header)
    check_header_names("--return-header", return_header)
    check_workers(workers)
    limits = limits_of(given_limits)
    link: dict[str, Any] = {
        "tls": tls_of(certificates, wanted=use_tls),
        "token": target_token,
        "max_message": limits.message,
        "reconnect": reconnect,
        "return_headers": return_header or (),
    }
    behind: Backend
    if target:
        routes = [(pattern, GrpcBackend(address, **link)) for pattern, address in routes_of(target)]
        try:
            behind = routes[0][1] if [pattern for pattern, _ in routes] == ["*"] else ModelRouter(routes)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--target") from None
    else:
        behind = backend_of(str(backend), upstream_header, return_header, unknown_fields=unknown_fields.value)
    worker = Worker.here()
    listener = worker.listener if worker else listener_of(listen)

    def on_ready() -> None:
        announce("gateway", address_of(listener), observing.log)

    start_logs(observing.log, () if worker else unknown_variables())
    if workers > 1 and not worker:
        raise SystemExit(run_workers(workers, listener, on_ready))
    observers = observers_of(observing, worker)
    app = make_app(
        recorded(behind, recording, observers),
        models=model or [],
        keep_alive=keep_alive or None,
        tokens=token or (),
        limits=limits,
        observers=observers,
        forward=forward_header or (),
        paths=path or (),
        origins=allow_origin or (),
        hosts=allow_host or (),
        trust_forwarded_for=trust_forwarded_for,
        unknown_fields=unknown_fields.value,
    )
    run(app, listener, limits, worker.is_ready if worker else on_ready)
