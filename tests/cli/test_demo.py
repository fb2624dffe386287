"""`chatpb demo`: nothing is lost."""

from __future__ import annotations

from chatpb.cli._demo_documents import DEMO_DOCUMENTS
from tests.cli.command_line import run


def test_demo() -> None:
    result = run("demo", "--all")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("equal to what went in") == len(DEMO_DOCUMENTS)
    assert "NOT" not in result.stdout
    assert "Nothing was lost through wire bytes and objects of google" in result.stdout
