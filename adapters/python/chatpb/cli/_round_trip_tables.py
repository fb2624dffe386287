"""The tables of `chatpb check`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from chatpb._tree.message import HOMES
from chatpb.cli._round_trip import Counts
from chatpb.cli._tables import Row, figures_table, shortened

__all__ = ["print_counts"]

_MAX_ROWS: Final = 20
"""The most files that each get a row. Of more files, only those with something wrong get one."""

_MAX_PATHS: Final = 3
"""The most paths that are shown of a rule."""

_DOCUMENTS: Final = ("documents", "lost", "unreadable", "JSON bytes", "wire bytes", "ratio")
_HEADINGS: Final = {"null": "null bits", "empty": "empty bits"}


def print_counts(console: Console, by_file: dict[str, Counts], total: Counts) -> None:
    """Print the counts of documents by file: sizes, homes of members, violations."""
    shown = by_file
    if len(shown) > _MAX_ROWS:
        with_faults = [(name, counts) for name, counts in by_file.items() if not counts.is_clean]
        shown = dict(with_faults[:_MAX_ROWS])
    bases = Counter(os.path.basename(name) for name in shown)
    rows = [(base if bases[base := os.path.basename(name)] == 1 else name, counts) for name, counts in shown.items()]
    has_total = len(by_file) > 1
    if has_total:
        rows.append((f"total of {len(by_file)}", total))
    _print(console, "Documents", _DOCUMENTS, [((name,), _document_figures(counts)) for name, counts in rows], has_total)
    if total.types:
        types = ", ".join(f"{count:,} {name}" for name, count in total.types.most_common())
        console.print(Text(f"Types: {types}\n"))
    homes = [_HEADINGS.get(home, home) for home in HOMES]
    figures = [((name,), [f"{counts.homes[home]:,}" for home in HOMES]) for name, counts in rows]
    _print(console, "Where members landed", homes, figures, has_total)
    console.print()
    if total.violations:
        _print_violations(console, total)
    else:
        console.print(Text("No document breaks the contract."))


def _print(console: Console, title: str, headings: Sequence[str], rows: Sequence[Row], has_total: bool) -> None:
    console.print(Text(title, style="bold"))
    console.print(figures_table(console, {"file": None}, headings, rows, total=has_total))


def _document_figures(counts: Counts) -> list[str | Text]:
    return [
        f"{counts.documents:,}",
        _alarm(counts.lost),
        _alarm(counts.unreadable),
        f"{counts.json_bytes:,}",
        f"{counts.wire_bytes:,}",
        "-" if counts.ratio is None else f"{counts.ratio:.3f}",
    ]


def _print_violations(console: Console, total: Counts) -> None:
    """Print each rule that is broken, and below it, each on a line, the paths where it is broken most often."""
    console.print(Text("Violations of the contract", style="bold"))
    for rule, paths in sorted(total.violations.items(), key=lambda item: -item[1].total()):
        console.print(Text(f"{paths.total():,} {rule}"))
        for path, count in paths.most_common(_MAX_PATHS):
            times = f" ({count:,})"
            console.print(Text(f"  {shortened(path or 'document', console.width - 2 - len(times))}{times}"))
        if len(paths) > _MAX_PATHS:
            console.print(Text(f"  and {len(paths) - _MAX_PATHS} more places"))


def _alarm(count: int) -> Text:
    return Text(f"{count:,}", style="bold red" if count else "")
