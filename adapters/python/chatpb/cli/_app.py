"""The application: the table of its commands, and the options that stand before a command.

A command is imported when it runs: its list, `chatpb --help`, needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from inspect import cleandoc
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand
from typer.main import get_command

from chatpb.cli._console import version
from chatpb.cli._exit_status import CommandGroup

__all__ = ["app"]

_COMMANDS: Final = {
    "convert": (
        "convert",
        "convert",
        "Convert between .json, .jsonl, .binpb, .binpbs (messages, each after its length) and .txtpb, also "
        ".gz and .zst.",
    ),
    "check": (
        "check",
        "check",
        "Check that every document comes back from protobuf as it was, and count where its members landed.",
    ),
    "inspect": (
        "inspect",
        "inspect",
        "Show a message as a tree: each member with its home, its protobuf type and its bytes, and what is wrong.",
    ),
    "demo": (
        "demo",
        "demo",
        "Send built-in samples from JSON to protobuf and back, and show what happens to them.",
    ),
    "contract": (
        "contract",
        "contract",
        "List what a .proto file lacks so that JSON goes through its messages without loss.",
    ),
    "serve": (
        "serve",
        "serve",
        "Serve chat completions over gRPC, until SIGTERM: open calls then finish, and new ones are refused.",
    ),
    "gateway": (
        "gateway",
        "gateway",
        "Serve an OpenAI-compatible HTTP endpoint in front of a gRPC server, or of a backend in this process.",
    ),
    "call": (
        "call",
        "call",
        "Send one request to a gRPC server, and print the answer.",
    ),
    "export": (
        "export_import",
        "export_records",
        "Write records of any form to another: .db (a recorder's file), .jsonl, .binpbs (both also .gz, .zst)"
        " or .parquet.",
    ),
    "import": (
        "export_import",
        "import_records",
        "Add records of any form to a recorder's file, which is created if it does not exist.",
    ),
    "query": (
        "query",
        "query",
        "Run SQL by DuckDB over files of records, which are the view `records`.",
    ),
    "stats": (
        "stats",
        "stats",
        "Count records, errors, tokens and cost, and show percentiles of latencies, by requested model and day (UTC).",
    ),
    "get": (
        "get",
        "get",
        "Print the record of an id as JSON. A recorder's file looks it up; any other form is scanned.",
    ),
    "backup": (
        "backup",
        "backup",
        "Copy a recorder's file with all that is committed, while others write to it.",
    ),
    "verify": (
        "backup",
        "verify",
        "Read all of a recorder's file, and report all that is wrong with it; the exit status is then 1.",
    ),
}
"""By command, its module in `commands`, the function there, and the first paragraph of that one's docstring."""


class _LazyGroup(CommandGroup):
    """The group of the commands, which imports the one that runs."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return what stands for a command in the list of commands."""
        return TyperCommand(cmd_name, help=_COMMANDS[cmd_name][2]) if cmd_name in _COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if command and name else command, rest


def load_command(name: str) -> Any:
    """Import a command."""
    module, function, _ = _COMMANDS[name]
    callback = getattr(import_module(f"chatpb.cli.commands.{module}"), function)
    # The terminal's width wraps help, so each paragraph of a docstring becomes one line.
    paragraphs = cleandoc(callback.__doc__ or "").split("\n\n")
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name, help="\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs))(callback)
    return get_command(alone)


app = typer.Typer(
    cls=_LazyGroup,
    help="OpenAI-style chat completions in Protocol Buffers and back to JSON, losing nothing.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _before_commands(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and the engine in use.")] = False,
) -> None:
    if show_version:
        import google.protobuf

        from chatpb._engine import description

        typer.echo(f"chatpb {version()} ({description()} engine, protobuf {google.protobuf.__version__})")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
