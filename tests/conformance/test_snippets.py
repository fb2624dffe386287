"""docs/languages.md and the pages beside it show the code that the programs run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance import languages, snippets


@pytest.mark.parametrize("page", snippets.PAGES, ids=lambda page: page.name)
def test_pages_show_what_the_programs_run(page: Path) -> None:
    text = page.read_text()
    assert text == snippets.filled(text), "run: python tests/conformance/snippets.py"


def test_page_has_every_language() -> None:
    page = snippets.PAGE.read_text()
    missing = [language.name for language in languages.LANGUAGES if f"<!-- {language.name}/" not in page]
    assert not missing
