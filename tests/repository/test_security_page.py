"""Each promise of docs/security.md names tests that exist."""

from __future__ import annotations

import re

from tests.support import ROOT


def test_every_promise_has_a_test() -> None:
    rows = [line for line in (ROOT / "docs" / "security.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    for row in rows:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", row)
        assert named, row
        for file, function in named:
            path = ROOT / (file if "/" in file else f"tests/service/{file}")
            assert f"def {function}(" in path.read_text(), (file, function)
