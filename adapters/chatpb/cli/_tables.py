"""The tables of `chatpb check` and `chatpb demo`."""

from __future__ import annotations

import os
from collections import Counter
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chatpb._walk import HOMES
from chatpb.cli._survey import Survey

__all__ = ["print_surveys"]

MAX_ROWS: Final = 20
"""Files with a row of their own. Of more, only those with something wrong have one."""

MAX_PATHS: Final = 3

_HEADINGS: Final = {"null": "null bits", "empty": "empty bits"}


def print_surveys(console: Console, surveys: dict[str, Survey], total: Survey, label: str = "file") -> None:
    """What was counted: documents and bytes, homes of members, violations."""
    if len(surveys) > MAX_ROWS:
        shown = {name: survey for name, survey in surveys.items() if not survey.is_clean}
        shown = dict(list(shown.items())[:MAX_ROWS])
    else:
        shown = surveys
    bases = Counter(os.path.basename(name) for name in shown)
    rows = [(base if bases[base := os.path.basename(name)] == 1 else name, survey) for name, survey in shown.items()]
    if len(surveys) > 1:
        rows.append((f"total of {len(surveys)}", total))
    console.print(_documents(rows, label))
    if total.types:
        types = ", ".join(f"{count:,} {name}" for name, count in total.types.most_common())
        console.print(Text(f"Types: {types}\n"))
    console.print(_homes(rows, label))
    if total.violations:
        console.print(_violations(total))
    else:
        console.print(Text("No document breaks the contract."))


def _documents(rows: list[tuple[str, Survey]], label: str) -> Table:
    table = _table("Documents", label, "documents", "lost", "unreadable", "JSON bytes", "wire bytes", "ratio")
    for name, survey in rows:
        _row(
            table,
            name,
            f"{survey.documents:,}",
            _alarm(survey.lost),
            _alarm(survey.unreadable),
            f"{survey.json_bytes:,}",
            f"{survey.wire_bytes:,}",
            "-" if survey.ratio is None else f"{survey.ratio:.3f}",
        )
    return table


def _homes(rows: list[tuple[str, Survey]], label: str) -> Table:
    table = _table("Where members landed", label, *(_HEADINGS.get(home, home) for home in HOMES))
    for name, survey in rows:
        _row(table, name, *(f"{survey.homes[home]:,}" for home in HOMES))
    return table


def _violations(total: Survey) -> Table:
    table = Table(title="Violations of the contract", title_justify="left", title_style="bold")
    table.add_column("rule", no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    table.add_column("most often at")
    for rule, paths in sorted(total.violations.items(), key=lambda item: -item[1].total()):
        places = [f"{path or 'document'} ({count:,})" for path, count in paths.most_common(MAX_PATHS)]
        if len(paths) > MAX_PATHS:
            places.append(f"and {len(paths) - MAX_PATHS} more")
        table.add_row(Text(rule), f"{paths.total():,}", Text("\n".join(places)))
    return table


def _table(title: str, label: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column(label, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _row(table: Table, name: str, *cells: str | Text) -> None:
    table.add_row(Text("".join(c if c.isprintable() else "\ufffd" for c in name)), *cells)


def _alarm(count: int) -> Text:
    return Text(f"{count:,}", style="bold red" if count else "")
