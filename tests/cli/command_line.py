"""The command line as the tests run it, in the current folder."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from chatpb.cli._app import app

__all__ = ["run", "write"]


def run(*args: str, input: bytes | None = None) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, args, input=input, prog_name="chatpb")


def write(name: str, data: str | bytes) -> str:
    """Write a file, and return its name."""
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_bytes(data.encode() if isinstance(data, str) else data)
    return name
