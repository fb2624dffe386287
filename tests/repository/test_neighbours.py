"""What else Python may find under the names of chatpb and its contract: the user is told what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

OWN = {
    "a package without v1": {"chatcompletion/__init__.py": ""},
    "a module": {"chatcompletion.py": ""},
    "other classes": {"chatcompletion/__init__.py": "", "chatcompletion/v1/__init__.py": "class ChatCompletion: ..."},
}
REGISTERED = """
from google.protobuf import descriptor_pb2, descriptor_pool
file = descriptor_pb2.FileDescriptorProto(name="mine.proto", package="chatcompletion.v1")
file.message_type.add(name="ChatCompletion")
descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
import chatpb; chatpb.from_json
"""
WAYS_IN = (
    "import chatpb; chatpb.ChatCompletion",
    "from chatpb import to_json",
    "import chatpb.streams.sse",
    "import chatpb; chatpb.streams",
    "import chatpb.storage",
    "import chatpb.service",
    "import chatpb.arrow",
    "import sys; from chatpb.cli import main; sys.argv[1:] = ['demo']; main()",
)
"""The ways into the library, as each public module is one."""


def python(code: str, *paths: Path, engine: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "CHATPB_ENGINE": engine}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("name", "way"), [*((name, WAYS_IN[0]) for name in OWN), *(("a module", way) for way in WAYS_IN)]
)
def test_a_package_of_the_users_with_the_name_of_the_contract(name: str, way: str, tmp_path: Path) -> None:
    write(tmp_path, OWN[name])
    # An editable install finds chatcompletion.v1 whatever is before it: the sources stand in for an ordinary one.
    code = f"import sys; sys.meta_path[:] = (each for each in sys.meta_path if 'editable' not in repr(each)); {way}"
    paths = (tmp_path, ROOT / "adapters" / "python", ROOT / "gen")
    last = python(code, *paths).stderr.splitlines()[-1]
    start = "chatpb: " if "cli" in way else "ImportError: "
    assert last.startswith(f"{start}chatpb needs its own classes of chatcompletion.v1, and there are others (")
    assert f"in {tmp_path}" in last
    assert "Give another name" in last


def test_a_proto_file_of_the_users_with_the_package_of_the_contract() -> None:
    last = python(REGISTERED).stderr.splitlines()[-1]
    assert last.startswith("ImportError: chatpb needs its own classes of chatcompletion.v1")
    assert "duplicate" in last
    assert "another package to a .proto file" in last


def test_a_missing_package_is_no_matter_of_names() -> None:
    code = "import sys; sys.modules['google.protobuf.internal'] = None; from chatpb import from_json"
    last = python(code).stderr.splitlines()[-1]
    assert "google.protobuf.internal" in last
    assert "its own classes" not in last


@pytest.mark.parametrize("has_engine", [True, False])
def test_a_checkout_before_an_installed_wheel(has_engine: bool, tmp_path: Path) -> None:
    checkout, installed = tmp_path / "checkout", tmp_path / "installed"
    source = ROOT / "adapters" / "python" / "chatpb"
    shutil.copytree(source, checkout / "chatpb", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    write(installed, {"chatpb-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: chatpb\nVersion: 1\n"})
    if has_engine:
        write(installed, {"chatpb/_engine/native/native.abi3.so": ""})
    forced = python("import chatpb", checkout, installed, engine="native")
    assert "but chatpb was installed without its native engine: install a wheel" in forced.stderr.splitlines()[-1]
    done = python("import chatpb, chatpb.streams; print(chatpb.engine)", checkout, installed)
    assert done.stdout == "python\n"
    told = [line for line in done.stderr.splitlines() if "RuntimeWarning" in line]
    assert len(told) == has_engine
    assert all(f"from {checkout / 'chatpb'}, which has no native" in line for line in told)
    assert all(f"from {installed / 'chatpb'}, which has one" in line for line in told)
