"""What the distributions contain: the source distribution builds, and the wheel has all that users read."""

from __future__ import annotations

import email
import os
import re
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


RUBBISH = (
    "adapters/target/release/x",
    "adapters/rust/target/debug/x",
    "adapters/java/target/x.class",
    "adapters/typescript/node_modules/x/index.js",
    "adapters/web/build/contract.json",
    "adapters/web/dist/index.html",
    "adapters/web/node_modules/x/index.js",
    "examples/go/gen/x.pb.go",
    "adapters/python/chatpb.egg-info/PKG-INFO",
    "adapters/python/chatpb/__pycache__/x.pyc",
    "adapters/python/chatpb/_engine/native/native.abi3.so",
    "tests/service/clients/node_modules/x.js",
)
"""What lies about in a checkout, and no distribution has."""


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
    for name in RUBBISH:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).touch()
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
    (target / f"{kind}.log").write_text(done.stdout)


def test_the_wheel_has_the_contract_the_classes_and_the_types(folder: Path) -> None:
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        names = set(archive.namelist())
        protos = {name.removeprefix("chatpb/proto/") for name in names if name.endswith(".proto")}
        for name in protos:
            assert archive.read(f"chatpb/proto/{name}") == (chatpb.proto_path() / name).read_bytes()
    assert protos == {path.relative_to(chatpb.proto_path()).as_posix() for path in chatpb.proto_path().rglob("*.proto")}
    assert {"chatcompletion/v1/options.proto", "google/api/field_behavior.proto"} <= protos
    licenses = {name.partition(".dist-info/licenses/")[2] for name in names}
    assert {"LICENSE", "adapters/THIRD-PARTY-LICENSES.txt"} <= licenses
    for package in "chatpb", "chatcompletion", "chatcompletion_betterproto", "chatcompletion_protobuf_py":
        assert f"{package}/py.typed" in names
    sources = {path.relative_to(ROOT / "adapters" / "python").as_posix() for path in _tracked("adapters/python/chatpb")}
    assert sources <= names
    assert {path.relative_to(ROOT / "gen").as_posix() for path in _tracked("gen/chatcompletion")} <= names
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "chatpb", "chatcompletion", "chatcompletion_betterproto", "chatcompletion_protobuf_py",
    }  # fmt: skip


def test_a_wheel_without_the_native_engine_is_of_pure_python(folder: Path) -> None:
    """So that the name says what it is, and an index or a cache takes it for nothing else."""
    (wheel,) = folder.glob("*.whl")
    assert wheel.name == f"chatpb-{chatpb.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        (about,) = (name for name in archive.namelist() if name.endswith(".dist-info/WHEEL"))
        assert "Root-Is-Purelib: true" in archive.read(about).decode().splitlines()
    assert "NO native engine" in (folder / "wheel.log").read_text()


def test_the_description_leads_nowhere_that_an_index_lacks(folder: Path) -> None:
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        about = email.message_from_bytes(archive.read(name))
    assert about["Description-Content-Type"] == "text/markdown"
    text = about.get_payload()
    assert isinstance(text, str)
    assert text.lstrip().startswith("# chatpb\n")
    assert re.findall(r"\]\((?!https?:)[^)]*\)", text) == []


def test_the_source_distribution_is_the_repository(folder: Path) -> None:
    """So that it can be tested, and what is generated can be generated anew."""
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames() if not archive.getmember(name).isdir()}
    tracked = {path.relative_to(ROOT).as_posix() for path in _tracked(".")}
    made = {"PKG-INFO", "setup.cfg"}
    assert tracked - names == set()
    assert {name for name in names - tracked - made if ".egg-info/" not in name} == set()


def _tracked(folder: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]
