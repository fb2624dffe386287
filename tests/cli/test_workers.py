"""`--workers`: processes that share a port, are started again, and end together."""

from __future__ import annotations

import asyncio
import re
import signal
import socket

import psutil
import pytest

from tests.cli.test_service_effects import status_of
from tests.service.chatpb_program import Program
from tests.service.service_stack import (
    free_port,
    http_client,
    run,
)

both = pytest.mark.parametrize("kind", ["serve", "gateway"])


def started(kind: str, *options: str) -> Program:
    return Program(kind, "--backend", "echo", "--listen", "127.0.0.1:0", "--log", "none", "--workers", "3", *options)


def workers_of(service: Program) -> list[psutil.Process]:
    return psutil.Process(service.process.pid).children()


async def ended(processes: list[psutil.Process]) -> None:
    while any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes):
        await asyncio.sleep(0.01)


@both
def test_a_worker_that_dies_is_started_again(kind: str) -> None:
    """No call fails that comes while it is not there."""

    async def main() -> None:
        async with started(kind) as service:
            before = workers_of(service)
            assert len(before) == 3
            before[1].kill()
            assert re.search("worker [012] ended with status -9 and is started again$", await service.line())
            while len(workers_of(service)) < 3:
                assert await status_of(service.address, kind=kind) == 200
            after = workers_of(service)
            assert {before[0].pid, before[2].pid} < {each.pid for each in after}
            service.send_signal(signal.SIGTERM)
            assert await service.process.wait() == 0
            await ended(after)

    run(main())


@both
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_all_end_with_the_first(kind: str, number: signal.Signals) -> None:
    async def main() -> None:
        async with started(kind) as service:
            workers = workers_of(service)
            service.send_signal(number)
            assert await service.process.wait() == (-9 if number is signal.SIGKILL else 0)
            await ended(workers)

    run(main())


@both
def test_each_has_its_own_metrics(kind: str) -> None:
    """At the ports from that of --metrics on. The calls that they count are all that were made."""

    async def main() -> None:
        port = free_port(3)
        async with started(kind, "--metrics", f"127.0.0.1:{port}") as service, http_client() as client:
            for _ in range(10):
                assert await status_of(service.address, kind=kind) == 200
            counted = 0.0
            for each in range(port, port + 3):
                text = (await client.get(f"http://127.0.0.1:{each}/metrics")).text
                _, found, rest = text.partition('chatpb_calls_total{code="OK",method="create"} ')
                counted += float(rest.split()[0]) if found else 0
            assert counted == 10

    run(main())


@both
def test_a_worker_that_cannot_start(kind: str) -> None:
    """Its error ends the service: to start it again would not help."""

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            where = f"127.0.0.1:{taken.getsockname()[1]}"
            service = started(kind, "--metrics", where)
            with pytest.raises(AssertionError):
                await service.__aenter__()
            assert await service.process.wait() == 2

    run(main())
