"""Inputs that the fuzzers found, and small inputs of every kind. adapters/core/fuzz says how a finding gets here."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatcompletion.v1 import ChatCompletion
from chatpb._engine.codec import Codec
from tests.engine.differential import outcome
from tests.engine.engines import ENGINES, codecs_of
from tests.make_findings import FINDINGS, TARGETS, call

FILES = [path for target in TARGETS for path in sorted((FINDINGS / target).iterdir())]
CODECS = codecs_of(ChatCompletion.DESCRIPTOR)


@pytest.mark.parametrize("codec", CODECS, ids=ENGINES)
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_finding(codec: Codec, path: Path) -> None:
    target, data = path.parent.name, path.read_bytes()
    made = outcome(call, codec, target, data)
    assert made == outcome(call, CODECS[0], target, data)
    if path.name.startswith("error"):
        assert not isinstance(made, bytes)
    elif isinstance(made, bytes):
        # The JSON text of the message gives a message that prints as the same text.
        wire = made if target == "encode" else codec.json_to_wire(made, False, True)
        text = codec.wire_to_json(wire, False, False, True)
        assert codec.wire_to_json(codec.json_to_wire(text, False, True), False, False, True) == text
