"""Run the commands on many records, and print the time and memory of each: `python -m bench.scale [--count N]`.

The records are answers, whole and streamed. A few thousand are made once and repeated with new ids and times, so files
are smaller than those of real traffic; sizes are not the subject. Each command runs in a new process with a terminal of
its own. Its seconds, its peak memory, and what its progress bar showed are printed. Look-ups and a report of cost
are measured in Python too, without the start of a process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import pty
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from multiprocessing import get_context
from typing import Any, Final

import pyarrow as pa

import chatpb
from bench.query import SQL
from bench.records import START, wire_blocks
from bench.vendors import MODELS
from chatpb import wire_to_json_lines
from chatpb._records.columns import columns_of
from chatpb.arrow import to_messages
from chatpb.storage import Recorder, make_record, parts_of, read_prices, stats

POOL: Final = 5_000
BATCH: Final = 5_000
SPACING: Final = 250_000
"""Microseconds from one record to the next."""
LOOK_UPS: Final = 1_000

VENDOR_SQL: Final = (
    "SELECT count(wire_to_json(wire)->>'$.response.x_groq.id') AS n FROM records WHERE model LIKE 'llama%'"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--count", type=int, default=10_000_000, help="records")
    parser.add_argument(
        "--folder", help="where to make the files, which are deleted again; 2 KB for each record are needed"
    )
    arguments = parser.parse_args()
    print(f"{arguments.count:,} records; Python {platform.python_version()}, chatpb {chatpb.engine} engine\n")
    print("| | seconds | peak MB | bytes for each record |\n|---|---:|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        messages, recorded, parquet = (os.path.join(folder, name) for name in ("x.binpbs", "x.db", "x.parquet"))
        # In a process of its own: the peak of a process includes that of the one that started it.
        _run_alone(_make, messages, arguments.count)
        prices = os.path.join(folder, "prices.json")
        with open(prices, "w") as file:
            json.dump({model: {"prompt": 2.5, "cached": 1.25, "completion": 10} for model, _ in MODELS}, file)
        bars = [
            _run(arguments.count, recorded, "import", messages, recorded),
            _run(arguments.count, parquet, "export", recorded, parquet),
            _run(arguments.count, "", "query", parquet, SQL),
            _run(arguments.count, "", "query", parquet, VENDOR_SQL),
            _run(arguments.count, "", "query", recorded, SQL),
            _run(arguments.count, "", "stats", parquet),
            _run(arguments.count, "", "stats", parquet, "--prices", prices),
        ]
        _run_alone(_report, parquet, prices)
        _run_alone(_look_up, recorded, arguments.count)
    print("\nWhat the bars said, at a tenth, a half and nine tenths of each command:\n")
    for shown in bars:
        print("\n".join(f"    {line}" for line in shown))


def _run_alone(function: Callable[..., None], *args: object) -> None:
    """Run a function in a process of its own."""
    process = get_context("spawn").Process(target=function, args=args)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{function.__name__} failed")


def _report(path: str, prices: str) -> None:
    """Print how long a report of cost by model and day takes in a process that has loaded what it needs."""
    known = read_prices(prices)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        rows = stats(path, prices=known).num_rows
        seconds.append(time.perf_counter() - start)
    print(f"| `storage.stats(parquet, prices=...)`, {rows} rows, best of 3 | {min(seconds):.2f} | | |", flush=True)


def _look_up(path: str, count: int) -> None:
    """Print how long it takes to get a record by its id, of records all over a file."""
    seconds = []
    with Recorder(path, read_only=True) as recorder:
        for place in range(LOOK_UPS):
            id = _request_id(place * count // LOOK_UPS)
            start = time.perf_counter()
            found = recorder.get(id)
            seconds.append(time.perf_counter() - start)
            if found is None:
                raise SystemExit(f"{id} is not found")
    middle, most = sorted(seconds)[LOOK_UPS // 2], sorted(seconds)[LOOK_UPS * 99 // 100]
    print(f"| `recorder.get(id)`, the median of {LOOK_UPS} | {middle:.5f} | | |")
    print(f"| `recorder.get(id)`, 99 of 100 within | {most:.5f} | | |", flush=True)


def _request_id(number: int) -> str:
    return f"req_{number * 0x9E3779B97F4A7C15 % 2**64:016x}"


def _make(path: str, count: int) -> None:
    """Write the records, each after its length."""
    made = islice(_records(), count)
    with open(path, "wb") as file:
        while batch := list(islice(made, BATCH)):
            file.write(to_messages(pa.array(batch, pa.large_binary())))
    sample = list(islice(_records(), POOL))
    text = len(wire_to_json_lines(to_messages(pa.array(sample, pa.large_binary())), chatpb.ChatCompletionRecord))
    print(f"| as JSON lines | | | {text / POOL:.0f} |")
    print(f"| as messages | | | {os.path.getsize(path) / count:.0f} |", flush=True)


def _records() -> Iterator[bytes]:
    """Yield records without end."""
    pool = []
    for block in wire_blocks(POOL):
        names = ("id", "start_time", "first_token_time", "end_time", "status")
        for record, id, start, first, end, status in zip(block, *columns_of(block, *names), strict=True):
            parts = {name: part for name, part in parts_of(record).items() if name != "request"}
            pool.append((parts, (id or "").encode(), first and first - start, end - start, status))
    for number, (parts, id, first, latency, status) in enumerate(cycle(pool)):
        # The new id is as long as the old one, so that the lengths around it stay right.
        new = id[:-12] + b"%012x" % (number * 0x9E3779B97F4B % 2**48)
        start = START + number * SPACING
        renamed: dict[str, Any] = {name: part.replace(id, new) if id else part for name, part in parts.items()}
        yield make_record(
            **renamed,
            start_time=start,
            first_token_time=first and start + first,
            end_time=start + latency,
            status=status,
            request_id=_request_id(number),
        )


def _run(count: int, output: str, *arguments: str) -> list[str]:
    """Run a command at a terminal, print its time, memory and size, and return what its bar showed."""
    start = time.perf_counter()
    child, terminal = pty.fork()
    if not child:
        os.environ.update(COLUMNS="150", TERM="xterm")
        os.execv(sys.executable, [sys.executable, "-m", "chatpb", *arguments])  # noqa: S606
    output_at = []
    while data := _read(terminal):
        output_at.append((time.perf_counter() - start, data.decode(errors="replace")))
    _, status, used = os.wait4(child, 0)
    os.close(terminal)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"chatpb {' '.join(arguments)} failed:\n{output_at[-1][1]}")
    peak = used.ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20)
    size = f"{os.path.getsize(output) / count:.0f}" if output else ""
    name = " ".join(os.path.basename(each) if os.sep in each else each.split("\n")[0][:50] for each in arguments)
    print(f"| `chatpb {name}` | {seconds:.1f} | {peak:.0f} | {size} |", flush=True)
    shown = [(at, line) for at, text in output_at for line in re.split(r"[\r\n]+", _plain(text)) if "━" in line]
    return [next((line.strip() for at, line in shown if at >= seconds * share), "no bar") for share in (0.1, 0.5, 0.9)]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # the other end is closed
        return b""


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


if __name__ == "__main__":
    main()
