"""The checks of chatpb's libraries for other languages: each converts as Python does, byte for byte, errors too."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Final

import chatpb
from chatcompletion.v1 import ChatCompletionChunk
from chatpb.streams import Accumulator
from tests.conformance.checks import BATCH, DOCUMENTS, SEED, Check, Result
from tests.conformance.program import Program
from tests.engine.differential import wire
from tests.engine.random_cases.documents import document, mutate
from tests.engine.random_cases.schemas import Random
from tests.engine.random_cases.streams import stream
from tests.support import ALL_VECTORS, JSON_VECTORS

Outcome = tuple[object, ...]
MUTATED: Final = 0.4
"""The share of the texts that are damaged."""


def checks(count: int) -> dict[str, Check]:
    """Return the checks by column. Each but those of the vectors converts so many documents, made from `SEED`."""
    print(f"conversions: documents {SEED} to {SEED + count - 1}", flush=True)
    return {
        "json-wire": _vectors_to_wire,
        "wire-json": _vectors_to_json,
        "errors": _errors(count),
        "validate": _validate(count),
        "accumulate": _accumulate(count),
    }


def ring(programs: dict[str, Program], count: int) -> Iterator[tuple[str, Result]]:
    """Hand documents around, as text and as bytes in turn: each program converts what the one before it made.

    Yields each program's name with its results. What differs from Python goes no further.
    """
    for number in range(0, count, BATCH):
        message_type = DOCUMENTS[number // BATCH % len(DOCUMENTS)]
        forms = dict(_forms(range(SEED + number, SEED + min(number + BATCH, count)), message_type))
        is_text = True
        for name, program in programs.items():
            conversion = "json_to_wire" if is_text else "wire_to_json"
            inputs = [as_text if is_text else as_bytes for as_text, as_bytes in forms.values()]
            outcomes = program.convert(conversion, message_type.DESCRIPTOR.full_name, inputs).outcomes
            is_text = not is_text
            for (seed, (as_text, as_bytes)), outcome in zip([*forms.items()], outcomes, strict=True):
                result = _result(str(seed), _found(outcome), (as_text if is_text else as_bytes,))
                yield name, result
                if result.reason:
                    del forms[seed]


def _forms(seeds: range, message_type: Any) -> Iterator[tuple[int, tuple[bytes, bytes]]]:
    """Yield the text and the bytes of the random document of each seed that is acceptable."""
    for seed in seeds:
        with suppress(chatpb.JsonError):
            printed = chatpb.wire_to_json(
                chatpb.json_to_wire(document(Random(seed), message_type.DESCRIPTOR.name), message_type), message_type
            )
            yield seed, (printed, chatpb.json_to_wire(printed, message_type))


def _vectors_to_wire(program: Program) -> Iterator[Result]:
    for vector in JSON_VECTORS:
        assert vector.input is not None
        found = program.convert("json_to_wire", vector.type.DESCRIPTOR.full_name, [vector.input]).outcomes[0]
        yield _result(vector.name, _found(found), (vector.wire,))


def _vectors_to_json(program: Program) -> Iterator[Result]:
    for vector in ALL_VECTORS:
        name = vector.type.DESCRIPTOR.full_name
        # The JSON of a vector lacks the fields that the contract does not have.
        found = program.convert("wire_to_json", name, [vector.wire], skip_unknown=True).outcomes[0]
        yield _result(vector.name, _found(found), (vector.expected,))


def _errors(count: int) -> Check:
    """Convert random documents, many of them damaged: half of them texts, half of them wire bytes.

    For one half of the wire bytes, unknown fields are skipped.
    """

    def text(rng: Random, message_type: Any) -> bytes:
        made = document(rng, message_type.DESCRIPTOR.name)
        return mutate(rng, made) if rng.random() < MUTATED else made

    def check(program: Program) -> Iterator[Result]:
        yield from _compare(program, "json_to_wire", count // 2, text, chatpb.json_to_wire)
        yield from _compare(program, "wire_to_json", count // 4, _wire, chatpb.wire_to_json)
        skipping = partial(chatpb.wire_to_json, unknown_fields="skip")
        yield from _compare(program, "wire_to_json", count // 4, _wire, skipping, skip_unknown=True)
        yield from _long_numbers(program)

    return check


def _long_numbers(program: Program) -> Iterator[Result]:
    """Print the bytes of each vector with one of them, in turn, as a varint that is 2^32 more: a length that runs past the
    end must not be cut to 32 bits, which is what processors and WebAssembly may do that have no more.
    """
    for vector in ALL_VECTORS:
        wire, message_type = vector.wire, vector.type
        inputs = [
            wire[:at] + bytes([byte | 0x80, 0x80, 0x80, 0x80, 0x10]) + wire[at + 1 :]
            for at, byte in enumerate(wire[:200])
            if byte < 0x80
        ]
        outcomes = program.convert("wire_to_json", message_type.DESCRIPTOR.full_name, inputs).outcomes
        for at, (data, outcome) in enumerate(zip(inputs, outcomes, strict=True)):
            yield _result(
                f"{vector.name}, long {at}", _found(outcome), _expected(chatpb.wire_to_json, data, message_type)
            )


def _validate(count: int) -> Check:
    def violations(data: bytes, message_type: Any) -> object:
        return [dataclasses.asdict(each) for each in chatpb.validate(data, message_type)]

    return lambda program: _compare(program, "validate", count, _wire, violations, json.loads)


def _accumulate(count: int) -> Check:
    def chunks(rng: Random, _: Any) -> bytes:
        return b"\n".join(text for text in stream(rng) if b"\n" not in text)

    def completion(data: bytes, _: Any) -> bytes:
        accumulator = Accumulator()
        for text in data.splitlines():
            accumulator.add_json(text)
        return accumulator.to_json()

    return lambda program: _compare(program, "accumulate", count, chunks, completion, types=[ChatCompletionChunk])


def _wire(rng: Random, message_type: Any) -> bytes:
    return wire(rng, message_type.DESCRIPTOR.name)


def _compare(
    program: Program,
    conversion: str,
    count: int,
    make: Callable[[Random, Any], bytes],
    python: Callable[[bytes, Any], object],
    read: Callable[[bytes], object] = bytes,
    types: list[Any] = DOCUMENTS,
    *,
    skip_unknown: bool = False,
) -> Iterator[Result]:
    """Convert documents of each type in the program and in Python. The number of a document is its seed."""
    for number in range(0, count, BATCH):
        message_type = types[number // BATCH % len(types)]
        seeds = range(SEED + number, SEED + min(number + BATCH, count))
        inputs = [make(Random(seed), message_type) for seed in seeds]
        outcomes = program.convert(
            conversion, message_type.DESCRIPTOR.full_name, inputs, skip_unknown=skip_unknown
        ).outcomes
        for seed, data, outcome in zip(seeds, inputs, outcomes, strict=True):
            yield _result(str(seed), _found(outcome, read), _expected(python, data, message_type))


def _found(outcome: Any, read: Callable[[bytes], object] = bytes) -> Outcome:
    if outcome.HasField("refusal"):
        refusal = outcome.refusal
        return refusal.code, refusal.path, refusal.line, refusal.column, refusal.offset, refusal.reason
    return (read(outcome.output),)


def _expected(python: Callable[[bytes, Any], object], data: bytes, message_type: Any) -> Outcome:
    try:
        return (python(data, message_type),)
    except chatpb.JsonError as error:
        return "json", error.path, error.line, error.column, error.offset, error.reason
    except chatpb.WireError as error:
        return "wire", error.path, 0, 0, error.offset, error.reason


def _result(case: str, found: Outcome, expected: Outcome) -> Result:
    return Result(case, "" if found == expected else f"{found!r:.200}, in Python {expected!r:.200}")
