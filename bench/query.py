"""Compare a filter and an aggregate over records with DuckDB's read_json: `python -m bench.query [--count N]`.

Equal generated records are JSON lines, Parquet as `chatpb export` makes it, with all columns and with `wire` alone, and
a recorder's file. Each side opens its file, plans and runs; rounds alternate between the sides. For each side the best
and the median time are printed, also as multiples of the time over Parquet. Peak memory is measured in a new process
for each side.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import duckdb

import chatpb
from bench.records import json_blocks
from chatpb import storage

SQL: Final = """SELECT model, count(*) AS n, sum(completion_tokens) AS tokens, avg(latency_us) AS latency
FROM records WHERE status = 200 AND total_tokens > 100 GROUP BY model ORDER BY model"""

# The paths of the columns, as a user would write them who has only the JSON.
JSON_SQL: Final = """SELECT model, count(*) AS n, sum(completion_tokens) AS tokens, avg(latency_us) AS latency FROM (
  SELECT status, end_time - start_time AS latency_us,
    coalesce(response.model, stream.chunks[1].model, request.model) AS model,
    coalesce(response.usage.completion_tokens, list_last(list_filter(stream.chunks, lambda c: c.usage IS NOT NULL)).usage.completion_tokens) AS completion_tokens,
    coalesce(response.usage.total_tokens, list_last(list_filter(stream.chunks, lambda c: c.usage IS NOT NULL)).usage.total_tokens) AS total_tokens
  FROM read_json('{path}', format = 'newline_delimited'{columns}))
WHERE status = 200 AND total_tokens > 100 GROUP BY model ORDER BY model"""  # noqa: E501

_USAGE: Final = "STRUCT(completion_tokens BIGINT, total_tokens BIGINT)"
COLUMNS: Final = f""", columns = {{status: 'INTEGER', start_time: 'BIGINT', end_time: 'BIGINT',
  request: 'STRUCT(model VARCHAR)', response: 'STRUCT(model VARCHAR, usage {_USAGE})',
  stream: 'STRUCT(chunks STRUCT(model VARCHAR, usage {_USAGE})[])'}}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000, help="records")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="keeps the files, or has those of an earlier run")
    arguments = parser.parse_args()
    count = arguments.count
    with nullcontext(arguments.folder) if arguments.folder else tempfile.TemporaryDirectory() as folder:
        names = ("x.jsonl", "x.db", "x.parquet", "wire.parquet")
        lines, recorded, parquet, lean = (str(Path(folder) / name) for name in names)
        if not os.path.exists(lean):
            _make(count, lines, recorded, parquet, lean)
        sides: dict[str, Callable[[], list[Any]]] = {
            "chatpb over Parquet": lambda: _chatpb(parquet),
            "read_json, columns declared": lambda: _read_json(lines, COLUMNS),
            "read_json, types inferred": lambda: _read_json(lines, ""),
            "chatpb over Parquet with `wire` alone": lambda: _chatpb(lean),
            "chatpb over a recorder's file": lambda: _chatpb(recorded),
        }
        print(f"{count:,} records, {Path(lines).stat().st_size / count:.0f} bytes of JSON each; Python", end=" ")
        print(f"{platform.python_version()}, DuckDB {duckdb.__version__}, chatpb {chatpb.engine} engine\n")
        _measure(sides, arguments.rounds)


def _make(count: int, lines: str, recorded: str, parquet: str, lean: str) -> None:
    with open(lines, "wb") as file:
        file.writelines(json_blocks(count))
    for target, source, columns in ((recorded, lines, None), (parquet, recorded, None), (lean, parquet, ["wire"])):
        if storage.copy([source], target, columns=columns).left_out:
            sys.exit(f"{source}: not all records can be read")


def _measure(sides: dict[str, Callable[[], list[Any]]], rounds: int) -> None:
    times: dict[str, list[float]] = {name: [] for name in sides}
    answers = set()
    for _ in range(rounds):
        for name, side in sides.items():
            start = time.perf_counter()
            answers.add(str(side()))
            times[name].append(time.perf_counter() - start)
    base = next(iter(times.values()))
    print("| | best, s | median, s | times as long, best and median | peak MB |\n|---|---:|---:|---:|---:|")
    for name, found in times.items():
        best, median = min(found), statistics.median(found)
        ratios = f"{best / min(base):.1f}, {median / statistics.median(base):.1f}"
        print(f"| {name} | {best:.3f} | {median:.3f} | {ratios} | {_peak(sides[name]):.0f} |")
    print(f"\n{'All answers are equal.' if len(answers) == 1 else 'THE ANSWERS DIFFER.'}")


def _chatpb(path: str) -> list[Any]:
    with storage.query([path]) as query:
        rows: list[Any] = query.connection.execute(SQL).fetchall()
        return rows


def _read_json(path: str, columns: str) -> list[Any]:
    with duckdb.connect() as connection:
        rows: list[Any] = connection.execute(JSON_SQL.format(path=path, columns=columns)).fetchall()
        return rows


def _peak(side: Callable[[], list[Any]]) -> float:
    """Return the peak memory of a new process that runs a side, in MB."""
    context = get_context("fork")
    queue = context.SimpleQueue()

    def work() -> None:
        side()
        queue.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    process = context.Process(target=work)
    process.start()
    process.join()
    return float(queue.get()) / (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
