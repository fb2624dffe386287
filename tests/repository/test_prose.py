"""The pages, and the docstrings that the reference shows, are in plain English. Hooks of pre-commit check their spelling."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.reference import examples
from tests.support import ROOT

INSTEAD = {
    r"utili[sz]\w+": "use",
    r"leverag\w+": "use",
    r"facilitat\w+": "help, allow",
    r"commenc\w+": "start",
    r"functionalit\w+": "what it does",
    r"methodolog\w+": "method",
    r"in order to": "to",
    r"prior to": "before",
    r"subsequent\w*": "after, later",
    r"due to the fact": "because",
    r"in the event": "if",
    r"in terms of": "by, in",
    r"with regard to|regarding|concerning": "about",
    r"is able to|has the ability to": "can",
    r"via": "by, through, with",
    r"upon|amongst|whilst": "on, among, while",
    r"thus|hence|whence|thence|hereby|herewith|thereof|therein|thereby|whereby|wherein": "so, by this, its, where",
    r"aforementioned|abovementioned": "name the thing",
    r"and/or": "or",
    r"e\.g\.|i\.e\.|etc\.": "such as, that is",
    r"simply|obviously|of course|easily|effortless\w*|basically|actually|really|quite": "nothing",
    r"powerful|robust|seamless\w*|blazing\w*|cutting[ -]edge|state[ -]of[ -]the[ -]art|world[ -]class": "what was measured",
    r"please|note that|it should be noted": "say it",
    r"sanity|whitelist\w*|blacklist\w*|master/slave": "check, allowed, refused, primary",
}
"""Words that make a sentence long or vague, or that many readers do not know, and what to write instead."""
OPENINGS = re.compile(
    r"(?:The same|The way|What is used|This (?:function|class|method|module)|A (?:function|class|method) (?:that|which))\b"
)
"""What no docstring begins with: it must stand by itself, and say what happens or what the thing is."""
WRITTEN = [
    *(
        ROOT / name
        for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "mkdocs.yml")
    ),
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("examples/README.md")),
    *sorted(ROOT.glob("adapters/*/README.md")),
    *sorted(ROOT.glob("proto/chatcompletion/v1/*.proto")),
]


def _found(text: str) -> list[str]:
    """Return the words of a text that are to be replaced, with what to write instead. Code is not read."""
    prose = re.sub(r"^(```|~~~).*?^\1|`[^`\n]*`|^ *(?:>>>|\.\.\.).*?$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [
        f"{match[0]}: write {instead}"
        for words, instead in INSTEAD.items()
        for match in re.finditer(rf"(?<![\w-])(?:{words})(?![\w-])", prose, re.IGNORECASE)
    ]


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_is_in_plain_words(path: Path) -> None:
    assert _found(path.read_text()) == []


@pytest.mark.parametrize("name", examples())
def test_a_docstring_is_in_plain_words(name: str) -> None:
    assert _found(examples()[name]) == []
    assert not OPENINGS.match(examples()[name])


@pytest.mark.parametrize("text", ["We leverage it.", "Simply run\nit.", "It utilises `x`.", "And so on, etc."])
def test_words_are_found(text: str) -> None:
    assert _found(text) != []


@pytest.mark.parametrize("text", ["Run `simply` and `via`.", "```sh\nsimply\n```", "A trivial obviousness."])
def test_code_and_other_words_are_not(text: str) -> None:
    assert _found(text) == []
