"""Documents to protobuf and back: where two JSON values differ, and what is counted."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from chatpb._files.formats import Format
from chatpb._files.read import Document
from chatpb.cli._demo_documents import DEMO_DOCUMENTS
from chatpb.cli._round_trip import Counts, count_documents, difference, load_json


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, None),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, None),
        (1.0, 1, None),
        (1, 1.0, ""),
        (2**53 + 1, 2**53 + 1, None),
        (2**53 + 1, 2**53, ""),
        (1, True, ""),
        (0.0, -0.0, ""),
        (-0.0, 0, ""),
        (math.nan, math.nan, None),
        (math.inf, math.inf, None),
        (None, {}, ""),
        ([], {}, ""),
        ({"a": None}, {}, "/a"),
        ({}, {"a/b": 1}, "/a~1b"),
        ({"a": [[0], [1]]}, {"a": [[0], [1, 2]]}, "/a/1"),
        ({"a": [{"b": "x"}]}, {"a": [{"b": "y"}]}, "/a/0/b"),
    ],
)
def test_difference(before: Any, after: Any, path: str | None) -> None:
    assert difference(before, after) == path


def test_integers_of_any_length_are_exact() -> None:
    digits = "7" * 5000
    assert difference(load_json(digits.encode()), load_json(f"{digits[:-1]}8".encode())) == ""
    assert difference(load_json(digits.encode()), load_json(digits.encode())) is None


def test_counts() -> None:
    counts = Counts()
    document = Document("sample", Format.JSON, 1, DEMO_DOCUMENTS["completion"].encode())
    assert list(count_documents([document], counts, None, ("google", "betterproto"))) == []
    assert counts.as_json() | {"wire_bytes": 0, "ratio": 0} == {
        "documents": 1,
        "lost": 0,
        "unreadable": 0,
        "json_bytes": len(json.dumps(json.loads(document.data), separators=(",", ":"), ensure_ascii=False).encode()),
        "wire_bytes": 0,
        "ratio": 0,
        "types": {"ChatCompletion": 1},
        "homes": {"typed": 21, "null": 4, "empty": 1, "additional": 2, "verbatim": 1},
        "violations": {"enum": {"count": 1, "paths": {"/service_tier": 1}}},
    }
