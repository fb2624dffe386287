"""The commands of docs/cli.md (cli.md) run, and print what the page shows; each command has its place there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from chatpb.cli._app import COMMANDS
from chatpb.cli._demo_documents import DEMO_DOCUMENTS
from tests.cli.command_line import run
from tests.cli.test_help import options_of
from tests.support import ROOT

PAGE = (ROOT / "docs" / "cli.md").read_text()
SHOWN = re.findall(r"^    \$ (chatpb .*)\n((?:    (?!\$).*\n|\n(?=    (?!\$)))*)", PAGE, re.MULTILINE)
"""The commands of the page, each with the output that it shows."""

ANSWER = {
    "id": "chatcmpl-2",
    "object": "chat.completion",
    "created": 1767225610,
    "model": "example-small",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "It rains.", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
}


@pytest.fixture
def files(folder: Path) -> None:
    """The files that the page's commands read."""
    lines = [json.loads(DEMO_DOCUMENTS["completion"]), '{"id":"chatcmpl-3","model":"m","n":1,}', ANSWER]
    texts = [each if isinstance(each, str) else json.dumps(each) for each in lines]
    (folder / "answers.jsonl").write_text("\n".join(texts))
    (folder / "error.json").write_text(DEMO_DOCUMENTS["error"])


def test_the_page_has_commands() -> None:
    assert len(SHOWN) >= 7
    assert sum(bool(output) for _, output in SHOWN) >= 4


@pytest.mark.parametrize(("command", "output"), SHOWN)
@pytest.mark.usefixtures("files")
def test_commands_print_what_the_page_shows(command: str, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = run(*shlex.split(command.partition(" > ")[0])[1:])
    assert result.exit_code == ("answers.jsonl:2:" in output), result.output
    if output:
        shown = [line.strip() for line in output.splitlines()]
        assert [line.strip() for line in result.output.rstrip().splitlines()] == shown


def test_the_page_names_each_command_and_only_options_that_exist() -> None:
    table = PAGE.partition("| exit status |")[0]
    assert {name for name in COMMANDS if f"`{name}`" not in table} == set()
    known = {
        name
        for command in COMMANDS
        for option in options_of(command)
        for name in (*option.opts, *option.secondary_opts)
    }
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) - known <= {"--help", "--version"}
