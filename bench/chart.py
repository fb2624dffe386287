"""Bar charts as SVG, in colours that are legible on light and on dark backgrounds."""

from __future__ import annotations

from html import escape

WIDTH, BAR, GAP, LEFT, RIGHT = 760, 18, 8, 250, 110


def bars(title: str, rows: list[tuple[str, float, str]], highlight: str | tuple[str, ...]) -> str:
    """Return a chart of horizontal bars.

    A row is a bar's label, its value, and the text beside it. Bars whose labels begin with `highlight` are coloured.
    """
    most = max(value for _, value, _ in rows)
    height = 40 + len(rows) * (BAR + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="13" fill="#888">',
        f'<text x="0" y="18" font-size="15" font-weight="600">{escape(title)}</text>',
    ]
    for at, (label, value, text) in enumerate(rows):
        y = 34 + at * (BAR + GAP)
        width = max(1.0, value / most * (WIDTH - LEFT - RIGHT))
        colour = "#2f81f7" if label.startswith(highlight) else "#9aa4b2"
        parts.append(f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(label)}</text>')
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2" fill="{colour}"/>')
        parts.append(f'<text x="{LEFT + width + 6:.1f}" y="{y + 13}">{escape(text)}</text>')
    return "\n".join([*parts, "</svg>\n"])
