"""The options of `chatpb serve`, `gateway` and `call`, and what they report of wrong values."""

from __future__ import annotations

import inspect
import os
import socket
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from opentelemetry.trace import NoOpTracerProvider, ProxyTracerProvider

from chatpb.cli._app import load_command
from chatpb.cli._service_logs import unknown_variables
from chatpb.cli._service_options import LimitOptions, LogFormat, ObserverOptions
from chatpb.cli._service_setup import limits_of, observers_of
from chatpb.service import AsyncClient, Client, GrpcBackend, Limits, OpenAIBackend, TraceObserver
from chatpb.service._grpc_backend import channel_options
from tests.cli.command_line import run

NOT_A_TOKEN = "a token is printable ASCII, not empty, without white space around it"

BAD = {
    ("serve", "--backend", "foo"): "--backend: 'foo' is none of echo, replay:FILE, openai:URL, grpc:HOST:PORT",
    ("serve", "--backend", "replay:no.jsonl"): "--backend: [Errno 2] No such file or directory: 'no.jsonl'",
    ("serve", "--backend", "replay:no.txt"): "--backend: 'no.txt' is not called .jsonl or .binpbs",
    ("serve", "--backend", "openai:ftp://x"): "--backend: 'ftp://x' is not an http or https address",
    ("serve", "--backend", "grpc:x"): "--backend: 'x' is not HOST:PORT",
    ("serve", "--listen", "5"): "--listen: '5' is not HOST:PORT",
    ("serve", "--listen", "h:99999"): "--listen: 'h:99999' is not HOST:PORT",
    ("serve", "--listen", "203.0.113.9:80"): "--listen: cannot listen at 203.0.113.9:80: ",
    ("serve", "--listen", "fd:3"): "--listen: gRPC takes no socket of another process",
    ("gateway", "--backend", "echo", "--listen", "fd:x"): "--listen: 'fd:x' is not fd:N",
    ("gateway", "--backend", "echo", "--listen", "fd:999999"): "--listen: cannot listen at fd:999999: Bad file",
    ("serve", "--token", ""): f"--token: {NOT_A_TOKEN}",
    ("serve", "--tls-key", "no.pem"): "--tls-key: there is no file 'no.pem'",
    ("serve", "--tls-ca", __file__): "--tls-ca: a server needs a certificate and its key",
    ("serve", "--tls-certificate", __file__, "--tls-key", __file__): (
        f"--tls-certificate, --tls-key: {__file__} and {__file__} are no certificate and its key in PEM form"
    ),
    ("serve", "--backend", "openai:http://x", "--upstream-header", "x"): "--upstream-header: 'x' is not NAME: VALUE",
    ("serve", "--backend", "openai:http://x", "--upstream-header", "a b: c"): "--upstream-header: 'a b: c' is not NAME",
    ("serve", "--backend", "echo", "--upstream-header", "a: b"): "--upstream-header: only openai:URL sends headers",
    ("gateway", "--target", "a:1", "--upstream-header", "a: b"): "--upstream-header: only openai:URL sends headers",
    ("serve", "--forward-header", "x title"): "--forward-header: 'x title' is no name of a header: ",
    ("gateway", "--backend", "echo", "--return-header", "x-bin"): "--return-header: 'x-bin' is no name of a header: ",
    ("serve", "--workers", "0"): "'--workers'",
    ("serve", "--workers", "2", "--listen", "unix:x"): "--workers: gRPC's workers cannot share unix:PATH",
    ("serve", "--metrics", "x"): "--metrics: 'x' is not HOST:PORT",
    ("serve", "--max-message", "0"): "'--max-message'",
    ("serve", "--max-calls", "many"): "'--max-calls'",
    ("serve", "--timeout", "0"): "'--timeout'",
    ("serve", "--grace", "inf"): "'--grace'",
    ("serve", "--log", "loud"): "'--log'",
    ("serve", "--record-max-age", "5"): "--record: limits are nothing without a file",
    ("gateway", "--target", "a:1", "--target", "b:1"): "--target: no model reaches the target of '*', which",
    ("serve", "--record", __file__): f"--record: {__file__}: ",
    ("gateway",): "--target, --backend: give one of them",
    ("gateway", "--target", "a:1", "--backend", "echo"): "--target, --backend: give one of them",
    ("gateway", "--target", "a"): "--target: 'a' is not HOST:PORT",
    ("gateway", "--target", "a:1", "--target-token", "\u00e9"): f"--target-token: {NOT_A_TOKEN}",
    ("gateway", "--target", "a:1", "--tls-ca", __file__): f"--tls-ca: {__file__} holds no certificates in PEM form",
    ("gateway", "--target", "a:1", "--tls-key", __file__): "--tls-key: a certificate needs its key, and a key its",
    ("gateway", "--backend", "echo", "--listen", "203.0.113.9:80"): "--listen: cannot listen at 203.0.113.9:80: ",
    ("gateway", "--backend", "echo", "--keep-alive", "-1"): "'--keep-alive'",
    ("call",): "FILE, --message: give one of them",
    ("call", "a.txt"): "a.txt: is not called .json or .binpb",
    ("call", "a.json", "-m", "x"): "FILE, --message: give one of them",
    ("call", "-m", "x", "--target", "a"): "--target: 'a' is not HOST:PORT",
}


@pytest.mark.parametrize("arguments", BAD, ids=" ".join)
def test_bad_arguments(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert f"chatpb {arguments[0]}: Invalid value for {BAD[arguments]}" in result.output


VARIABLES = {
    ("serve", "CHATPB_BACKEND", "foo"): "--backend: 'foo' is none of",
    ("serve", "CHATPB_LISTEN", "5"): "--listen: '5' is not HOST:PORT",
    ("serve", "CHATPB_TOKEN", "t\u00f6ken"): f"--token: {NOT_A_TOKEN}",
    ("serve", "CHATPB_TLS_CERTIFICATE", "no.pem"): "--tls-certificate: there is no file 'no.pem'",
    ("serve", "CHATPB_MAX_CALLS", "many"): "'--max-calls' (env var: 'CHATPB_MAX_CALLS'): ",
    ("gateway", "CHATPB_TARGET", "a"): "--target: 'a' is not HOST:PORT",
    ("call", "CHATPB_TIMEOUT", "soon"): "'--timeout' (env var: 'CHATPB_TIMEOUT'): ",
}


@pytest.mark.parametrize("variable", VARIABLES, ids=" ".join)
def test_bad_environment_variables(variable: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    command, name, value = variable
    monkeypatch.setenv(name, value)
    arguments = ["call", "-m", "x"] if command == "call" else [command]
    result = run(*arguments)
    assert result.exit_code == 2
    assert f"chatpb {command}: Invalid value for {VARIABLES[variable]}" in result.output


def test_every_option_of_a_service_has_an_environment_variable() -> None:
    for name in ("serve", "gateway"):
        for option in load_command(name).params:
            if option.name != "help":
                assert option.envvar == "CHATPB_" + option.opts[0].removeprefix("--").upper().replace("-", "_")


UNKNOWN = {
    "CHATPB_MAX_CALL": "CHATPB_MAX_CALLS",
    "CHATPB_TARGETS": "CHATPB_TARGET",
    "CHATPB_ENGIN": "CHATPB_ENGINE",
    "CHATPB_XYZZY": "",
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_environment_variable_of_no_option(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in os.environ:
        if each.startswith("CHATPB_") and each != "CHATPB_ENGINE":
            monkeypatch.delenv(each)
    monkeypatch.setenv(name, "5")
    monkeypatch.setenv("CHATPB_RECORD", "of_another_command.db")
    hint = f"; did you mean {UNKNOWN[name]}?" if UNKNOWN[name] else ""
    warning = f"the variable {name} has no effect, because no option is called so{hint}"
    assert unknown_variables() == [warning]
    result = run("call", "-m", "x", "--target", "127.0.0.1:1")
    assert result.stderr.splitlines()[0] == f"chatpb call: {warning}"


@pytest.mark.parametrize("is_set_up", [False, True])
def test_traces_that_go_nowhere(
    is_set_up: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    provider = NoOpTracerProvider() if is_set_up else ProxyTracerProvider()
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: provider)
    (observer,) = observers_of(ObserverOptions(log=LogFormat.NONE, trace=True), None)
    assert isinstance(observer, TraceObserver)
    warning = "--trace makes no spans, because OpenTelemetry is not set up: start it as opentelemetry-instrument -- chatpb ..."
    assert caplog.messages == ([] if is_set_up else [warning])


@pytest.mark.parametrize(
    "command", [("serve",), ("serve", "--workers", "2"), ("gateway", "--backend", "echo")], ids=" ".join
)
def test_an_address_that_is_taken(command: tuple[str, ...], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        result = run(*command, "--listen", listen)
    assert result.exit_code == 2
    assert f"Invalid value for --listen: cannot listen at {listen}: Address already in use\n" in result.output


def test_a_keep_alive_of_zero_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the default, which would be seen after 15 seconds alone, nor a comment after no time."""
    made: dict[str, Any] = {}
    monkeypatch.setattr("chatpb.cli.commands.gateway.observers_of", lambda *_: [])
    monkeypatch.setattr("chatpb.service._uvicorn.run", lambda _, listener, *__: listener.close())
    monkeypatch.setattr("chatpb.service.gateway.gateway", lambda _, **options: made.update(options))
    for seconds, want in (("0", None), ("7", 7.0)):
        run("gateway", "--backend", "echo", "--listen", "127.0.0.1:0", "--keep-alive", seconds)
        assert made["keep_alive"] == want


def test_the_time_between_attempts_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reaches the channel of a gateway, and of each client. What gRPC does with it is seen in time alone."""
    opened: list[dict[str, Any]] = []

    def open_channel(target: str, options: Any) -> Any:
        opened.append(dict(options))
        return Mock()

    for module in ("grpc", "grpc.aio"):
        monkeypatch.setattr(f"{module}.insecure_channel", open_channel)
    monkeypatch.setattr("chatpb.cli.commands.gateway.observers_of", lambda *_: [])
    monkeypatch.setattr("chatpb.service._uvicorn.run", lambda _, listener, *__: listener.close())
    made: list[Any] = []
    monkeypatch.setattr("chatpb.service.gateway.gateway", lambda backend, **_: made.append(backend))
    names = [f"grpc.{each}_reconnect_backoff_ms" for each in ("initial", "min", "max")]
    # The first wait, the time that an attempt may take, the longest wait.
    for seconds, times in (
        ("0.001", [1, 1000, 1]),
        ("0.01", [10, 1000, 10]),
        ("0.25", [250, 1000, 250]),
        ("7", [500, 7000, 7000]),
    ):
        run("gateway", "--target", "127.0.0.1:9", "--listen", "127.0.0.1:0", "--reconnect", seconds)
        made += [AsyncClient("127.0.0.1:9", reconnect=float(seconds))._backend]
        Client("127.0.0.1:9", reconnect=float(seconds))
        while made:
            made.pop()._open()
        assert [[each[name] for name in names] for each in opened] == [times] * 3
        opened.clear()
    assert dict(channel_options(1, 0.0001))[names[0]] == 1  # gRPC takes no less


def test_limits_that_are_not_given() -> None:
    """They are the same for commands, services and backends."""
    limits = Limits()
    # The system bounds how many connections there may be.
    assert replace(limits_of(LimitOptions()), connections=limits.connections) == limits
    assert LimitOptions().max_connections == limits.connections
    with pytest.raises(FrozenInstanceError):  # a default that is shared
        limits.timeout = 1  # type: ignore[misc]
    openai, *grpc = (inspect.signature(each).parameters for each in (OpenAIBackend, GrpcBackend, Client, AsyncClient))
    assert (openai["timeout"].default, openai["max_body"].default) == (limits.timeout, limits.message)
    assert [each["max_message"].default for each in grpc] == [limits.message] * 3
    assert [each["timeout"].default for each in grpc[1:]] == [limits.timeout] * 2
