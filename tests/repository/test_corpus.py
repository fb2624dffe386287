"""Documents stand in for recorded traffic where there is none, unless it is required."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chatpb import json_to_wire, wire_to_json
from tests import support
from tests.support import RECORDINGS, exactly_equal, google_type, recording


@pytest.fixture(autouse=True)
def nothing_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "CORPUS", tmp_path)
    monkeypatch.delenv("CHATPB_REQUIRE_CORPUS", raising=False)


@pytest.mark.parametrize("kind", RECORDINGS)
def test_documents_stand_in(kind: str) -> None:
    texts = recording(kind)
    assert len(texts) > 40
    message_type = google_type(RECORDINGS[kind])
    for text in texts:
        assert exactly_equal(json.loads(wire_to_json(json_to_wire(text, message_type), message_type)), json.loads(text))


@pytest.mark.parametrize(
    ("kind", "odd"),
    [
        ("completion", '"created": "1735689600"'),
        ("chunk", '"finish_reason": "eos"'),
        ("request", '"seed": 9223372036854775815'),
    ],
)
def test_some_break_the_contract_as_recorded_ones_do(kind: str, odd: str) -> None:
    assert any(odd in text.decode() for text in recording(kind))


def test_recordings_can_be_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATPB_REQUIRE_CORPUS", "1")
    with pytest.raises(pytest.fail.Exception, match="no recorded traffic"):
        recording("chunk")
