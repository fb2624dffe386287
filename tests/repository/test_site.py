"""The site has every page, every public name and every field of the contract. `.ci/run site` builds it, and tests it."""

from __future__ import annotations

import html
import os
import re

import pytest

from chatpb import ChatCompletionRecord, CreateChatCompletionRequest
from chatpb._contract.schema import MessageSchema, schema_of
from tests.reference import PAGES, exported
from tests.support import ROOT

DOCS, SITE = ROOT / "docs", ROOT / "site"
NAVIGATION = set(re.findall(r"[\w/-]+\.md\b", (ROOT / "mkdocs.yml").read_text()))

built = pytest.mark.skipif(os.environ.get("CHATPB_SITE") != "1", reason="CHATPB_SITE=1 is not set")


def test_the_navigation_has_every_page() -> None:
    written = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    contract = {f"reference/contract/{file.stem}.md" for file in ROOT.glob("proto/chatcompletion/v1/*.proto")}
    assert written | contract | {"source/CHANGELOG.md"} == NAVIGATION


@built
@pytest.mark.parametrize("module", PAGES)
def test_the_reference_has_an_entry_for_every_public_name(module: str) -> None:
    text = (SITE / PAGES[module].relative_to(DOCS).with_suffix(".html")).read_text()
    ids = set(re.findall(r'id="([^"]*)"', text))
    # A class of messages has a section of its own, and a function with the name of its module that module in its id.
    names = {name: {f"{module}.{name}", f"{module}.{name}.{name}", name.lower()} for name in exported(module)}
    assert [name for name, possible in names.items() if not possible & ids] == []


def _messages() -> dict[str, MessageSchema]:
    todo = [schema_of(document.DESCRIPTOR) for document in (ChatCompletionRecord, CreateChatCompletionRequest)]
    found: dict[str, MessageSchema] = {}
    while todo:
        schema = todo.pop()
        if schema.name not in found:
            found[schema.name] = schema
            fields = (field.map_value if field.map_key else field for field in schema.fields())
            todo += [field.schema for field in fields if field.descriptor.message_type]
    return found


@built
@pytest.mark.parametrize("message", _messages())
def test_the_reference_has_an_entry_for_every_field(message: str) -> None:
    schema = _messages()[message]
    file = schema.descriptor.file.name.rpartition("/")[2].replace(".proto", ".html")
    text = html.unescape((SITE / "reference" / "contract" / file).read_text())
    section = text.partition(f'<h2 id="{message.lower()}">')[2].partition("<h2 ")[0]
    missing = [field.name for field in schema.fields() if f"<code>{field.name}</code> = {field.number}," not in section]
    assert section
    assert missing == []


@built
def test_the_mapping_shows_every_vector() -> None:
    ids = set(re.findall(r'id="([^"]*)"', (SITE / "mapping.html").read_text()))
    assert {vector.name for vector in (ROOT / "tests" / "vectors").iterdir()} - ids == set()
