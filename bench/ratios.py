"""Compare chatpb's paths with what their work consists of: `python -m bench.ratios [FOLDER] [--budget SECONDS]`.

Each figure is a ratio of two times, which a busy or slow machine changes less than it changes times. Both sides take
turns in one process, over all documents of a kind, and the fastest rounds count. The exit status is 1 if a figure is
above its bound.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import groupby, repeat
from pathlib import Path
from typing import Any, Final

import orjson
import simdjson

import chatpb
from bench import documents
from bench.__main__ import MESSAGES, machine
from chatcompletion import v1
from chatpb.streams import Accumulator

Side = tuple[Any, ...]
"""A function, what to call it with in each round, one after the other, and its other arguments, the same for all."""


@dataclass(frozen=True)
class Figure:
    """A ratio of two times.

    Attributes:
        name: what is divided by what.
        bounds: by kind of document, the highest ratio that is good enough.
        aim: the ratio that it should come to.
        sides: returns what is divided and what it is divided by, for documents of a message class.

    """

    name: str
    bounds: dict[str, float]
    aim: float
    sides: Callable[[list[bytes], type[Any]], tuple[Side, Side]]


def encoding(texts: list[bytes], message: type[Any]) -> tuple[Side, Side]:
    return (chatpb.json_to_wire, texts, message), (simdjson.Parser().parse, texts)


def printing(texts: list[bytes], message: type[Any]) -> tuple[Side, Side]:
    wires = [chatpb.json_to_wire(text, message) for text in texts]
    return (chatpb.wire_to_json, wires, message), (orjson.dumps, [orjson.loads(text) for text in texts])


def strict(texts: list[bytes], message: type[Any]) -> tuple[Side, Side]:
    kept = [text for text in texts if _keeps_contract(text, message)]
    encode = partial(chatpb.json_to_wire, message_type=message)
    return (partial(encode, strict=True), kept), (encode, kept)


def validation(texts: list[bytes], message: type[Any]) -> tuple[Side, Side]:
    messages = [chatpb.from_json(text, message) for text in texts]
    return (chatpb.validate, messages), (chatpb.to_json, messages)


def from_dicts(texts: list[bytes], message: type[Any]) -> tuple[Side, Side]:
    objects = [orjson.loads(text) for text in texts]
    return (chatpb.from_dict, objects, message), (
        lambda obj, message: chatpb.json_to_wire(orjson.dumps(obj), message),
        objects,
        message,
    )


def to_dicts(texts: list[bytes], message: type[Any]) -> tuple[Side, Side]:
    messages = [chatpb.from_json(text, message) for text in texts]
    return (chatpb.to_dict, messages), (lambda message: orjson.loads(chatpb.to_json(message)), messages)


def accumulating(texts: list[bytes], message: type[Any]) -> tuple[Side, Side]:
    """Streams are the runs of chunks with one id."""
    streams = (chunks for _, chunks in groupby(texts, lambda text: orjson.loads(text).get("id")))
    steps = [(chunk, place == 0) for stream in streams for place, chunk in enumerate(stream)]
    accumulator = Accumulator()

    def add(step: tuple[bytes, bool]) -> None:
        nonlocal accumulator
        chunk, is_first = step
        if is_first:
            accumulator = Accumulator()
        accumulator.add_json(chunk)

    return (add, steps), (chatpb.from_json, texts, message)


def _all(bound: float) -> dict[str, float]:
    return dict.fromkeys(MESSAGES, bound)


FIGURES: Final = (
    Figure("`json_to_wire` / simdjson's DOM", _all(1.5), 1.0, encoding),
    Figure("`wire_to_json` / `orjson.dumps`", {"completion": 0.8, "chunk": 0.9, "request": 1.0}, 0.6, printing),
    Figure("`json_to_wire(strict=True)` / `json_to_wire`, where the contract is kept", _all(1.3), 1.1, strict),
    Figure("`validate` / `to_json`", _all(2.0), 1.0, validation),
    Figure("`from_dict` / `orjson.dumps` and `json_to_wire`", _all(2.0), 1.2, from_dicts),
    Figure("`to_dict` / `to_json` and `orjson.loads`", _all(1.3), 0.8, to_dicts),
    Figure("`Accumulator.add_json` / `from_json`, a chunk", {"chunk": 4.0}, 2.0, accumulating),
)


def _keeps_contract(text: bytes, message: type[Any]) -> bool:
    try:
        chatpb.json_to_wire(text, message, strict=True)
    except chatpb.ContractError:
        return False
    return True


def ratio(one: Side, other: Side, budget: float) -> float:
    """Return the time of one side over that of the other, of ten rounds or as many as fit the budget.

    The time of a side is the sum over blocks of its inputs, each as fast as in its fastest round.
    """
    sides = [(function, list(_blocks(inputs)), others) for function, inputs, *others in (one, other)]
    least = [[math.inf] * len(blocks) for _, blocks, _ in sides]
    rounds, spent = 0, 0.0
    while rounds < 10 or spent < budget:
        rounds += 1
        for (function, blocks, others), fastest in zip(sides, least, strict=True):
            for at, block in enumerate(blocks):
                start = time.perf_counter()
                # Without code of Python between the calls, which would count as a part of each.
                deque(map(function, block, *map(repeat, others)), maxlen=0)
                taken = time.perf_counter() - start
                fastest[at], spent = min(fastest[at], taken), spent + taken
    return sum(least[0]) / sum(least[1])


def _blocks(inputs: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield inputs in blocks that take less than a slice of the processor's time."""
    for start in range(0, len(inputs), 100):
        yield inputs[start : start + 100]


def measured(sets: dict[str, list[bytes]], budget: float) -> Iterator[tuple[Figure, str, float]]:
    """Yield each figure with a kind of document and its ratio there."""
    for figure in FIGURES:
        for kind in figure.bounds:
            if kind in sets:
                yield figure, kind, ratio(*figure.sides(sets[kind], getattr(v1, MESSAGES[kind])), budget)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.ratios", description=__doc__)
    parser.add_argument(
        "folder", nargs="?", type=Path, help="a folder of .jsonl or .jsonl.gz files named like their messages"
    )
    parser.add_argument("--budget", type=float, default=0.5, help="seconds for each figure and kind of document")
    arguments = parser.parse_args()
    sets = documents.folder(arguments.folder) if arguments.folder else {}
    sets = sets or {"completion": [documents.generated(size) for size in range(300, 2000, 5)]}
    versions = ", ".join(f"{package} {version(package)}" for package in ("protobuf", "orjson", "pysimdjson"))
    print(f"{machine()}, {versions}.\n\n| figure | documents | ratio | at most | aim |\n|---|---|---:|---:|---:|")
    missed = 0
    for figure, kind, found in measured(sets, arguments.budget):
        missed += found > figure.bounds[kind]
        print(f"| {figure.name} | {kind} | {found:.2f} | {figure.bounds[kind]:g} | {figure.aim:g} |", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
