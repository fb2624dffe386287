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
MAX_COMPRESSED = 150 << 10
MAX_JAVA_FUNCTION = 5_600


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
    """Section 2 of a module has its imports."""
    found = sections(module.read_bytes())
    assert 2 not in found
    assert {1, 3, 5, 7, 10} <= set(found)


def test_java_compiles_every_function() -> None:
    """Its virtual machine compiles no method of more than 8,000 bytes, which is about what the limit becomes."""
    code = sections((MODULE.parent / "chatpb-java.wasm").read_bytes())[10]
    count, at = varint(code, 0)
    sizes = []
    for _ in range(count):
        size, at = varint(code, at)
        sizes.append(size)
        at += size
    assert at == len(code)
    assert max(sizes) <= MAX_JAVA_FUNCTION


def sections(module: bytes) -> dict[int, bytes]:
    """Return the sections of a module by number. They stand each after its number and its length."""
    found, at = {}, 8
    while at < len(module):
        number = module[at]
        length, at = varint(module, at + 1)
        found[number] = module[at : at + length]
        at += length
    assert at == len(module)
    return found


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that starts at a place, and where it ends."""
    number = shift = 0
    while True:
        number |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return number, at
