"""What the tests share: the message types, the vectors, and recorded traffic where it is at hand."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import chatcompletion_betterproto as betterproto_classes
from chatcompletion import v1

settings.register_profile("default", deadline=None)
settings.register_profile("long", deadline=None, max_examples=5_000)
settings.load_profile("default")

VECTORS = Path(__file__).parent / "vectors"
CORPUS = Path(__file__).parents[2] / "shared" / "corpus"

DOCUMENTS = (
    "ChatCompletion",
    "ChatCompletionChunk",
    "CreateChatCompletionRequest",
    "ErrorResponse",
    "ChatCompletionRecord",
)
RECORDINGS = {"completion": "ChatCompletion", "chunk": "ChatCompletionChunk", "request": "CreateChatCompletionRequest"}


def google_type(name: str) -> type[Any]:
    found: type[Any] = getattr(v1, name)
    return found


def betterproto_type(name: str) -> type[Any]:
    found: type[Any] = getattr(betterproto_classes, name)
    return found


@dataclass(frozen=True)
class Vector:
    """One folder of tests/vectors."""

    name: str
    message: str
    wire: bytes
    expected: bytes
    input: bytes | None

    @property
    def type(self) -> type[Any]:
        return google_type(self.message)


def load_vectors() -> Iterator[Vector]:
    for folder in sorted(VECTORS.iterdir()):
        case = json.loads((folder / "case.json").read_text())
        source = folder / "input.json"
        yield Vector(
            name=folder.name,
            message=case["message"].rpartition(".")[2],
            wire=(folder / "wire.binpb").read_bytes(),
            expected=(folder / "expected.json").read_bytes(),
            input=source.read_bytes() if source.exists() else None,
        )


ALL_VECTORS = list(load_vectors())
JSON_VECTORS = [vector for vector in ALL_VECTORS if vector.input is not None]


def by_name(vectors: list[Vector]) -> pytest.MarkDecorator:
    """A parametrization of `vector`."""
    return pytest.mark.parametrize("vector", vectors, ids=[vector.name for vector in vectors])


def recording(kind: str) -> list[bytes]:
    """The recorded documents of a kind, one JSON text each. Skips the test where there are no recordings."""
    path = CORPUS / f"{kind}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"no recorded traffic at {CORPUS}")
    with gzip.open(path) as lines:
        return [line for line in lines if line.strip()]


def programs_of(page: Path) -> list[str]:
    """The blocks of Python in a page of the documentation."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def exactly_equal(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal, numbers by value, NaN to NaN."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(exactly_equal(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(exactly_equal, one, other))
    if one != one:
        return bool(other != other)
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
