"""The application: the table of its commands, and the options that stand before a command."""

from __future__ import annotations

from collections.abc import Callable
from inspect import cleandoc
from typing import Annotated, Final

import google.protobuf
import typer

from chatpb._engine import description
from chatpb.cli._console import version
from chatpb.cli._exit_status import CommandGroup
from chatpb.cli.commands.backup import backup, verify
from chatpb.cli.commands.call import call
from chatpb.cli.commands.check import check
from chatpb.cli.commands.contract import contract
from chatpb.cli.commands.convert import convert
from chatpb.cli.commands.demo import demo
from chatpb.cli.commands.export_import import export_records, import_records
from chatpb.cli.commands.gateway import gateway
from chatpb.cli.commands.get import get
from chatpb.cli.commands.inspect import inspect
from chatpb.cli.commands.query import query
from chatpb.cli.commands.serve import serve
from chatpb.cli.commands.stats import stats

__all__ = ["app"]

app = typer.Typer(
    cls=CommandGroup,
    help="OpenAI-style chat completions in Protocol Buffers and back to JSON, losing nothing.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "convert": convert,
    "check": check,
    "inspect": inspect,
    "demo": demo,
    "contract": contract,
    "serve": serve,
    "gateway": gateway,
    "call": call,
    "export": export_records,
    "import": import_records,
    "query": query,
    "stats": stats,
    "get": get,
    "backup": backup,
    "verify": verify,
}

for name, command in _COMMANDS.items():
    # The terminal's width wraps help, so each paragraph of a docstring becomes one line.
    paragraphs = cleandoc(command.__doc__ or "").split("\n\n")
    app.command(name, help="\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs))(command)


@app.callback(invoke_without_command=True)
def _before_commands(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and the engine in use.")] = False,
) -> None:
    if show_version:
        typer.echo(f"chatpb {version()} ({description()} engine, protobuf {google.protobuf.__version__})")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
