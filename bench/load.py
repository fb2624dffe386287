"""Requests and chunks a second through the gateway, beside a plain pass-through and LiteLLM's proxy.

    python -m bench.load [--litellm PATH] [--rounds 5] [--seconds 0.8] [--connections 8] [--json FILE]

Everything runs on this machine: the client, an upstream that answers at once with fixed bodies, and in between, each
way from the one to the other. The client and the upstream are as bare as they can be, and cost every way the same. `one
hop` is the gateway on its backend, `two hops` is gateway, gRPC and server; `pass-through` is starlette and httpx
copying bytes, on the same uvicorn; LiteLLM's proxy is run by the program that --litellm names.

All ways are up from the start and are measured in turns, for a short time each, in several rounds. A figure is the
median of the rounds, so that what else the machine does falls on all ways alike; a ratio is the median of the rounds'
ratios to the pass-through. `cpu` is processor time of a way's processes for a request or a chunk, user and system.

Added latency is that of one connection less that of the direct way. `open` is 1,000 streams, at the end, that the
upstream holds back after their first chunk until all have begun; `lost` counts those that are not whole two minutes
later. LiteLLM opens at most 500 connections to a host unless told otherwise, so that none of these streams would ever
be whole; it is told. Memory is the most that a way's processes had, those streams included.
"""

# ruff: noqa: S603, S607  (every command here is this file's own)

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from bench.load_client import first_chunks, load, open_at_once

PYTHON = sys.executable
WAYS = ["direct", "pass-through", "one hop", "two hops", "litellm"]
UNSAFE = "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY"
CAPS = ("AIOHTTP_CONNECTOR_LIMIT", "AIOHTTP_CONNECTOR_LIMIT_PER_HOST")
QUIET = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"said": {"class": "logging.StreamHandler"}},
    "loggers": {"uvicorn.error": {"handlers": ["said"], "level": "INFO"}, "uvicorn.access": {"level": "ERROR"}},
}
"""uvicorn's logging without a line for every request, as for the others."""
LISTENING = r"listening on [\d.]+:(\d+)"
QUESTION = {"model": "m", "messages": [{"role": "user", "content": "How many letters are in this sentence? " * 5}]}
BODY = json.dumps(QUESTION).encode()
STREAM = json.dumps({**QUESTION, "stream": True}).encode()
HELD = json.dumps({**QUESTION, "model": "held", "stream": True}).encode()


@dataclass
class Way:
    """A way, and what it came to: a figure a round, and seconds of every request on one connection."""

    name: str
    port: int
    processes: list[int]
    requests: list[float] = field(default_factory=list)
    request_cpu_us: list[float] = field(default_factory=list)
    chunks: list[float] = field(default_factory=list)
    chunk_cpu_us: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    open_seconds: float = 0
    lost: int = 0
    memory_mib: float = 0

    async def round(self, seconds: float, connections: int) -> None:
        await load(self.port, BODY, connections, seconds / 5)
        before = self._cpu()
        found = await load(self.port, BODY, connections, seconds)
        self.requests.append(len(found.times) / found.seconds)
        self.request_cpu_us.append((self._cpu() - before) / len(found.times) * 1e6)
        await load(self.port, STREAM, connections, seconds / 5)
        before = self._cpu()
        found = await load(self.port, STREAM, connections, seconds)
        self.chunks.append(found.chunks / found.seconds)
        self.chunk_cpu_us.append((self._cpu() - before) / found.chunks * 1e6)
        self.alone += (await load(self.port, BODY, 1, seconds / 2)).times
        self.first += await first_chunks(self.port, STREAM, 10)

    async def finish(self) -> None:
        self.open_seconds, self.lost = await open_at_once(self.port, HELD)
        self.memory_mib = sum(map(memory, self.processes))

    def _cpu(self) -> float:
        return sum(sum(psutil.Process(process).cpu_times()[:4]) for process in self.processes)

    def row(self, direct: Way, plain: Way) -> list[str]:
        """The figures of a table's row."""
        return [
            f"{statistics.median(self.requests):.0f}",
            f"{ratio(self.requests, plain.requests):.2f}",
            f"{statistics.median(self.request_cpu_us):.0f}",
            f"{(statistics.median(self.alone) - statistics.median(direct.alone)) * 1e3:.2f}",
            f"{(last_percent(self.alone) - last_percent(direct.alone)) * 1e3:.2f}",
            f"{statistics.median(self.chunks):.0f}",
            f"{ratio(self.chunks, plain.chunks):.2f}",
            f"{statistics.median(self.chunk_cpu_us):.0f}",
            f"{(statistics.median(self.first) - statistics.median(direct.first)) * 1e3:.2f}",
            f"{self.open_seconds:.1f}",
            str(self.lost),
            f"{self.memory_mib:.0f}",
        ]


HEADS = [
    *("req/s", "ratio", "cpu us", "+median ms", "+p99 ms"),
    *("chunks/s", "ratio", "cpu us", "+first ms"),
    *("open s", "lost", "MiB"),
]


def ratio(mine: list[float], plain: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(mine, plain, strict=True))


def last_percent(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]


@contextmanager
def program(*command: str, ready: str, env: dict[str, str] | None = None) -> Iterator[tuple[int, int]]:
    """A program that says where it listens; gives its id and its port.

    What it says goes to a file, since a pipe that nobody reads would stop it when it is full.
    """
    with tempfile.NamedTemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env={**os.environ, **(env or {})})
        try:
            while not (found := re.search(ready, text := Path(said.name).read_text(errors="replace"))):
                if process.poll() is not None:
                    raise RuntimeError(f"{command[0]} did not start:\n{text[-2000:]}")
                time.sleep(0.05)
            yield process.pid, int(found[1])
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def memory(process: int) -> float:
    """MiB that a process and its children had at most."""
    children = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True).stdout.split()
    status = Path(f"/proc/{process}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+)", status)
    return int(peak[1] if peak else 0) / 1024 + sum(memory(int(child)) for child in children)


def start(name: str, upstream: int, litellm: str, up: ExitStack) -> Way:
    """The programs of a way, up until the stack ends."""
    url = f"http://127.0.0.1:{upstream}/v1"
    quiet = ("--log", "none", "--listen", "127.0.0.1:0")

    def run(*command: str, ready: str = LISTENING, env: dict[str, str] | None = None) -> tuple[int, int]:
        return up.enter_context(program(*command, ready=ready, env=env))

    def chatpb(*command: str) -> tuple[int, int]:
        return run(PYTHON, "-m", "chatpb", *command, *quiet)

    if name == "direct":
        return Way(name, upstream, [])
    if name == "pass-through":
        process, port = run(PYTHON, "-m", "bench.load_servers", "pass-through", url)
        return Way(name, port, [process])
    if name == "one hop":
        process, port = chatpb("gateway", "--backend", f"openai:{url}")
        return Way(name, port, [process])
    if name == "two hops":
        server, at = chatpb("serve", "--backend", f"openai:{url}")
        front, port = chatpb("gateway", "--target", f"127.0.0.1:{at}")
        return Way(name, port, [server, front])
    folder = Path(up.enter_context(tempfile.TemporaryDirectory()))
    config, logging = folder / "config.json", folder / "logging.json"
    params = {"api_base": url, "api_key": "sk-bench"}
    names = [{"model_name": name, "litellm_params": {**params, "model": f"openai/{name}"}} for name in ("m", "held")]
    config.write_text(json.dumps({"model_list": names}))
    logging.write_text(json.dumps(QUIET))
    command = (litellm, "--config", str(config), "--log_config", str(logging), "--port", "14000", "--host", "127.0.0.1")
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONPATH": "", UNSAFE: "true", **dict.fromkeys(CAPS, "2000")}
    process, port = run(*command, ready=r"running on http://[\d.]+:(\d+)", env=env)
    return Way(name, port, [process])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.8, help="of each measurement in a round")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--litellm", metavar="PATH", help="LiteLLM's program; without it, its proxy is left out")
    parser.add_argument("--json", metavar="FILE", type=Path, help="where to write the figures of all rounds")
    arguments = parser.parse_args()
    names = [name for name in WAYS if name != "litellm" or arguments.litellm]
    with ExitStack() as up:
        _, upstream = up.enter_context(program(PYTHON, "-m", "bench.load_servers", "upstream", ready=LISTENING))
        ways = [start(name, upstream, arguments.litellm, up) for name in names]
        for _ in range(arguments.rounds):
            for way in ways:
                asyncio.run(way.round(arguments.seconds, arguments.connections))
        print(" " * 13 + "".join(f"{head:>11}" for head in HEADS))
        for way in ways:
            asyncio.run(way.finish())
            print(f"{way.name:13}" + "".join(f"{figure:>11}" for figure in way.row(*ways[:2])), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(way) for way in ways], indent=1) + "\n")


if __name__ == "__main__":
    main()
