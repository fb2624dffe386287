"""The README's table is what its command prints, and its figures are those of the pages and charts."""

from __future__ import annotations

import json
import re

import pytest

from tests.support import ROOT


@pytest.mark.newest
def test_the_table_of_losses_is_what_the_command_prints() -> None:
    from bench import losses

    page = losses.README.read_text()
    assert losses.with_table(page, losses.table(ROOT / "tests" / "corpus")) == page, (
        "run: python -m bench.losses --write"
    )


def test_the_figures_are_those_of_the_charts() -> None:
    readme = " ".join((ROOT / "README.md").read_text().split())
    performance = (ROOT / "docs" / "performance.md").read_text()
    (size,) = set(re.findall(r"350 recorded completions of ([\d,]+) bytes", performance.replace("\n", " ")))
    speeds = dict(json.loads((ROOT / "docs" / "charts" / "parse.json").read_text())["bars"])
    wire, message = (
        int(size.replace(",", "")) / speeds[f"chatpb (native): {name}"] for name in ("json_to_wire", "from_json")
    )
    (times,) = re.findall(r"\| `from_json`, speed over `json_format.Parse` \| (\d+) ", performance)
    assert f"becomes protobuf bytes in {wire:.2f} µs and a message in {message:.2f} µs, {times} times as fast" in readme
