"""The help of each command: its job, its examples, options that mean the same everywhere, and lines that fit."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from typing import Any

import pytest

from chatpb.cli._app import COMMANDS, load_command
from chatpb.cli._help import choices_of, names_of
from tests.cli.command_line import run

PLAIN = re.compile(r"[A-Z]+(,\.\.\.)?|(\[PATTERN=\])?HOST:PORT|NAME=PATH|'NAME: VALUE'")
"""What an option or an argument takes: a word that says it, no type of a programming language."""

DIFFERS = {"--target"}
"""Options that take a little more in one command than in another."""


def options_of(command: str) -> list[Any]:
    return [each for each in load_command(command).params if each.param_type_name == "option" and not each.hidden]


def examples_of(command: str) -> list[list[str]]:
    """Return the arguments of each `chatpb` in the examples of a command."""
    parts = [part for line in load_command(command).epilog.splitlines() for part in line.split(" | ")]
    return [shlex.split(re.sub(" > ~.*", "", part))[1:] for part in parts if part.startswith("chatpb ")]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_list_has_the_first_paragraph_of_the_help(command: str) -> None:
    assert load_command(command).help.partition("\n\n")[0] == COMMANDS[command].summary


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_are_commands_that_parse(command: str) -> None:
    examples = examples_of(command)
    assert any(name == command for name, *_ in examples)
    for name, *args in examples:
        assert load_command(name).make_context(name, args).params is not None


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_the_terminal(command: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = run(*command.split(), "--help")
    assert (shown.exit_code, shown.stderr) == (0, "")
    as_they_are = [line for line in shown.stdout.splitlines() if line.startswith("  chatpb ")]
    assert len(as_they_are) > (not command)
    lines = [line for line in shown.stdout.splitlines() if line not in as_they_are and not line.startswith("Usage:")]
    assert max(map(len, lines)) <= min(width, 100)
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_each_option_and_nothing_of_python(command: str) -> None:
    shown = run(command, "--help").stdout
    for option in options_of(command):
        assert re.search(rf"^  {re.escape(', '.join(names_of(option)))}( |$)", shown, re.MULTILINE)
        assert all(choice in shown for choice in choices_of(option))
    assert not re.search(r"\bNone\b|<|Enum|Format\.", shown)


@pytest.mark.parametrize("command", COMMANDS)
def test_options_and_arguments_say_what_they_take_in_plain_words(command: str) -> None:
    for each in load_command(command).params:
        assert each.help or getattr(each, "hidden", False), each.name
        if each.param_type_name == "argument":
            assert re.fullmatch(r"\[?[A-Z]+(\.db)?(\.\.\.)?\]?( SQL)?", each.metavar), each.metavar
        elif not each.is_flag and not choices_of(each):
            assert PLAIN.fullmatch(each.metavar or ""), each.name


def test_an_option_has_one_meaning_in_all_commands() -> None:
    found = defaultdict(set)
    for command in COMMANDS:
        for option in options_of(command):
            takes = None if option.is_flag or names_of(option)[-1] in DIFFERS or choices_of(option) else option.metavar
            found[names_of(option)[-1]].add((option.help, takes, tuple(names_of(option)), bool(option.is_flag)))
    assert {name: meanings for name, meanings in found.items() if len(meanings) > 1} == {}
    assert len(found) > 40


OLD = {("export", "--member"): "--column", ("gateway", "--list-model"): "--model"}
"""By option, its old name."""


@pytest.mark.parametrize("option", OLD, ids=" ".join)
def test_an_old_name_works_and_is_not_shown(option: tuple[str, str]) -> None:
    command, name = option
    (found,) = (each for each in options_of(command) if name in each.opts)
    assert OLD[option] in found.opts
    assert not re.search(rf"{OLD[option]}\b(?!s)", run(command, "--help").stdout)


@pytest.mark.parametrize("command", ["check", "call"])
def test_json_is_another_name_for_format_json(command: str) -> None:
    assert "--json" not in run(command, "--help").stdout
    args = {"check": ["in.json"], "call": ["-m", "x"]}[command]
    assert load_command(command).make_context(command, [*args, "--json"]).params["as_json"]


def test_help_tells_once_that_options_are_read_from_the_environment() -> None:
    assert run("serve", "--help").stdout.count("CHATPB_") == 1
    assert "[environment: SPARK_MASTER]" in run("export", "--help").stdout
