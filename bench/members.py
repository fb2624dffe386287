"""Measure reading through `chatpb.members`: `python -m bench.members`.

For each runtime that is installed, the time of `members(message)["usage"]["total_tokens"]`, and beside it that of the
runtime's own attributes. The exit status is 1 if a time is above the bound.
"""

from __future__ import annotations

import sys
import timeit
from importlib.util import find_spec
from typing import Any, Final

import chatpb
from bench.__main__ import machine
from chatpb._runtimes import RUNTIMES, generated_class

BOUND: Final = 5.0
"""Microseconds."""
CALLS: Final = 1000
ROUNDS: Final = 100
DOCUMENT: Final = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}'
)
PACKAGES: Final = {"protobuf-py": "protobuf"}
"""The package of a runtime that need not be installed, if it has another name."""


def microseconds(call: Any) -> float:
    """Return the time of a call in the fastest of many rounds."""
    return min(timeit.repeat(call, number=CALLS, repeat=ROUNDS)) / CALLS * 1e6


def main() -> int:
    print(f"{machine()}.\n\n| runtime | `members` µs | at most | attributes µs |\n|---|---:|---:|---:|")
    missed = 0
    for runtime in RUNTIMES:
        if runtime != "google" and not find_spec(PACKAGES.get(runtime, runtime)):
            continue
        message = chatpb.from_json(DOCUMENT, generated_class(runtime, "ChatCompletion"))
        assert chatpb.members(message)["usage"]["total_tokens"] == message.usage.total_tokens
        found = microseconds(lambda message=message: chatpb.members(message)["usage"]["total_tokens"])
        own = microseconds(lambda message=message: message.usage.total_tokens)
        missed += found > BOUND
        print(f"| {runtime} | {found:.2f} | {BOUND:g} | {own:.2f} |", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
