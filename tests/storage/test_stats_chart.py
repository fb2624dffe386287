"""What a chart of statistics shows: its bars, marks, limits and labels, and not only that there is a file."""

from __future__ import annotations

from datetime import date, timedelta
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from chatpb.storage import _stats_chart, draw_chart
from chatpb.storage._stats_chart import MAX_COLOURS, MAX_DATES, MAX_DAYS, MAX_LABEL, MAX_ROWS, chart_of

DAY = date(2025, 6, 15)
TIMES = [f"{column}_p{share}" for column in ("latency_us", "first_token_us") for share in (50, 95, 99)]


def row(model: str, day: str = "2025-06-15", records: int = 1, total_tokens: int = 0, **times: int) -> dict[str, Any]:
    return {
        **dict.fromkeys(TIMES),
        "model": model,
        "day": day,
        "records": records,
        "total_tokens": total_tokens,
        **times,
    }


def later(days: int) -> str:
    return (DAY + timedelta(days)).isoformat()


def days_after(place: float) -> float:
    """Return how many days after DAY a place of Matplotlib's axis is, which counts the days since 1970."""
    return place - (DAY - date(1970, 1, 1)).days


def panels(daily: list[dict[str, Any]], models: list[dict[str, Any]]) -> dict[str, Axes]:
    """Return the parts of a chart by the first word of their titles."""
    figure: Figure = chart_of(daily, models)
    figure.draw_without_rendering()  # ticks have their labels from then on
    return {axes.get_title().split()[0]: axes for axes in figure.axes}


def bars(axes: Axes) -> dict[str, dict[str, tuple[float, float]]]:
    """Return where each bar begins and ends, by its label and its day."""
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for container in axes.containers:
        parts = found[str(container.get_label())] = {}
        for part in container:
            day = days_after(part.get_x() + part.get_width() / 2)
            parts[later(round(day))] = (part.get_y(), part.get_y() + part.get_height())
            assert part.get_width() == pytest.approx(0.85)
    return found


def ticks(labels: list[Any]) -> list[str]:
    return [label.get_text() for label in labels]


def test_a_day_is_a_bar_with_a_part_for_each_model() -> None:
    daily = [row("a", records=3, total_tokens=30), row("b", records=5), row("a", later(2), 2, 7), row("b", "", 90, 9)]
    found = panels(daily, [row("a", records=5), row("b", records=95)])
    assert list(found) == ["Records", "Tokens"]
    # The model with the most records stands lowest, and the records without a day are in none.
    assert bars(found["Records"]) == {
        "b": {later(0): (0, 5), later(2): (0, 0)},
        "a": {later(0): (5, 8), later(2): (0, 2)},
    }
    assert bars(found["Tokens"]) == {
        "b": {later(0): (0, 0), later(2): (0, 0)},
        "a": {later(0): (0, 30), later(2): (0, 7)},
    }
    legend = found["Records"].get_legend()
    assert legend
    assert ticks(legend.get_texts()) == ["a", "b"]  # as they stand on each other
    assert found["Tokens"].get_legend() is None  # its colours are the same
    assert [found[name].get_ylabel() for name in found] == ["records", "tokens"]
    assert {axes.get_xlabel() for axes in found.values()} == {"day (UTC)"}
    colours = [to_hex(container[0].get_facecolor()) for container in found["Records"].containers]
    assert colours == [to_hex(container[0].get_facecolor()) for container in found["Tokens"].containers]
    assert len(set(colours)) == 2


@pytest.mark.parametrize(("count", "own"), [(MAX_COLOURS, MAX_COLOURS), (MAX_COLOURS + 1, 8), (MAX_COLOURS + 2, 7)])
def test_models_beyond_the_colours_are_one_part(count: int, own: int) -> None:
    daily = [row(f"m{n}", records=100 - n) for n in range(count)]
    (axes,) = panels(daily, daily).values()
    found = bars(axes)
    rest = count - own
    assert list(found) == [*(f"m{n}" for n in range(own)), *([f"{rest} others"] if rest else [])]
    assert max(end for parts in found.values() for _, end in parts.values()) == sum(100 - n for n in range(count))
    colours = [to_hex(container[0].get_facecolor()) for container in axes.containers]
    assert len(set(colours)) == len(colours)


@pytest.mark.parametrize(
    ("days", "marked", "first", "last"),
    [
        ([0], [0], -3.5, 3.5),
        ([0, 3], [0, 3], -2, 5),
        ([0, 1, 2, 3], [0, 1, 2, 3], -2, 5),
        ([0, 1, 2, 3, 4], [0, 2, 4], -1.5, 5.5),
        (range(9), [0, 3, 6], -0.6, 8.6),
        (range(30), [0, 8, 16, 24], -0.6, 29.6),
    ],
    ids=str,
)
def test_days_are_at_most_as_wide_as_those_of_a_week(
    days: list[int], marked: list[int], first: float, last: float
) -> None:
    (axes,) = panels([row("m", later(day)) for day in days], [row("m")]).values()
    assert ticks(axes.get_xticklabels()) == [later(day) for day in marked]
    assert len(marked) <= MAX_DATES
    assert [*map(days_after, axes.get_xlim())] == pytest.approx([first, last])


def test_only_the_last_days_are_drawn() -> None:
    def title_and_days(days: list[int]) -> tuple[str, list[str]]:
        axes = panels([row("m", later(day)) for day in days], [row("m")])["Records"]
        return axes.get_title(), list(bars(axes)["m"])

    assert title_and_days([0, MAX_DAYS - 1]) == ("Records a day by model", [later(0), later(MAX_DAYS - 1)])
    said = f"Records a day by model, the last {MAX_DAYS} days"
    assert title_and_days([0, 1, MAX_DAYS]) == (said, [later(1), later(MAX_DAYS)])


@pytest.mark.parametrize(
    ("records", "labels"),
    [(1, ["0", "1"]), (7, ["0", "2", "4", "6"]), (5000, ["0", "1k", "2k", "3k", "4k", "5k"])],
)
def test_records_are_counted_in_whole_numbers(records: int, labels: list[str]) -> None:
    (axes,) = panels([row("m", records=records)], [row("m", records=records)]).values()
    low, high = axes.get_ylim()
    shown = [label.get_text() for label in axes.get_yticklabels() if low <= label.get_position()[1] <= high]
    assert shown == labels


def latencies(p50: int, p95: int | None, p99: int | None, first: int | None) -> dict[str, Any]:
    return {
        "latency_us_p50": p50 * 1_000_000,
        "latency_us_p95": None if p95 is None else p95 * 1_000_000,
        "latency_us_p99": None if p99 is None else p99 * 1_000_000,
        "first_token_us_p50": None if first is None else first * 1_000_000,
    }


def test_latencies_of_each_model() -> None:
    models = [
        row("few", records=2, **latencies(1, None, None, None)),
        row("many", records=1200, **latencies(2, 5, 9, 1)),
        row("none", records=5000),
    ]
    (axes,) = panels([], models).values()
    assert axes.get_title() == "Latency by model (records)"
    # The model with the most records is on top.
    assert ticks(axes.get_yticklabels()) == ["few (2)", "many (1,200)"]
    assert list(axes.get_yticks()) == [0, 1]
    assert axes.get_ylim() == (-0.6, 1.6)
    assert axes.get_xlim()[0] == 0
    marks = {each.get_label(): each for each in axes.collections if isinstance(each, PathCollection)}
    assert {name: np.asarray(each.get_offsets()).tolist() for name, each in marks.items()} == {
        "p50": [[1, 0], [2, 1]],
        "p95": [[5, 1]],
        "p99": [[9, 1]],
        "first token, p50": [[1, 1]],
    }
    (line,) = [each for each in axes.collections if isinstance(each, LineCollection)]
    assert [segment.tolist() for segment in line.get_segments()] == [[[2, 1], [9, 1]]]
    assert all(text.endswith(" s") for text in ticks(axes.get_xticklabels()))
    legend = axes.get_legend()
    assert legend
    assert ticks(legend.get_texts()) == list(marks)


@pytest.mark.parametrize(("count", "said"), [(MAX_ROWS, ""), (MAX_ROWS + 1, ", the 20 models with the most records")])
def test_models_beyond_the_rows_are_left_out(count: int, said: str) -> None:
    models = [row(f"m{n:02}", records=100 - n, **latencies(1, 2, 3, None)) for n in range(count)]
    (axes,) = panels([], models).values()
    assert axes.get_title() == f"Latency by model (records){said}"
    assert ticks(axes.get_yticklabels()) == [f"m{n:02} ({100 - n})" for n in reversed(range(MAX_ROWS))]
    # As many rows as a chart has, the taller it is.
    tall, low = (chart_of([], models[:rows]).get_figheight() for rows in (MAX_ROWS, 1))
    assert tall - low == pytest.approx(0.26 * (MAX_ROWS - 1))


@pytest.mark.parametrize(
    ("model", "label"),
    [
        ("gpt-4o", "gpt-4o"),
        ("", "(not known)"),
        ("  ", "(not known)"),
        ("$m_1^", r"\$m_1^"),
        ("x" * MAX_LABEL, "x" * MAX_LABEL),
        ("x" * (MAX_LABEL + 1), "x" * (MAX_LABEL - 1) + "…"),
        ("a\nb", "a\ufffdb"),
        ("a模b", "aU+6A21 b"),  # no box, which is all that a font has that lacks it
        ("模型", "U+6A21 U+578B"),
    ],
)
def test_names_of_models(model: str, label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_stats_chart, "_fonts", lambda: ["DejaVu Sans"])  # Matplotlib's own, whatever is installed
    (axes,) = panels([row(model)], [row(model)]).values()
    assert list(bars(axes)) == [label]


def test_a_chart_without_times_says_so() -> None:
    (axes,) = panels([row("m", "")], [row("m")]).values()
    assert axes.get_title() == "No records with a time"
    assert not axes.axison


@pytest.mark.parametrize(("timed", "height"), [(0, 840), (1, 1029), (3, 1107)])
def test_a_picture_is_as_high_as_what_it_shows(timed: int, height: int) -> None:
    file = BytesIO()
    draw_chart(file, "png", [row("m", total_tokens=1)], [row(f"m{n}", **latencies(1, 2, 3, 1)) for n in range(timed)])
    header = file.getvalue()[16:24]
    assert (int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")) == (1500, height)


@pytest.mark.parametrize(("format", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_equal_statistics_give_equal_files(format: str, start: bytes) -> None:
    files = BytesIO(), BytesIO()
    for file in files:
        draw_chart(file, format, [row("m")], [row("m", **latencies(1, 2, 3, 1))])
    one, two = (file.getvalue() for file in files)
    assert one == two
    assert one.startswith(start)
