"""The options that entry points share, and the one place that checks their values."""

from __future__ import annotations

import os
import sys
from operator import index
from typing import Literal

__all__ = ["Nonfinite", "UnknownFields", "at_least_one", "choice", "threads_of"]

Nonfinite = Literal["error", "allow"]
"""What becomes of NaN, Infinity and -Infinity: they raise, or are carried as numbers."""

UnknownFields = Literal["skip", "error"]
"""What becomes of fields that the contract does not have: they are left out, or raise."""


def choice(name: str, value: str, no: str, yes: str) -> bool:
    """Return whether an option of two values has the second. Raises ValueError for any other value."""
    if not isinstance(value, str) or value not in (no, yes):
        raise ValueError(f"{name} must be {no!r} or {yes!r}, not {value!r}")
    return value == yes


def at_least_one(name: str, value: int) -> int:
    """Return a number that an option has. Raises ValueError below 1, and TypeError for what is no integer."""
    if index(value) < 1:
        raise ValueError(f"{name} must be at least 1, not {value}")
    return value


def threads_of(threads: int | None) -> int:
    """Return how many threads share the work: the given number, or one for each core that this process may use.

    Raises ValueError below 1, and TypeError for what is no integer.
    """
    if threads is not None:
        return min(at_least_one("threads", threads), sys.maxsize)
    # Not every system has sched_getaffinity, which counts the cores that this process may use.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
