"""Services under all that goes wrong at once, for a time; what must hold is checked at every call and at the end.

    python -m bench.chaos [--minutes 30] [--in-flight 200] [--calls 3000] [--streams 2000] [--hold 60] [--slack 5]
    python -m bench.chaos --minutes 0        the many calls and streams alone

Gateway, gRPC server and an upstream run as programs. The upstream answers, streams, is slow, refuses, breaks off and
sends nonsense; the server and the gateway are killed and started again. Callers ask, read slowly, come in bursts, and
leave at any moment. What must hold:

- No call takes longer than its deadline and a few seconds, those of `--slack`.
- Each answer is right, word for word, or an honest error: one with a status, or one in the stream, without a [DONE].
- As many seconds after a program is back, calls are answered again.
- In the second half of the time, the memory, descriptors, threads and tasks of the programs do not grow. A run of a few
  minutes cannot tell growth from the calls that happen to be open, and does not check it.
- At the end, many calls come at once, and all are answered. Then many streams are open at once, each silent for a time
  after its first chunk. None is lost.

The exit status is 1 if anything did not hold.
"""

# ruff: noqa: S311  (chance is no secret here, and all commands are fixed in this file)

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import signal
import sys
import time
from collections import Counter
from typing import Any

import aiohttp
import psutil

from tests.service.service_stack import free_port

DEADLINE = 10.0
SLACK = 5.0
"""Seconds beyond its deadline that a call may take, and a restart until a call is answered: two programs and a busy
machine are in the way. A machine that has much else to do needs more.
"""
HOLD = 60.0
"""Seconds for which the streams at the end are silent."""
WORDS = ["all", "that", "is", "said", "here", "comes", "back", "word", "for", "word", "in", "its", "own", "place"]
QUIET = ("--log", "none", "--timeout", str(DEADLINE), "--send-timeout", "5", "--grace", "1")
PROGRAM = """
import asyncio, signal, sys
from chatpb.cli import main

def report(*_):
    print("tasks", len(asyncio.all_tasks(asyncio.get_running_loop())), file=sys.stderr, flush=True)

signal.signal(signal.SIGUSR1, report)
main()
"""
"""`chatpb`, which reports the number of its tasks when it gets a signal."""
FAULTS = ("slow", "refuse", "reset", "half", "garbage", "error", "stall", "cut")


class Upstream:
    """An endpoint: the model of a request says how it answers. A request's last message is its answer."""

    async def serve(self) -> int:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=4096)
        self._server = server
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1]) if length else 0)
                if not body:
                    await self._send(writer, b'{"object":"list","data":[]}')
                    continue
                request = json.loads(body)
                if not await self._answer(writer, request):
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _send(self, writer: asyncio.StreamWriter, body: bytes, status: int = 200) -> None:
        writer.write(
            b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
            + body
        )
        await writer.drain()

    async def _answer(self, writer: asyncio.StreamWriter, request: dict[str, Any]) -> bool:
        """Answer a request, and return whether the connection may be used again."""
        how, text = request["model"], request["messages"][-1]["content"]
        if how == "refuse":
            await self._send(writer, b'{"error":{"message":"Busy.","type":"requests"}}', random.choice([429, 500, 503]))
        elif how == "reset":
            writer.transport.abort()
        elif how == "garbage":
            await self._send(writer, b"<html>")
        elif how == "stall":
            await asyncio.sleep(DEADLINE * 1.5)
        elif request.get("stream"):
            return await self._stream(writer, how, text)
        elif how == "half":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{")
            writer.close()
        elif how in ("error", "cut"):
            await self._send(writer, b'{"error":{"message":"Boom."}}')
        else:
            await asyncio.sleep(random.random() * (2 if how == "slow" else 0.01))
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            await self._send(writer, json.dumps({"id": "1", "choices": [choice]}).encode())
        return how not in ("reset", "half", "stall")

    async def _stream(self, writer: asyncio.StreamWriter, how: str, text: str) -> bool:
        def event(data: bytes) -> None:
            data = b"data: %b\n\n" % data
            writer.write(b"%x\r\n%b\r\n" % (len(data), data))

        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for number, word in enumerate(text.split(" ")):
            content = word if number == 0 else f" {word}"
            event(json.dumps({"id": "1", "choices": [{"index": 0, "delta": {"content": content}}]}).encode())
            await writer.drain()
            if how == "slow":
                await asyncio.sleep(random.random() * 0.2)
            if how == "hold" and number == 0:
                await asyncio.sleep(HOLD)
            if number == 5 and how in ("half", "error", "cut"):
                if how == "half":
                    writer.transport.abort()
                    return False
                if how == "error":
                    event(b'{"error":{"message":"Boom."}}')
                writer.write(b"0\r\n\r\n")
                return True
        event(b'{"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}')
        event(b"[DONE]")
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


class Service:
    """A program that is started, killed and started again, at the same address."""

    def __init__(self, *command: str) -> None:
        self._command = (sys.executable, "-c", PROGRAM, *command, *QUIET)
        # While it is away, no connection may get its port, as may happen to one that the system chose.
        self._address = f"127.0.0.1:{free_port()}"

    @property
    def address(self) -> str:
        return self._address

    async def start(self) -> None:
        command = (*self._command, "--listen", self._address)
        self.process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        assert self.process.stderr
        line = (await self.process.stderr.readline()).decode()
        if "listening on" not in line:
            raise RuntimeError(f"{command} did not start: {line}")
        self._tasks: asyncio.Queue[int] = asyncio.Queue()
        self._reading = asyncio.ensure_future(self._read(self.process.stderr, self._tasks))

    async def _read(self, stderr: asyncio.StreamReader, tasks: asyncio.Queue[int]) -> None:
        async for line in stderr:
            if line.startswith(b"tasks "):
                tasks.put_nowait(int(line.split()[1]))

    def limit(self, seconds: float) -> None:
        """Set the time that a call may take, from the next start on."""
        self._command = (*self._command, "--timeout", str(seconds))

    async def stop(self, number: int) -> None:
        if self.process.returncode is None:
            self.process.send_signal(number)
        await self.process.wait()
        await self._reading

    async def state(self) -> dict[str, float]:
        """Return the memory in MiB, the descriptors, the threads and the tasks of the process."""
        process = psutil.Process(self.process.pid)
        memory = process.memory_info().rss / (1 << 20)
        self.process.send_signal(signal.SIGUSR1)
        tasks = await asyncio.wait_for(self._tasks.get(), DEADLINE + SLACK)
        return {"MiB": memory, "descriptors": process.num_fds(), "threads": process.num_threads(), "tasks": tasks}


class Chaos:
    """The callers, what they saw, and what did not hold."""

    def __init__(self, url: str, until: float) -> None:
        self.url = url
        self.until = until
        self.seen: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.is_up = asyncio.Event()
        self.is_up.set()

    async def caller(self, session: aiohttp.ClientSession) -> None:
        while time.monotonic() < self.until:
            await self.call(session, random.choice(FAULTS) if random.random() < 0.5 else "right")

    async def bursts(self, session: aiohttp.ClientSession) -> None:
        while time.monotonic() < self.until:
            await asyncio.sleep(random.uniform(3, 8))
            await asyncio.gather(*[self.call(session, "right") for _ in range(300)])

    async def call(self, session: aiohttp.ClientSession, model: str) -> None:
        """Make a call, and count how it went. One in five leaves at some moment."""
        text = " ".join(random.choices(WORDS, k=random.randint(10, 60)))
        body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": random.random() < 0.5}
        asking = asyncio.ensure_future(self._ask(session, body, text))
        patience = random.random() * random.choice([0.01, 0.3, 3]) if random.random() < 0.2 else DEADLINE + SLACK
        _, pending = await asyncio.wait([asking], timeout=patience)
        if not pending:
            self.seen[asking.result()] += 1
            return
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        if patience > DEADLINE:
            self.wrong[f"{model}: a call takes longer than its deadline"] += 1
        else:
            self.seen["left"] += 1

    async def _ask(self, session: aiohttp.ClientSession, body: dict[str, Any], text: str) -> str:
        try:
            async with session.post(self.url, json=body) as answer:
                if answer.status != 200:
                    if not isinstance((await answer.json()).get("error"), dict):
                        self.wrong["an error without a body"] += 1
                    return f"status {answer.status}"
                if not body["stream"]:
                    found = (await answer.json())["choices"][0]["message"]["content"]
                    return self._check(body, found == text)
                return await self._read(answer, body, text)
        except aiohttp.ClientConnectorError:
            await asyncio.sleep(0.1)
            return "not reached"
        except (aiohttp.ClientError, ConnectionError):
            return "broken off"

    async def _read(self, answer: aiohttp.ClientResponse, body: dict[str, Any], text: str) -> str:
        is_slow = random.random() < 0.1
        said, is_done, error = "", False, False
        async for line in answer.content:
            if is_slow:
                await asyncio.sleep(0.02)
            if line == b"data: [DONE]\n":
                is_done = True
            elif line.startswith(b"data: "):
                event = json.loads(line[6:])
                error = error or "error" in event
                said += "".join(choice["delta"].get("content", "") for choice in event.get("choices", []))
        if error:
            if is_done or not text.startswith(said):
                self.wrong[f"{body['model']}: a stream with an error that is not honest"] += 1
            return "error in the stream"
        return self._check(body, is_done and said == text)

    def _check(self, body: dict[str, Any], is_right: bool) -> str:
        if not is_right or body["model"] not in ("right", "slow", "hold"):
            self.wrong[f"{body['model']}: an answer that is wrong, stream: {body['stream']}"] += 1
        return "right"

    async def recover(self, session: aiohttp.ClientSession) -> None:
        """Check that calls are answered soon after a program is back."""
        limit = time.monotonic() + SLACK
        while time.monotonic() < limit:
            body = {"model": "right", "messages": [{"role": "user", "content": "x"}], "stream": False}
            if await self._ask(session, body, "x") == "right":
                return
            await asyncio.sleep(0.1)
        self.wrong[f"no answer {SLACK} seconds after a restart"] += 1


async def run(minutes: float, in_flight: int, calls: int, streams: int) -> bool:
    """Run everything, print what happened, and return whether all held."""
    upstream = Upstream()
    server = Service("serve", "--backend", f"openai:http://127.0.0.1:{await upstream.serve()}/v1")
    await server.start()
    front = Service("gateway", "--target", server.address)
    await front.start()
    try:
        holds = minutes == 0 or await _run(server, front, minutes, in_flight)
        # Calls may now take as long as the streams are silent.
        for service in (server, front):
            await service.stop(signal.SIGTERM)
            service.limit(HOLD + 60)
            await service.start()
        url = f"http://{front.address}/v1/chat/completions"
        holds = await at_once(url, calls, "right") and holds
        return await at_once(url, streams, "hold") and holds
    finally:
        for service in (front, server):
            await service.stop(signal.SIGTERM)


FEWEST_MINUTES = 5
"""Minutes of a run that shows whether anything grows."""


async def _run(server: Service, front: Service, minutes: float, in_flight: int) -> bool:
    began = time.monotonic()
    until = began + minutes * 60
    chaos = Chaos(f"http://{front.address}/v1/chat/completions", until)
    states: list[dict[str, float]] = []
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        callers = [asyncio.ensure_future(chaos.caller(session)) for _ in range(in_flight)]
        callers.append(asyncio.ensure_future(chaos.bursts(session)))
        stops = ((server, signal.SIGKILL), (front, signal.SIGKILL), (server, signal.SIGTERM))
        # In the first half, programs are killed; the second half shows whether anything grows.
        while time.monotonic() < began + minutes * 30:
            await asyncio.sleep(max(2.0, minutes * 2))
            for service, number in stops:
                await service.stop(number)
                await asyncio.sleep(random.uniform(0, 2))
                await service.start()
                await chaos.recover(session)
        while not states or time.monotonic() < until:
            await asyncio.sleep(max(1.0, minutes))
            states.append(total(await server.state(), await front.state()))
        await asyncio.gather(*callers)
    if minutes < FEWEST_MINUTES:
        print(f"whether anything grows takes {FEWEST_MINUTES} minutes to tell: NOT CHECKED")
    else:
        for name, ratio in growth(states).items():
            if ratio > 1.25:
                chaos.wrong[f"{name} grow: {ratio:.2f} times"] += 1
    print("calls:", ", ".join(f"{name} {number}" for name, number in chaos.seen.most_common()))
    print("at the end:", ", ".join(f"{name} {value:.0f}" for name, value in states[-1].items()))
    for name, times in chaos.wrong.most_common():
        print(f"WRONG {times} times: {name}")
    return not chaos.wrong and chaos.seen["right"] > 0


async def at_once(url: str, number: int, model: str) -> bool:
    """Make calls at once, and return whether all were right. With the model `hold`, they are silent streams."""
    chaos = Chaos(url, 0)
    body = {"model": model, "messages": [{"role": "user", "content": "word for word"}], "stream": model == "hold"}
    timeout = aiohttp.ClientTimeout(total=None)
    started = time.monotonic()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        found = await asyncio.gather(*[chaos._ask(session, body, "word for word") for _ in range(number)])
    what = f"streams, silent for {HOLD:.0f} seconds" if model == "hold" else "calls at once"
    print(f"{number} {what}: {dict(Counter(found))} in {time.monotonic() - started:.1f} s")
    return found.count("right") == number


def total(*states: dict[str, float]) -> dict[str, float]:
    return {name: sum(state[name] for state in states) for name in states[0]}


def growth(states: list[dict[str, float]]) -> dict[str, float]:
    """Return how much each figure grew, from the least of the first half to the least of the second half.

    The least, because the calls that are open at a moment take memory and descriptors, too.
    """
    middle = len(states) // 2

    def least(part: list[dict[str, float]], name: str) -> float:
        return min(state[name] for state in part)

    return {name: least(states[middle:], name) / least(states[:middle], name) for name in states[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--in-flight", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--streams", type=int, default=2000)
    parser.add_argument("--hold", type=float, default=HOLD, help="seconds for which those streams are silent")
    parser.add_argument("--slack", type=float, default=SLACK, help="seconds that a busy machine may add to a time")
    arguments = parser.parse_args()
    globals().update(HOLD=arguments.hold, SLACK=arguments.slack)
    random.seed(arguments.seed)
    sys.exit(not asyncio.run(run(arguments.minutes, arguments.in_flight, arguments.calls, arguments.streams)))


if __name__ == "__main__":
    main()
