"""docs/languages.md shows the code that the programs run."""

from __future__ import annotations

from tests.conformance import languages, snippets


def test_page_shows_what_the_programs_run() -> None:
    page = snippets.PAGE.read_text()
    assert page == snippets.filled(page), "run: python tests/conformance/snippets.py"


def test_page_has_every_language() -> None:
    page = snippets.PAGE.read_text()
    missing = [language.name for language in languages.LANGUAGES if f"<!-- {language.name}/" not in page]
    assert not missing
