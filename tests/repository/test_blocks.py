"""No block of code in the pages is left out: tests run it, or it says what it is, and its commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.pages.session import blocks_of
from tests.pages.test_pages import ELSEWHERE
from tests.pages.test_pages import PAGES as FOLLOWED
from tests.support import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN_BY = {
    "contracts.md": "contract/test_contracts_page.py",
    "deployment.md": "service/test_deployment.py",
    "languages.md": "conformance/test_snippets.py",
    **{name: test.relative_to(ROOT / "tests").as_posix() for name, test in ELSEWHERE.items()},
    **{page.name: "conformance/snippets.py" for page in (ROOT / "docs" / "languages").glob("*.md")},
}
"""Pages whose blocks of any language other tests run, or compare with the programs that are run."""
NOT_RUN = {
    ("architecture.md", "text"): "a drawing",
    ("storage.md", "text"): "prices, and calls of a service",
    ("ray.md", "sh"): "its commands are checked below",
    ("spark.md", "sh"): "its commands are checked below",
    ("README.md", "sh"): "its commands are checked below; `.ci/run readme` runs the one that tests",
}
RUN_AS = {"python": "test_docs.py", "pycon": "test_reference.py"}
"""Languages whose blocks are run wherever they stand."""


@pytest.mark.parametrize("page", [page for page in PAGES if page not in FOLLOWED], ids=lambda page: page.name)
def test_no_block_is_left_out(page: Path) -> None:
    # A block of a tilde fence, or of one in a list, would not be found.
    assert len(re.findall(r"^ *(?:```|~~~)", page.read_text(), re.MULTILINE)) == 2 * len(_languages(page))
    left_out = {
        language
        for language in _languages(page)
        if page.name not in RUN_BY and language not in RUN_AS and (page.name, language) not in NOT_RUN
    }
    assert left_out == set()


def _languages(page: Path) -> list[str]:
    return re.findall(r"^```([\w,]+)", page.read_text(), re.MULTILINE)


def test_what_is_not_run_is_there() -> None:
    there = {(page.name, language) for page in PAGES for language in _languages(page)}
    assert NOT_RUN.keys() - there == set()
    assert {name for name, test in RUN_BY.items() if not (ROOT / "tests" / test).exists()} == set()


def _commands() -> list[pytest.param]:  # type: ignore[valid-type]
    """Return the commands of chatpb in blocks of the shell, each once for each page."""
    shell = [(page, block.text) for page in PAGES for block in blocks_of(page) if block.language in ("sh", "console")]
    lines = [(page, line) for page, text in shell for line in re.sub(r"\\\n", " ", text).splitlines()]
    found = {
        (page.name, command)
        for page, line in lines
        for command in re.findall(r"(?:^|[\s/])chatpb ((?:'[^']*'|\"[^\"]*\"|[^'\"&|;#>])*)", line)
        if not line.lstrip().startswith(("#", "pip "))
    }
    return [pytest.param(command, id=f"{page}-{command}") for page, command in sorted(found)]


@pytest.mark.newest
@pytest.mark.parametrize("command", _commands())
def test_a_command_and_its_options_exist(command: str) -> None:
    typer = pytest.importorskip("typer", reason="the extra `cli` is not installed")
    from chatpb.cli._app import load_command

    name, *arguments = shlex.split(command)
    if name.startswith("-"):
        assert name in {"--version", "--help"}
        return
    parser = load_command(name)
    parser.make_parser(typer.Context(parser, info_name=name)).parse_args(
        arguments
    )  # raises for an option that is not one
