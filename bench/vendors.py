"""The members that vendors add to completions, beyond those that all share."""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Callable
from typing import Any, Final

from bench.words import Words

__all__ = ["MODELS", "Json", "Vendor", "random_id"]

Json = dict[str, Any]

Vendor = Callable[[Json, Json, Json, random.Random, Words], None]
"""A function that adds a vendor's members to a completion, its choice and its message."""


def random_id(draw: random.Random, size: int) -> str:
    return b64encode(draw.randbytes(size), b"xY").decode()


def _openai(completion: Json, choice: Json, message: Json, draw: random.Random, words: Words) -> None:
    message |= {"refusal": None, "annotations": []}
    completion["usage"] |= {
        "prompt_tokens_details": {"cached_tokens": draw.choice((0, 0, 1024, 2048)), "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": draw.choice((0, 0, 64, 192)),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    completion |= {"service_tier": "default", "system_fingerprint": f"fp_{draw.choice(('b6f445fc1c', '07871e2ad8'))}"}


def _azure(completion: Json, choice: Json, message: Json, draw: random.Random, words: Words) -> None:
    _openai(completion, choice, message, draw, words)
    safe = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}
    choice["content_filter_results"] = safe
    completion["prompt_filter_results"] = [{"prompt_index": 0, "content_filter_results": safe}]


def _vllm(completion: Json, choice: Json, message: Json, draw: random.Random, words: Words) -> None:
    completion |= {"id": f"chat-{draw.randbytes(16).hex()}", "prompt_logprobs": None}
    message["tool_calls"] = message.get("tool_calls", [])
    choice["stop_reason"] = None


def _deepseek(completion: Json, choice: Json, message: Json, draw: random.Random, words: Words) -> None:
    message["reasoning_content"] = words.text(draw.randint(5, 60))
    usage = completion["usage"]
    hit = usage["prompt_tokens"] // 64 * 64
    usage |= {"prompt_cache_hit_tokens": hit, "prompt_cache_miss_tokens": usage["prompt_tokens"] - hit}


def _groq(completion: Json, choice: Json, message: Json, draw: random.Random, words: Words) -> None:
    completion["usage"] |= {f"{name}_time": draw.random() for name in ("queue", "prompt", "completion", "total")}
    completion["x_groq"] = {"id": f"req_{random_id(draw, 18)}"}


MODELS: Final = (
    *(("gpt-4.1-2025-04-14", _openai),) * 4,
    *(("gpt-4o-mini-2024-07-18", _openai),) * 5,
    *(("gpt-4.1-mini-2025-04-14", _azure),) * 3,
    ("meta-llama/Llama-3.3-70B-Instruct", _vllm),
    ("Qwen/Qwen3-32B", _vllm),
    *(("deepseek-chat", _deepseek),) * 2,
    *(("llama-3.1-8b-instant", _groq),) * 2,
)
