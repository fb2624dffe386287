"""Mutants of the rooms of Python, by cosmic-ray, one after the other."""

from __future__ import annotations

import ast
import os
import random
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome

PACKAGE = Path("adapters/python/chatpb")

ROOMS = {
    "reference": (["_engine/reference", "_tree", "_json", "_wire"], ["tests/engine", "tests/json", "tests/wire"]),
    "streams": (["streams", "_engine/reference/streams"], ["tests/streams"]),
    "detect": (["_detect.py", "_openai_objects.py"], ["tests/contract", "tests/convert", "tests/streams"]),
    "storage": (["storage", "_records", "_files"], ["tests/storage", "tests/records", "tests/files"]),
    "service": (["service"], ["tests/service"]),
    "cli": (["cli"], ["tests/cli", "tests/storage", "tests/service"]),
}
"""Rooms to mutate: the code, and the tests that are to notice."""


def run(repository: Path, room: str, size: int, seed: int, only: str) -> Iterator[tuple[str, bool, str]]:
    """Yield the name of each mutant of a sample, whether a test notices it, and how it differs."""
    code, tests = ROOMS[room]
    os.environ["PYTHONPATH"] = os.pathsep.join([f"{repository}/adapters/python", f"{repository}/gen"])
    command = shlex.join([sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider", *tests])
    started = time.monotonic()
    if subprocess.run(shlex.split(command), check=False, stdout=subprocess.DEVNULL).returncode:
        sys.exit("the tests fail without any mutant")
    patience = 60 + 3 * (time.monotonic() - started)
    mutants = [each for each in mutants_of(code) if only in describe(each)]
    sample = random.Random(seed).sample(mutants, min(size, len(mutants)))
    print(f"{len(sample)} of {len(mutants)} mutants of {', '.join(code)}", flush=True)
    for mutant in sample:
        result = mutate_and_test([mutant], command, patience)
        yield describe(mutant), result.test_outcome is not TestOutcome.SURVIVED, result.diff or ""


def mutants_of(code: list[str]) -> Iterator[MutationSpec]:
    """Yield the mutants of some modules, but those of annotations, which nothing evaluates."""
    paths = [
        path for each in code for path in ([PACKAGE / each] if each.endswith(".py") else (PACKAGE / each).rglob("*.py"))
    ]
    with use_db(":memory:", WorkDB.Mode.create) as items:
        init(sorted(paths), items, {})
        annotations = {path: annotated(path) for path in paths}
        for item in items.work_items:
            for mutant in item.mutations:
                if mutant.start_pos not in annotations[mutant.module_path]:
                    yield mutant


def annotated(path: Path) -> set[tuple[int, int]]:
    """Return the places of a module's operators and names in annotations."""
    tree = ast.parse(path.read_text())
    roots = [
        getattr(node, name)
        for node in ast.walk(tree)
        for name in ("annotation", "returns")
        if getattr(node, name, None)
    ]
    spans = [(root.lineno, root.col_offset, root.end_lineno, root.end_col_offset) for root in roots]
    return {
        (line, column)
        for first, start, last, end in spans
        for line in range(first, last + 1)
        for column in range(start if line == first else 0, end + 1 if line == last else 200)
    }


def describe(mutant: MutationSpec) -> str:
    place = f"{mutant.module_path.relative_to(PACKAGE)}:{mutant.definition_name}"
    return f"{place}:{mutant.operator_name.removeprefix('core/')}:{mutant.occurrence}"
