"""The tables of `chatpb check` and `chatpb demo`."""

from __future__ import annotations

import os
from collections import Counter
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chatpb._tree.message import HOMES
from chatpb.cli._round_trip import Counts

__all__ = ["print_counts"]

_MAX_ROWS: Final = 20
"""The most files that each get a row. Of more files, only those with something wrong get one."""

_MAX_PATHS: Final = 3
"""The most paths that are shown of a rule."""

_HEADINGS: Final = {"null": "null bits", "empty": "empty bits"}


def print_counts(console: Console, by_name: dict[str, Counts], total: Counts, label: str = "file") -> None:
    """Print the counts of documents, by file or whatever `label` says: sizes, homes of members, violations."""
    shown = by_name
    if len(shown) > _MAX_ROWS:
        with_faults = [(name, counts) for name, counts in by_name.items() if not counts.is_clean]
        shown = dict(with_faults[:_MAX_ROWS])
    bases = Counter(os.path.basename(name) for name in shown)
    rows = [(base if bases[base := os.path.basename(name)] == 1 else name, counts) for name, counts in shown.items()]
    if len(by_name) > 1:
        rows.append((f"total of {len(by_name)}", total))
    console.print(_documents(rows, label))
    if total.types:
        types = ", ".join(f"{count:,} {name}" for name, count in total.types.most_common())
        console.print(Text(f"Types: {types}\n"))
    console.print(_homes(rows, label))
    if total.violations:
        console.print(_violations(total))
    else:
        console.print(Text("No document breaks the contract."))


def _documents(rows: list[tuple[str, Counts]], label: str) -> Table:
    table = _table("Documents", label, "documents", "lost", "unreadable", "JSON bytes", "wire bytes", "ratio")
    for name, counts in rows:
        _row(
            table,
            name,
            f"{counts.documents:,}",
            _alarm(counts.lost),
            _alarm(counts.unreadable),
            f"{counts.json_bytes:,}",
            f"{counts.wire_bytes:,}",
            "-" if counts.ratio is None else f"{counts.ratio:.3f}",
        )
    return table


def _homes(rows: list[tuple[str, Counts]], label: str) -> Table:
    table = _table("Where members landed", label, *(_HEADINGS.get(home, home) for home in HOMES))
    for name, counts in rows:
        _row(table, name, *(f"{counts.homes[home]:,}" for home in HOMES))
    return table


def _violations(total: Counts) -> Table:
    table = Table(title="Violations of the contract", title_justify="left", title_style="bold")
    table.add_column("rule", no_wrap=True)
    table.add_column("count", justify="right", no_wrap=True)
    table.add_column("most often at")
    for rule, paths in sorted(total.violations.items(), key=lambda item: -item[1].total()):
        places = [f"{path or 'document'} ({count:,})" for path, count in paths.most_common(_MAX_PATHS)]
        if len(paths) > _MAX_PATHS:
            places.append(f"and {len(paths) - _MAX_PATHS} more")
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
