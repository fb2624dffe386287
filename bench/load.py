"""Requests and chunks a second through the gateway, beside a plain pass-through and LiteLLM's proxy.

    python -m bench.load [--seconds 5] [--connections 32] [--litellm PATH] [--json FILE]

Everything runs on this machine: the client, an upstream that answers at once with fixed bodies, and in between, one
after the other, each way from the one to the other. The client and the upstream are as bare as they can be, and cost
every way the same. `one hop` is the gateway on its backend, `two hops` is gateway, gRPC and server; `pass-through` is
starlette and httpx copying bytes, on the same uvicorn; LiteLLM's proxy is run by the program that --litellm names.

Added latency is that of one connection less that of the direct way. Memory is what the processes of a way hold at the
end, the most that any of them had at once. `open` is 1,000 streams that the upstream holds back after their first chunk
until all have begun; `lost` counts those that are not whole two minutes later. A proxy that does not open them all at
once loses all of them.
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
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.load_servers import CHUNKS, OPEN

PYTHON = sys.executable
PATIENCE = 120
WAYS = ["direct", "pass-through", "one hop", "two hops", "litellm"]
UNSAFE = "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY"
LISTENING = r"listening on [\d.]+:(\d+)"
BODY = {"model": "m", "messages": [{"role": "user", "content": "How many letters are in this sentence? " * 5}]}


@dataclass
class Result:
    """What one way came to."""

    way: str
    requests: float = 0
    median_ms: float = 0
    p99_ms: float = 0
    chunks: float = 0
    first_chunk_ms: float = 0
    open_seconds: float = 0
    lost: int = 0
    memory_mib: float = 0


class Connection:
    """A connection that stays open, and just enough of HTTP."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> Connection:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
        return self

    def close(self) -> None:
        self._writer.close()

    async def ask(self, body: bytes) -> int:
        """Send a request and read the answer; gives the number of chunks, 0 for a whole answer."""
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-bench\r\n"
        self._writer.write(head + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.decode())
        length = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
        if length:
            await self._reader.readexactly(int(length[1]))
            return 0
        self.first = 0.0
        rest = b""
        chunks = 0
        while size := int(await self._reader.readline(), 16):
            self.first = self.first or time.perf_counter()
            rest = rest[-16:] + await self._reader.readexactly(size)
            chunks += rest.count(b'"chatcmpl-') - rest[:16].count(b'"chatcmpl-')
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return chunks


async def load(port: int, body: bytes, connections: int, seconds: float) -> tuple[int, int, list[float], float]:
    """Ask on several connections for some seconds: requests, chunks, seconds of each, and seconds in all."""
    opened = [await Connection(port).open() for _ in range(connections)]
    times: list[float] = []
    counted = 0
    begun = time.perf_counter()
    end = begun + seconds

    async def work(connection: Connection) -> None:
        nonlocal counted
        while (start := time.perf_counter()) < end:
            chunks = await connection.ask(body)
            counted += chunks
            times.append(time.perf_counter() - start)

    await asyncio.gather(*map(work, opened))
    took = time.perf_counter() - begun
    for connection in opened:
        connection.close()
    return len(times), counted, times, took


async def first_chunks(port: int, body: bytes, count: int) -> float:
    connection = await Connection(port).open()
    found = []
    for _ in range(count):
        start = time.perf_counter()
        await connection.ask(body)
        found.append(connection.first - start)
    connection.close()
    return statistics.median(found)


async def open_at_once(port: int, body: bytes) -> tuple[float, int]:
    """All streams at once: seconds until all are whole, and how many were not."""
    start = time.perf_counter()

    async def one() -> bool:
        connection = await Connection(port).open()
        try:
            return await connection.ask(body) == CHUNKS
        finally:
            connection.close()

    tasks = [asyncio.ensure_future(one()) for _ in range(OPEN)]
    done, late = await asyncio.wait(tasks, timeout=PATIENCE)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    whole = sum(not task.exception() and task.result() for task in done)
    return time.perf_counter() - start, OPEN - whole


async def measure(way: str, port: int, seconds: float, connections: int) -> Result:
    result = Result(way)
    body = json.dumps(BODY).encode()
    stream = json.dumps({**BODY, "stream": True}).encode()
    held = json.dumps({**BODY, "model": "held", "stream": True}).encode()
    await load(port, body, connections, 1)
    count, _, _, took = await load(port, body, connections, seconds)
    result.requests = count / took
    _, _, alone, _ = await load(port, body, 1, seconds / 2)
    cuts = statistics.quantiles(alone, n=100)
    result.median_ms, result.p99_ms = statistics.median(alone) * 1e3, cuts[98] * 1e3
    await load(port, stream, connections, 0.5)
    _, chunks, _, took = await load(port, stream, connections, seconds)
    result.chunks = chunks / took
    result.first_chunk_ms = await first_chunks(port, stream, 50) * 1e3
    result.open_seconds, result.lost = await open_at_once(port, held)
    return result


@contextmanager
def program(*command: str, ready: str, env: dict[str, str] | None = None) -> Iterator[tuple[int, int]]:
    """A program that says where it listens; gives its id and its port."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **(env or {})}
    )
    said = []
    assert process.stdout
    for line in process.stdout:
        said.append(line)
        if found := re.search(ready, line):
            break
    else:
        raise RuntimeError(f"{command[0]} did not start:\n{''.join(said[-20:])}")
    os.set_blocking(process.stdout.fileno(), False)
    try:
        yield process.pid, int(found[1])
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def memory(process: int) -> float:
    """MiB that a process and its children had at most."""
    children = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True).stdout.split()
    status = Path(f"/proc/{process}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+)", status)
    return int(peak[1] if peak else 0) / 1024 + sum(memory(int(child)) for child in children)


def run_way(way: str, upstream: int, arguments: argparse.Namespace) -> Result:
    url = f"http://127.0.0.1:{upstream}/v1"
    quiet = ("--log", "none", "--listen", "127.0.0.1:0")

    def chatpb(*command: str) -> tuple[int, int]:
        return up.enter_context(program(PYTHON, "-m", "chatpb", *command, *quiet, ready=LISTENING))

    with ExitStack() as up, tempfile.TemporaryDirectory() as folder:
        processes, port = [], upstream
        if way == "one hop":
            pid, port = chatpb("gateway", "--backend", f"openai:{url}")
            processes = [pid]
        elif way == "two hops":
            server, at = chatpb("serve", "--backend", f"openai:{url}")
            front, port = chatpb("gateway", "--target", f"127.0.0.1:{at}")
            processes = [server, front]
        elif way == "pass-through":
            command = (PYTHON, "-m", "bench.load_servers", "pass-through", url)
            pid, port = up.enter_context(program(*command, ready=LISTENING))
            processes = [pid]
        elif way == "litellm":
            config = Path(folder) / "config.json"
            params = {"api_base": url, "api_key": "sk-bench"}
            names = [
                {"model_name": name, "litellm_params": {**params, "model": f"openai/{name}"}} for name in ("m", "held")
            ]
            config.write_text(json.dumps({"model_list": names}))
            command = (arguments.litellm, "--config", str(config), "--port", "14000", "--host", "127.0.0.1")
            env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONPATH": "", UNSAFE: "true"}
            pid, port = up.enter_context(program(*command, ready=r"running on http://[\d.]+:(\d+)", env=env))
            processes = [pid]
        result = asyncio.run(measure(way, port, arguments.seconds, arguments.connections))
        result.memory_mib = sum(map(memory, processes))
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--litellm", metavar="PATH", help="LiteLLM's program; without it, its proxy is left out")
    parser.add_argument("--json", metavar="FILE", type=Path, help="where to write the figures")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="which ways, in this order")
    arguments = parser.parse_args()
    ways = [way for way in arguments.ways if way != "litellm" or arguments.litellm]
    results = []
    heads = ("req/s", "of plain", "+median ms", "+p99 ms", "chunks/s", "+first ms", "open s", "lost", "MiB")
    print(" " * 14 + "".join(f"{head:>11}" for head in heads))
    for way in ways:
        with program(PYTHON, "-m", "bench.load_servers", "upstream", ready=LISTENING) as (_, upstream):
            result = run_way(way, upstream, arguments)
        results.append(result)
        direct, plain = results[0], results[min(1, len(results) - 1)]
        figures = (
            f"{result.requests:.0f}",
            f"{result.requests / plain.requests:.2f}",
            f"{result.median_ms - direct.median_ms:.2f}",
            f"{result.p99_ms - direct.p99_ms:.2f}",
            f"{result.chunks:.0f}",
            f"{result.first_chunk_ms - direct.first_chunk_ms:.2f}",
            f"{result.open_seconds:.2f}",
            str(result.lost),
            f"{result.memory_mib:.0f}",
        )
        print(f"{way:14}" + "".join(f"{figure:>11}" for figure in figures), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")


if __name__ == "__main__":
    main()
