"""The public names of the library with their examples, as the reference in docs/reference shows them."""

from __future__ import annotations

import ast
import doctest
import re
from functools import cache
from itertools import pairwise
from pathlib import Path

from tests.support import ROOT

LIBRARY = ROOT / "adapters" / "python"


def _file(module: str) -> Path | None:
    base = LIBRARY / module.replace(".", "/")
    return next((file for file in (base / "__init__.py", base.with_suffix(".py")) if file.exists()), None)


PAGES = {
    module: page
    for page in sorted((ROOT / "docs" / "reference").glob("*.md"))
    for module in re.findall(r"^::: ([\w.]+)$", page.read_text(), re.MULTILINE)
    if _file(module)
}
"""By public module, its page in the reference."""


@cache
def exported(module: str) -> list[str]:
    file = _file(module)
    assert file
    text = re.search(r"^__all__ = (\[.*?\])", file.read_text(), re.MULTILINE | re.DOTALL)
    names: list[str] = ast.literal_eval(text[1]) if text else []
    return names


@cache
def _docstrings(module: str) -> dict[str, str]:
    """Return the docstring of each name that a module defines, or imports from another of the library.

    They are read, not imported: constants have docstrings too, and no package of an extra is needed.
    """
    file = _file(module)
    assert file
    tree = ast.parse(file.read_text())
    # Names may be imported in a `with` that says which extra they need.
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, ast.Module | ast.With | ast.If)]
    found: dict[str, str] = {}
    for node in (node for body in bodies for node in body):
        if isinstance(node, ast.ImportFrom) and node.module and node.module != module and _file(node.module):
            inner = _docstrings(node.module)
            found |= {each.asname or each.name: inner[each.name] for each in node.names if each.name in inner}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = ast.get_docstring(node) or ""
    for before, node in (pair for body in bodies for pair in pairwise(body)):
        if isinstance(before, ast.Assign | ast.AnnAssign) and isinstance(node, ast.Expr):
            target = before.target if isinstance(before, ast.AnnAssign) else before.targets[0]
            found[ast.unparse(target)] = str(node.value.value) if isinstance(node.value, ast.Constant) else ""
    return found


def _pages_examples() -> dict[str, list[str]]:
    """Return the examples in the pages themselves, by the heading before them: names of other packages have these."""
    sections = [part for page in set(PAGES.values()) for part in page.read_text().split("\n## ")[1:]]
    return {part.partition("\n")[0]: re.findall(r"^```pycon\n(.*?)^```", part, re.M | re.S) for part in sections}


@cache
def examples() -> dict[str, str]:
    """Return the text with examples of each public name, by its whole name."""
    own = _pages_examples()
    return {
        f"{module}.{name}": _docstrings(module).get(name) or "\n".join(own.get(name, []))
        for module in PAGES
        for name in exported(module)
    }


def failures(name: str) -> str:
    """Run the example of a public name, and return a report of what it gave that it does not show."""
    test = doctest.DocTestParser().get_doctest(examples()[name], {"__name__": "__main__"}, name, None, None)
    report: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    return "".join(report)
