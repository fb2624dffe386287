"""The measurements: the best time of many rounds over all documents, and the peak memory in a process of its own."""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.peers import Peer


@dataclass
class Result:
    """The result of one peer in one direction on one set of documents."""

    peer: Peer
    seconds: float
    """The time for all documents that the peer accepts."""
    size: int
    """The bytes of JSON of those documents."""
    count: int
    refused: int
    changed: int
    """The number of documents that come back different."""

    @property
    def microseconds(self) -> float:
        return self.seconds / self.count * 1e6

    @property
    def throughput(self) -> float:
        """Megabytes of JSON a second."""
        return self.size / self.seconds / 1e6


def best(function: Callable[[Any], Any], inputs: Sequence[Any], budget: float) -> float:
    """Return the seconds of the fastest round, of as many as fit the budget in seconds, at least two."""
    least, spent, rounds = math.inf, 0.0, 0
    while rounds < 2 or spent < budget:
        start = time.perf_counter()
        for one in inputs:
            function(one)
        taken = time.perf_counter() - start
        least, spent, rounds = min(least, taken), spent + taken, rounds + 1
    return least


def compare(
    peers: list[Peer], documents: list[bytes], budget: float, respelled: list[bytes]
) -> dict[str, list[Result]]:
    """Measure every peer, and return the results by direction.

    A peer that refuses most documents is measured on the documents in ProtoJSON's spelling, and its name says so.
    """
    results: dict[str, list[Result]] = {"parse": [], "print": []}
    for peer in peers:
        rows = _compare_one(peer, documents, budget)
        if not rows or any(row.refused > len(documents) / 2 for row in rows.values()):
            rows = _compare_one(replace(peer, name=f"{peer.name} (ProtoJSON)"), respelled, budget)
        for direction, row in rows.items():
            results[direction].append(row)
    return results


def _compare_one(peer: Peer, documents: list[bytes], budget: float) -> dict[str, Result]:
    taken, objects, changed = [], [], 0
    for document in documents:
        try:
            obj = peer.parse(document) if peer.parse else json.loads(document)
            if peer.print:
                changed += not same(peer.print(obj), document)
        except Exception:  # noqa: S112 - peers raise errors of all kinds for what they refuse
            continue
        taken.append(document)
        objects.append(obj if peer.print else None)
        # simdjson can use its parser again only when nothing refers to the document that it parsed before.
        del obj
    if not taken:
        return {}
    rows = {}
    numbers = (sum(map(len, taken)), len(taken), len(documents) - len(taken), changed)
    if peer.parse:
        rows["parse"] = Result(peer, best(peer.parse, taken, budget), *numbers)
    if peer.print:
        rows["print"] = Result(peer, best(peer.print, objects, budget), *numbers)
    return rows


def same(text: bytes | str, document: bytes) -> bool:
    try:
        return bool(json.loads(text) == json.loads(document))
    except ValueError:
        return False


def peak_memory(peer: str, direction: str, document: bytes) -> float | None:
    """Return the most memory that one conversion takes beyond its input, as a multiple of the document's size.

    None means that the peer cannot convert the document.
    """
    # The document comes from a file, because a process that made it would have memory left over from that.
    with tempfile.NamedTemporaryFile() as file:
        file.write(document)
        file.flush()
        command = [sys.executable, "-m", "bench.measure", peer, direction, file.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - this module itself
    return float(done.stdout) if done.returncode == 0 else None


def _child(name: str, direction: str, path: str) -> None:
    from bench.documents import generated
    from bench.peers import peers

    peer = next(each for each in peers("ChatCompletion") if each.name == name)
    assert peer.parse
    warm = peer.parse(generated(1000))
    given: Any = Path(path).read_bytes()
    length = len(given)
    if direction == "print":
        assert peer.print
        peer.print(warm)
        given = peer.parse(given)
        function: Callable[[Any], Any] = peer.print
    else:
        function = peer.parse
    before = _resident()
    _reset_peak()
    result = function(given)
    print((_peak() - before) / length)
    del result


def _status(key: str) -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(key))


def _resident() -> int:
    return _status("VmRSS") if sys.platform == "linux" else _peak()


def _reset_peak() -> None:
    if sys.platform == "linux":
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")


def _peak() -> int:
    if sys.platform == "linux":
        return _status("VmHWM")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    _child(sys.argv[1], sys.argv[2], sys.argv[3])
