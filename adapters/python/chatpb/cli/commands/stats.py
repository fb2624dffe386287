"""`chatpb stats`: what stored records cost, and how fast their answers were."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from chatpb import ChatpbError
from chatpb._files.formats import STANDARD
from chatpb._files.write import open_output
from chatpb.cli._console import report, table_bytes, table_console
from chatpb.cli._document_options import Threads
from chatpb.cli._exit_status import BadRecords
from chatpb.cli._form_options import SourceForm, form_named
from chatpb.cli._progress import ProgressBar
from chatpb.cli._query_options import MEMORY, Memory, Output, ResultFormat, RowFormat, Since, Until

__all__ = ["stats"]

_MAX_NAMED: Final = 5
"""Models without a price that are named."""


def stats(
    files: Annotated[list[str], typer.Argument(metavar="FILES...", help="Files of records.")],
    by: Annotated[
        str,
        typer.Option(
            "--by", metavar="NAME,...", help="What a row stands for: model, day, hour, peer, label:NAME, or nothing."
        ),
    ] = "model,day",
    prices: Annotated[
        Path | None,
        typer.Option("--prices", metavar="FILE", help="JSON of prices, for records that do not have their cost."),
    ] = None,
    sizes: Annotated[bool, typer.Option("--bytes", help="Count the bytes of records, which reads them all.")] = False,
    format: RowFormat = ResultFormat.TABLE,
    output: Output = STANDARD,
    chart: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE", help="Draw the rows too, as .svg or .png.")
    ] = None,
    source_form: SourceForm = None,
    since: Since = None,
    until: Until = None,
    memory: Memory = MEMORY,
    threads: Threads = None,
) -> None:
    """Count records, errors, tokens and cost, and show latencies.

    A row stands for a requested model and a day (UTC), or for what --by says. Percentiles of latencies are estimates,
    close to one in a hundred. Bytes are those of the records before compression.

    Examples:
        chatpb stats traffic.db
        chatpb stats traffic.db --by model,hour --since 12h
        chatpb stats traffic.db --prices prices.json --format csv

    """
    if chart and chart.suffix not in (".svg", ".png"):
        raise typer.BadParameter(f"{chart} is neither .svg nor .png", param_hint="--chart")
    from chatpb.cli._result_formats import write_results
    from chatpb.cli._stats_table import stats_table
    from chatpb.storage import answer_of, read_prices, stats_of
    from chatpb.storage import query as open_query

    if chart:
        from chatpb.storage import draw_chart
    groups = () if by == "nothing" else tuple(by.replace(" ", "").split(","))
    known = read_prices(prices) if prices else None
    bad = BadRecords()
    with (
        open_query(
            files, since=since, until=until, memory=memory, threads=threads, refusals=bad, form=form_named(source_form)
        ) as records,
        ProgressBar(fraction=records.fraction),
    ):
        more = [*([("model", "day")] if chart else []), *([("model",)] if chart or known else [])]
        sets = list(dict.fromkeys([groups, (), *more]))
        try:
            found = dict(zip(sets, stats_of(records, sets, prices=known, sizes=sizes), strict=True))
        except ChatpbError:
            raise
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--by") from None
    console = table_console(output)
    with open_output(output) as opened:
        if format is ResultFormat.TABLE:
            (total,) = found[()].to_pylist()
            opened.write(table_bytes(stats_table(console, groups, found[groups].to_pylist() if groups else [], total)))
        else:
            write_results(opened, format, answer_of(found[groups]), console)
    if known:
        without = [row["model"] or "(not known)" for row in found["model",].to_pylist() if _lacks_price(row)]
        if without:
            others = f" and {len(without) - _MAX_NAMED:,} more" if len(without) > _MAX_NAMED else ""
            report(f"the cost leaves out what {prices} has no price for: {', '.join(without[:_MAX_NAMED])}{others}")
    if chart:
        with open_output(str(chart)) as opened:
            daily, models = (found[each].to_pylist() for each in (("model", "day"), ("model",)))
            draw_chart(opened, chart.suffix[1:], daily, models)
    bad.end()


def _lacks_price(row: dict[str, Any]) -> bool:
    """Return whether a model used tokens, none of which has a cost."""
    return row["cost"] is None and bool(row["prompt_tokens"] or row["completion_tokens"])
