"""Many records through the commands, and the memory that each takes: `python -m bench.scale [--count N]`.

Records are answers, whole and streamed, of a few thousand that are made once; ids and times are new in each, so what
repeats makes files smaller than those of real traffic, and sizes are not the subject. Each command runs in a process of
its own at a terminal of its own; told are its seconds, its peak memory, and what its progress bar said on the way.
"""

from __future__ import annotations

import argparse
import os
import platform
import pty
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from multiprocessing import get_context
from typing import Final

import pyarrow as pa

import chatpb
from bench.query import SQL
from bench.records import START, wire_blocks
from chatpb import wire_to_json_lines
from chatpb.arrow import to_messages
from chatpb.storage import make_record, parts_of
from chatpb.storage._columns import columns_of

POOL: Final = 5_000
BATCH: Final = 5_000
SPACING: Final = 250_000
"""Microseconds from one record to the next."""

VENDOR_SQL: Final = (
    "SELECT count(wire_to_json(wire)->>'$.response.x_groq.id') AS n FROM records WHERE model LIKE 'llama%'"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--count", type=int, default=10_000_000, help="records")
    parser.add_argument("--folder", help="where to make the files, which are deleted; 2 KB for each record are needed")
    arguments = parser.parse_args()
    print(f"{arguments.count:,} records; Python {platform.python_version()}, chatpb {chatpb.engine} engine\n")
    print("| | seconds | peak MB | bytes for each record |\n|---|---:|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        messages, recorded, parquet = (os.path.join(folder, name) for name in ("x.binpbs", "x.db", "x.parquet"))
        # In a process of its own, as a process that starts others lends them its own peak.
        maker = get_context("spawn").Process(target=_make, args=(messages, arguments.count))
        maker.start()
        maker.join()
        bars = [
            _run(arguments.count, recorded, "import", messages, recorded),
            _run(arguments.count, parquet, "export", recorded, parquet),
            _run(arguments.count, "", "query", parquet, SQL),
            _run(arguments.count, "", "query", parquet, VENDOR_SQL),
            _run(arguments.count, "", "query", recorded, SQL),
            _run(arguments.count, "", "stats", parquet),
        ]
    print("\nWhat the bars said, at a tenth, a half and nine tenths of each command:\n")
    for told in bars:
        print("\n".join(f"    {line}" for line in told))


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
    """Records without end."""
    pool = []
    for block in wire_blocks(POOL):
        names = ("id", "start_time", "first_token_time", "end_time", "status")
        for record, id, start, first, end, status in zip(block, *columns_of(block, *names), strict=True):
            parts = {name: part for name, part in parts_of(record).items() if name != "request"}
            pool.append((parts, (id or "").encode(), first and first - start, end - start, status))
    for number, (parts, id, first, latency, status) in enumerate(cycle(pool)):
        # As long as the old id, so that lengths around it hold.
        new = id[:-12] + b"%012x" % (number * 0x9E3779B97F4B % 2**48)
        start = START + number * SPACING
        yield make_record(
            **{name: part.replace(id, new) if id else part for name, part in parts.items()},
            start_time=start,
            first_token_time=first and start + first,
            end_time=start + latency,
            status=status,
            request_id=f"req_{number * 0x9E3779B97F4A7C15 % 2**64:016x}",
        )


def _run(count: int, output: str, *arguments: str) -> list[str]:
    """Run a command at a terminal, print what it took, and return what its bar said."""
    start = time.perf_counter()
    child, terminal = pty.fork()
    if not child:
        os.environ.update(COLUMNS="150", TERM="xterm")
        os.execv(sys.executable, [sys.executable, "-m", "chatpb", *arguments])  # noqa: S606
    told = []
    while data := _read(terminal):
        told.append((time.perf_counter() - start, data.decode(errors="replace")))
    _, status, used = os.wait4(child, 0)
    os.close(terminal)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"chatpb {' '.join(arguments)} failed:\n{told[-1][1]}")
    peak = used.ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20)
    size = f"{os.path.getsize(output) / count:.0f}" if output else ""
    name = " ".join(os.path.basename(each) if os.sep in each else each.split("\n")[0][:50] for each in arguments)
    print(f"| `chatpb {name}` | {seconds:.1f} | {peak:.0f} | {size} |", flush=True)
    shown = [(at, line) for at, text in told for line in re.split(r"[\r\n]+", _plain(text)) if "%" in line]
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
