"""Print as JSON what LangChain's ChatOpenAI makes of the endpoint at an address. The test compares two endpoints."""

from __future__ import annotations

import json
import sys
from typing import Any

import openai
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI


def weather(city: str) -> str:
    """The weather of a city."""
    return city


def main() -> None:
    model: Any = ChatOpenAI(model="m", base_url=sys.argv[1], api_key="sk-test", max_retries=0)
    tools = model.bind_tools([weather])
    found: dict[str, Any] = {
        "plain": plain(model.invoke("hello")),
        "streamed": [plain(each) for each in model.stream("hello")],
        "tools": plain(tools.invoke("hello")),
        "tools streamed": [plain(each) for each in tools.stream("hello")],
        "logprobs": plain(model.bind(logprobs=True).invoke("hello")),
        "three": [
            each.text
            for each in ChatOpenAI(model="m", base_url=sys.argv[1], api_key="sk-test", n=3)
            .generate([[HumanMessage("hello")]])
            .generations[0]
        ],
    }
    try:
        ChatOpenAI(model="busy", base_url=sys.argv[1], api_key="sk-test", max_retries=0).invoke("hello")
    except openai.RateLimitError as error:
        found["busy"] = [error.status_code, error.body]
    print(json.dumps(found, sort_keys=True))


def plain(message: Any) -> dict[str, Any]:
    return {name: value for name, value in message.model_dump().items() if name != "id"}


main()
