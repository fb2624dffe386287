"""Both engines on generated and mutated documents and wire strings: equal results, and equal errors.

    python tests/differential.py --count 1000000
    CHATPB_CORPUS=FOLDER python tests/differential.py --truncate

The second cuts every recorded document, and its wire bytes, at every byte. A short run of both is in
tests/test_engines.py. Cases come from a seed alone; a difference prints the seed of its case. Besides the contract's
messages there is one made up here that has every kind of field in every shape and contains itself.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import Any

from chatpb._engine import Codec, PythonCodec, native_codec
from chatpb._errors import JsonError, WireError
from chatpb._schema import schema_of
from random_cases.documents import document, mutate
from random_cases.messages import WIRE_TOKENS, Messages, varint
from random_cases.schemas import RECORDINGS, Random, corpus, descriptor

MESSAGES = (
    "ChatCompletion",
    "ChatCompletionChunk",
    "CreateChatCompletionRequest",
    "ErrorResponse",
    "ChatCompletionRecord",
    "Everything",
)
LONG = 20_000
"""Bytes of a document up to which it is cut everywhere."""


@cache
def codecs(name: str) -> tuple[Codec, Codec]:
    return PythonCodec(descriptor(name)), native_codec(descriptor(name))


def wire(rng: Random, name: str) -> bytes:
    native = codecs(name)[1]
    if rng.random() < 0.5:
        try:
            data = native.json_to_wire(document(rng, name), rng.random() < 0.3, False)
        except JsonError:
            data = b""
    else:
        data = Messages(rng).message(schema_of(descriptor(name)))
    if rng.random() < 0.05:
        data += Messages(rng).message(schema_of(descriptor(name)))
    return mutate(rng, data, WIRE_TOKENS) if rng.random() < 0.3 else data


def outcome(function: Callable[..., bytes], *arguments: Any) -> object:
    """What a call returned, or all that its error says."""
    try:
        return function(*arguments)
    except JsonError as error:
        return (error.path, error.line, error.column, error.offset, error.reason)
    except WireError as error:
        return (error.path, error.offset, error.reason)


def difference(seed: int) -> str | None:
    """How the engines differ on a case, or None."""
    rng = Random(seed)
    name = rng.choice(MESSAGES)
    python, native = codecs(name)
    if rng.random() < 0.5:
        data: Any = document(rng, name)
        if rng.random() < 0.4:
            data = mutate(rng, data)
        canonical, nonfinite = rng.random() < 0.3, rng.random() < 0.3
        given = data
        form = rng.random()
        if form < 0.1:
            given = data.decode("utf-8", "replace")
            if form < 0.01:
                given = given[: rng.randint(0, len(given))] + rng.choice("\ud83d\udfff") + given
        elif form < 0.15:
            given = bytearray(data)
        elif form < 0.2:
            given = memoryview(data)
        if rng.random() < 0.05:
            lines = b"\n".join([data, b" ", document(rng, name).replace(b"\n", b" ")])
            a = outcome(python.json_lines_to_wire, lines, canonical, nonfinite, 1)
            b = outcome(native.json_lines_to_wire, lines, canonical, nonfinite, 2)
        else:
            a = outcome(python.json_to_wire, given, canonical, nonfinite)
            b = outcome(native.json_to_wire, given, canonical, nonfinite)
    else:
        data = wire(rng, name)
        fill, refuse, nonfinite = rng.random() < 0.2, rng.random() < 0.3, rng.random() < 0.3
        if rng.random() < 0.05:
            stream = varint(len(data)) + data + b"\x00" + rng.choice((b"", varint(len(data) + 1) + data, b"\xff" * 11))
            a = outcome(python.wire_to_json_lines, stream, fill, refuse, nonfinite, 1)
            b = outcome(native.wire_to_json_lines, stream, fill, refuse, nonfinite, 2)
        else:
            a = outcome(python.wire_to_json, data, fill, refuse, nonfinite)
            b = outcome(native.wire_to_json, data, fill, refuse, nonfinite)
    if a == b:
        return None
    return f"seed {seed}, {name}\ninput  {data!r}\npython {a!r}\nnative {b!r}"


def truncations(name: str, text: bytes) -> Iterator[str]:
    """How the engines differ on a document cut at every byte, and on its wire bytes cut at every byte."""
    native = codecs(name)[1]
    message = native.json_to_wire(text, False, False)
    for at in _cuts(len(text)):
        yield from _disagreement(name, text[:at], "json_to_wire", False, False)
    for at in _cuts(len(message)):
        yield from _disagreement(name, message[:at], "wire_to_json", False, False, False)


def _cuts(size: int) -> Iterator[int]:
    """Every position; in a document so long that it would take hours, from LONG on only a thousand."""
    yield from range(min(size, LONG))
    yield from range(LONG, size, max(1, (size - LONG) // 1000))


def _disagreement(name: str, data: bytes, function: str, *options: bool) -> Iterator[str]:
    python, native = (outcome(getattr(codec, function), data, *options) for codec in codecs(name))
    if python != native:
        yield f"{name}\ninput  {data!r}\npython {python!r}\nnative {native!r}"


def _share(share: range) -> list[str]:
    return [found for seed in share if (found := difference(seed))]


def _cut(name: str, text: bytes) -> list[str]:
    return list(truncations(name, text))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="seed of the first case")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument(
        "--truncate", metavar="MESSAGE", nargs="*", help="instead, cut recorded documents: of these messages, or of all"
    )
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.jobs) as pool:
        if arguments.truncate is not None:
            names = arguments.truncate or list(RECORDINGS)
            cases = [(name, text) for name in names for text in corpus(name)]
            if not cases:
                parser.error(f"no recorded documents of {' or '.join(names)}: name a folder of them in CHATPB_CORPUS")
            # Documents that are alike cut alike.
            pending = [pool.submit(_cut, *case) for case in dict.fromkeys(cases)]
            return _report((each.result() for each in pending), len(pending), 1, "documents")
        size = 2000
        end = arguments.seed + arguments.count
        shares = [range(start, min(start + size, end)) for start in range(arguments.seed, end, size)]
        return _report(pool.map(_share, shares), arguments.count, size, "cases")


def _report(results: Iterable[list[str]], total: int, size: int, things: str) -> int:
    """Print the first differences, the progress and the sum. The exit status."""
    count = 0
    for done, texts in enumerate(results, 1):
        for text in texts[: max(0, 20 - count)]:
            print(text, flush=True)
        count += len(texts)
        if done * size % 50_000 == 0 or (size == 1 and done % 500 == 0):
            print(f"{done * size} {things}, {count} differences", file=sys.stderr, flush=True)
    print(f"{total} {things}, {count} differences")
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main())
