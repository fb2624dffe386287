"""The command line as a whole: `--version`, help, wrong arguments, and packages that are not installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chatpb._engine import description
from chatpb._extras import _EXTRAS
from tests.cli.command_line import run
from tests.service.chatpb_program import environment


def test_version() -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("chatpb ")
    assert f"({description()} engine, protobuf " in result.stdout


def test_no_command_shows_help() -> None:
    result = run()
    assert (result.exit_code, "convert" in result.stdout) == (0, True)


@pytest.mark.parametrize("args", [["nonsense"], ["--nonsense"]])
def test_usage(args: list[str]) -> None:
    result = run(*args)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (2, "Try 'chatpb --help'.")
    assert result.stderr.startswith("chatpb: No such ")


ODD = '{"id":"\u00fc","model":"\u6a21\u578b","choices":[{"index":0,"message":{"content":"\u2026 \U0001f600"}}]}'
SHOWN = {
    ("demo",): "Z\u00fcrich",
    ("inspect", "in.jsonl"): "\u6a21\u578b",
    ("query", "in.jsonl", "SELECT model FROM records"): "\u6a21\u578b",
    ("stats", "in.jsonl"): "\u6a21\u578b",
}
"""By command, a text that it shows."""


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
@pytest.mark.parametrize("command", SHOWN, ids=" ".join)
def test_an_output_that_lacks_characters_gets_their_escapes(
    command: tuple[str, ...], encoding: str, tmp_path: Path
) -> None:
    (tmp_path / "in.jsonl").write_text(ODD + "\n", "utf-8")
    settings = {**os.environ, "PYTHONIOENCODING": encoding}
    program = [sys.executable, "-m", "chatpb", *command]
    result = subprocess.run(program, cwd=tmp_path, env=settings, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    escaped = (c if c.encode(encoding, "ignore") else f"\\u{ord(c):04x}" for c in SHOWN[command])
    assert "".join(escaped) in result.stdout.decode(encoding)


LISTING = """
import atexit, sys
atexit.register(lambda: print(*sys.modules))
from chatpb.cli import main
main()
"""

WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(",")))
import chatpb.cli
chatpb.cli.main()
"""

MISSING = {
    ("typer", "demo"): "the command line needs typer: pip install 'chatpb[cli]'",
    ("rich", "demo"): "this command needs rich: pip install 'chatpb[cli]'",
    ("betterproto", "check", "in.json", "--runtime", "betterproto"): (
        "chatcompletion_betterproto needs betterproto: pip install 'chatpb[betterproto]'"
    ),
    ("protobuf", "check", "in.json", "--runtime", "protobuf-py"): (
        "chatcompletion_protobuf_py needs protobuf: pip install 'chatpb[protobuf-py]'"
    ),
    ("grpc", "serve"): "chatpb.service needs grpc: pip install 'chatpb[service]'",
    ("grpc", "call", "-m", "x"): "chatpb.service needs grpc: pip install 'chatpb[service]'",
    (
        "starlette",
        "gateway",
        "--backend",
        "echo",
    ): "chatpb.service.gateway needs starlette: pip install 'chatpb[gateway]'",
    ("prometheus_client", "serve", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"): (
        "PrometheusObserver needs prometheus_client: pip install 'chatpb[observe]'"
    ),
    ("pyarrow", "export", "in.jsonl", "out.db"): "chatpb.storage needs pyarrow: pip install 'chatpb[storage]'",
    ("pyarrow", "import", "in.jsonl", "out.db"): "chatpb.storage needs pyarrow: pip install 'chatpb[storage]'",
    ("pyspark", "export", "in.jsonl", "out.jsonl", "--engine", "spark"): (
        "--engine spark needs pyspark: pip install 'chatpb[spark]'"
    ),
    ("duckdb", "query", "in.jsonl", "FROM records"): "chatpb.storage needs duckdb: pip install 'chatpb[storage]'",
    ("zstandard", "get", "in.db", "a"): "chatpb.storage needs zstandard: pip install 'chatpb[storage]'",
    ("zstandard", "backup", "in.db", "out.db"): "chatpb.storage needs zstandard: pip install 'chatpb[storage]'",
    ("zstandard", "verify", "in.db"): "chatpb.storage needs zstandard: pip install 'chatpb[storage]'",
    (
        "matplotlib",
        "stats",
        "in.jsonl",
        "--chart",
        "c.svg",
    ): "chatpb.storage needs matplotlib: pip install 'chatpb[chart]'",
}


MISSING_IN_A_PROGRAM = {
    ("grpc", "import chatpb.service"): "chatpb.service needs grpc: pip install 'chatpb[service]'",
    ("starlette", "import chatpb.service.gateway"): (
        "chatpb.service.gateway needs starlette: pip install 'chatpb[gateway]'"
    ),
    ("prometheus_client", "from chatpb.service import PrometheusObserver as new; new()"): (
        "PrometheusObserver needs prometheus_client: pip install 'chatpb[observe]'"
    ),
    ("opentelemetry", "from chatpb.service import TraceObserver as new; new()"): (
        "TraceObserver needs opentelemetry: pip install 'chatpb[observe]'"
    ),
    ("betterproto", "import chatcompletion_betterproto"): (
        "chatcompletion_betterproto needs betterproto: pip install 'chatpb[betterproto]'"
    ),
    ("protobuf", "import chatcompletion_protobuf_py"): (
        "chatcompletion_protobuf_py needs protobuf: pip install 'chatpb[protobuf-py]'"
    ),
    ("grpc", "import chatcompletion.v1.chat_completion_service_pb2_grpc"): (
        "chatcompletion.v1.chat_completion_service_pb2_grpc needs grpc: pip install 'chatpb[service]'"
    ),
    ("pyarrow", "import chatpb.arrow"): "chatpb.arrow needs pyarrow: pip install 'chatpb[storage]'",
    ("zstandard", "from chatpb.storage import Recorder; Recorder('r.db')"): (
        "chatpb.storage needs zstandard: pip install 'chatpb[storage]'"
    ),
    ("duckdb", "from chatpb.storage import query"): ("chatpb.storage needs duckdb: pip install 'chatpb[storage]'"),
    ("matplotlib", "from chatpb.storage import draw_chart"): (
        "chatpb.storage needs matplotlib: pip install 'chatpb[chart]'"
    ),
    ("pyspark", "import chatpb.storage.spark"): "chatpb.storage.spark needs pyspark: pip install 'chatpb[spark]'",
    (
        "openai",
        "import chatpb; chatpb.to_openai(chatpb.ChatCompletion())",
    ): "to_openai needs openai: pip install openai",
}


@pytest.mark.parametrize("case", MISSING_IN_A_PROGRAM, ids=" ".join)
def test_package_that_a_program_misses(case: tuple[str, str], tmp_path: Path) -> None:
    package, code = case
    code = (
        f"import sys\nsys.modules[{package!r}] = None\ntry:\n    {code}\nexcept ImportError as error:\n    print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == (f"{MISSING_IN_A_PROGRAM[case]}\n", "")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("command", MISSING, ids=" ".join)
def test_missing_package(command: tuple[str, ...], tmp_path: Path) -> None:
    program = [sys.executable, "-c", WITHOUT, *command]
    result = subprocess.run(program, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (2, "", f"chatpb: {MISSING[command]}\n")
    assert os.listdir(tmp_path) == []


def test_demo_needs_no_other_extra() -> None:
    others = ",".join(package for extra, packages in _EXTRAS.items() for package in packages if extra != "cli")
    result = subprocess.run([sys.executable, "-c", WITHOUT, others, "demo"], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert "Nothing was lost through wire bytes and objects of google." in result.stdout
    assert "chatpb.service needs grpc: pip install 'chatpb[service]'.\n" in result.stdout


HEAVY = {
    ("--help",): ("chatpb.cli.commands", "google", "chatcompletion", "rich", "pydantic"),
    (): ("chatpb.cli.commands", "google", "chatcompletion", "rich", "pydantic"),
    ("convrt",): ("chatpb.cli.commands", "google", "chatcompletion", "rich"),
    ("--version",): ("chatpb.cli.commands", "rich", "pydantic", "importlib.metadata", "email"),
}
"""By what stands after `chatpb`, packages whose import takes long and which it does not need."""


@pytest.mark.newest  # typer imported rich always
@pytest.mark.parametrize("args", HEAVY, ids=" ".join)
def test_what_comes_before_a_command_imports_little(args: tuple[str, ...]) -> None:
    unforced = {name: value for name, value in os.environ.items() if name != "CHATPB_ENGINE"}
    done = subprocess.run([sys.executable, "-c", LISTING, *args], env=unforced, capture_output=True, text=True)
    imported = done.stdout.splitlines()[-1].split()
    assert "chatpb.cli._app" in imported
    assert [name for name in imported if f"{name}.".startswith(tuple(f"{each}." for each in HEAVY[args]))] == []


def test_a_wrong_command_gets_the_right_one() -> None:
    assert run("convrt", "a", "b").stderr == (
        "chatpb: No such command 'convrt'. Did you mean 'convert'?\nTry 'chatpb --help'.\n"
    )
    assert "Did you mean" not in run("nonsense").stderr


def test_chatpb_does_not_import_the_extra() -> None:
    code = "import sys, chatpb, chatpb.cli; sys.exit(bool({'typer', 'rich', 'click'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
