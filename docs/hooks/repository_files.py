"""Give the files of the repository that pages link to, such as programs of examples/, pages of their own in the site.

Links in docs/ are relative, so that they lead somewhere in a checkout too. In the site, those that leave docs/ lead to
`source/PATH`: a page in Markdown as it is, another file as code, a folder as its README or else as a list of its files.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
DOCS, SOURCE = "docs/", "source/"
CHANGELOG = "CHANGELOG.md"
"""A file that the navigation has."""
LINK = re.compile(r"(?<=\]\()(?!\w+:)([^)#\s]+)(?=[)#])")
"""The target of a relative link, its anchor aside."""
FENCE = "~" * 8
LANGUAGES = {".cc": "cpp", ".h": "c", ".proto": "protobuf", ".py": "python", ".rs": "rust", ".ts": "typescript"}
"""Languages that highlighters do not call by the suffix of their files."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    todo = {CHANGELOG}.union(*(_linked(page.content_string, page.src_uri) for page in files.documentation_pages()))
    while todo:
        path = todo.pop()
        place = _place(path)
        if not files.get_file_from_path(place):
            text = _text(path)
            files.append(File.generated(config, place, content=text, inclusion=InclusionLevel.NOT_IN_NAV))
            todo.update(_linked(text, place))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    place = page.file.src_uri

    def lead(link: re.Match[str]) -> str:
        path = _target(link[0], place)
        return posixpath.relpath(_place(path), posixpath.dirname(place) or ".") if path else link[0]

    return LINK.sub(lead, markdown)


def _linked(markdown: str, place: str) -> Iterator[str]:
    """Yield the files outside docs/ that the page of a place in the site links to."""
    for link in LINK.findall(markdown):
        path = _target(link, place)
        if path and not path.startswith(DOCS):
            yield path


def _target(link: str, place: str) -> str | None:
    """Return the path in the repository that a link leads to; None if nothing is there."""
    page = place.removeprefix(SOURCE) if place.startswith(SOURCE) else DOCS + place
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
    readme = f"{path}/README.md"
    if (ROOT / readme).is_file():
        return readme
    return path if (ROOT / path).exists() else None


def _place(path: str) -> str:
    """Return the place in the site of a file or a folder of the repository."""
    if path.startswith(DOCS):
        return path.removeprefix(DOCS)
    return SOURCE + path + ("" if path.endswith(".md") else ".md")


def _text(path: str) -> str:
    """Return the page of a file or of a folder that is outside docs/."""
    file = ROOT / path
    if file.suffix == ".md":
        return file.read_text()
    if file.is_dir():
        code, language = "\n".join(sorted(each.name + "/" * each.is_dir() for each in file.iterdir())), "text"
    else:
        code, language = file.read_text(), LANGUAGES.get(file.suffix, file.suffix[1:])
    return f"---\nsearch:\n  exclude: true\n---\n# {path}\n\n{FENCE}{language}\n{code}\n{FENCE}\n"
