"""Measure the size of records in each form: `python -m bench.sizes [--corpus FOLDER] [--count N]` prints a table.

Each column is one kind of documents: recorded completions, streams and requests; a sample of generated records with
texts as long as measured, with and without repeated text; and many generated records with short texts. Sizes are
fractions of the size of compact JSON lines (UTF-8, no insignificant whitespace). A whole file is one zstd frame. One by
one, each record is a frame of its own, with a dictionary trained on the other half. Memory is bounded, since many
records are read from files. The forms that take longest are left out of the last column.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final

import msgpack
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

import chatpb
from bench import chart
from bench.records import SCALE, json_blocks, wires_of
from chatpb import storage
from chatpb._contract.documents import RECORD_DOCUMENTS
from chatpb._files.refusals import Refusals
from chatpb.arrow import SCHEMA, to_messages
from chatpb.storage._batch import Batch
from chatpb.storage._forms import write_records
from chatpb.storage._record_compression import RecordCompression, train_dictionary

BATCH: Final = 1000
SINGLES: Final = 20_000
"""Records, the first of a kind, that are compressed one by one."""


@dataclass
class Kind:
    """Documents of one kind, in files on this machine.

    Attributes:
        name: the heading of its column.
        units: the compact JSON line of each document, or the lines of a stream's chunks.
        records: batches of the wire bytes of their records.
        many: whether there are so many documents that the slowest forms are left out.

    """

    name: str
    units: Callable[[], Iterator[bytes]]
    records: Callable[[], Iterator[list[bytes]]]
    many: bool = False

    def size(self) -> int:
        return sum(len(unit) + 1 for unit in self.units())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--corpus", type=Path, help="folder of completion.jsonl.gz, chunk.jsonl.gz and request.jsonl.gz"
    )
    parser.add_argument("--count", type=int, default=0, help="generated records with short texts")
    parser.add_argument("--sample", type=int, default=10_000, help="generated records with texts as long as measured")
    parser.add_argument(
        "--chart", type=Path, help="a chart of that sample, or of the first kind without it, and its figures"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kinds = list(_kinds(Path(folder), arguments.corpus, arguments.sample, arguments.count))
        shares = _print(kinds)
    if arguments.chart:
        sampled = (kind.name for kind in kinds if kind.name.startswith(f"{arguments.sample:,} generated"))
        _chart(next(sampled, kinds[0].name), shares).write(arguments.chart)


def _chart(kind: str, shares: dict[str, dict[str, float]]) -> chart.Chart:
    rows = [("JSON lines", 1.0), *((form.replace("`", ""), found[kind]) for form, found in shares.items())]
    bars = [(form, round(share, 3)) for form, share in rows if share]
    return chart.Chart(kind, "size over that of compact JSON lines", "less", 3, bars, [".", "one by one, dictionary"])


def _kinds(folder: Path, corpus: Path | None, sample: int, count: int) -> Iterator[Kind]:
    if corpus:
        yield from _recorded(corpus)
    if sample:
        yield _generated(f"{sample:,} generated records", folder / "a", json_blocks(sample, scale=1))
        yield _generated(f"{sample:,} generated, all text new", folder / "b", json_blocks(sample, scale=1, fresh=True))
    if count:
        many = _generated(f"{count:,} generated, {SCALE} of the text", folder / "c", json_blocks(count))
        yield replace(many, many=True)


def _print(kinds: list[Kind]) -> dict[str, dict[str, float]]:
    """Print the table, and return the fraction for each form and each kind; 0 where it was left out."""
    shares: dict[str, dict[str, float]] = {}
    zstd = ".".join(map(str, zstandard.ZSTD_VERSION))
    print(f"Python {platform.python_version()}, pyarrow {pa.__version__}, zstd {zstd}\n")
    print("| form | " + " | ".join(kind.name for kind in kinds) + " |")
    print("|---|" + "---:|" * len(kinds))
    totals = [kind.size() for kind in kinds]
    print("| compact JSON lines, bytes | " + " | ".join(f"{total:,}" for total in totals) + " |", flush=True)
    for name, measure in FORMS.items():
        print(f"| {name} ", end="", flush=True)
        for kind, total in zip(kinds, totals, strict=True):
            share = 0.0 if kind.many and name in LONG else measure(kind) / total
            shares.setdefault(name, {})[kind.name] = share
            print(f"| {share:.4f} " if share else "| ", end="", flush=True)
        print("|", flush=True)
    return shares


def _recorded(folder: Path) -> Iterator[Kind]:
    for file, kind in (("completion", "response"), ("chunk", "chunk"), ("request", "request")):
        with gzip.open(folder / f"{file}.jsonl.gz") as lines:
            units = [_compact(line) for line in lines if line.strip()]
        with storage.open(folder / f"{file}.jsonl.gz", message_type=RECORD_DOCUMENTS[kind]) as opened:
            records = [record.wire for record in opened]
        if kind == "chunk":
            units = [b"\n".join(group) for _, group in groupby(units, key=lambda text: json.loads(text).get("id"))]
        name = f"{len(records)} recorded {'streams' if kind == 'chunk' else file + 's'}"
        yield Kind(name, partial(iter, units), partial(iter, [records]))


def _generated(name: str, path: Path, blocks: Iterable[bytes]) -> Kind:
    with path.open("wb") as file:
        file.writelines(blocks)

    def units() -> Iterator[bytes]:
        with path.open("rb") as file:
            yield from (line.rstrip(b"\n") for line in file)

    def records() -> Iterator[list[bytes]]:
        with path.open("rb") as file:
            while lines := list(islice(file, BATCH)):
                yield wires_of(b"".join(lines))

    return Kind(name, units, records)


def _compact(text: bytes) -> bytes:
    return json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _zstd(pieces: Iterable[bytes], level: int, many: bool) -> int:
    # Several threads give up to a hundredth more bytes.
    compressor = zstandard.ZstdCompressor(level=level, threads=2 if many else 0).compressobj()
    return sum(len(compressor.compress(piece)) for piece in pieces) + len(compressor.flush())


def _lines(level: int) -> Callable[[Kind], int]:
    return lambda kind: _zstd((unit + b"\n" for unit in kind.units()), level, kind.many)


def _msgpack(level: int) -> Callable[[Kind], int]:
    return lambda kind: _zstd(map(_packed, kind.units()), level, kind.many)


def _packed(unit: bytes) -> bytes:
    return b"".join(_pack(json.loads(line)) for line in unit.splitlines())


def _pack(value: Any) -> bytes:
    try:
        packed: bytes = msgpack.packb(value, unicode_errors="surrogatepass")
    except OverflowError:
        # msgpack has no integers beyond 64 bits; as text they keep their digits.
        packed = msgpack.packb(json.dumps(value))
    return packed


def _messages(kind: Kind) -> Iterator[bytes]:
    return (to_messages(pa.array(batch, pa.large_binary())) for batch in kind.records())


def _compressed_messages(level: int) -> Callable[[Kind], int]:
    return lambda kind: _zstd(_messages(kind), level, kind.many)


def _json_parquet(level: int) -> Callable[[Kind], int]:
    """Write Parquet as chatpb does: groups of at most 64 MB, and one page for each."""
    schema = pa.schema([("json", pa.binary())])
    options = {"compression_level": level, "use_dictionary": False, "data_page_size": 64 << 20, "store_schema": False}

    def measure(kind: Kind) -> int:
        units = kind.units()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.parquet"
            with pq.ParquetWriter(path, schema, compression="zstd", **options) as writer:
                while group := list(_until(units, 64 << 20)):
                    writer.write_table(pa.table([pa.array(group, pa.binary())], schema), row_group_size=len(group))
            return path.stat().st_size

    return measure


def _until(units: Iterator[bytes], size: int) -> Iterator[bytes]:
    while size > 0 and (unit := next(units, None)) is not None:
        yield unit
        size -= len(unit)


def _form(name: str, level: int | None = None, columns: Sequence[str] | None = None) -> Callable[[Kind], int]:
    def measure(kind: Kind) -> int:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            # In small batches, as traffic comes, since a recorder trains its dictionary between appends.
            batches = (batch[at : at + 100] for batch in kind.records() for at in range(0, len(batch), 100))
            made = (Batch(pa.array(batch, pa.large_binary()), str) for batch in batches)
            write_records(str(path), made, Refusals(), columns=columns, level=level)
            return path.stat().st_size

    return measure


def _one_by_one(level: int) -> Callable[[Kind], float]:
    """Return the bytes of all records, compressed with a dictionary of the other half; the mean of some halvings."""

    def measure(kind: Kind) -> float:
        records = list(islice((record for batch in kind.records() for record in batch), SINGLES))
        splits = max(1, 2_000 // len(records))
        found = 0
        for seed in range(splits):
            shuffled = random.Random(seed).sample(records, len(records))  # noqa: S311 - no secret
            halves = shuffled[::2], shuffled[1::2]
            for own, other in (halves, halves[::-1]):
                compression = RecordCompression(level)
                dictionary = train_dictionary(other)
                if dictionary:
                    compression.add_dictionary(1, dictionary)
                found += sum(len(compression.compress(record, 1 if dictionary else 0)) for record in own)
        return found / splits * _times_as_large(kind, len(records))

    return measure


def _msgpack_one_by_one(kind: Kind) -> float:
    units, compressor = list(islice(kind.units(), SINGLES)), zstandard.ZstdCompressor(level=19)
    return sum(len(compressor.compress(_packed(unit))) for unit in units) * _times_as_large(kind, len(units))


def _times_as_large(kind: Kind, count: int) -> float:
    """Return how many times as large as its first units a kind is."""
    return kind.size() / sum(len(unit) + 1 for unit in islice(kind.units(), count))


FORMS: Final[dict[str, Callable[[Kind], float]]] = {
    "JSON lines, zstd 19": _lines(19),
    "msgpack, zstd 19": _msgpack(19),
    "Parquet of JSON text, zstd 19": _json_parquet(19),
    "`.binpbs`, zstd 19": _compressed_messages(19),
    "`.parquet`, level 19": _form("x.parquet", 19),
    "`.parquet`, level 22": _form("x.parquet", 22),
    "`.parquet` without the two ids, level 22": _form("x.parquet", 22, [*set(SCHEMA.names) - {"id", "request_id"}]),
    "`.parquet` with `wire` alone, level 22": _form("x.parquet", 22, []),
    "JSON lines, zstd 9": _lines(9),
    "msgpack, zstd 9": _msgpack(9),
    "Parquet of JSON text, zstd 9": _json_parquet(9),
    "`.binpbs`, zstd 9": _compressed_messages(9),
    "`.parquet`, level 9, the default": _form("x.parquet", 9),
    "`.binpbs`": lambda kind: sum(map(len, _messages(kind))),
    "`.db`, the whole file, level 6": _form("x.db", 6),
    "`.db`, the whole file, level 15": _form("x.db", 15),
    "one by one, msgpack, zstd 19": _msgpack_one_by_one,
    "one by one, dictionary, level 3": _one_by_one(3),
    "one by one, dictionary, level 6": _one_by_one(6),
    "one by one, dictionary, level 15": _one_by_one(15),
}
LONG: Final = {
    "msgpack, zstd 19",
    "Parquet of JSON text, zstd 19",
    "`.binpbs`, zstd 19",
    "`.parquet`, level 22",
    "`.parquet` without the two ids, level 22",
    "`.parquet` with `wire` alone, level 22",
    "`.db`, the whole file, level 15",
}


if __name__ == "__main__":
    print(f"chatpb {chatpb.engine} engine; ", end="")
    main()
