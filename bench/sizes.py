"""What records weigh in each form: `python -m bench.sizes [--corpus FOLDER] [--count N]` prints a Markdown table.

Each column is one kind of documents: recorded completions, streams and requests, and generated records. Bytes are
divided by those of compact JSON lines (UTF-8, no insignificant whitespace). Whole files are compressed by zstd level 19
in one frame; record by record each record is a frame of its own, with a dictionary trained on the other half.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import random
import tempfile
from collections.abc import Callable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final

import msgpack
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

import chatpb
from bench.records import json_blocks
from chatpb import ChatCompletionRecord, json_to_wire
from chatpb.arrow import to_messages
from chatpb.storage import _forms, compact_record
from chatpb.storage._bodies import Bodies, train
from chatpb.storage._documents import ONLY, Wrapper

LEVEL: Final = 19
SPLITS: Final = 5
BATCH: Final = 100

Kind = tuple[str, list[bytes], list[bytes]]
"""A name, units of compact JSON (lines; of a stream those of its chunks), and the wire bytes of their records."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--corpus", type=Path, help="folder of completion.jsonl.gz, chunk.jsonl.gz and request.jsonl.gz"
    )
    parser.add_argument("--count", type=int, default=20_000, help="generated records")
    arguments = parser.parse_args()
    kinds = [*(_recorded(arguments.corpus) if arguments.corpus else ()), _generated(arguments.count)]
    zstd = ".".join(map(str, zstandard.ZSTD_VERSION))
    print(f"Python {platform.python_version()}, pyarrow {pa.__version__}, zstd {zstd}\n")
    print("| form | " + " | ".join(name for name, *_ in kinds) + " |")
    print("|---|" + "---:|" * len(kinds))
    totals = [sum(len(unit) + 1 for unit in units) for _, units, _ in kinds]
    print("| compact JSON lines, bytes | " + " | ".join(f"{total:,}" for total in totals) + " |")
    for name, measure in FORMS.items():
        sizes = [measure(units, records) / total for (_, units, records), total in zip(kinds, totals, strict=True)]
        print(f"| {name} | " + " | ".join(f"{size:.3f}" for size in sizes) + " |", flush=True)


def _recorded(folder: Path) -> Iterator[Kind]:
    for file, kind in (("completion", "response"), ("chunk", "chunk"), ("request", "request")):
        with gzip.open(folder / f"{file}.jsonl.gz") as lines:
            texts = [_compact(line) for line in lines if line.strip()]
        wrapper = Wrapper(ONLY[kind])
        records = [*wrapper.records(json_to_wire(text, ONLY[kind]) for text in texts), *wrapper.rest()]
        if kind == "chunk":
            texts = [b"\n".join(group) for _, group in groupby(texts, key=lambda text: json.loads(text).get("id"))]
        yield f"{len(records)} recorded {'streams' if kind == 'chunk' else file + 's'}", texts, records


def _generated(count: int) -> Kind:
    texts = list(islice((line for block in json_blocks(count) for line in block.splitlines()), count))
    return (
        f"{count:,} generated records",
        texts,
        [compact_record(json_to_wire(text, ChatCompletionRecord)) for text in texts],
    )


def _compact(text: bytes) -> bytes:
    return json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _zstd(data: bytes) -> int:
    return len(zstandard.ZstdCompressor(level=LEVEL).compress(data))


def _lines(units: list[bytes]) -> bytes:
    return b"".join(unit + b"\n" for unit in units)


def _packed(units: list[bytes]) -> list[bytes]:
    # An integer beyond 64 bits, which msgpack lacks, goes as text.
    text: Callable[[Any], Any] = str
    return [b"".join(_pack(json.loads(line), text) for line in unit.splitlines()) for unit in units]


def _pack(value: Any, text: Callable[[Any], Any]) -> bytes:
    try:
        packed: bytes = msgpack.packb(value, default=text, unicode_errors="surrogatepass")
    except OverflowError:
        packed = msgpack.packb(json.dumps(value))
    return packed


def _json_parquet(units: list[bytes]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.parquet"
        table = pa.table({"json": pa.array(units, pa.binary())})
        pq.write_table(
            table, path, compression="zstd", compression_level=LEVEL, use_dictionary=False, data_page_size=64 << 20
        )
        return path.stat().st_size


def _form(name: str, level: int | None = None) -> Callable[[list[bytes], list[bytes]], int]:
    def measure(_: list[bytes], records: list[bytes]) -> int:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            # As traffic comes: a recorder trains its dictionary between appends.
            batches = (records[start : start + BATCH] for start in range(0, len(records), BATCH))
            _forms.write(str(path), (pa.array(batch, pa.large_binary()) for batch in batches), level=level)
            return path.stat().st_size

    return measure


def _one_by_one(records: list[bytes], level: int) -> int:
    """Bytes of all bodies, each compressed with a dictionary that its half did not train; the mean of some halvings."""
    total = 0.0
    for seed in range(SPLITS):
        shuffled = random.Random(seed).sample(records, len(records))  # noqa: S311 - no secret
        halves = shuffled[::2], shuffled[1::2]
        for own, other in (halves, halves[::-1]):
            bodies = Bodies(level)
            bodies.add(1, train(other[:20_000]))
            total += sum(len(bodies.compress(record, 1)) for record in own)
    return round(total / SPLITS)


FORMS: Final[dict[str, Callable[[list[bytes], list[bytes]], int]]] = {
    "JSON lines, zstd 19": lambda units, _: _zstd(_lines(units)),
    "msgpack, zstd 19": lambda units, _: _zstd(b"".join(_packed(units))),
    "Parquet of JSON text, zstd 19": lambda units, _: _json_parquet(units),
    "`.binpbs`": lambda _, records: len(to_messages(pa.array(records, pa.large_binary()))),
    "`.binpbs`, zstd 19": lambda _, records: _zstd(to_messages(pa.array(records, pa.large_binary()))),
    "`.parquet`, level 9": _form("x.parquet"),
    "`.parquet`, level 22": _form("x.parquet", 22),
    "`.db`, the whole file": _form("x.db"),
    "one by one, msgpack, zstd 19": lambda units, _: sum(map(_zstd, _packed(units))),
    "one by one, dictionary, level 3": lambda _, records: _one_by_one(records, 3),
    "one by one, dictionary, level 15": lambda _, records: _one_by_one(records, 15),
    "one by one, dictionary, level 19": lambda _, records: _one_by_one(records, 19),
}


if __name__ == "__main__":
    print(f"chatpb {chatpb.engine} engine; ", end="")
    main()
