"""The command line: `chatpb convert`, `check`, `inspect` and `demo`. It needs the extra `cli` (typer and rich)."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line on the process's arguments."""
    try:
        from chatpb.cli._app import app
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("typer", "rich"):
            raise
        print(f"chatpb: the command line needs {package}: pip install 'chatpb[cli]'", file=sys.stderr)
        sys.exit(2)
    app(prog_name="chatpb")
