"""The documents for the benchmarks: those of a folder, or generated ones."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

TEXT = (
    "the model answers with a list of steps, then “quotes” the source and ends. Café, naïve, 東京 🍓 \n\n- **item** "
    '`code` 12.5% of all tokens are short; others, like internationalization, are not. "He said" so.\t'
)
WORDS = tuple(TEXT.split(" "))


def folder(path: Path) -> dict[str, list[bytes]]:
    """Return the lines of each .jsonl or .jsonl.gz file of a folder, by the file's name."""
    found = {}
    for file in sorted(path.glob("*.jsonl*")):
        data = file.read_bytes()
        lines = (gzip.decompress(data) if file.suffix == ".gz" else data).splitlines()
        found[file.name.partition(".")[0]] = [line for line in lines if line.strip()]
    return found


def respelled(lines: list[bytes], message: str) -> list[bytes]:
    """Return the documents in protobuf's own JSON, with full names of enum values, and open members in a field."""
    from google.protobuf import json_format

    import chatpb
    from chatcompletion import v1

    cls = getattr(v1, message)
    return [
        json_format.MessageToJson(chatpb.from_json(line, cls), preserving_proto_field_name=True, indent=None).encode()
        for line in lines
    ]


def generated(size: int) -> bytes:
    """Return a completion of about `size` bytes, made of choices of about one kilobyte."""
    rng = random.Random(size)  # noqa: S311 - nothing secret is made
    choices: list[dict[str, object]] = []
    used = 130
    while used < size or not choices:
        choice = _choice(rng, len(choices), min(900, max(20, size - used - 150)))
        used += len(json.dumps(choice, ensure_ascii=False).encode()) + 2
        choices.append(choice)
    document = {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "gpt-4.1-2025-04-14",
        "choices": choices,
    }
    return json.dumps(document, ensure_ascii=False).encode()


def _choice(rng: random.Random, index: int, content: int) -> dict[str, object]:
    text = ""
    while len(text) < content:
        text += rng.choice(WORDS) + " "
    message: dict[str, object] = {"role": "assistant", "content": text[:content], "refusal": None}
    if index % 5 == 4:
        arguments = json.dumps({"location": "Boston, MA", "unit": rng.choice(["c", "f"])})
        function = {"name": "get_weather", "arguments": arguments}
        message["tool_calls"] = [{"id": f"call_{index}", "type": "function", "function": function}]
    return {"index": index, "message": message, "logprobs": None, "finish_reason": "stop"}
