"""Parse JSON text quickly.

The parser only notices *that* text is wrong. `chatpb._json.check` then finds out what is wrong, and where.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from json import JSONDecoder
from typing import Any

from chatpb._json.number import NumberText


class MalformedJson(Exception):
    """The text is wrong somewhere."""


@cache
def parser(nonfinite: bool) -> Callable[[str], Any]:
    """Return a parser of JSON text, which keeps the spelling of numbers and refuses a second member of one name.

    For text that is wrong the parser raises MalformedJson, or what Python's own parser raises.
    """
    return JSONDecoder(
        object_pairs_hook=_object,
        parse_int=_integer,
        parse_float=NumberText,
        parse_constant=float if nonfinite else _refuse,
    ).decode


def _integer(text: str) -> int | NumberText:
    return int(text) if len(text) < 20 else NumberText(text)


def _refuse(constant: str) -> float:
    raise MalformedJson


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedJson
    return members


def nesting(value: Any) -> int:
    """Return the levels of arrays and objects in a JSON value: 0 for a scalar."""
    if type(value) is dict:
        return 1 + max(map(nesting, value.values()), default=0)
    if type(value) is list:
        return 1 + max(map(nesting, value), default=0)
    return 0
