"""Tables of names and figures, which fit the terminal: figures are whole, and names take what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

__all__ = ["Row", "figures_table", "shortened"]

Row = tuple[Sequence[str], Sequence[str | Text]]
"""Names, and then a figure for each heading."""

_MIN_NAME: Final = 8
"""Characters that a name gets at least."""

_WISHED_NAME: Final = 16
"""Characters of a name for which columns stand closer to each other."""


def figures_table(
    console: Console,
    columns: Mapping[str, int | None],
    headings: Sequence[str],
    rows: Sequence[Row],
    total: bool = False,
) -> Text:
    """Return a table of rows, each some names and then a figure for each heading.

    Args:
        console: where it is printed.
        columns: the headings of the names, each with its width; None for an equal share of what is left.
        headings: those of the figures.
        rows: names and figures.
        total: whether the last row is the total, in bold.

    """
    widths = [max(map(len, column)) for column in zip(headings, *(figures for _, figures in rows), strict=True)]
    gap, share = 2, _share(console, columns, widths, 2)
    if share < _WISHED_NAME:
        gap, share = 1, max(_MIN_NAME, _share(console, columns, widths, 1))
    shown = [
        ([shortened(name, width or share) for name, width in zip(names, columns.values(), strict=True)], figures)
        for names, figures in rows
    ]
    name_widths = [max(map(cell_len, column)) for column in zip(columns, *(names for names, _ in shown), strict=True)]
    lines = []
    for place, (names, figures) in enumerate([(list(columns), headings), *shown]):
        line = Text(no_wrap=True, style="bold" if place == 0 or (total and place == len(rows)) else "")
        for name, width in zip(names, name_widths, strict=True):
            line.append(name + " " * (width - cell_len(name) + gap))
        for figure, width in zip(figures, widths, strict=True):
            line.append(" " * (width - len(figure))).append(figure).append(" " * gap)
        line.rstrip()
        lines.append(line)
    return Text("\n", no_wrap=True, overflow="crop").join(lines)


def _share(console: Console, columns: Mapping[str, int | None], widths: Sequence[int], gap: int) -> int:
    """Return the width that is left for each name without a width of its own."""
    fixed = [*widths, *(width for width in columns.values() if width)]
    taken = sum(fixed) + gap * (len(widths) + len(columns) - 1)
    return (console.width - taken) // max(1, sum(width is None for width in columns.values()))


def shortened(text: str, width: int) -> str:
    """Return a text without control characters, in which `…` stands for the middle if it is longer than the width."""
    text = "".join(c if c.isprintable() else "\ufffd" for c in text)
    if len(text) <= width:
        return text
    start = (width - 1) // 3  # the end of a path tells more
    return f"{text[:start]}…{text[start + 1 - width :]}"
