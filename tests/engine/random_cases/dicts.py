"""Random dicts for a message type: its random JSON documents as Python objects of many classes, some of them wrong."""

from __future__ import annotations

import json
from collections import ChainMap, OrderedDict, UserDict
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any, Final

from tests.engine.random_cases.documents import document
from tests.engine.random_cases.schemas import Random


class Text(str):
    """Equal to itself alone, so that a dict may have two of one text."""

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __str__(self) -> str:
        return "other"


class Whole(int):
    def __repr__(self) -> str:
        return "other"


class Real(float):
    def __repr__(self) -> str:
        return "other"


class Items(list[Any]):
    def __iter__(self) -> Iterator[Any]:
        return reversed(self)


class Members(dict[Any, Any]):
    def items(self) -> Any:
        return reversed(list(super().items()))


def make_default(value: Any) -> Any:
    """Make JSON of some objects, and of others what is no JSON either."""
    return {"made": [type(value).__name__]} if isinstance(value, (set, bytes)) else value


_OBJECTS: Final[list[Callable[[dict[Any, Any]], Any]]] = [OrderedDict, UserDict, ChainMap, MappingProxyType, Members]
_ARRAYS: Final[list[Callable[[list[Any]], Any]]] = [tuple, Items, lambda items: Items(tuple(items))]
_OTHERS: Final = (
    {1}, b"x", object, 1j, float("nan"), -float("inf"), 10**5000, Whole(-(10**4300)), 10**4299, 2**64, "\ud800", Text("id"),
)  # fmt: skip


class Dicts:
    """Makes a Python object of JSON values: `odd` is the share of other classes, `wrong` that of other values."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.odd = rng.choice((0.0, 0.1, 0.5))
        self.wrong = rng.choice((0.0, 0.0, 0.01, 0.1))
        self.containers: list[Any] = []

    def value(self, value: Any) -> Any:
        rng = self.rng
        if rng.random() < self.wrong:
            return rng.choice(self.containers) if self.containers and rng.random() < 0.3 else rng.choice(_OTHERS)
        if isinstance(value, dict):
            made: dict[Any, Any] = {}
            self.containers.append(made)
            for name, item in value.items():
                made[self.name(name)] = self.value(item)
            return rng.choice(_OBJECTS)(made) if rng.random() < self.odd else made
        if isinstance(value, list):
            items: list[Any] = []
            self.containers.append(items)
            items.extend(self.value(item) for item in value)
            return rng.choice(_ARRAYS)(items) if rng.random() < self.odd else items
        if isinstance(value, bool) or value is None or rng.random() >= self.odd:
            return value
        return {str: Text, int: Whole, float: Real}[type(value)](value)

    def name(self, name: str) -> Any:
        if self.rng.random() < self.wrong:
            return self.rng.choice((1, None, b"x", Text(name), Text("id"), "\ud800"))
        return Text(name) if self.rng.random() < self.odd else name


def python_object(rng: Random, message: str) -> Any:
    """Return a Python object for a message type, most often a dict that stands for a message."""
    try:
        value = json.loads(document(rng, message))
    except (ValueError, RecursionError):
        value = rng.choice(({}, [], "text", 1, None))
    return Dicts(rng).value(value)
