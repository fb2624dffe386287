"""Chat completions over gRPC and HTTP. Bodies travel as wire bytes, and nothing in them is lost.

`serve` offers a Backend over gRPC: OpenAIBackend, ReplayBackend, EchoBackend, or your own, which may be just an async
function. `Client` and `AsyncClient` call it.
`chatpb.service.gateway` offers a Backend as an OpenAI-compatible endpoint.

Needs the extra `service`; the gateway needs the extra `gateway`.
"""

import chatpb._contract.own_classes  # noqa: F401
from chatpb._extras import extra_for

with extra_for("chatpb.service"):
    from chatpb.service._call import Backend, Call
    from chatpb.service._client import AsyncClient, AsyncStream, Client, Stream
    from chatpb.service._echo_backend import EchoBackend
    from chatpb.service._error_table import ServiceError
    from chatpb.service._function_backend import FunctionBackend
    from chatpb.service._grpc_backend import GrpcBackend
    from chatpb.service._guard import Limits
    from chatpb.service._model_router import ModelRouter
    from chatpb.service._observers import (
        JsonFormatter,
        LogObserver,
        Observer,
        Outcome,
        PrometheusObserver,
        SumRepeats,
        TraceObserver,
    )
    from chatpb.service._openai_backend import OpenAIBackend
    from chatpb.service._replay_backend import ReplayBackend
    from chatpb.service._server import Server, serve
    from chatpb.service._tls import Tls

__all__ = [
    "AsyncClient",
    "AsyncStream",
    "Backend",
    "Call",
    "Client",
    "EchoBackend",
    "FunctionBackend",
    "GrpcBackend",
    "JsonFormatter",
    "Limits",
    "LogObserver",
    "ModelRouter",
    "Observer",
    "OpenAIBackend",
    "Outcome",
    "PrometheusObserver",
    "ReplayBackend",
    "Server",
    "ServiceError",
    "Stream",
    "SumRepeats",
    "Tls",
    "TraceObserver",
    "serve",
]
