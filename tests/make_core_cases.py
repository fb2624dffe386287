"""Write what the reference engine makes of small random cases, so that the core's own tests compare it with the reference.

    python -m tests.make_core_cases [FOLDER]

It writes a folder of adapters/core/tests, or the one that is given: the descriptors of two message types, the columns that
are read, and a line for each case, of a function's name, the type, its options as bits, the input and the outcome, both in
hexadecimal. An outcome is `=` and the result, or `!` and the parts of the error, each behind a byte that no text of theirs
has. `tests/engine/instruction_sets.py` changes the same cases to many more.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate as accumulated
from itertools import chain, pairwise
from pathlib import Path

from chatcompletion.v1 import ChatCompletionChunk
from chatpb._contract.descriptor_set import descriptor_set_of
from chatpb._contract.schema import schema_of
from chatpb._engine import reference
from chatpb._engine.codec import Codec
from chatpb._errors import ContractError, JsonError, Violation, WireError
from chatpb._wire.write import delimited, varint
from tests.engine.differential import COLUMNS_OF, RECORD_STREAM
from tests.engine.random_cases.documents import document, mutate
from tests.engine.random_cases.messages import WIRE_TOKENS, Messages
from tests.engine.random_cases.schemas import Random, descriptor, everything
from tests.engine.random_cases.streams import completion, stream
from tests.support import ROOT

FOLDER = ROOT / "adapters/core/tests/reference"
COUNT = 300
"""Cases of each function."""
MOST = 160
"""Bytes of an input. Those of an outcome may be twice as many."""
SPLIT_SIZES = (None, 1, 2, 7)

Outcome = Callable[[], bytes | list[Violation]]
Case = tuple[str, int, bytes, Outcome]
"""A type, options, an input, and what the reference makes of it."""


def encode(rng: Random, name: str) -> Case:
    options = rng.randrange(8)
    text = document(rng, name)
    text = mutate(rng, text) if rng.random() < 0.4 else text
    flags = (options & 1 > 0, options & 2 > 0, options & 4 > 0)
    return name, options, text, partial(codec(name).json_to_wire, text, *flags)


def print_wire(rng: Random, name: str) -> Case:
    options, wire = rng.randrange(8), message(rng, name)
    flags = (options & 1 > 0, options & 2 > 0, options & 4 > 0)
    return name, options, wire, partial(codec(name).wire_to_json, wire, *flags)


def validate(rng: Random, name: str) -> Case:
    options, wire = rng.randrange(2), message(rng, name)
    return name, options, wire, partial(codec(name).validate_wire, wire, options > 0)


def lines(rng: Random, name: str) -> Case:
    options, given = rng.randrange(8), texts(rng, name)
    flags = (options & 1 > 0, options & 2 > 0, 1, options & 4 > 0)
    return name, options, given, partial(codec(name).json_lines_to_wire, given, *flags)


def text_rows(rng: Random, name: str) -> Case:
    options, given = 2 * rng.randrange(2), texts(rng, name)
    rows = array_of(given.split(b"\n"))
    return name, options, given, lambda: messages_of(*codec(name).json_to_wire_rows(*rows, options > 0, 1))


def messages(rng: Random, name: str) -> Case:
    options, given = rng.randrange(8), b"".join(map(with_length, wires(rng, name)))
    given = mutate(rng, given, WIRE_TOKENS) if rng.random() < 0.1 else given
    flags = (options & 1 > 0, options & 2 > 0, options & 4 > 0)
    return name, options, given, partial(codec(name).wire_to_json_lines, given, *flags, 1)


def wire_rows(rng: Random, name: str) -> Case:
    options, rows = 2 * rng.randrange(4), wires(rng, name)
    flags = (options & 2 > 0, options & 4 > 0)
    given = b"".join(map(with_length, rows))
    return name, options, given, lambda: messages_of(*codec(name).wire_to_json_rows(*array_of(rows), *flags, 1))


def columns(rng: Random, _name: str) -> Case:
    name = rng.choice(list(COLUMNS_OF))
    rows = wires(rng, name)
    reader = reference.column_reader(descriptor(name), COLUMNS_OF[name])
    given = b"".join(map(with_length, rows))
    return name, 0, given, lambda: b"|".join(chain.from_iterable(reader.of_array(*array_of(rows), 1)))


def texts(rng: Random, name: str) -> bytes:
    """Return lines, most of which are documents. One may be cut in two."""
    made = [document(rng, name).replace(b"\n", b" ") for _ in range(rng.randint(1, 3))]
    given = b"\n".join([*made, rng.choice((b"", b" \t\r", b"{}"))])
    return mutate(rng, given) if rng.random() < 0.3 else given


def wires(rng: Random, name: str) -> list[bytes]:
    return [message(rng, name) for _ in range(rng.randint(0, 3))]


def array_of(rows: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return rows as an array: their bytes and their offsets."""
    return b"".join(rows), array("q", accumulated(map(len, rows), initial=0)).tobytes()


def messages_of(data: bytes, offsets: bytes) -> bytes:
    """Return the rows of an array, each after its length."""
    return b"".join(with_length(data[start:end]) for start, end in pairwise(array("q", offsets)))


def with_length(row: bytes) -> bytes:
    return varint(len(row)) + row


def accumulate(rng: Random, _name: str) -> Case:
    chunks = b"\n".join(printed(text) for text in stream(rng))

    def outcome() -> bytes:
        accumulator = codec("ChatCompletionChunk").accumulator(True, True)
        for line in chunks.split(b"\n"):
            accumulator.add(codec("ChatCompletionChunk").json_to_wire(line, False, True))
        return accumulator.json()

    return "ChatCompletionChunk", 0, chunks, outcome


def split(rng: Random, _name: str) -> Case:
    options = rng.randrange(2 * len(SPLIT_SIZES))
    text = printed(completion(rng), "ChatCompletion")
    size, with_last = SPLIT_SIZES[options >> 1], options & 1 > 0
    return (
        "ChatCompletionChunk",
        options,
        text,
        lambda: b"\n".join(codec("ChatCompletionChunk").split(text, size, with_last)),
    )


def expand(rng: Random, _name: str) -> Case:
    chunks = [codec("ChatCompletionChunk").json_to_wire(printed(text), False, True) for text in stream(rng)]
    made = codec("ChatCompletionChunk").compact_stream(chunks)
    made = mutate(rng, made, WIRE_TOKENS) if rng.random() < 0.3 else made
    return (
        "ChatCompletionChunk",
        0,
        made,
        lambda: b"\n".join(each.hex().encode() for each in codec("ChatCompletionChunk").expand_stream(made)),
    )


def compact(rng: Random, _name: str) -> Case:
    chunks = [codec("ChatCompletionChunk").json_to_wire(printed(text), False, True) for text in stream(rng)]
    # Many chunks of few fields, which may be there twice, or bits that are written as zero.
    few = [b"\x0a\x01a", b"\x0a\x01b", b"\x10\x05", b"\x68\x00", b"\x68\x80\x02", b"\x70\x00", b"\x70\x08", b"\x7a\x00"]
    if rng.random() < 0.7:
        chunks = [b"".join(rng.sample(few, rng.randint(0, 4))) for _ in range(rng.randint(0, 6))]
    given = b"".join(map(with_length, chunks))
    return "ChatCompletionChunk", 0, given, lambda: codec("ChatCompletionChunk").compact_stream(chunks)


def record(rng: Random, _name: str) -> Case:
    """Records of a stream in pieces, with fields around it and other fields in it: compact, or whole."""
    _, _, chunks, _ = compact(rng, "")
    stored = rng.choice(
        (expand(rng, "")[2], b"".join(b"\x12" + chunks[at : at + 1 + chunks[at]] for at in starts(chunks)))
    )
    stored += rng.choice((b"", b"", b"\x1a\x01x", b"\x20\x07"))
    half = rng.randint(0, len(stored)) if rng.random() < 0.1 else len(stored)
    around = (b"", b"\x10\x07", b"\x62\x01p")
    pieces = [delimited(bytes([RECORD_STREAM]), piece) for piece in (stored[:half], stored[half:]) if piece]
    given = rng.choice(around) + rng.choice(around).join(pieces) + rng.choice(around)
    rows = array("q", [0, len(given)]).tobytes()
    options = rng.randrange(2)
    chunk = codec("ChatCompletionChunk")
    convert = chunk.compact_records if options else chunk.expand_records
    return "ChatCompletionChunk", options, given, lambda: convert(given, rows, RECORD_STREAM, 1)[0]


def starts(messages: bytes) -> Iterator[int]:
    """Yield where the length of each message is, which is one byte."""
    at = 0
    while at < len(messages):
        yield at
        at += 1 + messages[at]


FUNCTIONS = {
    "encode": encode,
    "print": print_wire,
    "validate": validate,
    "lines": lines,
    "text_rows": text_rows,
    "messages": messages,
    "wire_rows": wire_rows,
    "columns": columns,
    "accumulate": accumulate,
    "split": split,
    "expand": expand,
    "compact": compact,
    "record": record,
}


def codec(name: str) -> Codec:
    return reference.codec(descriptor(name))


def message_type(rng: Random) -> str:
    """Return one of the types that have every kind of field."""
    return rng.choice(("Everything", "Everything", "Everything", "Envelope"))


def message(rng: Random, name: str) -> bytes:
    wire = Messages(rng).message(schema_of(descriptor(name)))
    return mutate(rng, wire, WIRE_TOKENS) if rng.random() < 0.3 else wire


def printed(text: bytes, name: str = "ChatCompletionChunk") -> bytes:
    """Return JSON text as an engine prints it."""
    return codec(name).wire_to_json(codec(name).json_to_wire(text, False, True), False, False, True)


def told(outcome: Outcome) -> bytes:
    """Return an outcome as a case has it."""
    try:
        found = outcome()
    except JsonError as error:
        return parts(error.path, error.line, error.column, error.offset, error.reason)
    except WireError as error:
        return parts(error.path, error.offset, error.reason)
    except ContractError as error:
        return parts(*(part for each in error.violations for part in (each.path, each.rule, each.message)))
    if isinstance(found, bytes):
        return b"=" + found
    return parts(*(part for each in found for part in (each.path, each.rule, each.message)))


def parts(*all_parts: object) -> bytes:
    return b"!" + b"\xff".join(str(part).encode() for part in all_parts)


def column_lines() -> Iterator[str]:
    """Yield a line for each column that is read: the message type, the type of its values, and its sources."""
    for name, columns in COLUMNS_OF.items():
        for column in columns:
            yield f"column {name} {column.type} {','.join(column.sources)}\n"


def cases() -> Iterator[str]:
    """Yield the lines of all cases."""
    for function, make in FUNCTIONS.items():
        seen: set[bytes] = set()
        seed = 0
        while len(seen) < COUNT:
            seed += 1
            rng = Random(seed)
            try:
                name, options, given, outcome = make(rng, message_type(rng))
                if len(given) > MOST or given in seen:
                    continue
                expected = told(outcome)
            except (JsonError, WireError, UnicodeEncodeError):
                continue
            if len(expected) <= 2 * MOST:
                seen.add(given)
                yield f"{function} {name} {options} {given.hex()} {expected.hex()}\n"


def write(folder: Path) -> None:
    """Write the descriptors and the cases to a folder."""
    folder.mkdir(exist_ok=True)
    (folder / "everything.binpb").write_bytes(descriptor_set_of(everything().file, ChatCompletionChunk.DESCRIPTOR.file))
    (folder / "cases.txt").write_text("".join([*column_lines(), *cases()]))


if __name__ == "__main__":
    # Recorded documents are not for everybody to see.
    os.environ.pop("CHATPB_CORPUS", None)
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    write(folder)
    print(f"{len(FUNCTIONS) * COUNT} cases in {folder}")
