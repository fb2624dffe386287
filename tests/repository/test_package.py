"""What the distributions contain: the source distribution builds, and the wheel has all that users read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

import chatpb
from tests.support import ROOT

pytestmark = pytest.mark.skipif(not find_spec("setuptools_rust"), reason="setuptools-rust comes with the extra `dev`")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the source distribution, and the wheel that is built from it where no Rust is."""
    folder = tmp_path_factory.mktemp("package")
    copy = folder / "copy"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():  # a file may be removed, and not committed yet
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
    _build(copy, "sdist", folder)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    _build(next(path for path in folder.glob("chatpb-*") if path.is_dir()), "wheel", folder)
    return folder


def _build(source: Path, kind: str, target: Path) -> None:
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(target)!r})"
    without_rust = os.pathsep.join(
        path for path in os.environ["PATH"].split(os.pathsep) if not Path(path, "cargo").exists()
    )
    environment = {**os.environ, "PATH": without_rust}
    done = subprocess.run([sys.executable, "-c", code], cwd=source, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_has_the_contract_the_classes_and_the_types(folder: Path) -> None:
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        names = set(archive.namelist())
        protos = {name.removeprefix("chatpb/proto/") for name in names if name.endswith(".proto")}
        for name in protos:
            assert archive.read(f"chatpb/proto/{name}") == (chatpb.proto_path() / name).read_bytes()
    assert protos == {path.relative_to(chatpb.proto_path()).as_posix() for path in chatpb.proto_path().rglob("*.proto")}
    assert {"chatcompletion/v1/options.proto", "google/api/field_behavior.proto"} <= protos
    for package in "chatpb", "chatcompletion", "chatcompletion_betterproto", "chatcompletion_protobuf_py":
        assert f"{package}/py.typed" in names
    sources = {path.relative_to(ROOT / "adapters" / "python").as_posix() for path in _tracked("adapters/python/chatpb")}
    assert sources <= names
    assert {path.relative_to(ROOT / "gen").as_posix() for path in _tracked("gen/chatcompletion")} <= names
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "chatpb", "chatcompletion", "chatcompletion_betterproto", "chatcompletion_protobuf_py",
    }  # fmt: skip


def test_the_source_distribution_has_what_builds_it(folder: Path) -> None:
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = ["adapters/Cargo.lock", "adapters/python/native/Cargo.toml", "adapters/core/src/schema/contract.binpb"]
    needed += ["LICENSE", "README.md", "buf.yaml", "pyproject.toml", "setup.py"]
    needed += [path.relative_to(ROOT).as_posix() for path in _tracked("proto")]
    assert [name for name in needed if name not in names] == []
    assert [name for name in names if "target/" in name or name.endswith((".so", ".pyc"))] == []


def _tracked(folder: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]
