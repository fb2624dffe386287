"""The checks: what a program is asked to do, and how its answers are judged. A check yields a result for each case."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.struct_pb2 import Struct

import chatpb
from chatcompletion import v1
from chatpb._contract.schema import Field, schema_of
from tests.conformance.generated import generate
from tests.conformance.program import Program, ProgramError
from tests.conformance.report import expected_report, lines_of

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parent / "vectors"
GOLDEN = HERE / "golden"
DOCUMENTS: Final[list[Any]] = [
    v1.ChatCompletion,
    v1.ChatCompletionChunk,
    v1.CreateChatCompletionRequest,
    v1.ErrorResponse,
    v1.ChatCompletionRecord,
]
TYPE_NAMES: Final = [message_type.DESCRIPTOR.full_name for message_type in DOCUMENTS]
STRUCT_LEVELS: Final = 24
"""The most levels of nesting that the mapping puts into a Struct."""
SEED: Final = 20240715
BATCH: Final = 250
LINES_READ: Final = ["Hello", "usage is null, not absent", "req_1", "18446744073709551615"]
"""The lines that every program reads from its own golden completion."""


@dataclass(frozen=True)
class Result:
    """The result of one case; it passed if there is no reason."""

    case: str
    reason: str = ""


Check = Callable[[Program], Iterator[Result]]


def read(program: Program) -> Iterator[Result]:
    """Check that the program reports what Python finds in the message of each vector."""
    for vector in _vectors():
        try:
            report = program.rewrite([program.encoded(vector.message, vector.wire)], report=True).reports[0]
        except ProgramError as error:
            yield Result(vector.name, str(error))
            continue
        found, expected = lines_of(report), expected_report(_type(vector.message).FromString(vector.wire))
        same = found == expected
        yield Result(vector.name, "" if same else f"found {sorted(found - expected)}, not {sorted(expected - found)}")


def write(program: Program) -> Iterator[Result]:
    """Check that the program reads and writes each vector so that Python prints the vector's JSON from the bytes."""
    for vector in _vectors():
        try:
            encoded = program.rewrite([program.encoded(vector.message, vector.wire)]).messages[0]
        except ProgramError as error:
            yield Result(vector.name, str(error))
        else:
            # The JSON of a vector lacks the fields that the contract does not have.
            yield _prints(vector.name, vector.message, encoded.wire, vector.expected, "skip")


def native(program: Program) -> Iterator[Result]:
    """Check that the messages which the program builds by hand print as golden JSON, and what it reads from one of them."""
    response = program.build()
    made = {encoded.name: encoded for encoded in response.messages}
    golden = {path.stem: path for path in sorted(GOLDEN.glob("*.json"))}
    for name, path in golden.items():
        if name in made:
            yield _prints(name, made[name].type, made[name].wire, path.read_bytes())
        else:
            yield Result(name, "not built")
    for name in made.keys() - golden.keys():
        yield Result(name, "no golden file")
    lines = list(response.lines)
    yield Result("read", "" if lines == LINES_READ else f"read {lines}")


def depth(program: Program) -> Iterator[Result]:
    """Check that the program carries the deepest Struct of the mapping at the deepest place of every message type."""
    for document in DOCUMENTS:
        for path in _deepest_paths(document.DESCRIPTOR):
            message = document()
            inner = _descend(message, path)
            inner.additional_properties.CopyFrom(_nested(STRUCT_LEVELS))
            case = "/".join([document.DESCRIPTOR.name, *(field.name for field in path)])
            try:
                wire = (
                    program.rewrite([program.encoded(document.DESCRIPTOR.full_name, _wire(message))]).messages[0].wire
                )
            except ProgramError as error:
                yield Result(case, str(error))
            else:
                yield Result(
                    case, "" if document.FromString(wire) == message else "not equal after reading and writing"
                )


def generated(count: int) -> Check:
    """Make a check that the program's messages from pseudo-random numbers equal those of the reference."""

    def check(program: Program) -> Iterator[Result]:
        for first in range(0, count, BATCH):
            for encoded in program.generate(SEED, first, min(BATCH, count - first), TYPE_NAMES).messages:
                same = canonical(encoded) == reference(int(encoded.name))
                yield Result(encoded.name, "" if same else "not the reference's message")

    return check


def ring(programs: dict[str, Program], count: int) -> Iterator[tuple[str, Result]]:
    """Pass the first program's messages around: each program reads what the previous one wrote, and the first reads last.

    Yields each program's name with its results. A program that fails ends the ring.
    """
    names = list(programs)
    for first in range(0, count, BATCH):
        messages = programs[names[0]].generate(SEED, first, min(BATCH, count - first), TYPE_NAMES).messages
        for name in [*names[1:], names[0]]:
            try:
                messages = programs[name].rewrite(messages).messages
            except ProgramError as error:
                yield name, Result("ring", str(error))
                return
            for encoded in messages:
                same = canonical(encoded) == reference(int(encoded.name))
                yield name, Result(encoded.name, "" if same else "not equal after the ring")


@dataclass(frozen=True)
class _Vector:
    name: str
    message: str
    wire: bytes
    expected: bytes


@cache
def _vectors() -> list[_Vector]:
    return [
        _Vector(
            name=folder.name,
            message=json.loads((folder / "case.json").read_text())["message"],
            wire=(folder / "wire.binpb").read_bytes(),
            expected=(folder / "expected.json").read_bytes(),
        )
        for folder in sorted(VECTORS.iterdir())
    ]


@cache
def reference(index: int) -> bytes:
    """Return the canonical bytes of message number `index`."""
    wire: bytes = generate(DOCUMENTS[index % len(DOCUMENTS)], SEED, index).SerializeToString(deterministic=True)
    return wire


def canonical(encoded: Any) -> bytes:
    """Return the bytes of a message, with everything sorted that protobuf leaves unordered."""
    wire: bytes = _type(encoded.type).FromString(encoded.wire).SerializeToString(deterministic=True)
    return wire


def _prints(
    case: str, message: str, wire: bytes, expected: bytes, unknown_fields: Literal["error", "skip"] = "error"
) -> Result:
    """Check that Python prints the bytes as the expected JSON, with equal spelling of values and any order of members."""
    try:
        printed = chatpb.wire_to_json(wire, _type(message), unknown_fields=unknown_fields)
    except chatpb.ChatpbError as error:
        return Result(case, str(error))
    same = _spelled(printed) == _spelled(expected)
    return Result(case, "" if same else f"prints {printed.decode()}")


def _spelled(text: bytes) -> Any:
    return json.loads(text, parse_int=lambda digits: ("number", digits), parse_float=lambda digits: ("number", digits))


def _type(name: str) -> Any:
    return message_factory.GetMessageClass(DOCUMENTS[0].DESCRIPTOR.file.pool.FindMessageTypeByName(name))


def _wire(message: Any) -> bytes:
    wire: bytes = message.SerializeToString(deterministic=True)
    return wire


def _deepest_paths(document: Descriptor) -> Iterator[tuple[Field, ...]]:
    """Yield the longest path of fields to each message type that has additional properties."""
    longest: dict[str, tuple[Field, ...]] = {}

    def visit(descriptor: Descriptor, path: tuple[Field, ...]) -> None:
        schema = schema_of(descriptor)
        if not schema.is_list and len(path) >= len(longest.get(schema.name, ())):
            longest[schema.name] = path
        for field in schema.fields():
            inner = field.map_value if field.map_key else field
            if inner.descriptor.message_type:
                visit(inner.schema.descriptor, (*path, field))

    visit(document, ())
    yield from longest.values()


def _descend(message: Any, path: tuple[Field, ...]) -> Any:
    """Return the message at a path, and create it with the messages on the way."""
    for field in path:
        inner = getattr(message, field.name)
        if field.map_key:
            message = inner["k"]
        elif field.repeated:
            message = inner.add()
        else:
            inner.SetInParent()
            message = inner
    return message


def _nested(levels: int) -> Struct:
    """Return additional properties with one member, an object of `levels` levels."""
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    struct = Struct()
    struct.update({"vendor": value})
    return struct
