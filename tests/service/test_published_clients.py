"""Clients that others publish. Each runs directly against a fake model, and against it behind one or two hops."""

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
from tests.service.clients import install
from tests.service.fake_model import ERRORS, FakeModel
from tests.service.fake_upstream import HttpExchange
from tests.service.service_stack import QUESTION, hops, run, stack

BEARER = "Bearer sk-test"
CLIENTS = Path(__file__).parent / "clients"


async def program(*command: str, **environment: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, **environment}
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-3000:]
    return out


def last_line(out: bytes) -> Any:
    return json.loads(out.splitlines()[-1])


async def both(
    hops: str, *command: str, keys: tuple[str | None, ...] = (BEARER,), **environment: str
) -> tuple[Any, Any]:
    """Return what a client prints for the model, and for the model behind the hops; `keys` reach the model."""
    async with stack(FakeModel(), hops, backend={"api_key": None}) as up:
        direct = last_line(await program(*command, up.upstream.url, **environment))
        through = last_line(await program(*command, up.url, **environment))
        assert {each.headers.get("authorization") for each in up.upstream.seen} == set(keys)
    return direct, through


@hops
def test_openai_for_python(hops: str) -> None:
    direct, through = run(both(hops, sys.executable, str(CLIENTS / "openai_client.py")))
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


@hops
def test_openai_for_node(hops: str) -> None:
    require(install.MODULES / "openai")
    node = shutil.which("node") or "node"
    direct, through = run(both(hops, node, str(CLIENTS / "openai_client.cjs")))
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
    environment: dict[str, Any] = {"PYTHONPATH": "", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1"}
    direct, through = run(both("two hops", str(install.PYTHON), str(CLIENTS / script), **environment))
    assert through == direct
    assert "plain" in through
    assert "busy" in through


@hops
def test_azure_groq_opper_and_llama_index(hops: str) -> None:
    """Each has a base path of its own, and Azure a header of its own for the key."""
    require(install.PYTHON)
    command = (str(install.PYTHON), str(CLIENTS / "more_clients.py"))
    direct, through = run(both(hops, *command, keys=(BEARER, None), PYTHONPATH="", NO_PROXY="127.0.0.1"))
    assert through == direct
    assert through["azure"][0]["choices"][0]["message"]["content"].startswith("Hello")
    assert through["opper busy"][1] == 429
    assert {name.removesuffix(" busy") for name in through if name.endswith(" busy")} == {
        "azure", "azure deployment", "groq", "opper", "llama_index",
    }  # fmt: skip


@hops
def test_the_vercel_sdk_and_opper_for_node(hops: str) -> None:
    require(install.MODULES / "ai")
    direct, through = run(both(hops, shutil.which("node") or "node", str(CLIENTS / "more_clients.mjs")))
    assert through == direct
    assert through["plain"]["text"].startswith("Hello")
    assert through["plain"]["reasoning"] == "Hm, hm."
    assert through["tools"]["calls"][0] == ["weather", {"city": "Paris"}]
    assert through["opper"]["choices"][0]["message"]["content"].startswith("Hello")
    assert "429" in json.dumps([through["busy"], through["opper busy"]])


@hops
def test_openai_for_go(hops: str) -> None:
    """Version 3.8 fails on a comment with an empty line after it, so the model is silent for a while."""
    require(install.GO)

    class SlowModel(FakeModel):
        async def __call__(self, exchange: HttpExchange) -> None:
            await asyncio.sleep(0.1)
            await super().__call__(exchange)

    async def main() -> None:
        async with stack(SlowModel(), hops, front={"keep_alive": 0.02}, backend={"api_key": None}) as up:
            direct = last_line(await program(str(install.GO), up.upstream.url))
            through = last_line(await program(str(install.GO), up.url))
        assert through["m"] == direct["m"]
        assert through["m streamed"] == direct["m streamed"]
        assert through["busy"] == direct["busy"]
        assert through["breaks streamed"][0] == direct["breaks streamed"][0]
        for found in (direct, through):
            assert len(found["m streamed"][0]) > 3
            assert found["m streamed"][1] is None
            assert "It broke." in found["breaks streamed"][1]

    run(main())


@hops
def test_openai_for_java(hops: str) -> None:
    require(install.JAVA)
    direct, through = run(both(hops, *install.JAVA_CLIENT))
    assert through == direct
    assert through["m"]["vendor"] == {"big": 2**63 - 1}
    assert len(through["m streamed"]) > 3
    assert [through[model][0] for model in ("busy", "broken")] == ["RateLimitException", "InternalServerException"]


def require(path: Path) -> None:
    """Skip the test if the clients are not installed; fail it if CHATPB_REQUIRE_CLIENTS is set, as in CI."""
    if not path.exists():
        absent = pytest.fail if os.environ.get("CHATPB_REQUIRE_CLIENTS") else pytest.skip
        absent(f"{path} is not there: python tests/service/clients/install.py")


def test_grpclib_and_betterproto() -> None:
    async def main() -> None:
        async with stack(FakeModel()) as up:
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
        async with stack(FakeModel()) as up:
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
        async with stack(FakeModel()) as up:
            answer, chunks = await asyncio.to_thread(blocking, up.target)
            assert answer.choices[0].message.content.startswith("Hello")
            assert len(chunks) > 5

    run(main())
