"""Print as JSON what more clients make of the endpoint at an address. The test compares two endpoints."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import groq
import openai
import opperai
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

URL = sys.argv[1]
ROOT = URL.removesuffix("/v1")
MESSAGES: Any = [{"role": "user", "content": "hello"}]


def azure(model: str) -> Any:
    client = openai.AzureOpenAI(azure_endpoint=ROOT, api_key="sk-test", api_version="2024-10-21", max_retries=0)
    create: Any = client.chat.completions.create
    whole = create(model=model, messages=MESSAGES).to_dict()
    return [whole, [each.to_dict() for each in create(model=model, messages=MESSAGES, stream=True)]]


def azure_deployment(model: str) -> Any:
    client = openai.AzureOpenAI(
        azure_endpoint=ROOT, azure_deployment="m", api_key="sk-test", api_version="2024-10-21", max_retries=0
    )
    create: Any = client.chat.completions.create
    return create(model=model, messages=MESSAGES).to_dict()


def of_groq(model: str) -> Any:
    create: Any = groq.Groq(base_url=ROOT, api_key="sk-test", max_retries=0).chat.completions.create
    whole = create(model=model, messages=MESSAGES).to_dict()
    return [whole, [each.to_dict() for each in create(model=model, messages=MESSAGES, stream=True)]]


def opper(model: str) -> Any:
    with opperai.Opper(http_bearer="sk-test", server_url=ROOT) as client:
        request: Any = {"model": model, "messages": MESSAGES}
        return client.openai.create_chat_completion(request=request).model_dump(mode="json")


def llama_index(model: str) -> Any:
    client = OpenAILike(model=model, api_base=URL, api_key="sk-test", is_chat_model=True, max_retries=0)
    asked = [ChatMessage(role="user", content="hello")]
    return [client.chat(asked).message.content, [each.delta for each in client.stream_chat(asked)]]


CLIENTS: dict[str, Callable[[str], Any]] = {
    "azure": azure,
    "azure deployment": azure_deployment,
    "groq": of_groq,
    "opper": opper,
    "llama_index": llama_index,
}


def main() -> None:
    found: dict[str, Any] = {}
    for name, ask in CLIENTS.items():
        found[name] = ask("m")
        try:
            ask("busy")
        except Exception as error:
            # One message holds the body as it is written, and its spaces mean nothing.
            words = str(error).replace('": ', '":').replace(', "', ',"')
            found[f"{name} busy"] = [type(error).__name__, getattr(error, "status_code", None), words]
    print(json.dumps(found, sort_keys=True))


main()
