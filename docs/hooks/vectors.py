"""Show the vectors that docs/mapping.md names: each section ends with those of its rules, and names lead to them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import filter as matching
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

VECTORS = Path(__file__).resolve().parents[2] / "tests" / "vectors"
PAGE = "mapping.md"
NAME = re.compile(r"`([a-z0-9-]+-[a-z0-9-]*\*?)`")
MAX_SHOWN = 1000
"""The bytes of wire above which a vector is named by its rule alone: whole documents, and arrays at a limit."""


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    if page.file.src_uri != PAGE:
        return markdown
    names = [folder.name for folder in sorted(VECTORS.iterdir())]
    shown: set[str] = set()
    return "".join(_with_vectors(section, names, shown) for section in re.split(r"(?m)^(?=## )", markdown))


def _with_vectors(section: str, names: list[str], shown: set[str]) -> str:
    """Return a section with links to the vectors that it names, and with those that no section before it has shown."""
    new: list[str] = []

    def links(mention: re.Match[str]) -> str:
        found = matching(names, mention[1])
        new.extend(name for name in found if name not in shown)
        shown.update(found)
        return ", ".join(f"[`{name}`](#{name})" for name in found) or mention[0]

    linked = NAME.sub(links, section)
    if not new:
        return linked
    block = "\n".join(line for name in new for line in _shown(VECTORS / name))
    title = "The vector of these rules" if len(new) == 1 else f"The {len(new)} vectors of these rules"
    return f'{linked.rstrip()}\n\n??? example "{title}"\n\n{_indented(block)}\n\n'


def _shown(vector: Path) -> Iterator[str]:
    """Yield the lines of a vector: its rule, its JSON, the message and the JSON that comes back."""
    rule = json.loads((vector / "case.json").read_text())["rule"]
    yield f"\n**`{vector.name}`**: {re.sub(r'[<>*_]', _escaped, rule)}\n{{: #{vector.name} }}\n"
    source, wire = vector / "input.json", (vector / "wire.binpb").read_bytes()
    expected = (vector / "expected.json").read_text()
    if len(wire) + len(expected) > MAX_SHOWN:
        yield f"{len(wire):,} bytes of wire, in `tests/vectors/{vector.name}`."
        return
    text = source.read_text() if source.exists() else ""
    if text:
        yield from _block("JSON", "json", text)
    yield from _block("message", "text", (vector / "message.txtpb").read_text())
    yield from _block("wire bytes", "text", _hex(wire) or "none")
    if text.strip() != expected.strip():
        yield from _block("JSON that comes back", "json", expected)


def _block(title: str, language: str, text: str) -> Iterator[str]:
    yield f'~~~~~~~~{language} title="{title}"\n{text.rstrip()}\n~~~~~~~~\n'


def _hex(wire: bytes) -> str:
    return "\n".join(wire[start : start + 16].hex(" ") for start in range(0, len(wire), 16))


def _escaped(character: re.Match[str]) -> str:
    return f"\\{character[0]}"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.splitlines())
