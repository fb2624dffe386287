"""A plugin of pytest that notes how long each test takes, and lets coverage know which one runs."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path

import pytest
from coverage import Coverage

_seconds: defaultdict[str, float] = defaultdict(float)


def pytest_runtest_logstart(nodeid: str) -> None:
    coverage = Coverage.current()
    assert coverage
    coverage.switch_context(nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _seconds[report.nodeid] += report.duration


def pytest_sessionfinish() -> None:
    Path(os.environ["CHATPB_SECONDS"]).write_text(json.dumps(_seconds))
