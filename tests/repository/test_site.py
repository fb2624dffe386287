"""The site has every page, every public module and every file of the contract. `.ci/run site` builds it."""

from __future__ import annotations

import re

from tests.support import ROOT

DOCS = ROOT / "docs"
NAVIGATION = set(re.findall(r"[\w/-]+\.md\b", (ROOT / "mkdocs.yml").read_text()))


def test_the_navigation_has_every_page() -> None:
    written = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    contract = {f"reference/contract/{file.stem}.md" for file in ROOT.glob("proto/chatcompletion/v1/*.proto")}
    assert written | contract | {"source/CHANGELOG.md"} == NAVIGATION
