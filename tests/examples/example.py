"""A program of examples/: how it is built, and how a test runs it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import pytest

from tests.conformance import languages
from tests.service.chatpb_program import Program
from tests.support import ROOT

__all__ = ["MOST_LINES", "Example"]

MOST_LINES: Final = 80
"""The most lines of code of an example, its imports aside."""

_NO_CODE: Final = re.compile(r"^(\s*(//|#|/\*|\*).*|\s*)\n", re.MULTILINE)
"""Comments, empty lines, and what C++ includes."""

_IMPORTS: Final = {
    ".cc": r"^$",
    ".go": r"^import \([^)]*\)",
    ".java": r"^(import|package) [^;]*;",
    ".py": r"^(import|from) [^\n(]*(\([^)]*\))?",
    ".rs": r"^use [^;]*;",
    ".ts": r"^import [^;]*;",
}


@dataclass(frozen=True, kw_only=True)
class Example(languages.Project):
    """An example. Its program takes the address where it listens, then what else it needs."""

    home: ClassVar[Path] = ROOT / "examples"

    source: str
    """The path of the program, in its folder."""

    def prepare(self) -> None:
        """Build the example. Skip the test if this is not asked for or the tools are missing; fail it in CI.

        CHATPB_EXAMPLES=1 asks for the examples whose tools are on this machine, CHATPB_EXAMPLES=all for every example.
        """
        asked = os.environ.get("CHATPB_EXAMPLES")
        if not asked:
            pytest.skip("CHATPB_EXAMPLES=1 builds and tests the examples")
        if "PYTEST_XDIST_WORKER" in os.environ:
            pytest.fail("examples are built in their folders, so by one process alone: pytest -n0")
        if missing := self.missing():
            absent = pytest.fail if asked == "all" else pytest.skip
            absent(f"no {', '.join(missing)} on this machine")
        languages.build(self, languages.generators())

    def run(self, *arguments: str) -> Program:
        """Return the example as a program, for an `async with` block."""
        return Program(*arguments, start=self.command, folder=self.folder)

    def lines(self) -> int:
        """Return the number of lines of code, without imports."""
        path = self.folder / self.source
        code = re.sub(_IMPORTS[path.suffix], "", path.read_text(), flags=re.MULTILINE)
        return len(_NO_CODE.sub("", code).splitlines())
