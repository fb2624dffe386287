"""Scripts of completion for bash, zsh and fish. They hold all options and choices: no key waits for Python."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

__all__ = ["SCRIPTS", "CompletedCommand", "CompletedOption"]


class CompletedOption(NamedTuple):
    """An option as a shell completes it.

    Attributes:
        names: its names.
        help: its description.
        takes: whether a value follows it.
        choices: the values that it can have; without any, a shell completes files.

    """

    names: list[str]
    help: str
    takes: bool
    choices: list[str]


class CompletedCommand(NamedTuple):
    """A command as a shell completes it: what it does, its options, and the words that its arguments can be."""

    help: str
    options: list[CompletedOption]
    words: list[str]


Commands = Mapping[str, CompletedCommand]
"""Commands by name; that with the name "" is `chatpb` itself, whose words are the others."""


def _bash(commands: Commands) -> str:
    cases = []
    for name, command in commands.items():
        for option in command.options:
            if option.takes:
                patterns = "|".join(f"'{name} {each}'" for each in option.names)
                cases.append(f"        {patterns}) words={_quoted(' '.join(option.choices))} ;;")
        cases.append(f"        '{name} '*) words={_quoted(' '.join(command.words))}")
        names = " ".join(each for option in command.options for each in option.names)
        cases.append(f"            [[ $current == -* ]] && words={_quoted(names)} ;;")
    return _BASH.replace("CASES", "\n".join(cases))


_BASH: Final = """\
_chatpb() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command= words=
    (( COMP_CWORD > 1 )) && command=${COMP_WORDS[1]}
    # `--to=json` is three words for bash.
    [[ $current == = ]] && current=
    [[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD - 2]}
    case "$command $before" in
CASES
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o bashdefault -o default -F _chatpb chatpb
"""


def _zsh(commands: Commands) -> str:
    root = commands[""]
    cases = []
    for name, command in commands.items():
        if name:
            words = f"({' '.join(command.words)})" if command.words else "_files"
            specs = [*(spec for option in command.options for spec in _zsh_specs(option)), f"*:file:{words}"]
            cases.append(f"        {name}) _arguments -s -S {' '.join(map(_quoted, specs))} ;;")
    described = " ".join(_quoted(f"{name}:{_zsh_text(commands[name].help)}") for name in root.words)
    options = " ".join(_quoted(spec) for option in root.options for spec in _zsh_specs(option))
    return _ZSH.replace("COMMANDS", described).replace("OPTIONS", options).replace("CASES", "\n".join(cases))


def _zsh_specs(option: CompletedOption) -> Iterator[str]:
    values = f"({' '.join(option.choices)})" if option.choices else "_files"
    for name in option.names:
        equals = "=" if option.takes and name.startswith("--") else ""
        yield f"*{name}{equals}[{_zsh_text(option.help)}]" + (f":value:{values}" if option.takes else "")


def _zsh_text(text: str) -> str:
    return re.sub(r"([\[\]:\\])", r"\\\1", text)


_ZSH: Final = """\
#compdef chatpb
_chatpb() {
    local -a commands=(COMMANDS)
    if (( CURRENT == 2 )); then
        _describe -t commands command commands
        [[ $PREFIX == -* ]] && _arguments OPTIONS
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
CASES
    esac
}
if [[ $funcstack[1] == _chatpb ]]; then _chatpb "$@"; else compdef _chatpb chatpb; fi
"""


def _fish(commands: Commands) -> str:
    lines = []
    for name, command in commands.items():
        when = f"__fish_seen_subcommand_from {name}" if name else "__fish_use_subcommand"
        start = f"complete -c chatpb -n {_fish_quoted(when)}"
        lines += [
            f"{start} -f -a {word}" + (f" -d {_fish_quoted(commands[word].help)}" if word in commands else "")
            for word in command.words
        ]
        for option in command.options:
            names = " ".join(f"-l {each[2:]}" if each.startswith("--") else f"-s {each[1:]}" for each in option.names)
            values = f" -x -a {_fish_quoted(' '.join(option.choices))}" if option.choices else " -r -F"
            lines.append(f"{start} {names}{values if option.takes else ''} -d {_fish_quoted(option.help)}")
    return "\n".join(lines) + "\n"


def _fish_quoted(text: str) -> str:
    return "'" + re.sub(r"(['\\])", r"\\\1", text) + "'"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


SCRIPTS: Final[dict[str, Callable[[Commands], str]]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
"""What writes the script of each shell."""
