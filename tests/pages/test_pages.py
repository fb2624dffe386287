"""The tutorial and the pages by role do what they say, from the first line to the last."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pages.session import blocks_of, extras_of, follow
from tests.service.service_stack import run
from tests.support import ROOT

pytestmark = pytest.mark.newest

ELSEWHERE = {"service-author.md": ROOT / "tests" / "examples" / "test_fronts.py"}
"""Pages whose programs take the tools of other languages, and the tests that build and run them."""
PAGES = [
    ROOT / "docs" / "tutorial.md",
    *(page for page in sorted((ROOT / "docs" / "howto").glob("*.md")) if page.name not in ELSEWHERE),
]

MOST_LINES = 120
"""Of a page by role: what can be read before the work begins."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@each_page
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    run(follow(page, tmp_path))


@each_page
def test_every_block_is_run_or_saved_or_compared(page: Path) -> None:
    blocks = blocks_of(page)
    assert len(blocks) == page.read_text().count("\n```") / 2
    for before, block in zip([None, *blocks], blocks, strict=False):
        if block.language == "text":
            assert before
            assert before.language == "sh"
        else:
            assert block.file or block.language in {"python", "sh"}, block


@pytest.mark.parametrize("page", ELSEWHERE)
def test_pages_tested_elsewhere_are(page: str) -> None:
    assert page in ELSEWHERE[page].read_text()


def test_pages_by_role_are_short() -> None:
    lines = {page.name: len(page.read_text().splitlines()) for page in (ROOT / "docs" / "howto").glob("*.md")}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


@each_page
def test_a_page_installs_extras_that_exist(page: Path) -> None:
    from tests.repository.test_extras import project

    assert set(extras_of(blocks_of(page))) <= set(project()["optional-dependencies"])
