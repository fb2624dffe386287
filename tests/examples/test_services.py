"""The gRPC services of examples/, each behind `chatpb gateway` and called by the official OpenAI client of Python."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import openai
import pytest

from chatpb._json.dicts import json_to_dict
from tests.conformance import languages
from tests.examples.example import MOST_LINES, Example
from tests.service.chatpb_program import Program
from tests.service.service_stack import run
from tests.support import ROOT, exactly_equal

HOST: Final = "127.0.0.1:0"
RUST: Final = languages.BY_NAME["rust"].folder / "target"
"""What tests/conformance builds of the same packages."""
CPP: Final = languages.BY_NAME["cpp"].folder / "build"
"""Where tests/conformance builds and installs the C interface."""

SERVICES: Final = [
    Example(
        name="rust",
        source="src/main.rs",
        needs=("cargo",),
        build=(("cargo", "build", "--locked", "--quiet", "--target-dir", str(RUST)),),
        command=(str(RUST / "debug" / "parrot"),),
    ),
    Example(
        name="cpp",
        source="main.cc",
        needs=("cmake", "c++", "protoc", "grpc_cpp_plugin", "cargo"),
        build=(
            ("cmake", "-S", str(ROOT / "adapters" / "abi"), "-B", str(CPP / "abi")),
            ("cmake", "--install", str(CPP / "abi"), "--prefix", str(CPP / "installed")),
            ("cmake", "-B", "build", f"-DCMAKE_PREFIX_PATH={CPP / 'installed'}", "-DCMAKE_COMPILE_WARNING_AS_ERROR=ON"),
            ("cmake", "--build", "build", "--parallel", "2"),
        ),
        command=("build/parrot",),
        own_protoc=True,
    ),
]

by_name = pytest.mark.parametrize("example", SERVICES, ids=lambda service: service.name)


@pytest.fixture(scope="module", params=SERVICES, ids=lambda service: service.name)
def service(request: pytest.FixtureRequest) -> Example:
    """Return a service that is built."""
    found: Example = request.param
    found.prepare()
    return found


@asynccontextmanager
async def behind_a_gateway(service: Example) -> AsyncIterator[tuple[Any, Program]]:
    """Run a service behind the gateway; give the block the client's function `create`, and the running service."""
    async with (
        service.run(HOST) as running,
        Program("gateway", "--target", running.address, "--listen", HOST) as gateway,
        openai.AsyncOpenAI(base_url=f"http://{gateway.address}/v1", api_key="any", max_retries=0) as client,
    ):
        yield client.chat.completions.create, running


def question(text: Any, **members: Any) -> dict[str, Any]:
    return {"model": "parrot", "messages": [{"role": "user", "content": text}], **members}


TEXTS: Final = ["hello", "one two  three ", '\u00e9 \U0001f99c\n"\\']
TRACES: Final = [5, 2**53 + 1, 2**70, -0.5, None, "t", "", [1, None], {}, {"id": 2**53 + 1, "a": {"b": []}}]
"""Values of a member that no field has. Some of them are in a Struct, others are JSON text."""


def usage_of(text: str) -> dict[str, Any]:
    count = len(words_of(text))
    return {"prompt_tokens": count, "completion_tokens": count, "total_tokens": 2 * count}


def words_of(text: str) -> list[str]:
    """Return the pieces of a text that end in a space, and what is left."""
    *pieces, last = text.split(" ")
    return [piece + " " for piece in pieces] + [last] * bool(last)


def head_of(answer: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return what an answer has beside its choices. Its name and time are its own."""
    assert answer["id"].removeprefix("chatcmpl-").isdigit()
    assert 1_700_000_000 < answer["created"] < 1 << 33
    own = {name: answer[name] for name in ("id", "created")}
    return {**own, "object": kind, "model": "parrot", "x_host": "gpu-7"}


@by_name
def test_it_is_short(example: Example) -> None:
    assert 20 < example.lines() < MOST_LINES


def test_whole_answers(service: Example) -> None:
    async def main() -> None:
        async with behind_a_gateway(service) as (create, _):
            for text in TEXTS:
                answer = (await create(**question(text))).to_dict()
                message = {"role": "assistant", "content": text}
                choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
                expected = {**head_of(answer, "chat.completion"), "choices": [choice], "usage": usage_of(text)}
                assert exactly_equal(answer, expected)

    run(main())


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}], ids=["plain", "usage"])
def test_streamed_answers(service: Example, options: dict[str, Any]) -> None:
    async def main() -> None:
        async with behind_a_gateway(service) as (create, _):
            for text in TEXTS:
                chunks = [chunk.to_dict() async for chunk in await create(**question(text, stream=True, **options))]
                words = words_of(text)
                expected = [
                    {
                        **head_of(chunks[0], "chat.completion.chunk"),
                        "choices": [{"index": 0, "delta": {"content": word}, "logprobs": None, "finish_reason": None}],
                    }
                    for word in words
                ]
                expected[0]["choices"][0]["delta"]["role"] = "assistant"
                expected[-1]["choices"][0]["finish_reason"] = "stop"
                if options:
                    expected[-1]["usage"] = usage_of(text)
                assert exactly_equal(chunks, expected)

    run(main())


def test_a_member_of_the_caller_comes_back_and_others_do_not(service: Example) -> None:
    async def main() -> None:
        async with behind_a_gateway(service) as (create, _):
            for trace in TRACES:
                asked = question("a b", extra_body={"x_trace": trace, "x_other": trace})
                whole = (await create(**asked)).to_dict()
                chunks = [chunk.to_dict() async for chunk in await create(**asked, stream=True)]
                for answer in (whole, *chunks):
                    assert exactly_equal(answer["x_trace"], trace)
                    assert "x_other" not in answer

    run(main())


def test_the_log_has_the_requests_as_they_were_sent(service: Example) -> None:
    async def main() -> None:
        async with behind_a_gateway(service) as (create, running):
            assert running.process.stdout
            for trace in TRACES:
                sent = question("hi", stop=None, tools=[], seed=2**62 + 1)
                await create(**sent, extra_body={"x_trace": trace})
                logged = json_to_dict(await running.process.stdout.readline())
                assert logged.pop("stream", False) is False  # the gateway says which of the two calls it is
                assert exactly_equal(logged, {**sent, "x_trace": trace})

    run(main())


MISSING: Final = {
    "message": "No model 'p\u00fcre'.",
    "type": "not_found_error",
    "param": None,
    "code": "model_not_found",
}
NO_TEXT: Final = {
    "message": "The last message has no text.",
    "type": "invalid_request_error",
    "param": None,
    "code": None,
}
REFUSED: Final[list[tuple[dict[str, Any], type[openai.APIStatusError], dict[str, Any]]]] = [
    ({**question("hi"), "model": "p\u00fcre"}, openai.NotFoundError, MISSING),
    (question(""), openai.BadRequestError, NO_TEXT),
    (question(None), openai.BadRequestError, NO_TEXT),
    (question([{"type": "text", "text": "part"}]), openai.BadRequestError, NO_TEXT),
    ({**question("hi"), "messages": []}, openai.BadRequestError, NO_TEXT),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_errors(service: Example, stream: bool) -> None:
    async def main() -> None:
        async with behind_a_gateway(service) as (create, _):
            for asked, kind, body in REFUSED:
                with pytest.raises(kind) as caught:
                    await create(**asked, stream=stream)
                assert caught.value.body == body

    run(main())
