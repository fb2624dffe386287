"""Message types, vectors, recorded traffic and comparisons that the tests of several rooms share."""

from __future__ import annotations

import gzip
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf import __version__ as protobuf_version
from google.protobuf.internal import api_implementation

import chatcompletion_betterproto as betterproto_classes
from chatcompletion import v1
from chatpb._contract.schema import ADDITIONAL_PROPERTIES
from chatpb._runtimes import RUNTIMES
from chatpb._wire import LEN
from chatpb._wire.struct_tags import ENTRY_KEY, ENTRY_VALUE, STRUCT_FIELDS, STRUCT_VALUE
from chatpb._wire.write import delimited, tag, varint

try:
    from compression import zstd as zstd  # type: ignore[import-not-found, unused-ignore] # from Python 3.14 on
except ImportError:
    from backports import zstd as zstd

ROOT = Path(__file__).resolve().parents[1]
VECTORS = ROOT / "tests" / "vectors"
CORPUS = ROOT.parent / "shared" / "corpus"
"""Recorded traffic, which is not in the repository."""
SYNTHETIC = ROOT / "tests" / "corpus"
"""What stands in for it; `tests.make_corpus` makes it."""
THOROUGH = bool(os.environ.get("CHATPB_THOROUGH"))
"""Whether to test what takes long too."""

DOCUMENTS = (
    "ChatCompletion",
    "ChatCompletionChunk",
    "CreateChatCompletionRequest",
    "ErrorResponse",
    "ChatCompletionRecord",
)
RECORDINGS = {"completion": "ChatCompletion", "chunk": "ChatCompletionChunk", "request": "CreateChatCompletionRequest"}


REORDERS_MAPS = {"google", "protobuf-py"}
"""The runtimes that write the entries of a map in any order."""

NEEDS_FAST_STRUCTS = pytest.mark.skipif(
    api_implementation.Type() == "python" and tuple(map(int, protobuf_version.split(".")[:2])) < (7, 36),
    reason="protobuf in pure Python, before 7.36, takes twice as long for each level of a Struct: hours for deep ones",
)
"""For a test that serializes messages of google.protobuf that are nested deeply."""

INSTALLED = [name for name in RUNTIMES if name != "protobuf-py" or find_spec("protobuf")]
"""The runtimes whose packages are here: protobuf-py needs Python 3.11."""

each_runtime = pytest.mark.parametrize("runtime", INSTALLED)


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
    """Return the decorator that runs a test for each vector, as its argument `vector`."""
    return pytest.mark.parametrize(
        "vector",
        [
            pytest.param(vector, id=vector.name, marks=NEEDS_FAST_STRUCTS if "-depth" in vector.name else ())
            for vector in vectors
        ],
    )


def recording(kind: str, *, stand_in: bool = True) -> list[bytes]:
    """Return the recorded documents of a kind, one JSON text each.

    Where there are no recordings it returns synthetic documents, or skips the test without `stand_in`, for a test of
    what is particular to the recordings. If CHATPB_REQUIRE_CORPUS is set, it fails the test.
    """
    path = CORPUS / f"{kind}.jsonl.gz"
    if path.exists():
        with gzip.open(path) as lines:
            return [line for line in lines if line.strip()]
    if os.environ.get("CHATPB_REQUIRE_CORPUS"):
        pytest.fail(f"no recorded traffic at {CORPUS}")
    if not stand_in:
        pytest.skip(f"no recorded traffic at {CORPUS}")
    return (SYNTHETIC / f"{kind}.jsonl").read_bytes().splitlines(keepends=True)


@contextmanager
def opened_sqlite(path: str | Path) -> Iterator[sqlite3.Connection]:
    """Open a file of SQLite, and close it at the end: a connection that is only dropped stays open for a while."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def programs_of(page: Path) -> list[str]:
    """Return the blocks of Python in a page of the documentation."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def exactly_equal(one: Any, other: Any) -> bool:
    """Return whether two JSON values are equal: numbers by value, NaN to NaN, no boolean to a number."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(exactly_equal(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(exactly_equal, one, other))
    if one != one:
        return bool(other != other)
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def without_null(value: Any) -> Any:
    """Return a JSON value without the members that are null."""
    if isinstance(value, dict):
        return {name: without_null(item) for name, item in value.items() if item is not None}
    return [without_null(item) for item in value] if isinstance(value, list) else value


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each place where two JSON values differ, with `*` for the index of an item."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in one.keys() | other.keys():
            if name in one and name in other:
                yield from differences(one[name], other[name], f"{path}/{name}")
            else:
                yield f"{path}/{name}"
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for mine, theirs in zip(one, other, strict=True):
            yield from differences(mine, theirs, f"{path}/*")
    elif one != other:
        yield path


def nested_properties(levels: int) -> bytes:
    """Return the field `additional_properties` with objects nested that deep, as other writers may nest them."""
    members = b""
    for _ in range(levels):
        entry = delimited(varint(ENTRY_KEY), b"x") + delimited(varint(ENTRY_VALUE), members)
        members = delimited(varint(STRUCT_VALUE), delimited(varint(STRUCT_FIELDS), entry))
    entry = delimited(varint(ENTRY_KEY), b"x") + delimited(varint(ENTRY_VALUE), members)
    return delimited(tag(ADDITIONAL_PROPERTIES, LEN), delimited(varint(STRUCT_FIELDS), entry))


ODD_COMPLETION: Final[dict[str, Any]] = {
    "id": "c",
    "object": "chat.completion",
    "created": "not a number",
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": [1], "reasoning": "x"}, "finish_reason": ""}],
    "usage": None,
    "vendor": {"seed": 18446744073709551615},
}
"""A completion with members of wrong types and of vendors."""
