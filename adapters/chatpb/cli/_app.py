"""The application: its commands, and the options that stand before them."""

from __future__ import annotations

from collections.abc import Callable
from inspect import cleandoc
from typing import Annotated, Final

import google.protobuf
import typer

from chatpb._engine import description
from chatpb.cli._call import call
from chatpb.cli._check import check
from chatpb.cli._convert import convert
from chatpb.cli._demo import demo
from chatpb.cli._group import Group, version
from chatpb.cli._inspect import inspect
from chatpb.cli._query import query
from chatpb.cli._service import gateway, serve
from chatpb.cli._stats import stats
from chatpb.cli._storage import export_records, import_records

__all__ = ["app"]

app = typer.Typer(
    cls=Group,
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
    "serve": serve,
    "gateway": gateway,
    "call": call,
    "export": export_records,
    "import": import_records,
    "query": query,
    "stats": stats,
}

for name, command in _COMMANDS.items():
    # Help is wrapped to the terminal, so a paragraph is one line.
    paragraphs = cleandoc(command.__doc__ or "").split("\n\n")
    app.command(name, help="\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs))(command)


@app.callback(invoke_without_command=True)
def _before(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and the engine in use.")] = False,
) -> None:
    if show_version:
        typer.echo(f"chatpb {version()} ({description()} engine, protobuf {google.protobuf.__version__})")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
