"""Measure export and import on one core and on two: `python -m bench.copies [--count N]` prints a Markdown table.

Generated records are copied from form to form as `chatpb export` and `chatpb import` do, each time in a new process
that may use one or two cores. The speed is in megabytes of JSON lines, however small the file is. The better of two
rounds counts.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import pyarrow as pa
import zstandard

import chatpb
from bench.records import json_blocks

ROUNDS: Final = 2
CORES: Final = (1, 2)

# Each pair makes a file that later pairs read.
PAIRS: Final = (
    ("x.jsonl", "x.jsonl.zst"),
    ("x.jsonl", "x.db"),
    ("x.jsonl.zst", "x.db"),
    ("x.jsonl", "x.parquet"),
    ("x.jsonl.zst", "x.parquet"),
    ("x.jsonl", "x.binpbs.zst"),
    ("x.db", "x.parquet"),
    ("x.db", "y.jsonl"),
    ("x.parquet", "y.jsonl"),
    ("x.parquet", "y.db"),
    ("x.parquet", "y.binpbs.zst"),
    ("x.binpbs.zst", "y.parquet"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--count", type=int, default=50_000, help="records")
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        with open("x.jsonl", "wb") as file:
            file.writelines(json_blocks(count))
        size = Path("x.jsonl").stat().st_size
        zstd = ".".join(map(str, zstandard.ZSTD_VERSION))
        print(f"{count:,} records, {size / count:.0f} bytes of JSON each; Python {platform.python_version()},", end=" ")
        print(f"pyarrow {pa.__version__}, zstd {zstd}, chatpb {chatpb.engine} engine\n")
        print("| from | to | 1 core, MB/s | 2 cores, MB/s | times as fast |\n|---|---|---:|---:|---:|")
        for source, target in PAIRS:
            one, two = (min(_seconds(source, target, cores) for _ in range(ROUNDS)) for cores in CORES)
            forms = (f"`{name[1:]}`" for name in (source, target))
            print(f"| {' | '.join(forms)} | {size / one / 1e6:.0f} | {size / two / 1e6:.0f} | {one / two:.2f} |")
        os.chdir("/")


def _seconds(source: str, target: str, cores: int) -> float:
    context = get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=lambda: queue.put(_copy(source, target, cores)))
    process.start()
    process.join()
    return float(queue.get())


def _copy(source: str, target: str, cores: int) -> float:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    # Imported here, so that no library has started a thread before the fork.
    from chatpb import storage

    Path(target).unlink(missing_ok=True)
    start = time.perf_counter()
    copied = storage.copy([source], target, threads=cores)
    if copied.left_out:
        raise SystemExit(copied.problems[0])
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
