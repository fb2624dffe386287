"""The command line, `chatpb`: `commands` has a file for each command. It needs the extra `cli` (typer and rich)."""

from __future__ import annotations

import sys

from chatpb._extras import MissingExtraError, extra_for

__all__ = ["main"]


def main() -> None:
    """Run the command line on the process's arguments."""
    try:
        with extra_for("the command line"):
            from chatpb.cli._app import app
            from chatpb.cli._console import escape_what_output_lacks
    except MissingExtraError as error:
        print(f"chatpb: {error}", file=sys.stderr)
        sys.exit(2)
    escape_what_output_lacks()
    app(prog_name="chatpb")
