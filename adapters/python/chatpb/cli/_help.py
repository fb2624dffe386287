"""The help of commands, in plain text: usage, what it does, options by what they are for, examples.

The help of an option names what it takes (FILE, SECONDS), its choices and its default. Further long names of an option
are old ones, which still work and which nothing shows.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from inspect import cleandoc
from textwrap import TextWrapper
from typing import Any, Final

from typer.core import TyperCommand

from chatpb.cli._console import styled

__all__ = [
    "Command",
    "choices_of",
    "definition_lists",
    "lines_below",
    "names_of",
    "option_row",
    "parts_of_docstring",
    "wrapped",
]

_MAX_WIDTH: Final = 100
"""Columns that help takes at most; longer lines are hard to read."""

_MAX_NAME: Final = 28
"""Columns of a name up to which its description starts on the same line."""

_TIE: Final = "\N{NO-BREAK SPACE}"
"""A space at which no line ends."""

_MAX_CHOICES: Final = 18
"""Characters of all choices up to which they stand in the place of what an option takes."""


class Command(TyperCommand):
    """A command with help in plain text. Its epilog is its examples, one a line."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        parameters: list[Any] = list(self.get_params(ctx))
        options = [each for each in parameters if each.param_type_name == "option" and not each.hidden]
        arguments = [each for each in parameters if each.param_type_name == "argument"]
        usage = " ".join([ctx.command_path, "[OPTIONS]", *(str(each.metavar) for each in arguments)])
        sections = {"Arguments": [(str(each.metavar).strip("[]"), each.help or "") for each in arguments]}
        for each in options:
            sections.setdefault(getattr(each, "rich_help_panel", None) or "Options", []).append(option_row(each))
        parts = [f"{styled('Usage:', 'bold')} {usage}\n", wrapped(self.help or ""), definition_lists(sections)]
        if variables := [each for each in options if _has_usual_variable(each)]:
            example = f"{names_of(variables[-1])[-1]} from {variables[-1].envvar}"
            parts.append(wrapped(f"An option that is not given is read from the environment: {example}."))
        formatter.write("\n".join([*parts, lines_below("Examples", (self.epilog or "").splitlines())]))


def parts_of_docstring(docstring: str | None) -> tuple[str, str]:
    """Return what a docstring says, each paragraph on a line, and the examples at its end."""
    text, _, examples = cleandoc(docstring or "").partition("\n\nExamples:\n")
    return "\n\n".join(each.replace("\n", " ") for each in text.split("\n\n")), cleandoc(examples)


def names_of(option: Any) -> list[str]:
    """Return the names of an option that help shows: one long name for each of its values, and short ones."""
    both = [names for names in (option.opts, option.secondary_opts) if names]
    long = [next(name for name in names if name.startswith("--")) for names in both]
    return [*(name for name in option.opts if not name.startswith("--")), *long]


def choices_of(parameter: Any) -> list[str]:
    """Return the values that a parameter can have; none if there is no list of them."""
    kind = getattr(parameter, "type_descriptor", None) or parameter.type  # before typer 0.20 a type of click
    return [str(getattr(each, "value", each)) for each in getattr(kind, "choices", None) or ()]


def wrapped(text: str) -> str:
    """Return paragraphs, each of which is a line of the text, as lines of the terminal."""
    return "\n".join("".join(f"{line}\n" for line in _lines(each, _width())) for each in text.split("\n\n"))


def lines_below(heading: str, lines: Iterable[str]) -> str:
    """Return a section of lines as they are."""
    return f"{styled(f'{heading}:', 'bold')}\n" + "".join(f"  {line}\n" for line in lines)


def definition_lists(sections: Mapping[str, list[tuple[str, str]]]) -> str:
    """Return sections of names with their descriptions, in two columns that are the same in all of them."""
    names = [name for rows in sections.values() for name, _ in rows]
    column = max((len(name) for name in names if len(name) <= _MAX_NAME), default=0)
    return "\n".join(
        lines_below(heading, (line for row in rows for line in _definition(*row, column)))
        for heading, rows in sections.items()
        if rows
    )


def _definition(name: str, text: str, column: int) -> list[str]:
    lines = _lines(text, max(20, _width() - column - 4))
    shown = styled(name, "cyan")
    if len(name) > column:
        return [shown, *(" " * (column + 2) + line for line in lines)]
    return [f"{shown}{' ' * (column + 2 - len(name))}{lines[0]}", *(" " * (column + 2) + line for line in lines[1:])]


def _lines(text: str, width: int) -> list[str]:
    lines = TextWrapper(width, break_on_hyphens=False, break_long_words=False).wrap(text) or [""]
    return [line.replace(_TIE, " ") for line in lines]


def _width() -> int:
    return min(shutil.get_terminal_size().columns, _MAX_WIDTH)


def option_row(option: Any) -> tuple[str, str]:
    """Return an option as help shows it: its names with what it takes, and its description."""
    text = [option.help or ""]
    takes = option.metavar or ""
    if choices := choices_of(option):
        together = "|".join(choices)
        if len(together) <= _MAX_CHOICES:
            takes = together
        else:
            text.append(f"One of {', '.join(choices)}.")
    default = getattr(option.default, "value", option.default)
    if not option.is_flag and default != "" and isinstance(default, (str, int, float)):
        text.append(f"[default:{_TIE}{default}]")
    elif option.secondary_opts:
        text.append(f"[default:{_TIE}{names_of(option)[0 if default else 1]}]")
    if option.envvar and not _has_usual_variable(option):
        text.append(f"[environment:{_TIE}{option.envvar}]")
    if option.multiple:
        text.append("[repeatable]")
    return f"{', '.join(names_of(option))} {'' if option.is_flag else takes}".rstrip(), " ".join(text)


def _has_usual_variable(option: Any) -> bool:
    return bool(option.envvar) and str(option.envvar).startswith("CHATPB_")
