"""Run all benchmarks: `python -m bench [FOLDER] [--quick] [--charts FOLDER]`."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from functools import partial
from pathlib import Path

import chatpb
from bench import chart, documents, measure
from bench.peers import peers
from chatpb._engine import description

MESSAGES = {"completion": "ChatCompletion", "chunk": "ChatCompletionChunk", "request": "CreateChatCompletionRequest"}
SIZES = (200, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
TITLES = {"parse": "From JSON to an object", "print": "From an object to JSON"}


def machine() -> str:
    """Return the processor, the system and the versions as text."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    python = f"Python {platform.python_version()}, engine {description()}"
    return f"{name}, {os.cpu_count()} cores, {platform.system()}, {python}"


def table(results: list[measure.Result]) -> None:
    """Print the results of one direction, with times relative to the first row, chatpb's."""
    first = results[0].microseconds
    print("| library | version | µs a document | MB/s | time against chatpb | refuses | changes |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for row in results:
        total = row.count + row.refused
        lost = f"{row.changed / total:.1%}" if row.peer.print else "-"
        print(
            f"| {row.peer.name} | {row.peer.version} | {row.microseconds:.2f} | {row.throughput:.0f} "
            f"| {row.microseconds / first:.2f} | {row.refused / total:.1%} | {lost} |"
        )
    print()


def compare(sets: dict[str, list[bytes]], budget: float, charts: Path | None) -> None:
    for name, lines in sets.items():
        size = sum(map(len, lines))
        message = MESSAGES.get(name, "ChatCompletion")
        results = measure.compare(peers(message), lines, budget, documents.respelled(lines, message))
        for direction, rows in results.items():
            print(f"## {name}: {TITLES[direction]} ({len(lines)} documents of {size / len(lines):.0f} bytes)\n")
            table(rows)
            if charts and name == "completion":
                figures(direction, rows).write(charts / direction)


def figures(direction: str, rows: list[measure.Result]) -> chart.Chart:
    """Return the chart of one direction. What only parses makes no object: its speed is the limit of those that do."""
    bars = [(_label(row.peer.name, direction), round(row.throughput)) for row in rows if row.peer.print]
    limit = next((("JSON alone, simdjson", round(row.throughput)) for row in rows if not row.peer.print), None)
    return chart.Chart(TITLES[direction], "MB of JSON a second", "more", 0, bars, ["chatpb"], limit)


def _label(name: str, direction: str) -> str:
    """Return the name of a peer, of whose two functions it names only that of this direction."""
    library, colon, functions = name.partition(": ")
    return f"{library}{colon}{functions.split(', ')[direction == 'print']}" if colon else name


def sizes(limit: int, budget: float, quick: bool) -> None:
    """Print throughput by size, and the memory that a document of the largest size takes."""
    print("## Generated completions: MB/s by size\n")
    used = [size for size in SIZES if size <= limit]
    print("| library | direction |" + "".join(f" {_bytes(size)} |" for size in used) + " peak memory at the largest |")
    print("|---|---|" + "---:|" * (len(used) + 1))
    found = {size: documents.generated(size) for size in used}
    for peer in peers("ChatCompletion"):
        for direction in ("parse", "print"):
            if not getattr(peer, direction):
                continue
            cells, slow = [], False
            for size in used:
                # A slow peer skips the sizes that would take it minutes.
                if slow or peer.parse is None:
                    cells.append("-")
                    continue
                try:
                    given = peer.parse(found[size])
                except Exception:
                    cells.append("refuses")
                    continue
                if direction == "parse":
                    given = found[size]
                seconds = measure.best(getattr(peer, direction), [given], budget / 4)
                cells.append(f"{len(found[size]) / seconds / 1e6:.0f}")
                slow = seconds * 10 > (5 if quick else 30)
            memory = None if slow else measure.peak_memory(peer.name, direction, found[used[-1]])
            cells.append("-" if memory is None else f"{memory:.2f} x")
            print(f"| {peer.name} | {TITLES[direction]} | " + " | ".join(cells) + " |", flush=True)
    print()


def batches(lines: list[bytes], budget: float) -> None:
    """Print the throughput of batches in one thread, and with a thread for each core."""
    text = b"\n".join(lines * (1 + 50_000_000 // sum(map(len, lines)))) + b"\n"
    wire = chatpb.json_lines_to_wire(text)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    print(f"## Batches: MB/s of JSON lines ({len(text) / 1e6:.0f} MB)\n")
    print("| function | 1 thread | " + f"{cores} threads | ratio |\n|---|---:|---:|---:|")
    for name, given in (("json_lines_to_wire", text), ("wire_to_json_lines", wire)):
        function = getattr(chatpb, name)
        one, many = (
            len(text) / measure.best(partial(function, threads=threads), [given], budget * 2) / 1e6
            for threads in (1, cores)
        )
        print(f"| {name} | {one:.0f} | {many:.0f} | {many / one:.2f} |")
    print()


def _bytes(size: int) -> str:
    for unit, name in ((1_000_000, "MB"), (1_000, "KB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size} B"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "folder", nargs="?", type=Path, help="a folder of .jsonl or .jsonl.gz files named like their messages"
    )
    parser.add_argument("--charts", type=Path, help="write charts of the completions into this folder")
    parser.add_argument("--quick", action="store_true", help="take less time, and documents only up to 1 MB")
    arguments = parser.parse_args()
    budget = 0.3 if arguments.quick else 2.0
    print(f"{machine()}.\nThe best of the rounds that fit {budget:g} s, over all documents of a set.\n")
    sets = documents.folder(arguments.folder) if arguments.folder else {}
    sets = sets or {"completion": [documents.generated(size) for size in range(300, 2000, 5)]}
    compare(sets, budget, arguments.charts)
    if chatpb.engine == "native":
        batches(next(iter(sets.values())) if "completion" not in sets else sets["completion"], budget)
    sizes(1_000_000 if arguments.quick else 100_000_000, budget, arguments.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
