"""Write the first inputs of tests/findings: a small one for each kind of error, and for each kind of value in a home.

    python -m tests.make_findings

The inputs are found by changing the golden vectors in thousands of ways. Each is then cut as short as it can be and
still show its kind. Findings of the fuzzers are put beside them by hand. A kind that has a file already gets none.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path

from chatcompletion.v1 import ChatCompletion
from chatpb._contract.schema import schema_of
from chatpb._engine.codec import Codec
from chatpb._errors import JsonError, WireError
from chatpb._tree.read import wire_to_tree
from tests.engine.engines import ENGINES
from tests.engine.random_cases.documents import TOKENS, Documents, mutate
from tests.engine.random_cases.messages import WIRE_TOKENS, Messages
from tests.support import ALL_VECTORS

FINDINGS = Path(__file__).parent / "findings"
TARGETS = ("encode", "decode")
CHANGES = 400
"""Changes tried on each vector."""


def call(codec: Codec, target: str, data: bytes) -> bytes:
    """Return what an engine makes of a fuzzer's input, whose first byte is the options. Raises JsonError or WireError."""
    flags, body = data[0], data[1:]
    if target == "encode":
        return codec.json_to_wire(body, bool(flags & 1), bool(flags & 2))
    return codec.wire_to_json(body, bool(flags & 1), bool(flags & 2), bool(flags & 4))


def kinds(codec: Codec, target: str, data: bytes) -> set[str]:
    """Return the kinds that an input shows: its error, or the homes of its members with the types of their values."""
    try:
        made = call(codec, target, data)
    except (JsonError, WireError) as error:
        return {"error " + re.sub(r"\(.*|, which.*| that chatcompletion.*|[0-9]+", "", error.reason)}
    found = set()
    for message in wire_to_tree(made if target == "encode" else data[1:], ChatCompletion.DESCRIPTOR).messages():
        for name, value in ((each.name, getattr(message, each.name)) for each in fields(message)):
            values = value.values() if isinstance(value, dict) else [value] if value and name != "schema" else []
            found |= {f"home {name} {type(each).__name__}" for each in values}
    return found


def smaller(data: bytes, keeps: Callable[[bytes], bool]) -> bytes:
    """Return the input without every part that it can lose and still be kept."""
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
    """Yield the vectors, changes of them, and generated documents, with several options."""
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
    codec = ENGINES["python"].codec(ChatCompletion.DESCRIPTOR)
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
