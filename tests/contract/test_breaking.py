"""The contract keeps what was released: files, fields, their names, numbers, types, and the options that decide what JSON means."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

import chatpb
from tests.support import ROOT

pytestmark = pytest.mark.newest
RELEASED = "tests/contract/released.binpb.gz"
USAGE = "proto/chatcompletion/v1/usage.proto"


def breaking(folder: Path, *arguments: str) -> str:
    """Return what `buf breaking` reports of the contract in a folder, as the hook runs it."""
    command = [str(Path(sys.executable).with_name("buf")), "breaking", *arguments]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == (100 if ran.stdout else 0), ran.stderr
    return ran.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a folder with the contract, and the released one."""
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    (tmp_path / RELEASED).parent.mkdir(parents=True)
    shutil.copy(ROOT / RELEASED, tmp_path / RELEASED)
    return tmp_path


def edit(folder: Path, pattern: str, replacement: str) -> None:
    text = (folder / USAGE).read_text("utf-8")
    changed, count = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE)
    assert count, "the pattern is in the file no more"
    (folder / USAGE).write_text(changed, "utf-8")


def test_the_hook_compares_with_the_released_contract() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    assert f"entry: .venv/bin/buf breaking --against {RELEASED}\n" in hooks
    assert breaking(ROOT, "--against", RELEASED) == ""


@pytest.mark.parametrize(
    ("pattern", "replacement", "reported"),
    [
        (r"^  optional int64 total_tokens = 3 .*\n", "", '"total_tokens" on message "CompletionUsage" was deleted'),
        (r"total_tokens = 3 ", "total_tokens = 40 ", '"3" with name "total_tokens"'),
        (r"total_tokens = 3 ", "all_tokens = 3 ", 'from "total_tokens" to "all_tokens"'),
        (r"int64 total_tokens", "int32 total_tokens", "changed type"),
        (r"optional int64 total_tokens", "int64 total_tokens", "changed cardinality"),
    ],
)
def test_what_breaks_is_reported(copy: Path, pattern: str, replacement: str, reported: str) -> None:
    edit(copy, pattern, replacement)
    assert reported in breaking(copy, "--against", RELEASED)


def test_a_file_that_vanishes_is_reported(copy: Path) -> None:
    (copy / USAGE).rename(copy / "proto" / "chatcompletion" / "v1" / "tokens.proto")
    for path in (copy / "proto").rglob("*.proto"):
        path.write_text(path.read_text("utf-8").replace("v1/usage.proto", "v1/tokens.proto"), "utf-8")
    assert 'file "chatcompletion/v1/usage.proto" was deleted' in breaking(copy, "--against", RELEASED)


def test_an_addition_breaks_nothing_until_the_next_release_has_it(copy: Path) -> None:
    """`--against .` of the released contract lists what it lacks."""
    edit(copy, r"^message CompletionUsage {$", r"\g<0>\n  optional int64 more = 40;")
    assert breaking(copy, "--against", RELEASED) == ""
    assert '"more" on message "CompletionUsage" was deleted' in breaking(copy, RELEASED, "--against", ".")


def test_a_release_is_what_the_next_one_is_compared_with() -> None:
    """CHANGELOG.md gives a release its date. CONTRIBUTING.md has the command that makes the file."""
    _, version, date = re.findall(r"^(## )(\S+) - (\S+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)[0]
    missing = breaking(ROOT, RELEASED, "--against", ".")
    assert date == "unreleased" or not missing, f"{RELEASED} lacks what {version} has:\n{missing}"


def options(files: list[FileDescriptorProto]) -> dict[str, dict[str, Any]]:
    """Return the options of fields and enum values that protobuf itself does not know, by the full name of what has them."""

    def described(name: str, messages: list[DescriptorProto]) -> Iterator[tuple[str, Any]]:
        for message in messages:
            values: list[Any] = [value for enum in message.enum_type for value in enum.value]
            for part in [*message.field, *values]:
                yield f"{name}.{message.name}.{part.name}", part.options
            yield from described(f"{name}.{message.name}", list(message.nested_type))

    found = {}
    for file in files:
        if file.package == "chatcompletion.v1":
            enums = [(f"{file.package}.{value.name}", value.options) for enum in file.enum_type for value in enum.value]
            for name, given in [*described(file.package, list(file.message_type)), *enums]:
                found[name] = {
                    option.full_name: list(value) if option.is_repeated else value
                    for option, value in given.ListFields()
                    if option.is_extension
                }
    return found


def changed(old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]]) -> list[str]:
    return [name for name in old if name in new and old[name] != new[name]]


def test_options_stay_which_buf_does_not_know() -> None:
    released = FileDescriptorSet.FromString(gzip.decompress((ROOT / RELEASED).read_bytes())).file
    old, new = options(list(released)), options(list(FileDescriptorSet.FromString(chatpb.descriptor_set()).file))
    assert sum(map(bool, old.values())) > 50
    assert changed(old, new) == []
    for name, given in old.items():
        assert changed({**old, name: {**given, "another": 1}}, new) == [name]
