"""`chatpb completion`: what a shell offers after the script is loaded, in the shells themselves."""

from __future__ import annotations

import io
import os
import pty
import subprocess
from pathlib import Path

import pytest

from chatpb.cli._app import COMMANDS
from tests.cli.command_line import run

OFFERED = {
    "": set(COMMANDS),
    "con": {"convert", "contract"},
    "--v": {"--version"},
    "convert --to ": {"json", "jsonl", "binpb", "binpbs", "txtpb"},
    "convert a.json --from json": {"json", "jsonl"},
    "convert --fa": {"--fail-fast"},
    "convert a.json b": {"b.json", "binary.pb"},
    "check a.json --format ": {"table", "json"},
    "completion ": {"bash", "zsh", "fish"},
    "serve --no-ref": {"--no-reflection"},
    "stats a.db --output b": {"b.json", "binary.pb"},
    "gateway --li": {"--listen", "--list-model"},
}
"""By what is typed after `chatpb`, what is offered in a folder with the files b.json and binary.pb."""

needs_shells = pytest.mark.skipif(os.environ.get("CHATPB_SHELLS") != "1", reason="CHATPB_SHELLS=1 is not set")
BASH = """
source ./script
COMP_WORDS=(chatpb "$@")
COMP_CWORD=$#
_chatpb
[ ${#COMPREPLY[@]} = 0 ] && COMPREPLY=($(compgen -f -- "${!#}"))
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
LISTMAX=0; PROMPT='<ready>'; unsetopt beep zle_bracketed_paste
autoload -Uz compinit; compinit -u -D; source ./script
compadd() {
    local -a found
    [[ ${@[(I)-[OAD]]} == 0 ]] && { builtin compadd -O found "$@"; print -rl -- $found >> offered }
    builtin compadd "$@"
}
"""
"""Setting up zsh, whose completion works only in a terminal: what it is about to offer goes to a file as well."""


@pytest.fixture
def script(folder: Path, request: pytest.FixtureRequest) -> Path:
    """A script of a shell in the current folder, beside two files."""
    (folder / "b.json").touch()
    (folder / "binary.pb").touch()
    shell = request.node.originalname.split("_")[1]
    printed = run("completion", shell)
    assert (printed.exit_code, printed.stderr) == (0, "")
    (folder / "script").write_text(printed.stdout)
    return folder / "script"


@pytest.mark.parametrize("typed", OFFERED)
def test_bash(typed: str, script: Path) -> None:
    words = [*typed.split(), *([""] if not typed or typed.endswith(" ") else [])]
    done = subprocess.run(["bash", "-c", BASH, "bash", *words], capture_output=True, text=True, check=True)
    assert (set(done.stdout.split()), done.stderr) == (OFFERED[typed], "")


def test_bash_takes_an_option_with_its_value_in_one_word(script: Path) -> None:
    for words in (["convert", "--to", "="], ["convert", "--to", "=", "json"]):
        done = subprocess.run(["bash", "-c", BASH, "bash", *words], capture_output=True, text=True, check=True)
        assert {"json", "jsonl"} <= set(done.stdout.split())


@pytest.mark.shells
@needs_shells
@pytest.mark.parametrize("typed", OFFERED)
def test_fish(typed: str, script: Path) -> None:
    command = ["fish", "--no-config", "-c", f"source ./script; complete -C 'chatpb {typed}'"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    offered = {line.partition("\t")[0] for line in done.stdout.splitlines()}
    assert (offered - {"script"}, done.stderr) == (OFFERED[typed], "")


@pytest.mark.shells
@needs_shells
def test_zsh(script: Path) -> None:
    (script.parent / "setup").write_text(ZSH)
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], {**os.environ, "TERM": "dumb"})
    with os.fdopen(terminal, "r+b", buffering=0) as zsh:
        assert _typed(zsh, b"source ./setup") == ""
        found = {typed: set(_typed(zsh, f"chatpb {typed}\t".encode()).split()) for typed in OFFERED}
        zsh.write(b"exit\r")
    os.waitpid(process, 0)
    assert {typed: offered - {"script", "setup", "offered"} for typed, offered in found.items()} == OFFERED


def _typed(zsh: io.FileIO, keys: bytes) -> str:
    """Type keys in zsh, discard the line if they did not end it, and return what was offered meanwhile."""
    offered = Path("offered")
    offered.write_text("")
    # Ctrl-U discards the line. What the shell then prints ends the output, and is not its own echo. Keys that come before
    # the prompt could be taken by the terminal, which discards all that came before a Ctrl-U.
    zsh.write(keys + (b"\x15" if keys.endswith(b"\t") else b"\r") + b'print -r -- en""d\r')
    output = b""
    while b"<ready>" not in output.partition(b"\nend")[2]:
        output += os.read(zsh.fileno(), 4096)
    return offered.read_text()
