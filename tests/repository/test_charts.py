"""The charts are drawn from the figures beside them, and nothing in them is cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import chart

CHARTS = sorted(chart.FOLDER.glob("*.svg"))
MOST_CHARACTERS = 60
"""What fits the width of a chart in any common font."""


def test_there_are_charts() -> None:
    assert {path.stem for path in CHARTS} >= {"parse", "print", "sizes"}


@pytest.mark.parametrize("path", CHARTS, ids=lambda path: path.stem)
def test_a_chart_is_drawn_from_its_figures(path: Path) -> None:
    assert chart.read(path.with_suffix(".json")).drawn() == path.read_text(), "run: python -m bench.chart"


@pytest.mark.parametrize("path", CHARTS, ids=lambda path: path.stem)
def test_no_text_is_cut(path: Path) -> None:
    figures = chart.read(path.with_suffix(".json"))
    notes = [figures.title, f"{figures.unit}; {figures.better} is better", *(label for label, _ in figures.bars)]
    assert [note for note in notes if len(note) > MOST_CHARACTERS] == []


def test_the_best_bar_is_first_and_the_limit_is_a_line() -> None:
    bars = [("slow", 1.0), ("fast", 4.0)]
    more = chart.Chart("t", "u", "more", 1, bars, ["fast"], ("alone", 8.0)).drawn()
    less = chart.Chart("t", "u", "less", 1, bars, ["fast"]).drawn()
    assert more.index(">fast<") < more.index(">slow<")
    assert less.index(">slow<") < less.index(">fast<")
    assert more.count('<rect class="mine"') == 1
    assert "<line " in more
    assert ">alone: 8.0<" in more
    assert "<line " not in less
