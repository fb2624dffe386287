"""Colours: a terminal gets them, files and pipes do not, and NO_COLOR and FORCE_COLOR decide otherwise."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

DOCUMENT = '{"id":"a","model":"[bold]m[/bold]","choices":[],"x[red]":":warning:"}\n'
COMMANDS = {
    "--help": "Convert and check:",
    "convert --help": "--to FORMAT",
    "check in.jsonl": "in.jsonl",
    "inspect in.jsonl": "[bold]m[/bold]",
    "demo": "Nothing was lost",
    "stats in.jsonl": "total",
}
"""By command, what its output has."""

SETTINGS = {
    (True, ""): True,
    (False, ""): False,
    (True, "TERM=dumb"): False,
    (True, "NO_COLOR=1"): False,
    (True, "NO_COLOR="): True,
    (False, "FORCE_COLOR=1"): True,
    (False, "FORCE_COLOR=1 TERM=dumb"): True,
    (True, "FORCE_COLOR=1 NO_COLOR=1"): False,
}
"""Whether the output has colours, by whether it is a terminal, and the environment."""


def output(command: list[str], on_terminal: bool, settings: str = "") -> str:
    """Return what a command prints on a terminal of 80 columns, or on a pipe."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    environment = {**kept, "TERM": "xterm", **dict(each.split("=") for each in settings.split())}
    program = [sys.executable, "-m", "chatpb", *command]
    if not on_terminal:
        return subprocess.run(program, env=environment, capture_output=True, text=True, check=True).stdout
    ours, theirs = pty.openpty()
    with subprocess.Popen(program, env={**environment, "COLUMNS": "80"}, stdout=theirs, stderr=subprocess.PIPE):
        os.close(theirs)
        printed = b""
        with suppress(OSError):  # which is how Linux reports that the other side is closed
            while piece := os.read(ours, 65536):
                printed += piece
        os.close(ours)
    return printed.decode().replace("\r\n", "\n")


@pytest.fixture(autouse=True)
def documents(folder: Path) -> None:
    (folder / "in.jsonl").write_text(DOCUMENT)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("on_terminal", [True, False])
def test_a_terminal_gets_colours_and_a_pipe_none(command: str, on_terminal: bool) -> None:
    shown = output(command.split(), on_terminal)
    assert ("\x1b[" in shown) is on_terminal
    assert COMMANDS[command] in shown


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@pytest.mark.parametrize("command", ["--help", "inspect in.jsonl"])
def test_settings(command: str, setting: tuple[bool, str]) -> None:
    assert ("\x1b[" in output(command.split(), *setting)) is SETTINGS[setting]


@pytest.mark.parametrize("command", ["stats in.jsonl", "query in.jsonl", "check in.jsonl", "inspect in.jsonl"])
def test_what_looks_like_markup_is_shown_as_it_is(command: str) -> None:
    sql = ["SELECT model, 'x[red]' AS \"a[red]\" FROM records"] if command.startswith("query") else []
    shown = output([*command.split(), *sql], on_terminal=False)
    assert {"stats": "[bold]m[/bold]", "query": "a[red]", "check": "", "inspect": "x[red]"}[command.split()[0]] in shown
    assert "\u26a0" not in shown


@pytest.mark.parametrize("command", ["stats", "query"])
def test_a_file_gets_no_colours_though_the_command_runs_on_a_terminal(command: str, folder: Path) -> None:
    sql = ["SELECT model FROM records"] if command == "query" else []
    assert output([command, "in.jsonl", *sql, "--output", "out.txt"], on_terminal=True) == ""
    assert "m[/bold]" in (folder / "out.txt").read_text()
    assert "\x1b" not in (folder / "out.txt").read_text()
