"""`chatpb completion`: a script with which a shell completes commands, options and choices."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import typer

from chatpb.cli._completion_scripts import SCRIPTS, CompletedCommand, CompletedOption
from chatpb.cli._help import choices_of, names_of

__all__ = ["completion"]

# mypy knows the members of an Enum only from literals.
Shell = Enum("Shell", {name: name for name in SCRIPTS}, type=str)  # type: ignore[misc]


def completion(
    context: typer.Context,
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print a script that completes commands in your shell.

    The script knows all commands, options and choices: make it anew after an update.

    Examples:
        chatpb completion bash > ~/.local/share/bash-completion/completions/chatpb
        chatpb completion zsh > ~/.zfunc/_chatpb
        chatpb completion fish > ~/.config/fish/completions/chatpb.fish

    """
    root: Any = context.find_root().command
    names = root.list_commands(context)
    found = {"": CompletedCommand(root.help, _options(root, context), names)}
    for name in names:
        command = root.load_command(name)
        found[name] = CompletedCommand(
            root.get_command(context, name).help, _options(command, context), _words(command)
        )
    typer.echo(SCRIPTS[shell.value](found), nl=False)


def _options(command: Any, context: typer.Context) -> list[CompletedOption]:
    return [
        CompletedOption(names_of(each), each.help or "", not each.is_flag, choices_of(each))
        for each in command.get_params(context)
        if each.param_type_name == "option" and not each.hidden
    ]


def _words(command: Any) -> list[str]:
    """Return the words that the first argument of a command can be, if there is a list of them."""
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    return choices_of(arguments[0]) if arguments else []
