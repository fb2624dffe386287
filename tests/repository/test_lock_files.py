"""The lock files of Rust: each has what the manifests of this repository's own packages ask for, as `--locked` wants."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT

pytestmark = pytest.mark.newest  # Python 3.10 reads no TOML


def tracked(name: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", f"*{name}"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / path for path in listed.stdout.split("\0") if path and (ROOT / path).exists()]


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = import_module("tomllib").loads(path.read_text())
    return found


def dependencies(manifest: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield the name of each dependency of a package, and whether every lock file with the package has it."""
    for table in (manifest, *manifest.get("target", {}).values()):
        for kind in ("dependencies", "build-dependencies", "dev-dependencies"):
            for name, wanted in table.get(kind, {}).items():
                optional = isinstance(wanted, dict) and wanted.get("optional", False)
                yield name, kind != "dev-dependencies" and not optional


LOCKS = tracked("Cargo.lock")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_lock_file_has_what_manifests_ask_for(lock: Path) -> None:
    manifests = {each["package"]["name"]: each for each in map(read, tracked("Cargo.toml")) if "package" in each}
    own = [package for package in read(lock)["package"] if "source" not in package]
    assert own
    for package in own:
        asked = list(dependencies(manifests[package["name"]]))
        locked = {name.partition(" ")[0] for name in package.get("dependencies", [])}
        stale = f"{lock.relative_to(ROOT)} is stale for {package['name']}: run `cargo tree` beside it"
        assert {name for name, needed in asked if needed} <= locked <= {name for name, _ in asked}, stale
