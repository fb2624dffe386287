"""One version in every file that has one. `python -m tests.release` builds what has it, and uses that."""

from __future__ import annotations

from collections import Counter

from tests import release
from tests.support import ROOT


def test_one_version_everywhere() -> None:
    found = release.versions()
    usual = Counter(found.values()).most_common(1)[0][0]
    assert {path: version for path, version in found.items() if version != usual} == {}


def test_what_an_sbom_is_made_of_exists() -> None:
    assert [path for path in release.LOCKED if not (ROOT / path).is_file()] == []
