"""`chatpb query`: SQL over stored records."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from chatpb._records import STANDARD, open_output
from chatpb.cli._scan import MEMORY, Memory, Refused, Results, Since, Threads, Until, packages, watched

__all__ = ["query"]


def query(
    arguments: Annotated[list[str], typer.Argument(metavar="FILES... SQL", help="Files of records, then the query.")],
    format: Annotated[Results, typer.Option("--format", "-f", help="How to write the rows.")] = Results.TABLE,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Where to write them.")] = STANDARD,
    since: Since = None,
    until: Until = None,
    memory: Memory = MEMORY,
    threads: Threads = None,
) -> None:
    """Run SQL over files of records, which are the view `records`, by DuckDB.

    wire_to_json(wire) is a record as JSON: FROM records SELECT id, wire_to_json(wire)->>'$.response.x_vendor.id'
    A record that cannot be read is named and left out, and the exit status is 1.
    """
    *files, sql = arguments
    if not files:
        raise typer.BadParameter("give one file of records or more, and then the query", param_hint="FILES... SQL")
    if format is Results.PARQUET and output == STANDARD and sys.stdout.isatty():
        raise typer.BadParameter("binary data would upset the terminal; name a file or a pipe", param_hint="--output")
    with packages():
        from chatpb.cli._results import write_results
        from chatpb.storage._query import open_query
    refused = Refused()
    with open_query(files, since=since, until=until, memory=memory, threads=threads, refuse=refused) as records:
        answer = watched(records, sql, until_rows=output == STANDARD and sys.stdout.isatty())
        with open_output(output) as opened:
            write_results(opened, format, answer)
    refused.end()
