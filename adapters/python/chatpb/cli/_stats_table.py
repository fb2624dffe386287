"""The table of `chatpb stats`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console

from chatpb.cli._tables import figures_table

__all__ = ["stats_table"]

StatsRow = dict[str, Any]

_TIMES: Final = {
    "p50 s": "latency_us_p50",
    "p95 s": "latency_us_p95",
    "p99 s": "latency_us_p99",
    "first s": "first_token_us_p50",
}
_TIME_WIDTHS: Final = {"day": 10, "hour": 16}
"""Characters of the groups that are times."""

_WIDE: Final = 120
"""Columns of a terminal from which on the table shows what it otherwise leaves to the other formats."""


def stats_table(console: Console, groups: Sequence[str], rows: list[StatsRow], total: StatsRow | None) -> str:
    """Return the rows as a table, a figure in each cell, and the total in bold."""
    counts = {"prompt": "prompt_tokens", "cached": "cached_tokens", "answer": "completion_tokens"}
    if console.width >= _WIDE:
        counts |= {"reasoning": "reasoning_tokens"}
    times = {name: column for name, column in _TIMES.items() if console.width >= _WIDE or name != "p99 s"}
    shown = [*rows, *([total] if total else [])]
    if "bytes" in shown[0]:
        counts |= {"bytes": "bytes"}
    has_cost = any(row["cost"] is not None for row in shown)
    if has_cost and console.width < _WIDE:
        del counts["cached"]
    headings = ["records", "errors", *counts, *(["cost"] if has_cost else []), *times]
    lines = []
    for row in shown:
        figures = [_short(row["records"]), f"{100 * row['error_rate']:.1f}%"]
        figures += [_short(row[column]) for column in counts.values()]
        figures += [_cost(row["cost"])] if has_cost else []
        figures += [_seconds(row[column]) for column in times.values()]
        names = ["total" if row is total and place == 0 else _name(row.get(name)) for place, name in enumerate(groups)]
        lines.append((names, figures))
    columns = {name: _TIME_WIDTHS.get(name) for name in groups}
    table = figures_table(console, columns, headings, lines, total=bool(total and groups))
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def _short(count: int) -> str:
    """Return a count in three digits; the formats other than the table have it exactly."""
    for exponent, unit in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if count >= 10**exponent:
            scaled = count / 10**exponent
            return f"{scaled:.{0 if scaled >= 100 else 1}f}{unit}"
    return str(count)


def _cost(cost: float | None) -> str:
    return "-" if cost is None else f"{cost:,.{2 if cost >= 1 else 4}f}"


def _name(value: str | None) -> str:
    if value is None:
        return ""
    return value or "-"


def _seconds(micros: int | None) -> str:
    return "-" if micros is None else f"{micros / 1e6:.{2 if micros < 10**7 else 0}f}"
