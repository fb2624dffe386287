"""The WebAssembly modules that are committed, and the Go source, are of the sources that are here, and small."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

MODULE = ROOT / "adapters/abi/chatpb.wasm"
MODULES = sorted(MODULE.parent.glob("*.wasm"))
MAX_SIZE = 400_000
MAX_COMPRESSED = 160_000


def test_what_is_made_is_current() -> None:
    command = [sys.executable, str(ROOT / "adapters/build_wasm.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_module_is_small() -> None:
    data = MODULE.read_bytes()
    assert len(data) <= MAX_SIZE
    assert len(gzip.compress(data, 9)) <= MAX_COMPRESSED


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_the_modules_import_nothing(module: Path) -> None:
    """Section 2 of a module has its imports. Sections stand each after its number and its length."""
    data, at, sections = module.read_bytes(), 8, []
    while at < len(data):
        sections.append(data[at])
        length = shift = 0
        while True:
            at += 1
            length |= (data[at] & 127) << shift
            shift += 7
            if data[at] < 128:
                break
        at += 1 + length
    assert at == len(data)
    assert 2 not in sections
    assert {1, 3, 5, 7, 10} <= set(sections)
