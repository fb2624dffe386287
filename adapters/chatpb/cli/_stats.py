"""`chatpb stats`: what stored records cost, and how fast their answers were."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from chatpb._records import STANDARD, open_output
from chatpb.cli._group import table_console
from chatpb.cli._scan import MEMORY, Memory, Refused, Results, Since, Threads, Until, packages, watched
from chatpb.storage._stats import GROUPS, PERCENTILES, TIMES, statement

__all__ = ["stats"]

Row = dict[str, Any]


class By(str, Enum):
    """What records are grouped by."""

    MODEL_DAY = "model,day"
    MODEL = "model"
    DAY = "day"
    NOTHING = "nothing"


def stats(
    files: Annotated[list[str], typer.Argument(metavar="FILES...", help="Files of records.")],
    by: Annotated[By, typer.Option("--by", help="A row for each of what.")] = By.MODEL_DAY,
    format: Annotated[Results, typer.Option("--format", "-f", help="How to write the rows.")] = Results.TABLE,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Where to write them.")] = STANDARD,
    chart: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE", help="Draw them too, as .svg or .png.")
    ] = None,
    since: Since = None,
    until: Until = None,
    memory: Memory = MEMORY,
    threads: Threads = None,
) -> None:
    """Count records, errors, tokens and bytes, and tell percentiles of latencies, by model and day (UTC).

    Percentiles are estimates, close to one in a hundred. Bytes are those of the records before compression.
    """
    if chart and chart.suffix not in (".svg", ".png"):
        raise typer.BadParameter(f"{chart} is neither .svg nor .png", param_hint="--chart")
    with packages():
        import pyarrow as pa

        from chatpb.cli._results import write_results
        from chatpb.storage._query import Answer, open_query

        if chart:
            from chatpb.storage._chart import draw
    groups = () if by is By.NOTHING else tuple(by.value.split(","))
    sets = {groups, ()} | ({("model", "day"), ("model",)} if chart else set())
    refused = Refused()
    with open_query(files, since=since, until=until, memory=memory, threads=threads, refuse=refused) as records:
        answer = watched(records, statement(*sorted(sets)), until_rows=False)
        rows = [row for batch in answer.batches for row in batch.to_pylist()]
    with open_output(output) as opened:
        if format is Results.TABLE:
            opened.write(_table(groups, [*_of(rows, groups), *(_of(rows, ()) if groups else ())]).encode())
        else:
            names = [name for name in answer.types if name not in GROUPS or name in groups]
            chosen = pa.Table.from_pylist(_of(rows, groups), answer.schema).select(names)
            types = {name: answer.types[name] for name in names}
            write_results(opened, format, Answer(types, chosen.schema, iter(chosen.to_batches())))
    if chart:
        with open_output(str(chart)) as opened:
            draw(opened, chart.suffix[1:], _of(rows, ("model", "day")), _of(rows, ("model",)))
    refused.end()


def _of(rows: list[Row], groups: tuple[str, ...]) -> list[Row]:
    """The rows of one set of groups."""
    return [row for row in rows if all((row[name] is not None) == (name in groups) for name in GROUPS)]


def _table(groups: tuple[str, ...], rows: list[Row]) -> str:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for name in groups:
        table.add_column(name, overflow="fold", no_wrap=name == "day", min_width=8)
    for heading in ("records", "errors", "tokens\nprompt", "\nanswer", "bytes"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("latency, s\np50 p95 p99", "1st token, s\np50 p95 p99"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        is_total = bool(groups) and row["model"] is None and row["day"] is None
        cells = ["total" if is_total and name == groups[0] else _name(row[name]) for name in groups]
        cells += [_short(row[name]) for name in ("records", "errors", "prompt_tokens", "completion_tokens", "bytes")]
        cells += [" ".join(_seconds(row[f"{name}_p{percentile}"]) for percentile in PERCENTILES) for name in TIMES]
        table.add_row(*map(Text, cells), style="bold" if is_total else "")
    console = table_console()
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def _short(count: int) -> str:
    """A count in three digits; the other formats have it exactly."""
    for exponent, unit in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if count >= 10**exponent:
            scaled = count / 10**exponent
            return f"{scaled:.{0 if scaled >= 100 else 1}f}{unit}"
    return str(count)


def _name(value: str | None) -> str:
    if value is None:
        return ""
    return "".join(c if c.isprintable() else "\ufffd" for c in value) or "-"


def _seconds(micros: int | None) -> str:
    return "-" if micros is None else f"{micros / 1e6:.{2 if micros < 10**7 else 0}f}"
