"""docs/contracts.md goes from an empty .proto to a service: its commands print what they print there, its programs run."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

PAGE = ROOT / "docs" / "contracts.md"
BLOCK = re.compile(r'^```(\w+)(?: title="(\S+)")?\n(.*?)^```', re.MULTILINE | re.DOTALL)


@pytest.mark.newest  # the generators are for the Python of today
def test_the_page_runs_from_its_start_to_its_end(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    _program(tools / "chatpb", f'exec "{sys.executable}" -m chatpb "$@"')
    _program(
        tools / "python",
        f'[ "$2" = grpc_tools.protoc ] && exec env -u PYTHONPATH "{_generators()}" "$@"',
        f'exec "{sys.executable}" "$@"',
    )
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "NO_PROXY": "127.0.0.1"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    kinds = set()
    for kind, file, text in BLOCK.findall(PAGE.read_text()):
        kinds.add(kind)
        if file:
            (tmp_path / file).write_text(text)
            continue
        lines = text.splitlines()
        if kind == "console":
            command = ["bash", "-c", "\n".join(line[2:] for line in lines if line.startswith("$ "))]
            expected = "".join(f"{line}\n" for line in lines if not line.startswith("$ "))
        else:
            command, expected = [sys.executable, "-c", text], ""
        ran = subprocess.run(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert ran.stdout == expected
        assert ran.returncode == 0 or expected
    assert kinds == {"proto", "console", "python"}


def _program(path: Path, *lines: str) -> None:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)


def _generators() -> Path:
    """Return the Python that has protoc. gen/generate.py installs it once."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "gen" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Path = module._scripts(module._virtualenv()) / "python"
    return found
