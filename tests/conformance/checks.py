"""What a program is asked to do, and how its answers are judged. A check gives a result for each of its cases."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.struct_pb2 import Struct

import chatpb
from chatcompletion import v1
from chatpb._schema import Field, schema_of
from conformance.generated import generate
from conformance.program import Program, ProgramError
from conformance.report import expected_report, lines_of

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
"""The levels of nesting that the mapping puts into a Struct at most."""
SEED: Final = 20240715
BATCH: Final = 250
LINES_READ: Final = ["Hello", "usage is null, not absent", "req_1", "18446744073709551615"]
"""What every program reads from its own golden completion."""


@dataclass(frozen=True)
class Result:
    """How one case went; no reason means that it passed."""

    case: str
    reason: str = ""


Check = Callable[[Program], Iterator[Result]]


def read(program: Program) -> Iterator[Result]:
    """Each vector: the program reports what Python finds in the message."""
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
    """Each vector: of the bytes that the program writes after reading, Python prints the vector's JSON."""
    for vector in _vectors():
        try:
            encoded = program.rewrite([program.encoded(vector.message, vector.wire)]).messages[0]
        except ProgramError as error:
            yield Result(vector.name, str(error))
        else:
            yield _prints(vector.name, vector.message, encoded.wire, vector.expected)


def native(program: Program) -> Iterator[Result]:
    """Messages that the program builds by hand, against golden JSON; and what it reads from one of them."""
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
    """A vendor member as deep as the mapping nests it in a Struct, in every message type, where that is deepest."""
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
    """Messages from pseudo-random numbers are those of the reference."""

    def check(program: Program) -> Iterator[Result]:
        for first in range(0, count, BATCH):
            for encoded in program.generate(SEED, first, min(BATCH, count - first), TYPE_NAMES).messages:
                same = canonical(encoded) == reference(int(encoded.name))
                yield Result(encoded.name, "" if same else "not the reference's message")

    return check


def ring(programs: dict[str, Program], count: int) -> Iterator[tuple[str, Result]]:
    """The first program's messages go around: each program reads what the one before it wrote, the first one last.

    The results are each program's; a program that fails ends the ring.
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
    """Message number `index`, as canonical bytes."""
    wire: bytes = generate(DOCUMENTS[index % len(DOCUMENTS)], SEED, index).SerializeToString(deterministic=True)
    return wire


def canonical(encoded: Any) -> bytes:
    """The bytes of a message with what protobuf leaves unordered sorted."""
    wire: bytes = _type(encoded.type).FromString(encoded.wire).SerializeToString(deterministic=True)
    return wire


def _prints(case: str, message: str, wire: bytes, expected: bytes) -> Result:
    """Python prints the bytes as the expected JSON: the same members and spelling, whatever the order of members."""
    try:
        printed = chatpb.wire_to_json(wire, _type(message))
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
    """The longest path of fields to each message type that has additional properties."""
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
    """The message at a path, made with those on the way."""
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
    """Additional properties with one member, an object of so many levels."""
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    struct = Struct()
    struct.update({"vendor": value})
    return struct
