"""The README's table is what its command prints."""

from __future__ import annotations

import pytest

from tests.support import ROOT


@pytest.mark.newest
def test_the_table_of_losses_is_what_the_command_prints() -> None:
    from bench import losses

    page = losses.README.read_text()
    assert losses.with_table(page, losses.table(ROOT / "tests" / "corpus")) == page, (
        "run: python -m bench.losses --write"
    )
