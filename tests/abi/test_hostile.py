"""The program that calls the C interface with damaged inputs knows every function. `python -m tests.abi.hostile` runs it."""

from __future__ import annotations

import re

from tests.support import ROOT


def test_every_function_is_called() -> None:
    declared = re.findall(r"\b(chatpb_\w+)\(", (ROOT / "adapters/abi/chatpb.h").read_text())
    program = (ROOT / "adapters/abi/examples/hostile.rs").read_text()
    calls = program.partition('unsafe extern "C" {')[2].partition("\n}\n")[2]
    assert len(declared) == 19
    assert [name for name in declared if f"{name}(" not in calls] == []
