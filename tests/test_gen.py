"""gen/ is what proto/ gives, proto/ is tidy, and the generated packages work."""

from __future__ import annotations

import ast
import fcntl
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import chatcompletion.v1 as contract

pytestmark = pytest.mark.newest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("mode", ["--check", "--lint"])
def test_generate(mode: str) -> None:
    """The first run in a checkout installs the generators, buf among them."""
    command = [sys.executable, str(ROOT / "gen" / "generate.py"), mode]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture
def generate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """gen/generate.py, which would install its generators under another root, and installs none."""
    spec = importlib.util.spec_from_file_location("generate_elsewhere", ROOT / "gen" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)
    return module


def test_generators_are_installed_under_a_lock(generate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def create(home: Path, **_: Any) -> None:
        home.mkdir()
        with home.with_name(f"{home.name}.lock").open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    monkeypatch.setattr(generate.venv, "create", create)
    assert (generate._virtualenv() / "ready").exists()


def test_who_waited_for_the_lock_installs_nothing(generate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def alone(lock: Path) -> Iterator[None]:
        home = lock.with_suffix("")
        home.mkdir()
        (home / "ready").touch()
        yield

    monkeypatch.setattr(generate, "_alone", alone)
    monkeypatch.setattr(generate.venv, "create", lambda *_, **__: pytest.fail("installs again"))
    assert (generate._virtualenv() / "ready").exists()


def test_package_exports_what_the_contract_declares() -> None:
    declared = set()
    for source in (ROOT / "proto" / "chatcompletion" / "v1").glob("*.proto"):
        if source.name != "options.proto":
            words = [line.split() for line in source.read_text().splitlines()]
            declared |= {line[1] for line in words if line[:1] in (["message"], ["enum"])}
    assert set(contract.__all__) == declared


def test_generated_code_runs_with_protobuf_6_30() -> None:
    """A protobuf refuses code that is newer than itself."""
    for module in (ROOT / "gen" / "chatcompletion" / "v1").glob("*_pb2.py"):
        calls = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call)]
        (check,) = [call for call in calls if "ValidateProtobufRuntimeVersion" in ast.unparse(call.func)]
        assert [ast.unparse(argument) for argument in check.args[1:4]] == ["6", "30", "0"], module.name
