"""A plugin of pytest that notes how long each test takes, and lets coverage know which one runs.

What a function keeps of its earlier calls would hide from coverage that a later test needs it too, so each test starts
without it. `CHATPB_MUTATED` has the modules whose functions forget.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from coverage import Coverage

_MUTATED = tuple(os.environ["CHATPB_MUTATED"].split(","))
_seconds: defaultdict[str, float] = defaultdict(float)


def pytest_runtest_logstart(nodeid: str) -> None:
    coverage = Coverage.current()
    assert coverage
    coverage.switch_context(nodeid)
    for name, module in list(sys.modules.items()):
        if name.startswith(_MUTATED):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear") and getattr(value, "__module__", None) == name:
                    value.cache_clear()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _seconds[report.nodeid] += report.duration


def pytest_sessionfinish() -> None:
    Path(os.environ["CHATPB_SECONDS"]).write_text(json.dumps(_seconds))
