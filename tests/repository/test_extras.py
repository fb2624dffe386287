"""Each extra alone runs what docs/installing.md says that it is for, without any package that another one brings."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support import ROOT

CHUNK = '{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[]}'
SERVICE = """
import asyncio
from chatpb.service import AsyncClient, EchoBackend, Server{more}

async def main():
    async with Server(EchoBackend(), listen="127.0.0.1:0"{observers}) as server:
        async with AsyncClient(f"127.0.0.1:{{server.port}}") as client:
            answer = await client.create({{"model": "m", "messages": [{{"role": "user", "content": "q"}}]}})
            assert answer["choices"], answer

asyncio.run(main())
"""
GATEWAY = """
import asyncio, json
from chatpb.service import EchoBackend
from chatpb.service.gateway import gateway
import uvicorn, h11

app = gateway(EchoBackend())
"""
RUNTIME = """
import chatpb
from chatpb._runtimes import generated_class
message = chatpb.from_json('{{"id":"a","x":{{"b":1,"a":2}}}}', generated_class("{0}", "ChatCompletion"))
assert chatpb.to_json(message) == b'{{"id":"a","x":{{"b":1,"a":2}}}}'
"""
STORAGE = """
from chatpb import arrow
from chatpb.storage import Recorder, copy, open, query
with Recorder("r.db"):
    pass
copy(["in.jsonl"], "records.parquet")
with open("records.parquet") as records:
    assert [record.completion for record in records]
with query(["records.parquet"]) as records:
    assert list(records.run("SELECT model FROM records").batches)
"""
ALONE: dict[str, list[str | tuple[str, ...]]] = {
    "": ["import chatpb; assert chatpb.to_json(chatpb.from_json('{}')) == b'{}'"],
    "betterproto": [RUNTIME.format("betterproto")],
    "protobuf-py": [RUNTIME.format("protobuf-py")],
    "cli": [
        ("demo",),
        ("convert", "in.jsonl", "out.binpbs"),
        ("check", "in.jsonl"),
        ("inspect", "in.jsonl"),
        ("--help",),
    ],
    "cli,zstd": [("convert", "in.jsonl", "out.jsonl.zst"), ("check", "out.jsonl.zst")],
    "service": [SERVICE.format(more="", observers="")],
    "service,observe": [
        SERVICE.format(
            more=", PrometheusObserver, TraceObserver", observers=", observers=[PrometheusObserver(), TraceObserver()]"
        )
    ],
    "gateway": [GATEWAY],
    "storage": [STORAGE],
    "cli,storage": [
        ("import", "in.jsonl", "traffic.db"),
        ("export", "traffic.db", "traffic.parquet"),
        ("query", "traffic.parquet", "SELECT count(*) FROM records"),
        ("stats", "traffic.db"),
        ("get", "traffic.db", "a"),
        ("backup", "traffic.db", "copy.db"),
        ("verify", "copy.db"),
    ],
    "cli,storage,chart": [("stats", "in.jsonl", "--chart", "c.svg")],
}
PROGRAM = """
import sys

others = set(sys.argv[1].split(","))

class OnlyOfTheExtra:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in others:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, OnlyOfTheExtra())
if sys.argv[2] == "-c":
    exec(sys.argv[3])
else:
    del sys.argv[1]
    from chatpb.cli import main
    main()
"""


def project() -> dict[str, Any]:
    """Return what pyproject.toml says of the package: what is installed here may be of an earlier version of it."""
    import tomllib  # type: ignore[import-not-found, unused-ignore] # mypy checks for Python 3.10

    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return found


def requirements(name: str, extra: str) -> Iterator[Requirement]:
    """Yield what a distribution needs, or for an extra what that adds."""
    if name == "chatpb":
        lines = project()["optional-dependencies"][extra] if extra else project()["dependencies"]
    else:
        lines = metadata.requires(name) or []
    for each in map(Requirement, lines):
        if not each.marker or each.marker.evaluate({"extra": extra}):
            yield each


def other_modules(extras: list[str]) -> set[str]:
    """Return the modules that are here, and are not in an environment with these extras."""
    found: set[tuple[str, str]] = set()
    left = [("chatpb", extra) for extra in extras]
    while left:
        each = left.pop()
        if each not in found:
            found.add(each)
            for requirement in requirements(*each):
                left += [(canonicalize_name(requirement.name), extra) for extra in ["", *requirement.extras]]
    needed = {name for name, _ in found}
    modules = metadata.packages_distributions().items()
    return {module for module, names in modules if not needed & {canonicalize_name(name) for name in names}}


def extras() -> Iterator[str]:
    """Yield the extras that the page lists."""
    page = (ROOT / "docs" / "installing.md").read_text("utf-8")
    for row in re.findall(r"^\| (`.+?) \|", page, re.MULTILINE):
        yield from re.findall(r"`([\w-]+)`", row)


@pytest.mark.newest
def test_the_page_lists_the_extras() -> None:
    assert set(extras()) == set(project()["optional-dependencies"]) - {"dev"}


def test_each_extra_is_tried() -> None:
    """Those of clusters have stages of their own in `.ci/run`; `all` is what the tests run with."""
    assert {extra for names in ALONE for extra in names.split(",") if extra} == set(extras()) - {"spark", "ray", "all"}


@pytest.mark.newest
@pytest.mark.parametrize("names", ALONE)
def test_an_extra_alone(names: str, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(CHUNK + "\n")
    others = ",".join(other_modules(["", *filter(None, names.split(","))]))
    for each in ALONE[names]:
        arguments = ("-c", each) if isinstance(each, str) else each
        command = [sys.executable, "-c", PROGRAM, others, *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
