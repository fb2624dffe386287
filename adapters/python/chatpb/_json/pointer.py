"""JSON Pointers (RFC 6901), which name a place in a document."""

from __future__ import annotations

from chatpb._json import SURROGATE


def pointer(*keys: str | int) -> str:
    """Return the JSON Pointer of a place, from the names and indices that lead to it.

    A lone surrogate in a name is shown as U+FFFD.
    """
    return "".join(map(_step, keys))


def _step(key: str | int) -> str:
    if isinstance(key, int) or key.isidentifier():
        return f"/{key}"
    return "/" + SURROGATE.sub("\ufffd", key.replace("~", "~0").replace("/", "~1"))
