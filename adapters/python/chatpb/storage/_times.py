"""Times as people write them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Final

__all__ = ["in_utc", "iso_time", "time_of"]

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def time_of(text: str) -> datetime:
    """Return the time that a text stands for: ISO 8601 in any precision and zone, or an age such as 90m, 12h or 7d.

    A time without a zone is in UTC. Raises ValueError for any other text.

    Examples:
        >>> from chatpb.storage import time_of
        >>> time_of("2026-03-01").isoformat()
        '2026-03-01T00:00:00+00:00'
        >>> time_of("2d") < time_of("90m")
        True

    """
    if age := re.fullmatch(r"(\d{1,6})([smhdw])", text.strip()):
        return datetime.now(timezone.utc) - timedelta(**{_UNITS[age[2]]: int(age[1])})
    try:
        return iso_time(text.strip())
    except ValueError:
        forms = "2026-01-31, 2026-01-31T15:30 (UTC, or with +02:00 or Z), or an age as 12h"
        raise ValueError(f"{text!r} is no time: use {forms}") from None


def iso_time(text: str) -> datetime:
    """Return a time in ISO 8601; without a zone it is in UTC. Raises ValueError for any other text."""
    # Python 3.10 knows no Z, and only three or six digits of a second.
    digits = re.sub(r"(?<=:\d\d)\.(\d{1,6})\d*", lambda found: f".{found[1]:0<6}", text)
    found = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", digits))
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def in_utc(moment: datetime) -> datetime:
    """Return a moment with a time zone: its own, or UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
