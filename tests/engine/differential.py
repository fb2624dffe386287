"""Compare the engines on generated and damaged documents and messages: equal results, and equal errors.

    python -m tests.engine.differential --count 1000000
    python -m tests.engine.differential --count 1000000 --only dict
    CHATPB_CORPUS=FOLDER python -m tests.engine.differential --truncate

The last command cuts every recorded document, and its wire bytes, at every byte. tests/engine/test_engines.py has a
short run of each. A case is made from its seed alone, which is printed with a difference. `CASES` has the entry points:
JSON text, wire bytes, validation, lines, dicts, rows of arrays, the framing of messages and rows, columns, and streams,
whose chunks are put together and made compact, and completions that are split. Cases are of every message type of the contract, those of whole documents
more often, and of two made for this test: one has every kind of field in every shape and contains itself, one is an
envelope.
"""

from __future__ import annotations

import argparse
import os
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import accumulate, repeat
from typing import Any

from chatcompletion import v1
from chatcompletion.v1 import ChatCompletionRecord
from chatpb._contract.schema import schema_of
from chatpb._engine.codec import ChunkAccumulator, Codec, Column, ColumnReader
from chatpb._errors import ContractError, JsonError, WireError
from chatpb._records.columns import COLUMNS
from chatpb._wire.write import delimited, varint
from tests.engine.engines import ENGINES, codecs_of
from tests.engine.random_cases.dicts import make_default, python_object
from tests.engine.random_cases.documents import document, mutate
from tests.engine.random_cases.messages import WIRE_TOKENS, Messages
from tests.engine.random_cases.schemas import RECORDINGS, Random, corpus, descriptor
from tests.engine.random_cases.streams import completion, stream
from tests.support import DOCUMENTS

EVERY_MESSAGE = tuple(
    name
    for name, made in vars(v1).items()
    if hasattr(made, "DESCRIPTOR") and "null_fields" in getattr(made.DESCRIPTOR, "fields_by_name", ())
)
RECORD_STREAM = ChatCompletionRecord.DESCRIPTOR.fields_by_name["stream"].number << 3 | 2
"""The tag of a record's stream."""
COLUMNS_OF = {
    "ChatCompletionRecord": COLUMNS,
    "Everything": (
        Column("string", "string", ("one_string", "one_enum", "one_message.one_string")),
        Column("integer", "integer", ("one_int64", "one_int32")),
        Column("number", "number", ("one_double", "x_extra", "cost")),
        Column("strings", "strings", ("many_string", "many_message.one_enum", "envelopes.one_string")),
        Column("present", "present", ("one_message", "envelope")),
    ),
}
SHARE = 1000
"""Cases that a process takes at a time."""
LONG = 20_000
"""Bytes up to which a document is cut at every byte."""


@cache
def codecs(name: str) -> list[Codec]:
    """Return the codecs of a message type: the reference's, and the native engine's, which must be built."""
    return codecs_of(descriptor(name))


@cache
def column_readers(name: str) -> list[ColumnReader]:
    """Return the readers of both engines for the columns of a message type."""
    return [engine.column_reader(descriptor(name), COLUMNS_OF[name]) for engine in ENGINES.values()]


def message_type(rng: Random) -> str:
    """Return the name of a message type."""
    return rng.choice((*DOCUMENTS, "Everything", "Envelope", rng.choice(EVERY_MESSAGE)))


def wire(rng: Random, name: str) -> bytes:
    """Return wire bytes of a message type, most of them valid."""
    _, native = codecs(name)
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


def outcome(function: Callable[..., object], *arguments: Any) -> object:
    """Return what a call returned, or all that its error says."""
    try:
        return function(*arguments)
    except JsonError as error:
        return (error.path, error.line, error.column, error.offset, error.reason)
    except WireError as error:
        return (error.path, error.offset, error.reason)
    except ContractError as error:
        return error.violations
    except (TypeError, RuntimeError, ValueError) as error:
        return (type(error), str(error))


def dict_difference(rng: Random) -> str | None:
    """Return how the engines differ on a dict in both directions, or None."""
    name = message_type(rng)
    engines = codecs(name)
    given = python_object(rng, name)
    default = make_default if rng.random() < 0.3 else None
    options = rng.random() < 0.3, rng.random() < 0.3, rng.random() < 0.2
    a, b = (outcome(codec.dict_to_wire, given, default, *options) for codec in engines)
    if a == b:
        given = wire(rng, name)
        flags = rng.random() < 0.2, rng.random() < 0.3, rng.random() < 0.5
        # The text of a dict shows the order of its members, and the sign of zero.
        a, b = (repr(outcome(codec.wire_to_dict, given, *flags)) for codec in engines)
    return compared(name, given, a, b)


def stream_difference(rng: Random) -> str | None:
    """Return how the engines differ on a stream and a completion, or None."""
    name = "ChatCompletionChunk" if rng.random() < 0.8 else message_type(rng)
    _, native = codecs(name)
    texts = stream(rng) if name == "ChatCompletionChunk" else [document(rng, name) for _ in range(rng.randint(1, 4))]
    nonfinite = rng.random() < 0.3
    made = [outcome(native.json_to_wire, text, False, True) for text in texts]
    wires = [each for each in made if isinstance(each, bytes)]
    wires = [mutate(rng, each, WIRE_TOKENS) if rng.random() < 0.02 else each for each in wires]
    options, copied = (rng.random() < 0.7, nonfinite), rng.randint(0, len(wires))
    a, b = (accumulated(codec.accumulator(*options), wires, copied) for codec in codecs(name))
    if a != b:
        return compared(f"{name}, accumulator, copied before chunk {copied}", wires, a, b)
    compacts = [outcome(codec.compact_stream, wires) for codec in codecs(name)]
    stored = compacts[1] if isinstance(compacts[1], bytes) else b""
    stored = mutate(rng, stored, WIRE_TOKENS) if rng.random() < 0.3 else stored
    expanded = [outcome(codec.expand_stream, stored) for codec in codecs(name)]
    if compacts[0] != compacts[1] or expanded[0] != expanded[1]:
        return f"{name}, compact\ninput  {wires!r}, {stored!r}\nengines {compacts!r} {expanded!r}"
    whole = outcome(codecs("ChatCompletion")[1].json_to_wire, completion(rng), False, True)
    text = codecs("ChatCompletion")[1].wire_to_json(whole, False, False, True) if isinstance(whole, bytes) else b"{}"
    size, last = rng.choice((None, None, 1, 2, 7, sys.maxsize)), rng.random() < 0.8
    python, own = (list(codec.split(text, size, last)) for codec in codecs(name))
    return compared("split", text, python, own)


def accumulated(accumulator: ChunkAccumulator, wires: list[bytes], copied: int) -> list[object]:
    """Return what an accumulator has after each chunk, and the errors of those that it refuses.

    It is copied before one of the chunks. What the copy has after that chunk and those before it, the latest first,
    follows, and what is then in the one that was copied.
    """
    found: list[object] = []
    copy = accumulator
    for at, wire in enumerate(wires):
        if at == copied:
            copy = accumulator.copy()
        found.append((outcome(accumulator.add, wire), accumulator.json()))
    found += [(outcome(copy.add, wire), copy.json()) for wire in reversed(wires[: copied + 1])]
    return [*found, accumulator.json()]


def rows_difference(rng: Random) -> str | None:
    """Return how the engines differ on the rows of arrays, or None."""
    name = message_type(rng)
    nonfinite, refuse_unknown = rng.random() < 0.3, rng.random() < 0.3
    function = rng.choice(("json_to_wire_rows", "wire_to_json_rows", "compact_records", "expand_records"))
    if function == "json_to_wire_rows":
        given = many(rng, lambda: document(rng, name))
        options: tuple[int, ...] = (nonfinite,)
    elif function == "wire_to_json_rows":
        given, options = many(rng, lambda: wire(rng, name)), (refuse_unknown, nonfinite)
    else:
        name = "ChatCompletionChunk"
        given, options = many(rng, lambda: record_with_stream(rng)), (RECORD_STREAM,)
    made = [
        outcome(getattr(codec, function), *given, *options, threads)
        for codec, threads in zip(codecs(name), (1, 2), strict=True)
    ]
    return compared(f"{name}, {function}", given, *made)


def many(rng: Random, make: Callable[[], bytes]) -> tuple[bytes, bytes]:
    """Return an array of rows, and its offsets, few of which do not fit."""
    rows = some(rng, make)
    offsets = array("q", accumulate(map(len, rows), initial=0))
    if rng.random() < 0.02:
        offsets[rng.randrange(len(offsets))] += rng.choice((-1, 1, 1000))
    return b"".join(rows), offsets.tobytes()[: rng.choice((-1, -8)) if rng.random() < 0.02 else None]


def some(rng: Random, make: Callable[[], bytes]) -> list[bytes]:
    """Return rows, which are few but repeat. In some of them one row is damaged."""
    few = [make() for _ in range(rng.randint(1, 3))]
    rows = few * (rng.choice((100, 300)) if rng.random() < 0.03 else 1)
    if rng.random() < 0.3:
        at = rng.randrange(len(rows))
        rows[at] = mutate(rng, rows[at])
    return rows


def framing_difference(rng: Random) -> str | None:
    """Return how the engines differ on messages that each follow their length, or on such rows of arrays, or None."""
    names = ("rows_of_messages", "messages_of_rows", "fields_of_rows", "expanded_sizes", "whole_messages")
    function = rng.choice(names)

    def row() -> bytes:
        return rng.randbytes(rng.choice((0, 1, 2, 63, 127, 128, 129, 300, 16383, 16384)))

    given: tuple[object, ...] = many(rng, (lambda: record_with_stream(rng)) if function == "expanded_sizes" else row)
    if function == "expanded_sizes":
        given += (RECORD_STREAM,)
    elif function == "fields_of_rows":
        given += (rng.choice((2, 10, 122, 130, RECORD_STREAM, 2**14 + 2, 2**32 - 6)),)
    elif function != "messages_of_rows":
        messages = b"".join(delimited(b"", each) for each in some(rng, row))
        given = (mutate(rng, messages, WIRE_TOKENS) if rng.random() < 0.3 else messages,)
        if function == "whole_messages":
            given += (rng.choice((0, 1, 127, 128, 300, 16384, 2**31, sys.maxsize)),)
    return compared(function, given, *(outcome(getattr(engine, function), *given) for engine in ENGINES.values()))


def record_with_stream(rng: Random) -> bytes:
    """Return the wire bytes of a record, most of them with a stream."""
    _, native = codecs("ChatCompletionChunk")
    made = [outcome(native.json_to_wire, text, False, True) for text in stream(rng)]
    chunks = [each for each in made if isinstance(each, bytes)]
    compact = outcome(native.compact_stream, chunks) if rng.random() < 0.5 else None
    data = compact if isinstance(compact, bytes) else b"".join(delimited(b"\x12", chunk) for chunk in chunks)
    return wire(rng, "ChatCompletionRecord") + (delimited(bytes([RECORD_STREAM]), data) if rng.random() < 0.9 else b"")


def column_difference(rng: Random) -> str | None:
    """Return how the engines differ on columns, or None."""
    name = rng.choice(list(COLUMNS_OF))

    def row() -> bytes:
        return record_with_stream(rng) if name != "Everything" else wire(rng, name)

    given: Any = some(rng, row) if rng.random() < 0.3 else many(rng, row)
    a, b = (
        outcome(reader.of_messages, given) if isinstance(given, list) else outcome(reader.of_array, *given, threads)
        for reader, threads in zip(column_readers(name), (1, 2), strict=True)
    )
    return compared(f"{name}, columns", given, a, b)


def document_difference(rng: Random) -> str | None:
    """Return how the engines differ on a JSON text, or None."""
    name = message_type(rng)
    given: Any = document(rng, name)
    if rng.random() < 0.4:
        given = mutate(rng, given)
    form = rng.random()
    if form < 0.1:
        given = given.decode("utf-8", "replace")
        if form < 0.01:
            given = given[: rng.randint(0, len(given))] + rng.choice("\ud83d\udfff") + given
    elif form < 0.15:
        given = bytearray(given)
    elif form < 0.2:
        given = memoryview(given)
    options = rng.random() < 0.3, rng.random() < 0.3, rng.random() < 0.5
    return compared(name, given, *(outcome(codec.json_to_wire, given, *options) for codec in codecs(name)))


def message_difference(rng: Random) -> str | None:
    """Return how the engines differ on wire bytes that become JSON text, or None."""
    name = message_type(rng)
    given = wire(rng, name)
    options = rng.random() < 0.2, rng.random() < 0.3, rng.random() < 0.3
    return compared(name, given, *(outcome(codec.wire_to_json, given, *options) for codec in codecs(name)))


def validation_difference(rng: Random) -> str | None:
    """Return how the engines differ on the violations of wire bytes, or None."""
    name = message_type(rng)
    given, strict = wire(rng, name), rng.random() < 0.3
    return compared(name, given, *(outcome(codec.validate_wire, given, strict) for codec in codecs(name)))


def lines_difference(rng: Random) -> str | None:
    """Return how the engines differ on JSON lines, or on messages each after its length, or None."""
    name = message_type(rng)
    nonfinite = rng.random() < 0.3
    if rng.random() < 0.5:
        texts = document(rng, name), b" ", document(rng, name).replace(b"\n", b" ")
        given, canonical, strict = b"\n".join(texts), rng.random() < 0.3, rng.random() < 0.3
        if rng.random() < 0.3:
            given = mutate(rng, given)
        made = [
            outcome(codec.json_lines_to_wire, given, canonical, nonfinite, threads, strict)
            for codec, threads in zip(codecs(name), (1, 2), strict=True)
        ]
    else:
        data = wire(rng, name)
        rest = rng.choice((b"", b"", varint(len(data)) + data, varint(len(data) + 1) + data, b"\xff" * 11))
        given = varint(len(data)) + data + b"\x00" + rest
        options = rng.random() < 0.2, rng.random() < 0.3, nonfinite
        made = [
            outcome(codec.wire_to_json_lines, given, *options, threads)
            for codec, threads in zip(codecs(name), (1, 2), strict=True)
        ]
    return compared(name, given, *made)


def compared(name: str, given: object, python: object, native: object) -> str | None:
    return None if python == native else f"{name}\ninput  {given!r}\npython {python!r}\nnative {native!r}"


CASES: dict[str, tuple[float, Callable[[Random], str | None]]] = {
    "document": (0.24, document_difference),
    "message": (0.2, message_difference),
    "validation": (0.15, validation_difference),
    "lines": (0.1, lines_difference),
    "stream": (0.1, stream_difference),
    "dict": (0.1, dict_difference),
    "rows": (0.05, rows_difference),
    "columns": (0.05, column_difference),
    "framing": (0.01, framing_difference),
}
"""The entry points: the share of each in the cases, and how the engines differ on a case of it."""


def entry_point(seed: int, entry: str | None = None) -> tuple[str, Random]:
    """Return the entry point of the case of a seed, unless one is given, and the random numbers of the case."""
    rng = Random(seed)
    [drawn] = rng.choices(list(CASES), [share for share, _ in CASES.values()])
    return entry or drawn, rng


def difference(seed: int, entry: str | None = None) -> str | None:
    """Return how the engines differ on the case of a seed, of one entry point if it is given, or None."""
    entry, rng = entry_point(seed, entry)
    found = CASES[entry][1](rng)
    return found and f"seed {seed}, {entry}, {found}"


def truncations(name: str, text: bytes) -> Iterator[str]:
    """Yield how the engines differ on a document cut at every byte, and on its wire bytes cut at every byte."""
    _, native = codecs(name)
    message = native.json_to_wire(text, False, False)
    for at in _cuts(len(text)):
        yield from _disagreement(name, text[:at], "json_to_wire", False, False)
    for at in _cuts(len(message)):
        yield from _disagreement(name, message[:at], "wire_to_json", False, False, False)
        yield from _disagreement(name, message[:at], "validate_wire", False)


def _cuts(size: int) -> Iterator[int]:
    """Yield every position up to LONG, then a thousand: to cut a long document everywhere would take hours."""
    yield from range(min(size, LONG))
    yield from range(LONG, size, max(1, (size - LONG) // 1000))


def _disagreement(name: str, data: bytes, function: str, *options: bool) -> Iterator[str]:
    python, native = (outcome(getattr(codec, function), data, *options) for codec in codecs(name))
    if python != native:
        yield f"{name}\ninput  {data!r}\npython {python!r}\nnative {native!r}"


def _share(share: range, only: str | None) -> tuple[list[str], Counter[str]]:
    found = (difference(seed, only) for seed in share)
    return [each for each in found if each], Counter(entry_point(seed, only)[0] for seed in share)


def _cut(name: str, text: bytes) -> tuple[list[str], Counter[str]]:
    return list(truncations(name, text)), Counter(documents=1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="seed of the first case")
    parser.add_argument("--only", choices=CASES, help="cases of this entry point alone")
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
            # Equal documents need to be cut once.
            pending = [pool.submit(_cut, *case) for case in dict.fromkeys(cases)]
            return _report(each.result() for each in pending)
        end = arguments.seed + arguments.count
        shares = [range(start, min(start + SHARE, end)) for start in range(arguments.seed, end, SHARE)]
        return _report(pool.map(_share, shares, repeat(arguments.only)))


def _report(results: Iterable[tuple[list[str], Counter[str]]]) -> int:
    """Print the first differences, the counts now and then, and in the end. Return the exit status."""
    differences = 0
    counts = Counter[str]()
    for texts, more in results:
        for text in texts[: max(0, 20 - differences)]:
            print(text, flush=True)
        differences += len(texts)
        before = counts.total()
        counts += more
        if before // 10_000 != counts.total() // 10_000:
            print(f"{counts.total()} cases, {differences} differences", file=sys.stderr, flush=True)
    print(f"{', '.join(f'{count} {entry}' for entry, count in sorted(counts.items()))}: {differences} differences")
    return int(differences > 0)


if __name__ == "__main__":
    sys.exit(main())
