"""The programs and configurations of docs/deployment.md, with other ports: FastAPI, a wrapper, nginx and Envoy."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

from chatpb.service import AsyncClient, EchoBackend, FunctionBackend, OpenAIBackend, Server, ServiceError
from chatpb.service.gateway import gateway
from tests.service.chatpb_program import Program
from tests.service.fake_model import FakeModel
from tests.service.fake_upstream import FakeUpstream, HttpExchange, chunk_twice
from tests.service.service_stack import (
    CHUNK,
    QUESTION,
    STREAM,
    Stack,
    free_port,
    http_client,
    run,
    serve_http,
    stack,
)
from tests.support import ROOT, programs_of

PAGE = ROOT / "docs" / "deployment.md"
FASTAPI, QUOTA, METRICS = programs_of(PAGE)


def configuration(language: str) -> str:
    """Return the blocks of a language in the page."""
    return "".join(re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL))


def program(name: str) -> str:
    """Return the path of a program. Skip the test if it is not here; fail it if CHATPB_REQUIRE_PROXIES is set."""
    found = shutil.which(
        name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}{os.pathsep}/usr/sbin"
    )
    if found is None:
        missing(name)
    return str(found)


def missing(name: str) -> None:
    absent = pytest.fail if os.environ.get("CHATPB_REQUIRE_PROXIES") else pytest.skip
    absent(f"{name} is not installed: .ci/run proxies")


def test_fastapi() -> None:
    if find_spec("fastapi") is None:
        missing("fastapi")

    async def main() -> None:
        async with Server(EchoBackend(), listen="127.0.0.1:0") as server:
            names: dict[str, Any] = {}
            exec(compile(FASTAPI.replace("50051", str(server.port)), str(PAGE), "exec"), names)
            headers = {"authorization": "Bearer sk-of-this-service"}
            async with serve_http(names["app"]) as url, http_client(headers=headers) as client:
                whole = await client.post(f"{url}/llm/v1/chat/completions", json=QUESTION)
                assert whole.json()["choices"][0]["message"]["content"] == "hello"
                streamed = await client.post(f"{url}/llm/v1/chat/completions", json=STREAM)
                assert streamed.text.endswith("data: [DONE]\n\n")
                assert (await client.get(f"{url}/llm/health")).status_code == 200
                assert (await client.get(f"{url}/v1/models")).status_code == 404
                missing = await client.get(f"{url}/llm/v1/embeddings")
                assert missing.json()["error"]["message"].startswith("There is no GET ")
                refused = await client.post(f"{url}/llm/v1/chat/completions", headers={"authorization": "Bearer x"})
                assert refused.status_code == 401

    run(main())


def test_a_wrapper() -> None:
    names: dict[str, Any] = {}
    exec(compile(QUOTA, str(PAGE), "exec"), names)

    async def answer(request: Any) -> dict[str, Any]:
        return {"choices": [{"index": 0, "message": {"content": "a"}}], "usage": {"total_tokens": 6}}

    async def main() -> None:
        backend = names["Quota"](FunctionBackend(answer), 10)
        async with Server(backend, listen="127.0.0.1:0") as server, AsyncClient(f"127.0.0.1:{server.port}") as client:
            mine = {"authorization": "Bearer me"}
            for _ in range(2):
                assert (await client.create(QUESTION, metadata=mine))["usage"]["total_tokens"] == 6
            with pytest.raises(ServiceError, match="All your tokens are used") as caught:
                await client.create(QUESTION, metadata=mine)
            assert caught.value.headers["retry-after"] == "3600"
            assert await client.create(QUESTION, metadata={"authorization": "Bearer you"})
            assert [chunk async for chunk in client.stream(QUESTION)]
            with pytest.raises(ServiceError, match="One answer at a time"):
                [chunk async for chunk in client.stream({**QUESTION, "n": 2})]

    run(main())


def test_each_metric_is_in_the_list() -> None:
    """With its type and its labels, of a program that serves them as the page shows."""
    rows = re.findall(r"^\| `(chatpb_\w+)` \| (\w+) \| (.*?) ?\|", PAGE.read_text(), re.MULTILINE)
    listed = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    service, metrics = str(free_port()), str(free_port())
    code = METRICS.replace("50051", service).replace("9464", metrics)
    told = f"on_start=lambda _: print('listening on 127.0.0.1:{service}', file=sys.stderr), observers"
    code = "import sys\n" + code.replace("observers", told)

    async def main() -> str:
        async with (
            Program(start=(sys.executable, "-c", code)) as server,
            AsyncClient(server.address) as client,
            http_client() as reader,
        ):
            assert [chunk async for chunk in client.stream(QUESTION)]
            return (await reader.get(f"http://127.0.0.1:{metrics}/metrics")).text

    text = run(main())
    types = dict(re.findall(r"^# TYPE (chatpb_\w+) (\w+)$", text, re.MULTILINE))
    served = {name: kind for name, kind in types.items() if not name.endswith("_created")}
    assert served == {name: kind for name, (kind, _) in listed.items()}
    for sample, labels in re.findall(r"^(chatpb_\w+)\{(.*?)\}", text, re.MULTILINE):
        name = re.sub("_(bucket|sum|count|created)$", "", sample)
        _, names = listed[name if name in listed else f"{name}_total"]
        assert set(re.findall(r'(\w+)="', labels)) - {"le"} == names
    (bounds,) = re.findall(r"The histograms count up to (.*?) seconds", PAGE.read_text())
    written = {float(each) for each in re.findall(r"[\d.]+", bounds)}
    for name in ("chatpb_call_seconds", "chatpb_first_chunk_seconds"):
        found = re.findall(rf'^{name}_bucket{{.*?le="([\d.]+)"', text, re.MULTILINE)
        assert {float(each) for each in found} == written


def test_units_of_systemd(tmp_path: Path) -> None:
    verify = program("systemd-analyze")
    chatpb = Path(sys.executable).with_name("chatpb")
    names = re.findall(r"^`/etc/systemd/system/(.*?)`", PAGE.read_text(), re.MULTILINE)
    blocks = re.findall(r"^```ini\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    for name, block in zip(names, blocks, strict=True):
        (tmp_path / name).write_text(block.replace("/opt/chatpb/bin/chatpb", str(chatpb)))
    units = [tmp_path / name.replace("@", "@1") for name in names]
    for unit in units:
        if not unit.exists():
            unit.symlink_to(tmp_path / unit.name.replace("@1", "@"))
    done = subprocess.run([verify, "verify", "--recursive-errors=no", *units], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@asynccontextmanager
async def notified() -> AsyncIterator[tuple[str, asyncio.Queue[bytes]]]:
    """Give the block the path of a socket for what services say to systemd, and what they say."""
    said: asyncio.Queue[bytes] = asyncio.Queue()

    class Receiver(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            said.put_nowait(data)

    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/notify"
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            Receiver, local_addr=path, family=socket.AF_UNIX
        )
        try:
            yield path, said
        finally:
            transport.close()


def test_a_gateway_is_replaced_at_its_socket() -> None:
    """A connection that is made while none accepts waits for the next one, which says when it is ready."""

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            where = f"127.0.0.1:{listener.getsockname()[1]}"
            command = ("gateway", "--backend", "echo", "--listen", f"fd:{listener.fileno()}", "--log", "none")
            async with http_client(headers={"connection": "close"}) as client, notified() as (path, said):
                url = f"http://{where}/v1/chat/completions"
                waiting: Any = None
                for _ in range(2):
                    async with Program(*command, inherits=[listener.fileno()], NOTIFY_SOCKET=path) as front:
                        assert await said.get() == b"READY=1"
                        assert front.address == where
                        answer = await (waiting or client.post(url, json=QUESTION))
                        assert answer.status_code == 200
                    waiting = asyncio.ensure_future(client.post(url, json=QUESTION))
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)

    run(main())


@asynccontextmanager
async def proxy(name: str, up: Stack, folder: Path) -> AsyncIterator[tuple[str, str]]:
    """Run a proxy before the services, and give the addresses for HTTP and gRPC to the block."""
    ports = {
        "8000": up.url.rpartition(":")[2].removesuffix("/v1"),
        "50051": up.target.rpartition(":")[2],
        "8080": str(free_port()),
        "8081": str(free_port()),
    }

    def with_ports(text: str) -> str:
        return re.sub("|".join(rf"\b{each}\b" for each in ports), lambda found: ports[found[0]], text)

    if name == "nginx":
        paths = "".join(
            f"{each}_temp_path {folder}/{each};\n" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        servers = with_ports(configuration("nginx"))
        path = folder / "nginx.conf"
        path.write_text(
            f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;\n"
            f"events {{}}\nhttp {{ access_log off;\n{paths}{servers}}}\n"
        )
        command: tuple[str, ...] = (program("nginx"), "-p", str(folder), "-e", str(folder / "errors"), "-c", str(path))
        grpc_port = ports["8081"]
    else:
        path = folder / "envoy.yaml"
        path.write_text(with_ports(configuration("yaml")))
        options = ("--use-dynamic-base-id", "--disable-hot-restart", "--concurrency", "1", "-l", "error")
        command = (program("envoy"), "-c", str(path), *options)
        grpc_port = ports["8080"]
    with (folder / "output").open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output)
    try:
        for port in {ports["8080"], grpc_port}:
            while True:
                assert process.returncode is None, (folder / "output").read_text()
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", int(port))
                except ConnectionRefusedError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    break
        yield f"http://127.0.0.1:{ports['8080']}/v1/chat/completions", f"127.0.0.1:{grpc_port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


proxies = pytest.mark.parametrize("name", ["nginx", "envoy"])


@proxies
def test_answers_through_a_proxy(name: str, tmp_path: Path) -> None:
    """Bodies, errors with their headers, and large requests are the same as without it."""
    program(name)
    large = {**QUESTION, "messages": [{"role": "user", "content": "x" * (20 << 20)}]}

    async def main() -> None:
        async with stack(FakeModel()) as up, proxy(name, up, tmp_path) as (url, target), http_client() as client:
            for body in (QUESTION, STREAM, large):
                through = await client.post(url, json=body)
                assert (through.status_code, through.text) == (200, (await up.post(body)).text)
            busy = await client.post(url, json={**QUESTION, "model": "busy"})
            assert (busy.status_code, busy.headers["retry-after"]) == (429, "17")
            async with AsyncClient(target) as caller, AsyncClient(up.target) as direct:
                for body in (QUESTION, large):
                    while True:  # Envoy asks for the server's health before it sends calls there
                        try:
                            found = await caller.create(body)
                        except ServiceError as error:
                            assert error.status == 503, error
                        else:
                            break
                    assert found == await direct.create(body)
                assert [chunk async for chunk in caller.stream(QUESTION)]
                with pytest.raises(ServiceError) as caught:
                    await caller.create({**QUESTION, "model": "busy"})
                assert (caught.value.status, caught.value.headers["retry-after"]) == (429, "17")

    run(main())


@proxies
def test_a_proxy_holds_nothing_back(name: str, tmp_path: Path) -> None:
    """The first chunk arrives before the second is sent."""
    program(name)

    async def main() -> None:
        first_arrived = asyncio.Event()
        async with (
            stack(chunk_twice(CHUNK, first_arrived)) as up,
            proxy(name, up, tmp_path) as (url, _),
            http_client() as client,
            client.stream("POST", url, json=STREAM) as response,
        ):
            came = []
            async for line in response.aiter_lines():
                came += [line] if line else []
                first_arrived.set()
            assert came == [f"data: {CHUNK.decode()}"] * 2 + ["data: [DONE]"]

    run(main())


@proxies
def test_a_caller_of_a_proxy_leaves(name: str, tmp_path: Path) -> None:
    program(name)

    async def main() -> None:
        closed = asyncio.Event()

        async def answer(exchange: HttpExchange) -> None:
            await exchange.begin_stream()
            await exchange.send_event(CHUNK)
            await exchange.until_closed()
            closed.set()

        async with stack(answer) as up, proxy(name, up, tmp_path) as (url, _), http_client() as client:
            async with client.stream("POST", url, json=STREAM) as response:
                async for _line in response.aiter_lines():
                    break
            await closed.wait()

    run(main())


BROWSER = """<script type="module">
const report = (text) => fetch("/report", {method: "POST", body: text});
try {
  const answer = await fetch("GATEWAY/v1/chat/completions", {
    method: "POST",
    headers: {"content-type": "application/json", authorization: "Bearer right", "x-stainless-lang": "js"},
    body: JSON.stringify({model: "m", stream: true, messages: [{role: "user", content: "hello"}]}),
  });
  await report(`${answer.status} ${answer.headers.get("x-request-id").length}`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let piece; !(piece = await reader.read()).done;) await report(piece.value);
} catch (error) {
  await report(`${error}`);
}
await report("end");
</script>"""


@pytest.mark.parametrize("is_allowed", [True, False])
def test_a_page_streams_an_answer(is_allowed: bool, tmp_path: Path) -> None:
    """In a browser, from another origin. The first chunk arrives before the second is sent."""
    chromium = program("chromium-headless-shell")

    async def main() -> None:
        first_arrived, is_over = asyncio.Event(), asyncio.Event()
        reports: list[str] = []
        gateway_url = ""

        async def page(exchange: HttpExchange) -> None:
            if exchange.path == "/report":
                reports.append(exchange.body.decode())
                if "data: " in reports[-1]:
                    first_arrived.set()
                if reports[-1] == "end":
                    is_over.set()
            await exchange.answer(BROWSER.replace("GATEWAY", gateway_url).encode(), kind="text/html")

        async with FakeUpstream(page).serve() as site, FakeUpstream(chunk_twice(CHUNK, first_arrived)).serve() as model:
            origin = f"http://127.0.0.1:{site.port}"
            backend = OpenAIBackend(model.url, api_key="key")
            app = gateway(backend, tokens=["right"], origins=[origin] if is_allowed else ["https://another.example"])
            async with serve_http(app) as gateway_url:
                options = ("--no-sandbox", "--disable-gpu", "--no-proxy-server", f"--user-data-dir={tmp_path}/profile")
                with (tmp_path / "output").open("wb") as output:
                    browser = await asyncio.create_subprocess_exec(
                        chromium,
                        *options,
                        "--remote-debugging-port=0",
                        f"{origin}/",
                        stdout=output,
                        stderr=output,
                        start_new_session=True,
                    )
                over = asyncio.ensure_future(is_over.wait())
                ended = asyncio.ensure_future(browser.wait())
                try:
                    await asyncio.wait((over, ended), return_when=asyncio.FIRST_COMPLETED)
                    assert over.done(), (tmp_path / "output").read_text()
                finally:
                    over.cancel()
                    # Debian's program is a script, which starts the browser.
                    with suppress(ProcessLookupError):
                        os.killpg(browser.pid, signal.SIGKILL)
                    await ended
        if is_allowed:
            assert reports.pop(0) == "200 32"
            assert "".join(reports) == f"data: {CHUNK.decode()}\n\n" * 2 + "data: [DONE]\n\nend"
        else:
            assert reports == ["TypeError: Failed to fetch", "end"]
            assert not model.seen

    run(main())


def test_the_configurations_are_those_that_were_run() -> None:
    """Each port of the page is one that the tests replace."""
    ports = set(re.findall(r"(?:127\.0\.0\.1:|port_value: )(\d+)", configuration("nginx") + configuration("yaml")))
    assert ports == {"8000", "8080", "8081", "50051"}


def test_a_restart_without_loss() -> None:
    """Two servers and a gateway are replaced while calls go on; the gateway's socket stays open, as systemd's does."""

    async def main() -> None:
        ports = [free_port(), free_port()]
        target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
        with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/chat/completions"
            servers = [("serve", "--listen", f"127.0.0.1:{port}", "--log", "json") for port in ports]
            front = "gateway", "--listen", f"fd:{listener.fileno()}", "--target", target, "--log", "json"
            answers: list[tuple[int, str]] = []
            is_over = asyncio.Event()

            async def go_on(body: Any, kept: int) -> None:
                async with http_client(limits=httpx.Limits(max_keepalive_connections=kept)) as client:
                    while not is_over.is_set():
                        answer = await client.post(url, json=body)
                        answers.append((answer.status_code, answer.text[-20:] if answer.is_success else answer.text))

            async with AsyncExitStack() as up, notified() as (path, said):

                async def start(*command: str) -> Program:
                    made = Program(*command, inherits=[listener.fileno()], NOTIFY_SOCKET=path)
                    await up.enter_async_context(made)
                    assert await said.get() == b"READY=1"
                    return made

                async def stop(program: Program) -> None:
                    program.send_signal(signal.SIGTERM)
                    assert await program.process.wait() == 0

                async def answer(program: Program) -> None:
                    """Wait for the first call in a program's log."""
                    while '"method"' not in await program.line():
                        pass

                running = [await start(*command) for command in servers]
                gateway = await start(*front)
                callers = [asyncio.ensure_future(go_on(body, kept)) for body in (QUESTION, STREAM) for kept in (0, 1)]
                for server, command in zip(running, servers, strict=True):
                    await stop(server)
                    await answer(await start(*command))
                for _ in range(3):
                    successor = await start(*front)
                    await stop(gateway)
                    await answer(successor)
                    gateway = successor
                is_over.set()
                await asyncio.gather(*callers)
        assert [each for each in answers if each[0] != 200] == []
        assert len({text for _, text in answers}) == 2

    run(main())
