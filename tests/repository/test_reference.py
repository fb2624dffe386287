"""Every public name of the library has an entry in the reference, with an example that runs."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

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


def _is_one(cls: Any, protocol: Any) -> bool:
    """Return whether a class has the functions of a protocol, with the same parameters."""
    names = [name for name in vars(protocol) if not name.startswith("_")]
    return all(
        hasattr(cls, name)
        and list(inspect.signature(getattr(cls, name)).parameters)
        == list(inspect.signature(getattr(protocol, name)).parameters)
        for name in names
    )


@pytest.mark.parametrize("module", [module for module in PAGES if module != SPARK])
def test_each_method_of_a_public_class_has_an_entry(module: str) -> None:
    """The reference shows what has a docstring. The functions of a protocol have theirs there."""
    classes = [getattr(import_module(module), name) for name in exported(module)]
    classes = [each for each in classes if inspect.isclass(each) and each.__module__.startswith("chatpb")]
    protocols = [each for each in classes if getattr(each, "_is_protocol", False)]
    missing = []
    for cls in classes:
        known = {name for each in protocols if cls is not each and _is_one(cls, each) for name in vars(each)}
        own = {
            name
            for name, value in vars(cls).items()
            if name[0] != "_" and (callable(value) or isinstance(value, property))
        }
        missing += [f"{cls.__name__}.{name}" for name in own - known if not inspect.getdoc(getattr(cls, name))]
    assert missing == []


@pytest.mark.newest  # some use packages of the extra `dev`
@pytest.mark.parametrize("name", [name for name in examples() if not name.startswith(SPARK)])
def test_the_example_of_a_public_name_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # A runtime that an example registers is gone after it.
    monkeypatch.setattr(_runtimes, "_registered", [])
    assert failures(name) == ""
