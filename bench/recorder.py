"""Compare the recorder with plain SQLite that keeps JSON text: `python -m bench.recorder [--count N]`.

Both append equal records in equal batches, one transaction a batch, with a write-ahead log and equal durability, and
both index id and time. Then 5,000 records of random ids are read: as wire bytes from the recorder, and also with
printing them as JSON text, streams with whole chunks. Everything runs in one thread.
"""

from __future__ import annotations

import argparse
import platform
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import chatpb
from bench.records import json_blocks
from chatpb import ChatCompletionRecord, json_lines_to_wire, wire_to_json
from chatpb._records.columns import columns_of
from chatpb._records.parts import compact_record, expand_record
from chatpb.arrow import from_messages
from chatpb.storage import Recorder
from chatpb.storage._recorder import DEFAULT_LEVEL

BATCH = 100
READS = 5_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--count", type=int, default=50_000, help="records to append")
    count = parser.parse_args().count
    texts = list(islice(_lines(count), count))
    wires = [
        compact_record(wire)
        for wire in from_messages(json_lines_to_wire(b"\n".join(texts), ChatCompletionRecord)).to_pylist()
    ]
    ids, times = columns_of(wires, "id", "start_time")
    # Drawn with repetition, since there may be fewer records than reads.
    wanted = random.Random(1).choices([str(id) for id in ids if id], k=READS)  # noqa: S311 - nothing secret is drawn
    size = sum(map(len, texts))
    print(f"{count:,} records of {size / count:.0f} bytes of JSON by {BATCH}; Python {platform.python_version()},")
    print(f"SQLite {sqlite3.sqlite_version}, chatpb {chatpb.engine} engine\n")
    print("| | appends/s | reads/s | reads/s, as JSON | file / JSON |\n|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.db"
        appends = _timed(lambda: _append_plain(plain, texts, ids, times), count)
        reads = _timed(lambda: _read_plain(plain, wanted), READS)
        print(f"| SQLite, JSON text | {appends:,.0f} | | {reads:,.0f} | {plain.stat().st_size / size:.3f} |")
        for level in (3, DEFAULT_LEVEL, 9, 15):
            path = Path(folder) / f"{level}.db"
            appends = _timed(partial(_append, path, level, wires), count)
            reads = _timed(partial(_read, path, wanted), READS)
            printed = _timed(partial(_read, path, wanted, as_json=True), READS)
            name = f"recorder, zstd level {level}{', the default' if level == DEFAULT_LEVEL else ''}"
            print(f"| {name} | {appends:,.0f} | {reads:,.0f} | {printed:,.0f} | {path.stat().st_size / size:.3f} |")


def _lines(count: int) -> Iterator[bytes]:
    for block in json_blocks(count):
        yield from block.splitlines()


def _timed(work: Callable[[], None], count: int) -> float:
    """Return how many of `count` things are done in a second."""
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


def _append_plain(path: Path, texts: list[bytes], ids: Sequence[object], times: Sequence[object]) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("CREATE TABLE records(seq INTEGER PRIMARY KEY, id TEXT, time INTEGER, body TEXT)")
        connection.execute("CREATE INDEX by_id ON records(id)")
        connection.execute("CREATE INDEX by_time ON records(time)")
        rows = zip(ids, times, (text.decode() for text in texts), strict=True)
        while batch := list(islice(rows, BATCH)):
            connection.executemany("INSERT INTO records(id, time, body) VALUES (?, ?, ?)", batch)
            connection.commit()
    connection.close()


def _read_plain(path: Path, ids: list[str]) -> None:
    connection = sqlite3.connect(path)
    for id in ids:
        (body,) = connection.execute("SELECT body FROM records WHERE id = ?", (id,)).fetchone()
        assert body
    connection.close()


def _append(path: Path, level: int, wires: list[bytes]) -> None:
    with Recorder(path, level=level) as recorder:
        for start in range(0, len(wires), BATCH):
            recorder.append(wires[start : start + BATCH])


def _read(path: Path, ids: list[str], as_json: bool = False) -> None:
    with Recorder(path, read_only=True) as recorder:
        for id in ids:
            record = recorder.get(id)
            assert record
            if as_json:
                wire_to_json(expand_record(record), ChatCompletionRecord)


if __name__ == "__main__":
    main()
