"""A chart of statistics: what was asked each day, and how fast the answers of each model were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, BinaryIO, Final

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter

__all__ = ["draw"]

MOST: Final = 7
"""Models with a colour of their own by day; the others are one."""

MOST_DAYS: Final = 4
"""Days whose dates are written."""

MOST_ROWS: Final = 20
"""Models with a row of their own among the latencies, those with the most records."""

_COLOURS: Final = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2")
_OTHERS: Final = "#9c9c9c"
_STYLE: Final[dict[Any, Any]] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "svg.hashsalt": "chatpb",  # the same figures give the same file
}
LAST_DAYS: Final = 92
"""Days that are drawn, up to the last one."""

_BESIDE: Final[Mapping[str, Any]] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.05), "frameon": False}
_LONGEST: Final = 32

Row = Mapping[str, Any]


def draw(output: BinaryIO, format: str, daily: Sequence[Row], models: Sequence[Row]) -> None:
    """Draw statistics.

    Args:
        output: the file.
        format: "svg" or "png".
        daily: a row for each model and day, with the columns of `statement`.
        models: a row for each model.

    """
    models = sorted(models, key=lambda row: (-row["records"], row["model"]))
    rows = models[:MOST_ROWS]
    with rc_context(_STYLE):
        figure = Figure(figsize=(10, 5.6 + 0.26 * len(rows)), dpi=150, layout="constrained")
        heights = [2.2, 2.2, 1.0 + 0.26 * len(rows)]
        requests, tokens, latency = figure.subplots(3, 1, height_ratios=heights)
        handles = _by_day(requests, "Records a day by model", "records", daily, models)
        _by_day(tokens, "Tokens a day by model, prompt and completion", "total_tokens", daily, models)
        _latency(latency, rows, len(models))
        requests.legend(handles=handles[::-1], **_BESIDE)
        # A date would make every file another.
        figure.savefig(output, format=format, metadata={"Date": None} if format == "svg" else None)


def _by_day(axes: Axes, title: str, column: str, daily: Sequence[Row], models: Sequence[Row]) -> list[Any]:
    """Bars of a column, a stack for each day, a colour for each model."""
    own = [row["model"] for row in models[:MOST]] if len(models) > MOST + 1 else [row["model"] for row in models]
    colours = [*_COLOURS, _OTHERS]
    values: defaultdict[str | None, defaultdict[date, int]] = defaultdict(lambda: defaultdict(int))
    dated = [(row, day) for row in daily if (day := _date(row["day"]))]
    earliest = max((day for _, day in dated), default=date.max) - timedelta(days=LAST_DAYS - 1)
    for row, day in dated:
        if day >= earliest:
            values[row["model"] if row["model"] in own else None][day] += row[column]
    days = sorted({day for each in values.values() for day in each})
    below = [0] * len(days)
    handles = []
    names = [*own, None] if len(own) < len(models) else own
    for name, colour in zip(names, colours, strict=False):
        heights = [values[name][day] for day in days]
        label = _label(name) if name is not None else f"{len(models) - len(own)} others"
        handles.append(axes.bar(days, heights, bottom=below, color=colour, width=0.85, label=label))  # type: ignore[arg-type]
        below = [low + height for low, height in zip(below, heights, strict=True)]
    if days:
        marked = days[:: (len(days) - 1) // MOST_DAYS + 1]
        axes.set_xticks(marked, [day.isoformat() for day in marked])  # type: ignore[arg-type]
        # A few days make bars of the width that they have in a week.
        spare = timedelta(days=max(0.6, (7 - (days[-1] - days[0]).days) / 2))
        axes.set_xlim(datetime.combine(days[0], time()) - spare, datetime.combine(days[-1], time()) + spare)  # type: ignore[arg-type]
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    left_out = any(day < earliest for _, day in dated)
    axes.set_title(f"{title}, the last {LAST_DAYS} days" if left_out else title)
    axes.set_ylabel(column.replace("total_", ""))
    axes.set_xlabel("day (UTC)")
    return handles


def _date(text: str | None) -> date | None:
    """The day; None where there is none, or one beyond the calendar, as of a time in milliseconds taken for seconds."""
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


def _latency(axes: Axes, rows: Sequence[Row], models: int) -> None:
    """For each model the latencies that 50, 95 and 99 of a hundred records stay within."""
    rows = rows[::-1]
    marks = (("p50", "o", "#4269d0"), ("p95", "D", "#efb118"), ("p99", "s", "#ff725c"))
    for place, row in enumerate(rows):
        seen = [row[f"latency_us_{name}"] for name, *_ in marks]
        if None not in seen:
            axes.hlines(place, seen[0] / 1e6, seen[-1] / 1e6, color="#cccccc", linewidth=2, zorder=1)
    for name, marker, colour in marks:
        found = [(row[f"latency_us_{name}"], place) for place, row in enumerate(rows)]
        times, places = [[value[i] for value in found if value[0] is not None] for i in (0, 1)]
        axes.scatter([t / 1e6 for t in times], places, marker=marker, color=colour, s=26, label=name, zorder=2)
    first = [
        (row["first_token_us_p50"], place) for place, row in enumerate(rows) if row["first_token_us_p50"] is not None
    ]
    if first:
        axes.scatter(
            [t / 1e6 for t, _ in first],
            [p for _, p in first],
            marker="|",
            color="#333333",
            s=60,
            label="first token, p50",
        )
    axes.set_yticks(range(len(rows)), [f"{_label(row['model'])} ({row['records']:,})" for row in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} s"))
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    shown = f", the {len(rows)} models with the most records" if len(rows) < models else ""
    axes.set_title(f"Latency by model (records){shown}")
    axes.set_xlabel("seconds from start to end")
    axes.legend(**_BESIDE)


def _label(name: str) -> str:
    """A model's name, as text that a chart can show."""
    text = "".join(c if c.isprintable() else "\ufffd" for c in name).replace("$", r"\$") or "(not known)"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
