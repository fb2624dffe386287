"""Generate records like those of a gateway for many applications: `python -m bench.records COUNT > records.jsonl`.

Every run with a count gives the same records. What is modelled, and why:

- Words and phrases are as frequent as in a language (`bench.words`). The new text of each question and answer is drawn
  anew, so no two answers are alike.
- On average conversations have two turns, questions 50 words and answers 160, as measured in a million conversations
  (LMSYS-Chat-1M, Zheng et al. 2023: 69.5 and 214.5 tokens). `scale` multiplies these lengths. It is a quarter by
  default, to keep a million records small.
- Text that clients repeat is repeated: an application's system prompt and list of tools; the history of a conversation,
  which is whole in each of its requests; and, in a tenth of the conversations, three passages of a knowledge base of
  20,000, each of about 1,000 characters, popular ones often (Zipf). A conversation stays within a block, so its history
  is never far back; a passage may be repeated after any time.
- Shares are those of recorded traffic: of 100 requests 30 stream, 30 have a system prompt and 29 have tools.
- Assumed, not measured: the share and the number of passages, 40 prompts and 12 lists of tools, latencies (log-normal),
  token counts of prompts (even), 3 errors of 100. Ids and a part of each time are random.

With `--fresh` all texts of messages are drawn anew, at the same lengths: no history, passage or prompt is repeated.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import orjson

from bench.vendors import MODELS, Json, Vendor, random_id
from bench.words import LANGUAGES, Words
from chatpb import ChatCompletionRecord, json_lines_to_wire
from chatpb.arrow import compact_records, from_messages

__all__ = ["BLOCK", "SCALE", "json_blocks", "wire_blocks", "wires_of"]

BLOCK: Final = 1000
"""Records of a block."""

START: Final = 1_764_547_200_000_000
MONTH: Final = 30 * 86_400_000_000
PASSAGES: Final = 20_000
SCALE: Final = 0.25

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
_TEAMS: Final = ("search", "support", "agents", "mobile")
_STATUSES: Final = ((429, "rate_limit_exceeded", "requests"), (400, "context_length_exceeded", "invalid_request_error"))


@cache
def _fixed() -> tuple[list[str], list[list[Json]]]:
    """Return the system prompts and the lists of tools of all applications."""
    words, draw = Words(1), random.Random(1)  # noqa: S311 - nothing secret is made
    prompts = [words.text(draw.randint(8, 120)) for _ in range(40)]
    return prompts, [[_tool(name, words) for name in draw.sample(_TOOLS, 3)] for _ in range(12)]


def _tool(name: str, words: Words) -> Json:
    parameters = {
        "type": "object",
        "properties": {"query": {"type": "string", "description": words.text(9)}, "limit": {"type": "integer"}},
        "required": ["query"],
    }
    return {"type": "function", "function": {"name": name, "description": words.text(14), "parameters": parameters}}


@cache
def _passage(number: int) -> str:
    return Words(10**9 + number).text(120 + number * 7919 % 100)


@dataclass
class _Talk:
    """A conversation: the members that all its requests have, and the messages so far."""

    model: str
    vendor: Vendor
    language: int
    turns: int
    peer: str
    members: Json = field(default_factory=dict)
    labels: Json = field(default_factory=dict)
    messages: list[Json] = field(default_factory=list)


class _Maker:
    """A generator of the records of one block."""

    def __init__(self, seed: int, fresh: bool, scale: float) -> None:
        self._draw = random.Random(seed)  # noqa: S311
        self._words = Words(seed)
        self._fresh = fresh
        self._scale = scale
        self._prompts, self._tools = _fixed()

    def records(self, starts: list[int]) -> Iterator[Json]:
        """Make records with these start times: the turns of some conversations, in a random order."""
        turns: list[_Talk] = []
        while len(turns) < len(starts):
            talk = self._talk()
            turns += [talk] * talk.turns
        self._draw.shuffle(turns)
        return map(self._record, starts, turns)

    def _talk(self) -> _Talk:
        draw = self._draw
        model, vendor = draw.choice(MODELS)
        peer = f"10.0.{draw.randrange(4)}.{int(draw.paretovariate(0.8)) % 250}"
        turns = 1 if draw.random() < 0.6 else 2 + int(draw.expovariate(0.5))
        talk = _Talk(model, vendor, draw.choice(LANGUAGES), turns, peer)
        system = [draw.choice(self._prompts)] if draw.random() < 0.3 else []
        if draw.random() < 0.1:
            system += [_passage(int(PASSAGES ** draw.random())) for _ in range(3)]
        if system:
            talk.messages.append({"role": "system", "content": "\n\n".join(system)})
        talk.members = {"temperature": draw.choice((0, 0.2, 0.7, 1)), "max_tokens": 1024}
        if draw.random() < 0.3:
            talk.members |= {"stream": True, "stream_options": {"include_usage": True}}
        if draw.random() < 0.29:
            talk.members["tools"] = draw.choice(self._tools)
        if draw.random() < 0.5:
            talk.labels = {"env": "prod", "team": draw.choice(_TEAMS)}
        return talk

    def _record(self, start: int, talk: _Talk) -> Json:
        draw = self._draw
        question = {"role": "user", "content": self._words.text(self._length(3.5), talk.language)}
        messages = [*talk.messages, question]
        if self._fresh:
            messages = [{**message, "content": self._again(message["content"], talk)} for message in messages]
        request: Json = {"model": talk.model, "messages": messages, **talk.members}
        latency = int(draw.lognormvariate(14, 0.7))
        record: Json = {"start_time": start, "request_id": f"req_{draw.randbytes(16).hex()}", "request": request}
        if draw.random() < 0.03:
            record |= self._error()
            latency //= 20
        else:
            calls = "tools" in talk.members and draw.random() < 0.4
            message, pieces = self._answer(talk, calls)
            record["status"] = 200
            if "stream" in talk.members:
                record["first_token_time"] = start + latency // draw.randint(3, 12)
                record["stream"] = {"chunks": self._chunks(start, talk.model, message, pieces)}
            else:
                record["response"] = self._completion(start, talk, message)
            talk.messages += [question, message]
            talk.messages += [self._result(talk, call) for call in message.get("tool_calls", ())]
        record |= {"end_time": start + latency, "peer": talk.peer}
        return record | ({"labels": talk.labels} if talk.labels else {})

    def _again(self, text: str | None, talk: _Talk) -> str | None:
        language = talk.language if text and not text.isascii() else 0
        return text and self._words.text(len(text) if language == 2 else text.count(" ") + 1, language)

    def _error(self) -> Json:
        status, code, kind = self._draw.choice(_STATUSES)
        message = f"{self._words.text(12)} {self._draw.randint(1000, 200_000)} {self._words.text(6)}"
        return {"status": status, "error": {"error": {"message": message, "type": kind, "param": None, "code": code}}}

    def _length(self, middle: float) -> int:
        """Draw a number of words with the median e to the power of `middle`, times the scale."""
        return 1 + int(self._draw.lognormvariate(middle, 0.9) * self._scale)

    def _answer(self, talk: _Talk, calls: bool) -> tuple[Json, list[str]]:
        """Make an assistant's message, and the pieces that a stream brings its text in."""
        if calls:
            made = [self._call() for _ in range(self._draw.choice((1, 1, 1, 2)))]
            return {"role": "assistant", "content": None, "tool_calls": made}, []
        text = self._words.text(self._length(4.67), talk.language)
        return {"role": "assistant", "content": text}, self._split(text)

    def _split(self, text: str) -> list[str]:
        at, pieces = 0, []
        while at < len(text):
            size = self._draw.randint(4, 24)
            pieces.append(text[at : at + size])
            at += size
        return pieces

    def _call(self) -> Json:
        draw = self._draw
        arguments = orjson.dumps({"query": self._words.text(draw.randint(2, 8)), "limit": draw.randint(1, 50)}).decode()
        function = {"name": draw.choice(_TOOLS), "arguments": arguments}
        return {"id": f"call_{random_id(draw, 18)}", "type": "function", "function": function}

    def _result(self, talk: _Talk, call: Json) -> Json:
        return {"role": "tool", "tool_call_id": call["id"], "content": self._words.text(self._length(3), talk.language)}

    def _usage(self, answer: Json) -> Json:
        draw = self._draw
        prompt, completion = draw.randint(40, 4000), len(answer["content"] or "") // 4 + draw.randrange(9)
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}

    def _completion(self, start: int, talk: _Talk, message: Json) -> Json:
        draw = self._draw
        reason = "tool_calls" if "tool_calls" in message else draw.choice(("stop",) * 12 + ("length", "eos"))
        answer = dict(message)
        choice = {"index": 0, "message": answer, "logprobs": None, "finish_reason": reason}
        completion: Json = {
            "id": f"chatcmpl-{random_id(draw, 21)}",
            "object": "chat.completion",
            "created": start // 1_000_000,
            "model": talk.model,
            "choices": [choice],
            "usage": self._usage(message),
        }
        talk.vendor(completion, choice, answer, draw, self._words)
        return completion

    def _chunks(self, start: int, model: str, message: Json, pieces: list[str]) -> list[Json]:
        deltas: list[tuple[Json, str | None]] = [({"role": "assistant", "content": "", "refusal": None}, None)]
        deltas += [({"content": piece}, None) for piece in pieces]
        for index, call in enumerate(message.get("tool_calls", ())):
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            begun = {**call, "index": index, "function": {"name": name, "arguments": ""}}
            deltas.append(({"tool_calls": [begun]}, None))
            parts = (arguments[at : at + 6] for at in range(0, len(arguments), 6))
            deltas += [({"tool_calls": [{"index": index, "function": {"arguments": part}}]}, None) for part in parts]
        # Some streams break off.
        if self._draw.random() > 0.03:
            deltas.append(({}, "stop" if pieces else "tool_calls"))
        head = {
            "id": f"chatcmpl-{random_id(self._draw, 21)}",
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
            chunks.append({**head, "choices": [], "usage": self._usage(message)})
        return chunks


def json_blocks(count: int, first: int = 0, *, fresh: bool = False, scale: float = SCALE) -> Iterator[bytes]:
    """Yield the JSON lines of `count` records, BLOCK at a time, with times spread over 30 days.

    Args:
        count: how many records there are.
        first: the number of the first block to yield.
        fresh: draw every text of a message anew.
        scale: the length of texts; 1 is as measured.

    """
    step = max(MONTH // count, 1)
    for number in range(first, -(-count // BLOCK)):
        maker, clock = _Maker(number + 2, fresh, scale), random.Random(f"times {number}")  # noqa: S311
        rows = range(number * BLOCK, min(count, (number + 1) * BLOCK))
        starts = [START + row * MONTH // count + clock.randrange(step) for row in rows]
        yield b"".join(orjson.dumps(record) + b"\n" for record in maker.records(starts))


def wire_blocks(count: int, first: int = 0) -> Iterator[list[bytes]]:
    """Yield the records of `json_blocks` as wire bytes with compact streams."""
    return map(wires_of, json_blocks(count, first))


def wires_of(lines: bytes) -> list[bytes]:
    """Return the records in JSON lines as wire bytes with compact streams."""
    found: list[bytes] = compact_records(from_messages(json_lines_to_wire(lines, ChatCompletionRecord))).to_pylist()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.records", description=__doc__.split("\n\n")[0])
    parser.add_argument("count", type=int, help="how many records")
    parser.add_argument("--fresh", action="store_true", help="draw every text anew")
    parser.add_argument("--scale", type=float, default=SCALE, help="the length of texts; 1 is as measured")
    arguments = parser.parse_args()
    for block in json_blocks(arguments.count, fresh=arguments.fresh, scale=arguments.scale):
        sys.stdout.buffer.write(block)


if __name__ == "__main__":
    main()
