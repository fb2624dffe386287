"""Random streams: chunks whose members meet, since they come from few names and values."""

from __future__ import annotations

import json
from typing import Any

from tests.engine.random_cases.documents import document
from tests.engine.random_cases.schemas import Random

NAMES = (
    "id", "type", "index", "name", "role", "content", "text", "thinking", "data", "signature", "url", "format", "summary",
    "item_id", "imageUrl", "function", "custom", "arguments", "input", "audio", "tool_calls", "x", "_", "aB", "é_id",
)  # fmt: skip
TEXTS = (
    "", "a", "b", "text", "thinking", "reasoning.text", "AA==", "AQ==", "=", "AAA", "\ud83d", "\ude00", '"\n', "a b", "é",
)  # fmt: skip
NUMBERS: tuple[Any, ...] = (0, 0, 0, 1, 1, 2, -1, 1.0, 0.5, 2**63, 2**70, -0.0, 1e300)


def stream(rng: Random) -> list[bytes]:
    """Return the JSON texts of chunks."""
    if rng.random() < 0.1:
        return [document(rng, "ChatCompletionChunk") for _ in range(rng.randint(1, 4))]
    chunks = [_chunk(rng)]
    for _ in range(rng.randint(0, 5)):
        # Most chunks repeat what stands around their choices.
        again = {**chunks[-1], "choices": [_choice(rng)]} if rng.random() < 0.5 else _chunk(rng)
        if rng.random() < 0.2:
            again["usage"] = _value(rng, 2)
        chunks.append(again)
    return [json.dumps(chunk).encode() for chunk in chunks]


def completion(rng: Random) -> bytes:
    """Return the JSON text of a completion."""
    if rng.random() < 0.1:
        return document(rng, "ChatCompletion")
    made = _chunk(rng)
    made["object"] = rng.choice(("chat.completion", "x", None))
    for choice in made["choices"] if isinstance(made.get("choices"), list) else ():
        if isinstance(choice, dict) and "delta" in choice and rng.random() < 0.9:
            choice["message"] = choice.pop("delta")
    return json.dumps(made).encode()


def _chunk(rng: Random) -> dict[str, Any]:
    top: dict[str, Any] = {"object": "chat.completion.chunk"} if rng.random() < 0.5 else {}
    for name in ("id", "created", "usage", "obfuscation", "object", "x", "model"):
        if rng.random() < 0.2:
            top[name] = _value(rng, 2)
    top["choices"] = [_choice(rng) for _ in range(rng.choice((1, 1, 1, 2)))] if rng.random() < 0.97 else _value(rng, 2)
    return top


def _choice(rng: Random) -> Any:
    if rng.random() < 0.02:
        return _value(rng, 1)
    choice: dict[str, Any] = {"index": rng.choice(NUMBERS)} if rng.random() < 0.8 else {}
    for name in ("finish_reason", "token_ids", "message", "filter", "logprobs"):
        if rng.random() < 0.15:
            choice[name] = _value(rng, 3)
    if rng.random() < 0.95:
        choice["delta"] = _delta(rng) if rng.random() < 0.95 else _value(rng, 2)
    return choice


def _delta(rng: Random) -> dict[str, Any]:
    delta = _object(rng, 4)
    if rng.random() < 0.5:
        delta["tool_calls"] = [_call(rng) for _ in range(rng.randint(1, 2))]
    if rng.random() < 0.5:
        delta["x"] = [_item(rng) for _ in range(rng.randint(1, 2))]
    return delta


def _call(rng: Random) -> Any:
    if rng.random() < 0.03:
        return _value(rng, 1)
    call: dict[str, Any] = {"index": rng.choice(NUMBERS)} if rng.random() < 0.7 else {}
    if rng.random() < 0.5:
        call["id"] = rng.choice(TEXTS[:4])
    for kind in ("function", "custom", "type"):
        if rng.random() < 0.4:
            call[kind] = _object(rng, 1) if rng.random() < 0.9 else _value(rng, 1)
    return call


def _item(rng: Random) -> dict[str, Any]:
    item: dict[str, Any] = {"type": rng.choice(("text", "thinking", "reasoning.text"))}
    if rng.random() < 0.4:
        item["index"] = rng.choice(NUMBERS)
    for name in ("text", "thinking", "id", "data", "signature", "n", "url"):
        if rng.random() < 0.3:
            item[name] = _value(rng, 1)
    return item


def _object(rng: Random, depth: int) -> dict[str, Any]:
    return {rng.choice(NAMES): _value(rng, depth - 1) for _ in range(rng.choice((0, 1, 2, 3, 3, 30)))}


def _value(rng: Random, depth: int) -> Any:
    roll = rng.random()
    if roll < 0.4 or depth < 1:
        return rng.choice(TEXTS)
    if roll < 0.6:
        return rng.choice((None, True, False, *NUMBERS))
    if roll < 0.8:
        return [_value(rng, depth - 1) for _ in range(rng.choice((0, 1, 2)))]
    return _object(rng, depth)
