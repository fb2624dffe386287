"""The documentation is right: its vectors, paths and names exist, its code runs, its links lead to files."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path

import pytest

from chatpb import _runtimes
from chatpb._extras import MissingExtraError
from tests.support import ALL_VECTORS, ROOT, programs_of

PAGES = [ROOT / "README.md", ROOT / "examples" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OF_THE_REPOSITORY = [ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md")]
OF_LANGUAGES = sorted((ROOT / "docs" / "languages").glob("*.md"))
"""Pages with names and code of other languages."""
BY_ROLE = sorted((ROOT / "docs" / "howto").glob("*.md"))
"""Pages that `tests/pages` follows."""
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
PATH = re.compile(r"(?<![\w./-])(?:adapters|tests|examples|proto|gen|bench|docs|\.ci)/[\w./*-]*")
"""A path from the root of the repository, in prose, in a link or in a command."""
MODULE = re.compile(r"python -m ((?:tests|bench)[\w.]*)")
NAME = re.compile(r"`(chatpb(?:\.\w+)+)")
NO_NAMES = {"chatpb.runtimes", "chatpb.h", "chatpb.unreadable.request"}
"""Names that look like those of the library but are others: of entry points, of a file, of a label."""


def _mentions(pattern: re.Pattern[str]) -> list[pytest.param]:  # type: ignore[valid-type]
    """Return the matches of a pattern in the pages, each once for each page."""
    found = {
        (page.name, match)
        for page in [*PAGES, *BY_ROLE, *OF_THE_REPOSITORY]
        for match in pattern.findall(page.read_text())
    }
    return [pytest.param(match, id=f"{page}-{match}") for page, match in sorted(found)]


def test_every_vector_is_named_by_a_rule_and_every_name_is_a_vector() -> None:
    families = {vector.name.partition("-")[0] for vector in ALL_VECTORS}
    code = re.findall(r"`([a-z0-9-]+\*?)`", (ROOT / "docs" / "mapping.md").read_text())
    patterns = [name for name in code if name.partition("-")[0] in families and "-" in name]
    names = [vector.name for vector in ALL_VECTORS]
    assert [name for name in names if not any(fnmatch(name, pattern) for pattern in patterns)] == []
    assert [pattern for pattern in patterns if not any(fnmatch(name, pattern) for name in names)] == []


@pytest.mark.parametrize("page", [*PAGES, *OF_LANGUAGES, *BY_ROLE, *OF_THE_REPOSITORY], ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("path", _mentions(PATH))
def test_paths_exist(path: str) -> None:
    assert any(ROOT.glob(path.rstrip("./")))


@pytest.mark.parametrize("module", _mentions(MODULE))
def test_modules_to_run_exist(module: str) -> None:
    path = ROOT / module.rstrip(".").replace(".", "/")
    assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()


@pytest.mark.parametrize("name", _mentions(NAME))
def test_names_of_the_library_exist(name: str) -> None:
    if name in NO_NAMES:
        return
    module, _, member = name.rpartition(".")
    try:
        found = import_module(module)
        assert hasattr(found, member) or import_module(name)
    except MissingExtraError as error:
        pytest.skip(str(error))


TESTED_ELSEWHERE = {
    "contracts.md": "contract/test_contracts_page.py",
    "deployment.md": "service/test_deployment.py",
    "grpc.md": "service/test_docs.py",
    "languages.md": "conformance/test_snippets.py",
    "ray.md": "storage/test_ray.py",
    "spark.md": "storage/test_spark.py",
    "tutorial.md": "pages/test_pages.py",
}
"""Pages whose code needs a server, a cluster or another language, and the tests that run it."""


def _examples() -> list[pytest.param]:  # type: ignore[valid-type]
    return [
        pytest.param(code, id=f"{page.name}-{number}")
        for page in PAGES
        if page.name not in TESTED_ELSEWHERE
        for number, code in enumerate(programs_of(page), 1)
    ]


def test_pages_tested_elsewhere_are() -> None:
    for page, test in TESTED_ELSEWHERE.items():
        assert page in (ROOT / "tests" / test).read_text()


@pytest.mark.parametrize("code", _examples())
def test_python_examples_run(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block of Python runs by itself, in an empty folder; its own asserts state what it shows."""
    monkeypatch.chdir(tmp_path)
    # A runtime that an example registers is gone after it.
    monkeypatch.setattr(_runtimes, "_registered", [])
    exec(compile(code, "example", "exec"), {"__name__": "__main__"})
