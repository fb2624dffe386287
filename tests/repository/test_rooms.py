"""Imports go one way: each room imports only from those before it, and no modules import each other in a circle."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support import ROOT

PYTHON = ROOT / "adapters" / "python" / "chatpb"
CORE = ROOT / "adapters" / "core" / "src"

ROOMS = (
    ("_limits", "_errors", "_extras", "_options", "_inputs"),
    ("_wire",),
    ("_contract",),
    ("_json",),
    ("_tree",),
    ("_engine",),
    ("_runtimes",),
    ("_convert",),
    ("_known_json",),
    ("_members",),
    ("_openai_objects", "_detect"),
    ("_records",),
    ("streams",),
    ("_files",),
    ("arrow",),
    ("storage",),
    ("service",),
    ("__init__",),
    ("cli",),
    ("__main__",),
)
"""The rooms of the Python library, in the order in which data flows through them. Rooms of one line may use each
other, if not in a circle."""


@cache
def python_imports() -> dict[str, set[str]]:
    """By module, the modules of the library that it imports, anywhere in its code."""
    modules = {name_of(path): path for path in PYTHON.rglob("*.py")}
    return {name: set(imported(path, modules.keys())) - {name} for name, path in modules.items()}


def name_of(path: Path) -> str:
    parts = path.relative_to(PYTHON.parent).with_suffix("").parts
    return ".".join(parts if parts[-1] != "__init__" or len(parts) == 2 else parts[:-1])


def imported(path: Path, modules: set[str] | object) -> Iterator[str]:
    assert isinstance(modules, type({}.keys()))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "chatpb":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found = inner if inner in modules else node.module
                yield "chatpb.__init__" if found == "chatpb" else found
        elif isinstance(node, ast.Import):
            yield from ("chatpb.__init__" for alias in node.names if alias.name == "chatpb")
            yield from (alias.name for alias in node.names if alias.name in modules)


def room_of(module: str) -> str:
    return module.split(".")[1]


def rust_imports() -> dict[str, set[str]]:
    """By module of the core, the modules that it uses."""
    files = {rust_name(path): path for path in CORE.rglob("*.rs") if path.name != "lib.rs"}
    return {name: set(used(name, path.read_text(), files.keys())) - {name} for name, path in files.items()}


def rust_name(path: Path) -> str:
    parts = path.relative_to(CORE).with_suffix("").parts
    return "::".join(parts[:-1] if parts[-1] == "mod" else parts)


def used(name: str, code: str, modules: Collection[str]) -> Iterator[str]:
    """Yield the modules that a file of the core names, in its imports or in its code, its unit tests aside."""
    code = re.sub(r"//.*", "", code.partition("#[cfg(test)]")[0])
    while (flat := re.sub(r"([\w:]+)::\{([^{}]*)\}", flatten, code)) != code:
        code = flat
    starts = {"crate": "", "super": name.rpartition("::")[0], "self": name}
    starts |= {each.rpartition("::")[2]: each for each in modules if each.rpartition("::")[0] == name}
    for start, rest in re.findall(r"(?<![\w:])(\w+)((?:::\w+)+)", code):
        path = (starts[start] + rest).removeprefix("::") if start in starts else ""
        while path and path not in modules:
            path = path.rpartition("::")[0]
        if path:
            yield path


def flatten(group: re.Match[str]) -> str:
    """Return the paths of a grouped import, `a::{b, c}`, one by one."""
    return ", ".join(f"{group[1]}::{item.strip()}" for item in group[2].split(",") if item.strip())


def circle(graph: dict[str, set[str]]) -> list[str]:
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def test_the_drawing_names_the_rooms_in_their_order() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text().partition("| `adapters/python/chatpb` |")[2]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = [re.split(r"[/.]", name)[0] for cell in cells for name in re.findall(r"`([\w./]+)`", cell)]
    rooms = [room for line in ROOMS for room in line if not room.startswith("__")]
    assert list(dict.fromkeys(named)) == rooms


def test_every_module_is_in_a_room() -> None:
    known = {room for line in ROOMS for room in line}
    assert {room_of(module) for module in python_imports()} == known


@pytest.mark.parametrize("module", sorted(python_imports()))
def test_a_module_imports_only_from_rooms_before_its_own(module: str) -> None:
    place = {room: number for number, line in enumerate(ROOMS) for room in line}
    above = [used for used in python_imports()[module] if place[room_of(used)] > place[room_of(module)]]
    assert above == []


def test_only_the_choice_of_engine_imports_the_reference_engine() -> None:
    reference = "chatpb._engine.reference"
    importing = {
        name for name, imports in python_imports().items() if any(each.startswith(reference) for each in imports)
    }
    assert {name for name in importing if not name.startswith(reference)} == {"chatpb._engine"}


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle(python_imports()) == []


def test_no_files_of_the_core_use_each_other_in_a_circle() -> None:
    assert circle(rust_imports()) == []


def test_the_command_line_calls_only_what_storage_has_in_public() -> None:
    private = {
        (name, found)
        for name, imports in python_imports().items()
        for found in imports
        if name.startswith("chatpb.cli") and found.startswith("chatpb.storage._")
    }
    assert private == set()
