"""Which numbers of a message belong to forks."""

from __future__ import annotations

_WHERE_IT_IS_NOT_48 = {"CreateChatCompletionRequest": 56}


def first_of_forks(message: str) -> int:
    """Return the first number that belongs to forks; all up to 63 do."""
    return _WHERE_IT_IS_NOT_48.get(message, 48)
