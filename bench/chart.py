"""Bar charts as SVG. `python -m bench.chart` draws each one of docs/charts anew, from the figures beside it.

A label has a line of its own above its bar, so that none is cut, and a chart can be read on a phone. The colours follow
the reader's: light or dark.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "docs" / "charts"
WIDTH: Final = 456
ROW: Final = 38
BAR: Final = 14
TOP: Final = 56
EDGE: Final = 12
NUMBER: Final = 64
"""Room for the number behind the longest bar."""

STYLE: Final = """<style>
  svg { --page: #fff; --ink: #1f2328; --quiet: #59636e; --other: #afb8c1; --mine: #0969da }
  @media (prefers-color-scheme: dark) {
    svg { --page: #0d1117; --ink: #f0f6fc; --quiet: #9198a1; --other: #656c76; --mine: #4493f8 }
  }
  text { fill: var(--ink) }
  .quiet { fill: var(--quiet) }
  rect { fill: var(--other) }
  .mine { fill: var(--mine) }
  .page { fill: var(--page) }
  line { stroke: var(--ink); stroke-dasharray: 4 3 }
</style>"""


@dataclass(frozen=True)
class Chart:
    """The figures of one chart.

    Attributes:
        title: what is measured.
        unit: of what the numbers are.
        better: which side is good: "more" or "less".
        digits: how many digits behind the point its numbers have.
        bars: labels and numbers, in any order.
        mine: how the labels of this library's bars begin.
        limit: what no bar can be better than, as a line: its label and its number, or nothing.

    """

    title: str
    unit: str
    better: str
    digits: int
    bars: Sequence[tuple[str, float]]
    mine: Sequence[str]
    limit: tuple[str, float] | None = None

    def write(self, path: Path) -> None:
        """Write the figures, and the chart beside them, as `path` with the suffixes .json and .svg."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".json").write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")
        path.with_suffix(".svg").write_text(self.drawn())

    def drawn(self) -> str:
        """Return the chart as SVG."""
        most = max(number for _, number in (*self.bars, *filter(None, [self.limit])))
        scale = (WIDTH - NUMBER) / most
        bars = sorted(self.bars, key=lambda bar: bar[1], reverse=self.better == "more")
        note = f"{self.unit}; {self.better} is better"
        height = TOP + ROW * len(bars) + (24 if self.limit else 4)
        width, whole = WIDTH + 2 * EDGE, height + 2 * EDGE
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-EDGE} {-EDGE} {width} {whole}" '
            f'width="{width}" height="{whole}" role="img" aria-labelledby="title" font-family="system-ui, sans-serif" '
            'font-size="14">',
            f'<title id="title">{escape(self.title)}, {escape(note)}</title>',
            STYLE,
            # A background of its own: the page around it may be dark where the reader's system is light.
            f'<rect class="page" x="{-EDGE}" y="{-EDGE}" width="{width}" height="{whole}" rx="6"/>',
            f'<text x="0" y="16" font-size="16" font-weight="600">{escape(self.title)}</text>',
            f'<text x="0" y="36" class="quiet">{escape(note)}</text>',
        ]
        for row, (label, number) in enumerate(bars):
            y = TOP + row * ROW
            kind = ' class="mine"' if label.startswith(tuple(self.mine)) else ""
            length = max(1.0, number * scale)
            parts.append(f'<text x="0" y="{y + 10}">{escape(label)}</text>')
            parts.append(f'<rect{kind} x="0" y="{y + 16}" width="{length:.1f}" height="{BAR}" rx="2"/>')
            parts.append(f'<text x="{length + 6:.1f}" y="{y + 28}">{number:,.{self.digits}f}</text>')
        if self.limit:
            label, number = self.limit
            x = number * scale
            parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - 22}"/>')
            text = f"{escape(label)}: {number:,.{self.digits}f}"
            parts.append(f'<text x="{x:.1f}" y="{height - 6}" text-anchor="end" class="quiet">{text}</text>')
        return "\n".join([*parts, "</svg>\n"])


def read(path: Path) -> Chart:
    """Return the chart whose figures a file has."""
    return Chart(**json.loads(path.read_text()))


def main() -> None:
    for path in FOLDER.glob("*.json"):
        path.with_suffix(".svg").write_text(read(path).drawn())


if __name__ == "__main__":
    main()
