"""Print as JSON what LiteLLM's client makes of the endpoint at an address. The test compares two endpoints."""

from __future__ import annotations

import json
import sys
from typing import Any

import litellm
import openai

TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "tools": {"tools": [TOOL]},
    "three": {"n": 3},
    "logprobs": {"logprobs": True},
}


def ask(model: str = "m", **extra: Any) -> Any:
    messages = [{"role": "user", "content": "hello"}]
    where = {"api_base": sys.argv[1], "api_key": "sk-test", "num_retries": 0, "max_retries": 0}
    return litellm.completion(model=f"openai/{model}", messages=messages, **where, **extra)


def plain(answer: Any) -> dict[str, Any]:
    return {name: value for name, value in answer.model_dump().items() if name not in ("id", "created")}


def main() -> None:
    found: dict[str, Any] = {}
    for name, extra in CASES.items():
        found[name] = plain(ask(**extra))
        found[f"{name} streamed"] = [plain(each) for each in ask(stream=True, **extra)]
    for model in ("bad", "key", "busy", "broken"):
        try:
            ask(model)
        except openai.APIError as error:
            found[model] = [type(error).__name__, getattr(error, "status_code", None), str(error)]
    print(json.dumps(found, sort_keys=True, default=str))


main()
