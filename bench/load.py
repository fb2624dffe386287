"""Requests and chunks a second through the gateway, beside a plain pass-through and LiteLLM's proxy.

    python -m bench.load [--litellm PATH] [--rounds 5] [--seconds 0.8] [--connections 8] [--json FILE]

Everything runs on this machine: the client, an upstream that answers at once with fixed bodies, and the routes between
them. The client and the upstream are as small as possible, and cost every route the same. `one hop` is the gateway with
its backend, `two hops` is gateway, gRPC and server; `pass-through` is starlette and httpx copying bytes, on the same
uvicorn; `litellm` is LiteLLM's proxy, which the program given by --litellm runs.

All routes run from the start. They are measured in turns, for a short time each, in several rounds. A figure is the
median of the rounds, so that other work of the machine affects all routes alike; a ratio is the median of the rounds'
ratios to the pass-through. `cpu` is processor time, user and system, of a route's processes for a request or a chunk.

Added latency is that of one connection, less that of the direct route. `open` is 1,000 streams, at the end, which the
upstream stops after their first chunk until all have begun; `lost` counts those that are incomplete two minutes later.
By default LiteLLM opens at most 500 connections to a host, so that none of these streams would ever complete; an option
raises that. Memory is the maximum of a route's processes, those streams included.
"""

# ruff: noqa: S603, S607  (all commands are fixed in this file)

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
ROUTES = ["direct", "pass-through", "one hop", "two hops", "litellm"]
UNSAFE = "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY"
CAPS = ("AIOHTTP_CONNECTOR_LIMIT", "AIOHTTP_CONNECTOR_LIMIT_PER_HOST")
QUIET = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"said": {"class": "logging.StreamHandler"}},
    "loggers": {"uvicorn.error": {"handlers": ["said"], "level": "INFO"}, "uvicorn.access": {"level": "ERROR"}},
}
"""A configuration of logging with which uvicorn does not log requests; the other routes do not either."""
LISTENING = r"listening on [\d.]+:(\d+)"
QUESTION = {"model": "m", "messages": [{"role": "user", "content": "How many letters are in this sentence? " * 5}]}
BODY = json.dumps(QUESTION).encode()
STREAM = json.dumps({**QUESTION, "stream": True}).encode()
HELD = json.dumps({**QUESTION, "model": "held", "stream": True}).encode()


@dataclass
class Route:
    """A route from the client to the upstream, and its figures.

    Attributes:
        name: one of ROUTES.
        port: where the client connects.
        processes: the ids of the processes between client and upstream.
        requests: requests a second, for each round.
        request_cpu_us: microseconds of processor time for a request, for each round.
        chunks: chunks a second, for each round.
        chunk_cpu_us: microseconds of processor time for a chunk, for each round.
        alone: seconds of each request on a connection of its own.
        first: seconds to the first chunk of each stream on a connection of its own.
        open_seconds: seconds until all streams that were open at once were complete.
        lost: how many of these streams were not.
        memory_mib: the most memory of the processes, in MiB.

    """

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
        """Measure the figures of one round, after warming up."""
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
        """Measure the streams that are open at once, and the memory."""
        self.open_seconds, self.lost = await open_at_once(self.port, HELD)
        self.memory_mib = sum(map(memory, self.processes))

    def _cpu(self) -> float:
        return sum(sum(psutil.Process(process).cpu_times()[:4]) for process in self.processes)

    def row(self, direct: Route, plain: Route) -> list[str]:
        """Return the figures of the route's row in the table."""
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
    """Run a program, and give its process id and its port to the block; `ready` matches the line with the port.

    Its output goes to a file, since a full pipe that nobody reads would stop it.
    """
    with tempfile.NamedTemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **(env or {})})
        try:
            while not (found := re.search(ready, text := Path(output.name).read_text(errors="replace"))):
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
    """Return the most memory that a process and its children used, in MiB."""
    children = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True).stdout.split()
    status = Path(f"/proc/{process}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+)", status)
    return int(peak[1] if peak else 0) / 1024 + sum(memory(int(child)) for child in children)


def start(name: str, upstream: int, litellm: str, running: ExitStack) -> Route:
    """Start the programs of a route, which run until the stack ends."""
    url = f"http://127.0.0.1:{upstream}/v1"
    quiet = ("--log", "none", "--listen", "127.0.0.1:0")

    def run(*command: str, ready: str = LISTENING, env: dict[str, str] | None = None) -> tuple[int, int]:
        return running.enter_context(program(*command, ready=ready, env=env))

    def chatpb(*command: str) -> tuple[int, int]:
        return run(PYTHON, "-m", "chatpb", *command, *quiet)

    if name == "direct":
        return Route(name, upstream, [])
    if name == "pass-through":
        process, port = run(PYTHON, "-m", "bench.load_servers", "pass-through", url)
        return Route(name, port, [process])
    if name == "one hop":
        process, port = chatpb("gateway", "--backend", f"openai:{url}")
        return Route(name, port, [process])
    if name == "two hops":
        server, at = chatpb("serve", "--backend", f"openai:{url}")
        front, port = chatpb("gateway", "--target", f"127.0.0.1:{at}")
        return Route(name, port, [server, front])
    folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
    config, logging = folder / "config.json", folder / "logging.json"
    params = {"api_base": url, "api_key": "sk-bench"}
    names = [{"model_name": name, "litellm_params": {**params, "model": f"openai/{name}"}} for name in ("m", "held")]
    config.write_text(json.dumps({"model_list": names}))
    logging.write_text(json.dumps(QUIET))
    command = (litellm, "--config", str(config), "--log_config", str(logging), "--port", "14000", "--host", "127.0.0.1")
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONPATH": "", UNSAFE: "true", **dict.fromkeys(CAPS, "2000")}
    process, port = run(*command, ready=r"running on http://[\d.]+:(\d+)", env=env)
    return Route(name, port, [process])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.8, help="of each measurement in a round")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--litellm", metavar="PATH", help="LiteLLM's program; without it, its proxy is not measured")
    parser.add_argument("--json", metavar="FILE", type=Path, help="where to write the figures of all rounds")
    arguments = parser.parse_args()
    names = [name for name in ROUTES if name != "litellm" or arguments.litellm]
    with ExitStack() as running:
        _, upstream = running.enter_context(program(PYTHON, "-m", "bench.load_servers", "upstream", ready=LISTENING))
        routes = [start(name, upstream, arguments.litellm, running) for name in names]
        for _ in range(arguments.rounds):
            for route in routes:
                asyncio.run(route.round(arguments.seconds, arguments.connections))
        print(" " * 13 + "".join(f"{head:>11}" for head in HEADS))
        for route in routes:
            asyncio.run(route.finish())
            print(f"{route.name:13}" + "".join(f"{figure:>11}" for figure in route.row(*routes[:2])), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(route) for route in routes], indent=1) + "\n")


if __name__ == "__main__":
    main()
