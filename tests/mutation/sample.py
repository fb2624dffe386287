"""A sample of mutants that stays the same while other code changes, so that a run can be made again after a mend."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

__all__ = ["draw"]


def draw(names: Iterable[str], size: int, seed: int) -> list[str]:
    """Return some of the names, which a hash of name and seed chooses."""
    return sorted(names, key=lambda name: sha256(f"{seed} {name}".encode()).digest())[:size]
