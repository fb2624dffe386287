"""Write the first inputs of tests/findings: a small one for every kind of error, and for every kind of home.

    python tests/make_findings.py

They are found by changing the golden vectors in thousands of ways, and made as small as they get while they stay of
their kind. A finding of the fuzzers is put beside them by hand; nothing is written where a kind has a file already.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from chatcompletion.v1 import ChatCompletion
from chatpb._engine import Codec, PythonCodec
from chatpb._errors import JsonError, WireError
from chatpb._python.wire_to_tree import wire_to_tree
from chatpb._schema import schema_of
from chatpb._walk import messages
from conftest import ALL_VECTORS
from random_cases.documents import TOKENS, Documents, mutate
from random_cases.messages import WIRE_TOKENS, Messages

FINDINGS = Path(__file__).parent / "findings"
TARGETS = ("encode", "decode")
CHANGES = 400
"""Changes of each vector that are tried."""


def call(codec: Codec, target: str, data: bytes) -> bytes:
    """What an engine makes of a fuzzer's input: its first byte is the options. Raises JsonError or WireError."""
    flags, body = data[0], data[1:]
    if target == "encode":
        return codec.json_to_wire(body, bool(flags & 1), bool(flags & 2))
    return codec.wire_to_json(body, bool(flags & 1), bool(flags & 2), bool(flags & 4))


def kinds(codec: Codec, target: str, data: bytes) -> set[str]:
    """The error of an input, or the homes that its members are in and the kinds of values there."""
    try:
        made = call(codec, target, data)
    except (JsonError, WireError) as error:
        return {"error " + re.sub(r"\(.*|, which.*| that chatcompletion.*|[0-9]+", "", error.reason)}
    found = set()
    for message in messages(wire_to_tree(made if target == "encode" else data[1:], ChatCompletion.DESCRIPTOR)):
        for name, value in vars(message).items():
            values = value.values() if isinstance(value, dict) else [value] if value and name != "schema" else []
            found |= {f"home {name} {type(each).__name__}" for each in values}
    return found


def smaller(data: bytes, keeps: Callable[[bytes], bool]) -> bytes:
    """The input with all cut out of it that it can do without."""
    size = len(data)
    while size:
        at = 1
        while at < len(data):
            shorter = data[:at] + data[at + size :]
            if keeps(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data


def inputs(target: str) -> Iterator[bytes]:
    """The vectors, changes of them, and generated documents, with several options."""
    rng = random.Random(0)
    tokens = TOKENS if target == "encode" else WIRE_TOKENS
    for vector in ALL_VECTORS:
        body = vector.expected if target == "encode" else vector.wire
        for flags in range(8):
            yield bytes([flags]) + body
        for _ in range(CHANGES):
            yield bytes([rng.choice((0, 0, 7))]) + mutate(rng, body, tokens)
    schema = schema_of(ChatCompletion.DESCRIPTOR)
    for _ in range(10 * CHANGES):
        made = Documents(rng).message(schema).encode() if target == "encode" else Messages(rng).message(schema)
        yield bytes([rng.choice((0, 0, 7))]) + made


def main() -> None:
    codec = PythonCodec(ChatCompletion.DESCRIPTOR)
    for target in TARGETS:
        folder = FINDINGS / target
        folder.mkdir(parents=True, exist_ok=True)
        best: dict[str, bytes] = {}
        for data in inputs(target):
            for kind in kinds(codec, target, data):
                if kind not in best or len(data) < len(best[kind]):
                    best[kind] = data
        for kind, data in sorted(best.items()):
            path = folder / re.sub(r"[^a-z]+", "-", kind.lower()).strip("-")
            if not path.exists():
                path.write_bytes(smaller(data, partial(_is, codec, target, kind)))


def _is(codec: Codec, target: str, kind: str, data: bytes) -> bool:
    return kind in kinds(codec, target, data)


if __name__ == "__main__":
    main()
