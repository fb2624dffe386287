"""What a client of the `openai` package does is recorded, and the client behaves as before."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx
import openai
import pydantic
import pytest

from chatpb import storage
from chatpb.storage import Recorder, record_openai

MESSAGES: Any = [{"role": "user", "content": "Hi"}]
COMPLETION = {"id": "c", "object": "chat.completion", "created": 1, "model": "m-1", "choices": [], "x_vendor": 5}
CHUNKS = [
    {"id": "s", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {"content": text}}]}
    for text in ("a", "b")
]  # fmt: skip


def answer(request: httpx.Request) -> httpx.Response:
    body = json.loads(request.content)
    if "model" not in body:
        return httpx.Response(200, json=COMPLETION)
    if body["model"] == "bad":
        return httpx.Response(429, json={"error": {"message": "slow down", "code": "rate", "x": 1}})
    if body["model"] == "page":
        return httpx.Response(200, text="<p>", headers={"content-type": "text/html"})
    if body["model"] == "cut":
        text = f'data: {json.dumps(CHUNKS[0])}\n\ndata: {{"error":{{"message":"cut"}}}}\n\n'
        return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})
    if body.get("stream"):
        text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in CHUNKS) + "data: [DONE]\n\n"
        return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})
    return httpx.Response(200, json=COMPLETION)


def sync_client() -> openai.OpenAI:
    http: Any = httpx.Client(transport=httpx.MockTransport(answer))
    return openai.OpenAI(api_key="k", base_url="http://x/v1", http_client=http, max_retries=0)


def async_client() -> openai.AsyncOpenAI:
    http: Any = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return openai.AsyncOpenAI(api_key="k", base_url="http://x/v1", http_client=http, max_retries=0)


def check(path: Path, started: int) -> None:
    with storage.open(path) as records:
        whole, streamed, failed, left = records
    assert whole.request is not None
    assert whole.response is not None
    assert whole.request.model == "m"
    assert json.loads(whole.to_json())["response"] == COMPLETION
    assert json.loads(whole.to_json())["request"] == {"model": "m", "messages": MESSAGES, "x": 1}
    assert [chunk.choices[0].delta.content for chunk in streamed.chunks] == ["a", "b"]
    assert streamed.message.start_time <= streamed.message.first_token_time <= streamed.message.end_time
    assert all(started <= each.message.end_time <= time.time_ns() // 1000 for each in (whole, streamed, failed, left))
    assert json.loads(failed.to_json())["error"]["error"] == {"message": "slow down", "code": "rate", "x": 1}
    assert [each.message.status for each in (whole, streamed, failed, left)] == [200, 200, 429, 499]
    assert len(left.chunks) == 1
    assert all(each.message.labels == {"team": "a"} for each in (whole, streamed, failed, left))


def test_a_client(tmp_path: Path) -> None:
    started = time.time_ns() // 1000
    with Recorder(tmp_path / "r.db") as recorder, sync_client() as plain:
        client = record_openai(plain, recorder, labels={"team": "a"})
        create = client.chat.completions.create
        found = create(model="m", messages=MESSAGES, timeout=300, extra_body={"x": 1})
        assert (found.id, found.model_extra) == ("c", {"x_vendor": 5})
        stream = create(model="m", messages=MESSAGES, stream=True)
        assert [chunk.choices[0].delta.content for chunk in stream] == ["a", "b"]
        with pytest.raises(openai.RateLimitError):
            create(model="bad", messages=MESSAGES)
        with create(model="m", messages=MESSAGES, stream=True) as stream:
            next(stream)
    check(tmp_path / "r.db", started)


def test_an_asynchronous_client(tmp_path: Path) -> None:
    started = time.time_ns() // 1000

    async def use(recorder: Recorder) -> None:
        async with async_client() as plain:
            create = record_openai(plain, recorder, labels={"team": "a"}).chat.completions.create
            assert (await create(model="m", messages=MESSAGES, extra_body={"x": 1})).id == "c"
            stream = await create(model="m", messages=MESSAGES, stream=True)
            assert [chunk.choices[0].delta.content async for chunk in stream] == ["a", "b"]
            with pytest.raises(openai.RateLimitError):
                await create(model="bad", messages=MESSAGES)
            stream = await create(model="m", messages=MESSAGES, stream=True)
            await anext(aiter(stream))
            await stream.close()

    with Recorder(tmp_path / "r.db") as recorder:
        asyncio.run(use(recorder))
    check(tmp_path / "r.db", started)


def seen(path: Path) -> list[tuple[Any, ...]]:
    """Return the model, the status, and the pieces or the id of each record."""
    with storage.open(path) as records:
        found = []
        for record in records:
            assert record.request is not None
            pieces = [chunk.choices[0].delta.content for chunk in record.chunks]
            answer = record.response.id if record.response else None
            found.append((record.request.model, record.message.status, answer or pieces))
        return found


class Named(pydantic.BaseModel):
    name: str


def test_every_way_to_ask(tmp_path: Path) -> None:
    with Recorder(tmp_path / "r.db") as recorder, sync_client() as plain:
        client = record_openai(plain, recorder)
        completions = client.chat.completions
        completions.parse(model="parse", messages=MESSAGES, response_format=Named)
        raw = completions.with_raw_response.create(model="raw", messages=MESSAGES)
        assert raw.parse().id == "c"
        assert raw.parse() is raw.parse()
        raw_stream = completions.with_raw_response.create(model="raw stream", messages=MESSAGES, stream=True).parse()
        assert [chunk.id for chunk in raw_stream] == ["s", "s"]
        client.with_options(timeout=5).with_options(max_retries=0).chat.completions.create(
            model="options", messages=MESSAGES
        )
        client.beta.chat.completions.create(model="beta", messages=MESSAGES)
        with completions.stream(model="stream", messages=MESSAGES) as events:
            assert list(events)
        with completions.stream(model="left", messages=MESSAGES) as events:
            next(events)
        completions.create(model="never read", messages=MESSAGES, stream=True).close()
        with completions.create(model="read", messages=MESSAGES, stream=True) as stream:
            assert len(list(stream)) == 2
        with completions.with_streaming_response.create(model="unread", messages=MESSAGES) as response:
            assert json.loads(response.read()) == COMPLETION
        with pytest.raises(openai.APIError, match="cut"):
            list(completions.create(model="cut", messages=MESSAGES, stream=True))
        assert str(completions.create(model="page", messages=MESSAGES)) == "<p>"
        completions.update("c", metadata={"a": "b"})
    assert seen(tmp_path / "r.db") == [
        ("parse", 200, "c"),
        ("raw", 200, "c"),
        ("raw stream", 200, ["a", "b"]),
        ("options", 200, "c"),
        ("beta", 200, "c"),
        ("stream", 200, ["a", "b"]),
        ("left", 499, ["a"]),
        ("never read", 499, []),
        ("read", 200, ["a", "b"]),
        ("cut", 0, ["a"]),
        ("page", 200, []),
    ]
    with storage.open(tmp_path / "r.db") as records:
        parsed = json.loads(next(iter(records)).to_json())["request"]
    assert parsed["response_format"]["json_schema"]["name"] == "Named"


def test_every_asynchronous_way_to_ask(tmp_path: Path) -> None:
    async def use(recorder: Recorder) -> None:
        async with async_client() as plain:
            client = record_openai(plain, recorder)
            completions = client.chat.completions
            await completions.parse(model="parse", messages=MESSAGES, response_format=Named)
            raw = await completions.with_raw_response.create(model="raw", messages=MESSAGES)
            assert raw.parse().id == "c"
            await client.with_options(timeout=5).chat.completions.create(model="options", messages=MESSAGES)
            async with completions.stream(model="left", messages=MESSAGES) as events:
                await anext(events)
            async with await completions.create(model="never read", messages=MESSAGES, stream=True):
                pass
            async with completions.with_streaming_response.create(model="unread", messages=MESSAGES) as response:
                assert json.loads(await response.read()) == COMPLETION

    with Recorder(tmp_path / "r.db") as recorder:
        asyncio.run(use(recorder))
    assert seen(tmp_path / "r.db") == [
        ("parse", 200, "c"),
        ("raw", 200, "c"),
        ("options", 200, "c"),
        ("left", 499, ["a"]),
        ("never read", 499, []),
    ]
