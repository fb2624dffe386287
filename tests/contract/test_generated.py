"""gen/ is what proto/ generates, proto/ passes its linters, and the generated packages work."""

from __future__ import annotations

import ast
import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import chatcompletion.v1 as contract
from tests.support import ROOT

pytestmark = pytest.mark.newest


@pytest.mark.parametrize("mode", ["--check", "--lint"])
def test_generate(mode: str) -> None:
    """The first run in a checkout installs the generators and buf, which takes a while."""
    command = [sys.executable, str(ROOT / "gen" / "generate.py"), mode]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_buf_builds_the_sources_without_a_registry(tmp_path: Path) -> None:
    """In a clone whose cache is empty, and with no module to download."""
    environment = {**os.environ, "HOME": str(tmp_path), "BUF_CACHE_DIR": str(tmp_path / "cache")}
    environment |= {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    buf = shutil.which("buf", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert buf, "buf comes with the extra `dev`"
    for command in ["build", "-o", str(tmp_path / "image.binpb")], ["lint"]:
        ran = subprocess.run([buf, *command], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    assert b"chatcompletion/v1/options.proto" in (tmp_path / "image.binpb").read_bytes()


@pytest.fixture
def generate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return gen/generate.py as a module that keeps its generators in a temporary folder, and installs none."""
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


def test_a_run_that_waited_for_the_lock_installs_nothing(generate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
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
    """Protobuf refuses generated code of a newer version than its own."""
    for module in (ROOT / "gen" / "chatcompletion" / "v1").glob("*_pb2.py"):
        calls = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call)]
        (check,) = [call for call in calls if "ValidateProtobufRuntimeVersion" in ast.unparse(call.func)]
        assert [ast.unparse(argument) for argument in check.args[1:4]] == ["6", "30", "0"], module.name
