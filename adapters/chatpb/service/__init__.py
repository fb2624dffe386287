"""Chat completions over gRPC and HTTP. Bodies are carried as wire bytes and lose nothing on the way.

`serve` puts a Backend behind gRPC: OpenAIBackend, ReplayBackend, EchoBackend, or one of your own, which may be just an
async function. `Client` and `AsyncClient` call it; `chatpb.service.gateway` is an OpenAI-compatible HTTP front.

Needs the extra `service`; the gateway needs `gateway` as well.
"""

from chatpb.service._call import Backend, Call
from chatpb.service._client import AsyncClient, AsyncStream, Client, Stream
from chatpb.service._echo import EchoBackend
from chatpb.service._edge import Limits
from chatpb.service._errors import ServiceError
from chatpb.service._function import FunctionBackend
from chatpb.service._grpc_backend import GrpcBackend
from chatpb.service._observe import JsonFormatter, LogObserver, Observer, Outcome, PrometheusObserver, TraceObserver
from chatpb.service._openai_backend import OpenAIBackend
from chatpb.service._replay import ReplayBackend
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
    "Observer",
    "OpenAIBackend",
    "Outcome",
    "PrometheusObserver",
    "ReplayBackend",
    "Server",
    "ServiceError",
    "Stream",
    "Tls",
    "TraceObserver",
    "serve",
]
