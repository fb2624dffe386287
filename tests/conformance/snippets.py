"""Copy code of the programs into docs/languages.md and the pages beside it, so that they show code that runs.

    python tests/conformance/snippets.py    update the pages

A program, here or in examples/, marks a snippet with a comment `docs: <name>` before it and `docs: end` after it. A page
names the snippet before the block of code: `<!-- go/native.go write -->`.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "languages.md"
PAGES = [PAGE, *sorted(PAGE.with_suffix("").glob("*.md")), PAGE.parent / "howto" / "service-author.md"]

_BLOCK = re.compile(r"(<!-- ([\w./-]+) ([\w-]+) -->\n```([\w,]+)\n)(.*?)(```\n)", re.DOTALL)


def main() -> None:
    for page in PAGES:
        page.write_text(filled(page.read_text()))


def filled(page: str) -> str:
    """Return the page with the code that its comments name."""

    def block(found: re.Match[str]) -> str:
        return found[1] + snippet(found[2], found[3]) + found[6]

    return _BLOCK.sub(block, page)


def snippet(file: str, name: str) -> str:
    """Return the snippet of a file that has this name. Raise ValueError if none or several have it."""
    lines = (HERE / file).read_text().splitlines(keepends=True)
    marks = [index for index, line in enumerate(lines) if re.search(rf"\bdocs: {re.escape(name)}\b", line)]
    if len(marks) != 1:
        raise ValueError(f"{file} marks {name} {len(marks)} times")
    start = marks[0] + 1
    end = next(index for index in range(start, len(lines)) if "docs: end" in lines[index])
    return textwrap.dedent("".join(lines[start:end])).strip("\n") + "\n"


if __name__ == "__main__":
    main()
