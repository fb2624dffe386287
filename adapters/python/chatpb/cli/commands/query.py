"""`chatpb query`: SQL over stored records."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated, TypeVar

import typer

from chatpb._files.formats import STANDARD
from chatpb._files.write import open_output
from chatpb.cli._console import table_console
from chatpb.cli._document_options import Threads
from chatpb.cli._exit_status import BadRecords
from chatpb.cli._form_options import SourceForm, form_named
from chatpb.cli._progress import ProgressBar
from chatpb.cli._query_options import MEMORY, Memory, Output, ResultFormat, RowFormat, Since, Until

__all__ = ["query"]

T = TypeVar("T")


def query(
    arguments: Annotated[list[str], typer.Argument(metavar="FILES... SQL", help="Files of records, then the query.")],
    format: RowFormat = ResultFormat.TABLE,
    output: Output = STANDARD,
    source_form: SourceForm = None,
    since: Since = None,
    until: Until = None,
    memory: Memory = MEMORY,
    threads: Threads = None,
) -> None:
    """Run SQL over records.

    DuckDB runs it; the records of all files are the view `records`, and wire_to_json(wire) is a record as JSON.
    A record that cannot be read is named and left out, and the exit status is 1.

    Examples:
        chatpb query traffic.db "SELECT model, count(*) FROM records GROUP BY model"
        chatpb query days "FROM records SELECT id WHERE latency_us > 5e6" --format csv
        chatpb query days "FROM records SELECT wire_to_json(wire)->>'$.response.x_groq.id'"

    """
    *files, sql = arguments
    if not files:
        raise typer.BadParameter("give one file of records or more, and then the query", param_hint="FILES... SQL")
    is_terminal = output == STANDARD and sys.stdout.isatty()
    if format is ResultFormat.PARQUET and is_terminal:
        raise typer.BadParameter("binary data would upset the terminal; name a file or a pipe", param_hint="--output")
    from chatpb.cli._result_formats import write_results
    from chatpb.storage import query as open_query

    bad = BadRecords(nonfinite="`chatpb export --nonfinite allow`")
    with (
        open_query(
            files, since=since, until=until, memory=memory, threads=threads, refusals=bad, form=form_named(source_form)
        ) as records,
        ProgressBar(fraction=records.fraction) as bar,
    ):
        answer = records.run(sql)
        if is_terminal:
            answer = replace(answer, batches=_after(bar, answer.batches))
        with open_output(output) as opened:
            write_results(opened, format, answer, table_console(output))
    bad.end()


def _after(bar: ProgressBar, batches: Iterable[T]) -> Iterator[T]:
    """Yield the batches, the bar ended before the first: their rows would be written across it."""
    for batch in batches:
        bar.stop()
        yield batch
    bar.stop()
