"""Put chunks together in one call, as the tests of streams do."""

from __future__ import annotations

from typing import Any

from chatpb.streams import Accumulator


def accumulate(*chunks: dict[str, Any]) -> dict[str, Any]:
    """Return the completion that an Accumulator makes of chunks."""
    accumulator = Accumulator()
    for chunk in chunks:
        accumulator.add(chunk)
    return accumulator.to_dict()
