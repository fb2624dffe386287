"""What the fuzzers found, and small inputs of every kind, again: adapters/native/fuzz says how a finding gets here."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatcompletion.v1 import ChatCompletion
from chatpb._engine import Codec, PythonCodec, native_codec
from differential import outcome
from make_findings import FINDINGS, TARGETS, call
from test_engines import ENGINES

FILES = [path for target in TARGETS for path in sorted((FINDINGS / target).iterdir())]
PYTHON = PythonCodec(ChatCompletion.DESCRIPTOR)


@pytest.fixture(params=ENGINES)
def codec(request: pytest.FixtureRequest) -> Codec:
    return PYTHON if request.param == "python" else native_codec(ChatCompletion.DESCRIPTOR)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_finding(codec: Codec, path: Path) -> None:
    target, data = path.parent.name, path.read_bytes()
    made = outcome(call, codec, target, data)
    assert made == outcome(call, PYTHON, target, data)
    if path.name.startswith("error"):
        assert not isinstance(made, bytes)
    elif isinstance(made, bytes):
        # What was made goes back, and is the same from then on.
        wire = made if target == "encode" else codec.json_to_wire(made, False, True)
        text = codec.wire_to_json(wire, False, False, True)
        assert codec.wire_to_json(codec.json_to_wire(text, False, True), False, False, True) == text
