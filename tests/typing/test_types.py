"""Type checkers find the mistakes in wrong_programs.py, and nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support import ROOT

pytestmark = pytest.mark.newest

PROGRAMS = Path(__file__).with_name("wrong_programs.py")


def expected(checker: str) -> set[tuple[int, str]]:
    """Return the lines of the programs with the rules that a checker must give."""
    found = set()
    for number, line in enumerate(PROGRAMS.read_text().splitlines(), 1):
        for rules in re.findall(rf"[#;] {checker}: ([\w, -]+)", line):
            found |= {(number, rule.strip()) for rule in rules.split(",")}
    return found


def run(*command: str) -> str:
    # pyright does not follow the import hooks of an editable install.
    paths = os.pathsep.join([str(ROOT / "adapters/python"), str(ROOT / "gen")])
    return subprocess.run(
        [sys.executable, "-m", *command, str(PROGRAMS)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip


def test_the_programs_have_mistakes() -> None:
    assert len(expected("mypy")) > 20


def test_mypy() -> None:
    found = re.findall(r"wrong_programs.py:(\d+): error: .*\[([\w-]+)\]", run("mypy", "--strict"))
    assert {(int(line), rule) for line, rule in found} == expected("mypy")


@pytest.mark.skipif(not find_spec("pyright"), reason="pyright is not installed; the extra `dev` brings it")
def test_pyright() -> None:
    found = json.loads(run("pyright", "--outputjson", "--pythonpath", sys.executable))["generalDiagnostics"]
    errors = {(each["range"]["start"]["line"] + 1, each["rule"]) for each in found if each["severity"] == "error"}
    assert errors == expected("pyright")
