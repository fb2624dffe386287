"""gen/ is what proto/ gives, proto/ is tidy, and the generated packages work."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

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
