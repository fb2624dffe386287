"""The application: its commands by what they are for, and the options that stand before a command.

A command is imported when it runs: the list of commands, `chatpb --help`, needs none of them, and no protobuf.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any, Final, NamedTuple

import typer
from typer.core import TyperCommand
from typer.main import get_command

from chatpb import __version__
from chatpb.cli._exit_status import CommandGroup
from chatpb.cli._help import Command, definition_lists, lines_below, option_row, parts_of_docstring, wrapped

__all__ = ["COMMANDS", "app", "load_command"]


class _Row(NamedTuple):
    """What the list of commands knows of a command.

    Attributes:
        job: what it is for; commands of one job stand together.
        module: its module in `commands`.
        function: its function there.
        summary: the first paragraph of the function's docstring, short enough for a line of 80 columns.

    """

    job: str
    module: str
    function: str
    summary: str


_LOOK: Final = "Convert and check"
_SERVE: Final = "Serve and call"
_STORE: Final = "Store records"
_ASK: Final = "Ask records"
_SHELL: Final = "Set up"

COMMANDS: Final = {
    "convert": _Row(_LOOK, "convert", "convert", "Convert a file between JSON, JSON lines and protobuf."),
    "check": _Row(_LOOK, "check", "check", "Check that your documents come back from protobuf as they were."),
    "inspect": _Row(_LOOK, "inspect", "inspect", "Show a message as a tree, with the home and size of each member."),
    "demo": _Row(_LOOK, "demo", "demo", "Send built-in samples to protobuf and back."),
    "contract": _Row(_LOOK, "contract", "contract", "List what a .proto file of yours lacks to lose nothing."),
    "serve": _Row(_SERVE, "serve", "serve", "Serve chat completions over gRPC."),
    "gateway": _Row(_SERVE, "gateway", "gateway", "Serve an OpenAI-compatible HTTP endpoint."),
    "call": _Row(_SERVE, "call", "call", "Send one request to a gRPC server, and print the answer."),
    "import": _Row(_STORE, "export_import", "import_records", "Add records to a recorder's file."),
    "export": _Row(_STORE, "export_import", "export_records", "Write records in another form, such as Parquet."),
    "backup": _Row(_STORE, "backup", "backup", "Copy a recorder's file while others write to it."),
    "verify": _Row(_STORE, "backup", "verify", "Check that a recorder's file is whole."),
    "query": _Row(_ASK, "query", "query", "Run SQL over records."),
    "stats": _Row(_ASK, "stats", "stats", "Count records, errors, tokens and cost, and show latencies."),
    "get": _Row(_ASK, "get", "get", "Print the record of an id as JSON."),
    "completion": _Row(_SHELL, "completion", "completion", "Print a script that completes commands in your shell."),
}


class _LazyGroup(CommandGroup):
    """The group of the commands, which imports the one that runs."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args or ["--help"])

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return what stands for a command until it is loaded."""
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name].summary) if cmd_name in COMMANDS else None

    def load_command(self, name: str) -> Any:
        return load_command(name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            alike = get_close_matches(args[0], COMMANDS, 1)
            ctx.fail(f"No such command {args[0]!r}." + (f" Did you mean {alike[0]!r}?" if alike else ""))
        name, command, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if command and name else command, rest

    def format_help(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, row in COMMANDS.items():
            sections.setdefault(row.job, []).append((name, row.summary))
        sections["Options"] = [option_row(each) for each in self.get_params(ctx)]
        parts = [
            wrapped(self.help or ""),
            lines_below("Usage", [f"{ctx.command_path} COMMAND [OPTIONS]"]),
            definition_lists(sections),
            lines_below("Examples", _EXAMPLES),
            wrapped("chatpb COMMAND --help shows the options and examples of a command."),
        ]
        formatter.write("\n".join(parts))


_EXAMPLES: Final = (
    "chatpb demo",
    "chatpb check answers.jsonl",
    "chatpb convert answers.jsonl answers.binpbs",
)


def load_command(name: str) -> Any:
    """Import a command."""
    row = COMMANDS[name]
    callback = getattr(import_module(f"chatpb.cli.commands.{row.module}"), row.function)
    text, examples = parts_of_docstring(callback.__doc__)
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command(name, cls=Command, help=text, epilog=examples)(callback)
    return get_command(alone)


def _print_version(wanted: bool) -> None:
    if wanted:
        import google.protobuf

        from chatpb._engine import description

        typer.echo(f"chatpb {__version__} ({description()} engine, protobuf {google.protobuf.__version__})")
        raise typer.Exit


app = typer.Typer(
    cls=_LazyGroup,
    help="OpenAI-style chat completions in Protocol Buffers and back to JSON, losing nothing.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _before_commands(
    show_version: Annotated[
        bool,
        # Eager: a command that runs has typer import pydantic, which takes as long as all else together.
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version and the engine in use."
        ),
    ] = False,
) -> None:
    """Take the options that stand before a command."""
