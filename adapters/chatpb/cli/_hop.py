"""The gRPC hop of `chatpb demo`: a server and a client in this process, on a free port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

__all__ = ["survives_grpc"]


def survives_grpc(request: bytes, answer: bytes) -> bool | None:
    """Whether a request and an answer, as wire bytes, pass through gRPC as they are; None without its packages."""
    try:
        from chatpb.service import Call, GrpcBackend, Server
    except ModuleNotFoundError:
        return None
    got: list[bytes] = []

    class Recorded:
        async def create(self, request: bytes, call: Call) -> bytes:
            got.append(request)
            return answer

        async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
            yield answer

        async def close(self) -> None:
            pass

    async def main() -> bool:
        async with Server(Recorded(), listen="127.0.0.1:0", reflection=False) as server:
            client = GrpcBackend(f"127.0.0.1:{server.port}")
            came = await client.create(request, Call())
            await client.close()
            return came == answer and got == [request]

    return asyncio.run(main())
