"""Where commands print: results on standard output, everything else on standard error."""

from __future__ import annotations

import codecs
import io
import os
import re
import sys
from typing import TYPE_CHECKING, Final, TextIO

import typer

from chatpb._files.formats import STANDARD

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "escape_what_output_lacks",
    "report",
    "shown",
    "stderr_console",
    "stdout_console",
    "styled",
    "table_bytes",
    "table_console",
    "uses_colour",
]

_PIPE_WIDTH: Final = 160
"""Columns of a table that goes to a file or a pipe."""

_OBEYED: Final = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff]")
"""Control characters except line feed and tab, those that turn the direction of text, and halves of characters, which
cannot be printed.
"""


_ESCAPES: Final = "chatpb.json_escapes"


def _json_escapes(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for characters that an encoding lacks: their escapes in JSON, so that JSON stays JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{high << 8 | low:04x}" for high, low in zip(units[::2], units[1::2], strict=True)), error.end


codecs.register_error(_ESCAPES, _json_escapes)


def escape_what_output_lacks() -> None:
    """Have standard output and standard error escape the characters that their encoding lacks."""
    for stream in sys.stdout, sys.stderr:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ESCAPES)


def table_bytes(table: str) -> bytes:
    """Return a table in the encoding of standard output: a table is for people, and other forms are for programs."""
    return table.encode(sys.stdout.encoding or "utf-8", _ESCAPES)


def uses_colour(stream: TextIO) -> bool:
    """Return whether a stream gets colours.

    A terminal does. NO_COLOR takes them from it, and FORCE_COLOR gives them to a file or a pipe.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def styled(text: str, style: str) -> str:
    """Return a text for standard output, in a style if that gets colours: "bold" or the name of a colour."""
    if not uses_colour(sys.stdout):
        return text
    return typer.style(text, bold=True) if style == "bold" else typer.style(text, fg=style)


def stdout_console() -> Console:
    """Return a console for results, which never reads text as markup."""
    return _console(sys.stdout, uses_colour(sys.stdout))


def table_console(path: str = STANDARD) -> Console:
    """Return a console for tables that go to a path, which only a terminal or COLUMNS makes narrow."""
    console = _console(sys.stdout, path == STANDARD and uses_colour(sys.stdout))
    if not (path == STANDARD and sys.stdout.isatty()) and "COLUMNS" not in os.environ:
        console.width = _PIPE_WIDTH
    return console


def stderr_console() -> Console:
    """Return a console for progress, which never reads text as markup."""
    return _console(sys.stderr, uses_colour(sys.stderr))


def _console(stream: TextIO, colours: bool) -> Console:
    from rich.console import Console  # whose import takes as long as a short command

    return Console(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        force_terminal=colours or None,
        color_system="standard" if colours else None,
    )


def shown(text: str) -> str:
    """Return a text as a terminal may get it: characters that it would obey are escaped, as JSON escapes them."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def report(text: str) -> None:
    """Print one line on standard error, with characters that a terminal would act on escaped."""
    typer.echo("".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text), err=True)
