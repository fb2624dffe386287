"""Print as JSON what the `openai` package makes of the endpoint at an address. The test compares two endpoints."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import openai

TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
MESSAGES: Any = [{"role": "system", "content": "Be \u00fcber kind."}, {"role": "user", "content": "hello"}]
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "tools": {"tools": [TOOL], "tool_choice": "auto", "parallel_tool_calls": True},
    "three": {"n": 3, "temperature": 0.5, "seed": 2**53 + 1},
    "logprobs": {"logprobs": True, "top_logprobs": 2},
    "usage": {"stream_options": {"include_usage": True}},
    "vendor": {"extra_body": {"vendor": {"big": 2**70, "null": None}}},
}
ERRORS = ("bad", "key", "denied", "missing", "conflict", "odd", "busy", "broken", "down")


def failure(error: openai.APIError) -> dict[str, Any]:
    found: dict[str, Any] = {
        "class": type(error).__name__,
        "body": error.body,
        "code": error.code,
        "param": error.param,
    }
    if isinstance(error, openai.APIStatusError):
        found["status"] = error.status_code
        found["headers"] = {name: error.response.headers.get(name) for name in ("retry-after", "x-request-id")}
    return found


def blocking(client: openai.OpenAI) -> dict[str, Any]:
    create: Any = client.chat.completions.create
    found: dict[str, Any] = {}
    for name, extra in CASES.items():
        if name != "usage":
            answer = create(model="m", messages=MESSAGES, **extra)
            found[name] = [answer.to_dict(), answer._request_id]
        found[f"{name} streamed"] = [
            each.to_dict() for each in create(model="m", messages=MESSAGES, stream=True, **extra)
        ]
    for name in ERRORS:
        for stream in (False, True):
            try:
                create(model=name, messages=MESSAGES, stream=stream)
            except openai.APIError as error:
                found[f"{name} {stream}"] = failure(error)
    chunks = []
    try:
        for each in create(model="breaks", messages=MESSAGES, stream=True):
            chunks.append(each.to_dict())
    except openai.APIError as error:
        found["breaks"] = [chunks, failure(error)]
    found["flaky"] = (
        client.with_options(max_retries=2).chat.completions.create(model="flaky", messages=MESSAGES).to_dict()
    )
    with client.chat.completions.stream(model="m", messages=MESSAGES, tools=[TOOL]) as helper:
        found["helper"] = [event.type for event in helper]
        found["final"] = helper.get_final_completion().to_dict(warnings=False)
    return found


async def concurrent(client: openai.AsyncOpenAI) -> dict[str, Any]:
    create: Any = client.chat.completions.create
    found: dict[str, Any] = {}

    async def one(name: str, extra: dict[str, Any]) -> None:
        found[name] = [
            each.to_dict() async for each in await create(model="m", messages=MESSAGES, stream=True, **extra)
        ]
        if name != "usage":
            found[f"{name} whole"] = (await create(model="m", messages=MESSAGES, **extra)).to_dict()

    await asyncio.gather(*(one(name, extra) for name, extra in CASES.items()))
    try:
        await create(model="busy", messages=MESSAGES)
    except openai.RateLimitError as error:
        found["busy"] = failure(error)
    return found


def main() -> None:
    where: Any = {"base_url": sys.argv[1], "api_key": "sk-test", "max_retries": 0}
    found = {"sync": blocking(openai.OpenAI(**where)), "async": asyncio.run(concurrent(openai.AsyncOpenAI(**where)))}
    print(json.dumps(found, sort_keys=True))


main()
