"""The progress bar: on a terminal alone, and for a query only if it takes longer than a moment."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time

import pytest

from chatpb.cli._demo_documents import DEMO_DOCUMENTS
from chatpb.cli._progress import ProgressBar
from tests.cli.command_line import write


def on_terminal(*args: str) -> str:
    """Run a command whose standard error is a terminal, and return what it writes there."""
    terminal, end = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen([sys.executable, "-m", "chatpb", *args], stderr=end, env=environment)
    os.close(end)
    said = b""
    try:
        while piece := os.read(terminal, 1 << 16):
            said += piece
    except OSError:
        pass  # Linux reports the end of the other side so
    os.close(terminal)
    assert process.wait() == 0
    return said.decode()


@pytest.fixture
def long_file() -> str:
    line = DEMO_DOCUMENTS["completion"].replace("\n", "")
    return write("in.jsonl", f"{line}\n" * 1500)


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        (["convert", "in.jsonl", "out.binpbs"], ["in.jsonl ", " MB"]),
        (["export", "in.jsonl", "out.parquet"], ["in.jsonl: 1,500 records ", "0:00:0"]),
    ],
    ids=["convert", "export"],
)
def test_bar_on_a_terminal(args: list[str], shown: list[str], long_file: str) -> None:
    said = on_terminal(*args)
    assert [text for text in [*shown, "%"] if text not in said] == []
    assert "%" not in on_terminal(*args, "--quiet")


def test_short_files_have_no_bar() -> None:
    write("in.jsonl", "{}\n")
    assert (
        on_terminal("convert", "in.jsonl", "out.binpbs").strip() == "1 record of ChatCompletion: in.jsonl to out.binpbs"
    )


def test_a_fraction_is_shown_from_the_second_second_on(monkeypatch: pytest.MonkeyPatch) -> None:
    bar = ProgressBar(fraction=lambda: 0.25)
    assert list(bar.get_renderables()) == []
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 1)
    assert len(list(bar.get_renderables())) == 1
    assert bar.tasks[0].percentage == 25
