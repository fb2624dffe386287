"""Clients as others publish them. Each runs against a model itself, and against the same model behind both hops."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from grpclib.client import Channel
from grpclib.exceptions import GRPCError

import chatcompletion_betterproto as betterproto_classes
from chatpb import from_dict, to_dict
from service.clients import install
from service.model import ERRORS, Model
from service.stack import HOPS, QUESTION, run, stack

CLIENTS = Path(__file__).parent / "service" / "clients"


async def program(*command: str, **environment: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, **environment}
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-3000:]
    return out


def last_line(out: bytes) -> Any:
    return json.loads(out.splitlines()[-1])


async def both(hops: str, *command: str, **environment: str) -> tuple[Any, Any]:
    """What a client makes of the model, and of the model behind the hops."""
    async with stack(Model(), hops, backend={"api_key": None}) as up:
        direct = last_line(await program(*command, up.upstream.url, **environment))
        through = last_line(await program(*command, up.url, **environment))
        assert {each.headers.get("authorization") for each in up.upstream.seen} == {"Bearer sk-test"}
    return direct, through


@pytest.mark.parametrize("hops", HOPS)
def test_openai_for_python(hops: str) -> None:
    direct, through = run(both(hops, sys.executable, str(CLIENTS / "openai_client.py")), 120)
    assert through == direct
    found = through["sync"]
    assert len(found["three"][0]["choices"]) == 3
    assert found["tools"][0]["choices"][0]["message"]["tool_calls"][1]["function"]["name"] == "time"
    assert found["logprobs"][0]["choices"][0]["logprobs"]["content"][0]["bytes"] == [72, 101]
    assert found["usage streamed"][-1]["usage"]["total_tokens"] == 8
    assert [found[f"{name} True"]["status"] for name in ERRORS] == [error[0] for error in ERRORS.values()]
    assert found["busy False"]["class"] == "RateLimitError"
    assert found["busy False"]["headers"] == {"retry-after": "17", "x-request-id": "req_no"}
    assert found["breaks"][1]["class"] == "APIError"
    assert len(found["breaks"][0]) == 2


@pytest.mark.parametrize("hops", HOPS)
def test_openai_for_node(hops: str) -> None:
    require(install.MODULES / "openai")
    node = shutil.which("node") or "node"
    direct, through = run(both(hops, node, str(CLIENTS / "openai_client.cjs")), 120)
    assert through == direct
    assert len(through["three"]["choices"]) == 3
    assert len(through["three streamed"]) > 3
    assert through["tools"]["choices"][0]["message"]["tool_calls"][1]["function"]["name"] == "time"
    assert through["logprobs"]["choices"][0]["logprobs"]["content"][0]["bytes"] == [72, 101]
    for stream in ("false", "true"):
        assert [through[f"{name} {stream}"]["status"] for name in ERRORS] == [error[0] for error in ERRORS.values()]
    assert through["busy true"]["retry"] == "17"
    assert through["breaks"][1]["class"] == "APIError"


@pytest.mark.parametrize("script", ["langchain_client.py", "litellm_client.py"])
def test_other_clients(script: str) -> None:
    require(install.PYTHON)
    environment = {"PYTHONPATH": "", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1"}
    direct, through = run(both("two hops", str(install.PYTHON), str(CLIENTS / script), **environment), 180)
    assert through == direct
    assert "plain" in through
    assert "busy" in through


def require(path: Path) -> None:
    """Skip where the clients are not installed, or fail with CHATPB_REQUIRE_CLIENTS, as continuous integration does."""
    if not path.exists():
        absent = pytest.fail if os.environ.get("CHATPB_REQUIRE_CLIENTS") else pytest.skip
        absent(f"{path} is not there: python tests/service/clients/install.py")


def test_grpclib_and_betterproto() -> None:
    async def main() -> None:
        async with stack(Model()) as up:
            host, port = up.target.split(":")
            async with Channel(host, int(port)) as channel:
                stub = betterproto_classes.ChatCompletionServiceStub(
                    channel, metadata={"authorization": "Bearer sk-test"}
                )
                request = from_dict({**QUESTION, "n": 2}, betterproto_classes.CreateChatCompletionRequest)
                answer = await stub.create_chat_completion(request)
                assert isinstance(answer, betterproto_classes.ChatCompletion)
                assert to_dict(answer)["vendor"] == {"big": 2**63 - 1}
                assert len(answer.choices) == 2
                chunks = [chunk async for chunk in stub.stream_chat_completion(request)]
                deltas = [choice.delta for chunk in chunks for choice in chunk.choices if choice.index == 0]
                assert "".join(delta.content or "" for delta in deltas if delta).startswith("Hello")
                with pytest.raises(GRPCError) as caught:
                    await stub.create_chat_completion(from_dict({**QUESTION, "model": "busy"}, type(request)))
                assert caught.value.status.name == "RESOURCE_EXHAUSTED"
                assert caught.value.message == "No: 429."

    run(main())


@pytest.mark.newest
def test_buf_curl_by_reflection() -> None:
    async def main() -> None:
        async with stack(Model()) as up:
            service = f"http://{up.target}/chatcompletion.v1.ChatCompletionService"
            data = json.dumps({"model": "m", "messages": [{"role": "CHAT_COMPLETION_ROLE_USER"}]})
            buf = shutil.which("buf", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
            assert buf, "needs buf: pip install buf-bin"
            curl = (buf, "curl", "--protocol", "grpc", "--http2-prior-knowledge", "--data", data)
            answer = json.loads(await program(*curl, f"{service}/CreateChatCompletion"))
            assert answer["choices"][0]["message"]["content"].startswith("Hello")
            streamed = (await program(*curl, f"{service}/StreamChatCompletion")).decode()
            assert streamed.count('"chatcmpl-1"') > 5
            methods = await program(*curl[:5], "--list-methods", f"http://{up.target}")
            assert b"chatcompletion.v1.ChatCompletionService/StreamChatCompletion" in methods

    run(main())


def test_the_generated_stub() -> None:
    import grpc

    from chatcompletion.v1 import CreateChatCompletionRequest
    from chatcompletion.v1.chat_completion_service_pb2_grpc import ChatCompletionServiceStub

    def blocking(target: str) -> tuple[Any, list[Any]]:
        request = from_dict(QUESTION, CreateChatCompletionRequest)
        with grpc.insecure_channel(target) as channel:
            stub = ChatCompletionServiceStub(channel)
            return stub.CreateChatCompletion(request), list(stub.StreamChatCompletion(request))

    async def main() -> None:
        async with stack(Model()) as up:
            answer, chunks = await asyncio.to_thread(blocking, up.target)
            assert answer.choices[0].message.content.startswith("Hello")
            assert len(chunks) > 5

    run(main())
