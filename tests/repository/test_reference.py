"""Every public name of the library has an entry in the reference, with an example that runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chatpb import _runtimes
from tests.reference import LIBRARY, PAGES, examples, exported, failures

NO_INTERFACE = {"chatpb.__main__", "chatpb.cli"}
"""Modules whose interface is the command: docs/cli.md has it."""
SPARK = "chatpb.storage.spark"
"""tests/storage/test_spark.py runs the examples of this module."""


def test_every_public_module_has_a_page() -> None:
    files = (LIBRARY / "chatpb").rglob("*.py")
    names = {re.sub(r"\.__init__$", "", ".".join(file.relative_to(LIBRARY).with_suffix("").parts)) for file in files}
    public = {name for name in names if not re.search(r"\._(?!_)|\.cli\.", name)} - NO_INTERFACE - PAGES.keys()
    documented = {name for module in PAGES for name in exported(module)}
    assert {name for name in public if not documented.issuperset(exported(name)) or not exported(name)} == set()


@pytest.mark.parametrize("name", examples())
def test_a_public_name_has_an_example(name: str) -> None:
    assert ">>> " in examples()[name]


@pytest.mark.newest  # some use packages of the extra `dev`
@pytest.mark.parametrize("name", [name for name in examples() if not name.startswith(SPARK)])
def test_the_example_of_a_public_name_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # A runtime that an example registers is gone after it.
    monkeypatch.setattr(_runtimes, "_registered", [])
    assert failures(name) == ""
