"""Records like those of a busy gateway, as many as are wanted: `python -m bench.records COUNT > records.jsonl`.

A count gives the same records in every run. Words are drawn as often as those of a language are (Zipf), anew for each
text, so that what compresses is what would in real traffic (members, models, prompts), not whole answers.
"""

from __future__ import annotations

import argparse
import random
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from typing import Any, Final

import numpy as np
import orjson

from chatpb import ChatCompletionRecord, json_lines_to_wire
from chatpb._python.wire import read_varint
from chatpb.storage._record import compact_record

__all__ = ["BLOCK", "json_blocks", "wire_blocks"]

Json = dict[str, Any]

BLOCK: Final = 1000
"""Records of a block."""

START: Final = 1_764_547_200_000_000
MONTH: Final = 30 * 86_400_000_000

_SYLLABLES: Final = [
    language.split()
    for language in (
        "ta ne ri so lu men tion al ver con pre ing er st and ou ci qua",
        "по не ра ко ло ста ние про ть ми ва ные дел ка",  # noqa: RUF001 - Cyrillic is meant
        "的 一 是 在 不 了 有 和 人 这 中 大 为 上 个 国 我 以 要",
        "der ü ung schl ein ge ver ß ach ö kei ten lich ä",
    )
]
_LANGUAGES: Final = (0,) * 14 + (1, 2, 3)
_TOOLS: Final = (
    "get_weather",
    "search",
    "run_code",
    "read_file",
    "send_mail",
    "lookup_order",
    "query_database",
    "plan",
)
_STATUSES: Final = ((429, "rate_limit_exceeded", "requests"), (400, "context_length_exceeded", "invalid_request_error"))


class _Words:
    """Words of a language, without end."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._words = {language: self._of(language) for language in set(_LANGUAGES)}

    def text(self, count: int, language: int = 0) -> str:
        return ("" if language == 2 else " ").join(islice(self._words[language], count))

    def _of(self, language: int) -> Iterator[str]:
        words, table = _vocabulary(language)
        while True:
            drawn = table[self._random.integers(0, len(table), 20_000)]
            yield from map(words.__getitem__, drawn.tolist())


@cache
def _vocabulary(language: int) -> tuple[list[str], np.ndarray[Any, np.dtype[np.int64]]]:
    """Words, the frequent ones short, and their places, each as often as its word comes."""
    draw = random.Random(language)  # noqa: S311 - nothing secret is made
    words = []
    for rank in range(20_000):
        syllables = 1 + (rank > 40) + (rank > 2_000) + (rank > 9_000)
        word = "".join(draw.choices(_SYLLABLES[language], k=syllables))
        mark = draw.random()
        word = word.capitalize() + "." if mark < 0.06 else word + "," if mark < 0.12 else word
        words.append(f"\n\n- **{word}**:" if mark > 0.985 else f'"{word}"' if mark > 0.97 else word)
    shares = 1 / (np.arange(len(words)) + 2.7)
    table = np.searchsorted(np.cumsum(shares / shares.sum()), (np.arange(1 << 17) + 0.5) / (1 << 17))
    return words, table


@cache
def _fixed() -> tuple[list[str], list[list[Json]]]:
    """System prompts and sets of tools, as an application has them."""
    words, draw = _Words(1), random.Random(1)  # noqa: S311
    prompts = [words.text(draw.randint(8, 120)) for _ in range(40)]
    return prompts, [[_tool(name, words) for name in draw.sample(_TOOLS, 3)] for _ in range(12)]


def _tool(name: str, words: _Words) -> Json:
    parameters = {
        "type": "object",
        "properties": {"query": {"type": "string", "description": words.text(9)}, "limit": {"type": "integer"}},
        "required": ["query"],
    }
    return {"type": "function", "function": {"name": name, "description": words.text(14), "parameters": parameters}}


class _Maker:
    """Makes the records of one block."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)  # noqa: S311
        self._words = _Words(seed)
        self._prompts, self._tools = _fixed()

    def record(self, start: int) -> Json:
        draw = self._draw
        model, vendor = draw.choice(_MODELS)
        language = draw.choice(_LANGUAGES)
        chance = draw.random()
        request = self._request(model, language)
        latency = int(draw.lognormvariate(14, 0.7))
        record: Json = {"start_time": start, "request_id": f"req_{draw.randbytes(16).hex()}", "request": request}
        if chance < 0.03:
            status, code, kind = draw.choice(_STATUSES)
            message = f"{self._words.text(12)} {draw.randint(1000, 200_000)} {self._words.text(6)}"
            record |= {
                "status": status,
                "error": {"error": {"message": message, "type": kind, "param": None, "code": code}},
            }
            latency //= 20
        elif chance < 0.13:
            request |= {"stream": True, "stream_options": {"include_usage": True}}
            first = latency // draw.randint(3, 12)
            record |= {
                "status": 200,
                "first_token_time": start + first,
                "stream": {"chunks": self._chunks(start, model, language)},
            }
        else:
            record |= {"status": 200, "response": self._completion(start, model, vendor, language, chance > 0.9)}
        if chance > 0.88:
            request["tools"] = draw.choice(self._tools)
        record |= {
            "end_time": start + latency,
            "peer": f"10.0.{draw.randrange(4)}.{int(draw.paretovariate(0.8)) % 250}",
        }
        if chance > 0.5:
            record["labels"] = {"env": "prod", "team": draw.choice(("search", "support", "agents", "mobile"))}
        return record

    def _length(self, middle: float) -> int:
        return 3 + int(self._draw.lognormvariate(middle, 0.9))

    def _request(self, model: str, language: int) -> Json:
        draw, words = self._draw, self._words
        messages = [{"role": "system", "content": draw.choice(self._prompts)}]
        for _ in range(draw.choice((0, 0, 0, 1, 2))):
            messages.append({"role": "user", "content": words.text(self._length(2.7), language)})
            messages.append({"role": "assistant", "content": words.text(self._length(3.3), language)})
        messages.append({"role": "user", "content": words.text(self._length(2.9), language)})
        return {"model": model, "messages": messages, "temperature": draw.choice((0, 0.2, 0.7, 1)), "max_tokens": 1024}

    def _usage(self, words: int) -> Json:
        draw = self._draw
        prompt, completion = draw.randint(40, 4000), int(words * 1.4) + draw.randrange(9)
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}

    def _completion(self, start: int, model: str, vendor: _Vendor, language: int, calls: bool) -> Json:
        draw = self._draw
        count = self._length(3.7)
        message: Json = {"role": "assistant", "content": None if calls else self._words.text(count, language)}
        if calls:
            message["tool_calls"] = [self._call() for _ in range(draw.choice((1, 1, 1, 2)))]
        reason = "tool_calls" if calls else draw.choice(("stop",) * 12 + ("length", "eos"))
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        completion: Json = {
            "id": f"chatcmpl-{_id(draw, 21)}",
            "object": "chat.completion",
            "created": start // 1_000_000,
            "model": model,
            "choices": [choice],
            "usage": self._usage(count),
        }
        vendor(completion, choice, message, draw, self._words)
        return completion

    def _call(self) -> Json:
        draw = self._draw
        arguments = orjson.dumps({"query": self._words.text(draw.randint(2, 8)), "limit": draw.randint(1, 50)}).decode()
        function = {"name": draw.choice(_TOOLS), "arguments": arguments}
        return {"id": f"call_{_id(draw, 18)}", "type": "function", "function": function}

    def _chunks(self, start: int, model: str, language: int) -> list[Json]:
        count = self._length(2.6)
        deltas: list[tuple[Json, str | None]] = [({"role": "assistant", "content": "", "refusal": None}, None)]
        deltas += [({"content": self._words.text(1, language) + " "}, None) for _ in range(count)]
        # Some streams break off.
        if self._draw.random() > 0.03:
            deltas.append(({}, "stop"))
        head = {
            "id": f"chatcmpl-{_id(self._draw, 21)}",
            "object": "chat.completion.chunk",
            "created": start // 1_000_000,
            "model": model,
            "system_fingerprint": "fp_b6f445fc1c",
        }
        chunks: list[Json] = [
            {
                **head,
                "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}],
                "usage": None,
            }
            for delta, reason in deltas
        ]
        if deltas[-1][1]:
            chunks.append({**head, "choices": [], "usage": self._usage(count)})
        return chunks


def _id(draw: random.Random, size: int) -> str:
    return b64encode(draw.randbytes(size), b"xY").decode()


_Vendor = Callable[[Json, Json, Json, random.Random, _Words], None]
"""Adds what a vendor's completions have: to the completion, its choice, its message."""


def _openai(completion: Json, choice: Json, message: Json, draw: random.Random, words: _Words) -> None:
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


def _azure(completion: Json, choice: Json, message: Json, draw: random.Random, words: _Words) -> None:
    _openai(completion, choice, message, draw, words)
    safe = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}
    choice["content_filter_results"] = safe
    completion["prompt_filter_results"] = [{"prompt_index": 0, "content_filter_results": safe}]


def _vllm(completion: Json, choice: Json, message: Json, draw: random.Random, words: _Words) -> None:
    completion |= {"id": f"chat-{draw.randbytes(16).hex()}", "prompt_logprobs": None}
    message["tool_calls"] = message.get("tool_calls", [])
    choice["stop_reason"] = None


def _deepseek(completion: Json, choice: Json, message: Json, draw: random.Random, words: _Words) -> None:
    message["reasoning_content"] = words.text(draw.randint(5, 60))
    usage = completion["usage"]
    hit = usage["prompt_tokens"] // 64 * 64
    usage |= {"prompt_cache_hit_tokens": hit, "prompt_cache_miss_tokens": usage["prompt_tokens"] - hit}


def _groq(completion: Json, choice: Json, message: Json, draw: random.Random, words: _Words) -> None:
    completion["usage"] |= {f"{name}_time": draw.random() for name in ("queue", "prompt", "completion", "total")}
    completion["x_groq"] = {"id": f"req_{_id(draw, 18)}"}


_MODELS: Final = (
    *(("gpt-4.1-2025-04-14", _openai),) * 4,
    *(("gpt-4o-mini-2024-07-18", _openai),) * 5,
    *(("gpt-4.1-mini-2025-04-14", _azure),) * 3,
    ("meta-llama/Llama-3.3-70B-Instruct", _vllm),
    ("Qwen/Qwen3-32B", _vllm),
    *(("deepseek-chat", _deepseek),) * 2,
    *(("llama-3.1-8b-instant", _groq),) * 2,
)


def json_blocks(count: int, first: int = 0) -> Iterator[bytes]:
    """JSON lines of `count` records, BLOCK at a time, whose times go through 30 days; from the block `first` on."""
    for number in range(first, -(-count // BLOCK)):
        maker = _Maker(number + 2)
        rows = range(number * BLOCK, min(count, (number + 1) * BLOCK))
        lines = [orjson.dumps(maker.record(START + row * MONTH // count)) for row in rows]
        yield b"\n".join([*lines, b""])


def wire_blocks(count: int, first: int = 0) -> Iterator[list[bytes]]:
    """The same records as wire bytes, their streams compact."""
    for lines in json_blocks(count, first):
        data = json_lines_to_wire(lines, ChatCompletionRecord)
        records, at = [], 0
        while at < len(data):
            size, at = read_varint(data, at, len(data))
            records.append(compact_record(data[at : at + size]))
            at += size
        yield records


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.records", description=__doc__)
    parser.add_argument("count", type=int, help="how many records")
    for block in json_blocks(parser.parse_args().count):
        sys.stdout.buffer.write(block)


if __name__ == "__main__":
    main()
