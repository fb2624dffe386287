"""The documentation holds: its vectors exist, its code runs, its links lead somewhere."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from conftest import ALL_VECTORS, programs_of

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def test_every_vector_is_named_by_a_rule_and_every_name_is_a_vector() -> None:
    families = {vector.name.partition("-")[0] for vector in ALL_VECTORS}
    code = re.findall(r"`([a-z0-9-]+\*?)`", (ROOT / "docs" / "mapping.md").read_text())
    patterns = [name for name in code if name.partition("-")[0] in families and "-" in name]
    names = [vector.name for vector in ALL_VECTORS]
    assert [name for name in names if not any(fnmatch(name, pattern) for pattern in patterns)] == []
    assert [pattern for pattern in patterns if not any(fnmatch(name, pattern) for name in names)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


TESTED_ELSEWHERE = {
    "grpc.md": "test_service_docs.py",
    "languages.md": "conformance/test_snippets.py",
    "ray.md": "test_storage_ray.py",
    "spark.md": "test_storage_spark.py",
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
    exec(compile(code, "example", "exec"), {"__name__": "__main__"})
