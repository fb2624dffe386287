"""A chart of statistics: records and tokens of each day, and how fast the answers of each model were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, BinaryIO, Final

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font, get_font_names
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

__all__ = ["draw_chart"]

MAX_COLOURS: Final = 7
"""Models with a colour of their own in the bars of a day; all others share one."""

MAX_DATES: Final = 4
"""Days whose dates are written below the bars."""

MAX_DAYS: Final = 92
"""Days that are drawn, up to the last one."""

MAX_ROWS: Final = 20
"""Models with a row of their own among the latencies: those with the most records."""

MAX_LABEL: Final = 32
"""Characters of a model's name."""

_COLOURS: Final = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2")
_COLOUR_OF_OTHERS: Final = "#9c9c9c"
_STYLE: Final[dict[Any, Any]] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "svg.hashsalt": "chatpb",  # equal statistics give equal files
}
_BESIDE: Final[Mapping[str, Any]] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.05), "frameon": False}

Row = Mapping[str, Any]


def draw_chart(output: BinaryIO, format: str, daily: Sequence[Row], models: Sequence[Row]) -> None:
    """Draw statistics into a file.

    Args:
        output: the file.
        format: "svg" or "png".
        daily: a row for each model and day, with the columns of `statistics_sql`.
        models: a row for each model, with these columns too.

    Examples:
        >>> from chatpb.storage import draw_chart, make_record, stats, write
        >>> start = 1_700_000_000_000_000
        >>> record = make_record(response={"model": "m"}, start_time=start, end_time=start + 2_000_000)
        >>> copied = write("traffic.jsonl", [record])
        >>> daily, models = stats("traffic.jsonl").to_pylist(), stats("traffic.jsonl", by=["model"]).to_pylist()
        >>> with open("traffic.svg", "wb") as file:
        ...     draw_chart(file, "svg", daily, models)
        ...

    """
    with rc_context({**_STYLE, "font.family": _fonts()}):
        # With a date, equal statistics would give different files.
        chart_of(daily, models).savefig(output, format=format, metadata={"Date": None} if format == "svg" else None)


def chart_of(daily: Sequence[Row], models: Sequence[Row]) -> Figure:
    """Return the chart of statistics, as `draw_chart` draws it into a file."""
    models = sorted(models, key=lambda row: (-row["records"], row["model"]))
    timed = [row for row in models if row["latency_us_p50"] is not None]
    rows = timed[:MAX_ROWS]
    # A panel without data would be nothing but axes.
    panels = {
        "records": (2.2, any(_date(row["day"]) for row in daily)),
        "total_tokens": (2.2, any(row["total_tokens"] and _date(row["day"]) for row in daily)),
        "latency": (1.0 + 0.26 * len(rows), bool(rows)),
    }
    heights = [height for height, there in panels.values() if there] or [1.0]
    figure = Figure(figsize=(10, 1.2 + sum(heights)), dpi=150, layout="constrained")
    places = dict(
        zip(
            (name for name, (_, there) in panels.items() if there),
            figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0],
            strict=False,
        )
    )
    if not places:
        figure.axes[0].set_axis_off()
        figure.axes[0].set_title("No records with a time")
    if axes := places.get("records"):
        handles = _draw_days(axes, "Records a day by model", "records", daily, models)
        axes.legend(handles=handles[::-1], **_BESIDE)
    if axes := places.get("total_tokens"):
        _draw_days(axes, "Tokens a day by model, prompt and completion", "total_tokens", daily, models)
    if axes := places.get("latency"):
        _draw_latencies(axes, rows, len(timed))
    return figure


def _draw_days(axes: Axes, title: str, column: str, daily: Sequence[Row], models: Sequence[Row]) -> list[Any]:
    """Draw a bar for each day, with a part for each model, as high as a column. Return the parts for a legend."""
    # One model alone is not made "1 others".
    own = [row["model"] for row in (models[:MAX_COLOURS] if len(models) > MAX_COLOURS + 1 else models)]
    colours = [*_COLOURS, _COLOUR_OF_OTHERS]
    values: defaultdict[str | None, defaultdict[date, int]] = defaultdict(lambda: defaultdict(int))
    dated = [(row, day) for row in daily if (day := _date(row["day"]))]
    earliest = max((day for _, day in dated), default=date.max) - timedelta(days=MAX_DAYS - 1)
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
        marked = days[:: (len(days) - 1) // MAX_DATES + 1]
        axes.set_xticks(marked, [day.isoformat() for day in marked], fontsize=7)  # type: ignore[arg-type]
        # Bars of a few days are no wider than those of a week.
        spare = timedelta(days=max(0.6, (7 - (days[-1] - days[0]).days) / 2))
        axes.set_xlim(datetime.combine(days[0], time()) - spare, datetime.combine(days[-1], time()) + spare)  # type: ignore[arg-type]
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))  # there is no half of a record
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    left_out = any(day < earliest for _, day in dated)
    axes.set_title(f"{title}, the last {MAX_DAYS} days" if left_out else title)
    axes.set_ylabel(column.replace("total_", ""))
    axes.set_xlabel("day (UTC)")
    return handles


def _date(text: str | None) -> date | None:
    """Return the date of a day; None for no day, or one beyond the calendar (as of milliseconds taken for seconds)."""
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


def _draw_latencies(axes: Axes, rows: Sequence[Row], models: int) -> None:
    """Draw a row for each model: the latencies that 50, 95 and 99 of a hundred records stay within."""
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


def _fonts() -> list[str]:
    """Return the fonts to draw with: Matplotlib's own, and after it installed ones for what it lacks."""
    wanted = ("CJK", "Unifont", "WenQuanYi", "Hiragino", "PingFang", "YaHei", "Gothic", "Noto Sans")
    installed = sorted(name for name in get_font_names() if any(part in name for part in wanted))
    return ["DejaVu Sans", *installed[:20]]


def _label(name: str) -> str:
    """Return a model's name as text that a chart can show: what no installed font has is written as its code."""
    known = {code for font in _fonts() for code in get_font(findfont(font)).get_charmap()}
    shown = (c if ord(c) in known else f"U+{ord(c):04X} " for c in (c if c.isprintable() else "\ufffd" for c in name))
    text = "".join(shown).strip().replace("$", r"\$") or "(not known)"
    return text if len(text) <= MAX_LABEL else text[: MAX_LABEL - 1] + "…"
