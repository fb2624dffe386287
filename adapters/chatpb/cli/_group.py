"""What all commands have in common: how they end, and how they say what is wrong."""

from __future__ import annotations

import os
import signal
import sys
import threading
from importlib import metadata
from typing import Any, Final, NoReturn

import typer
from rich.console import Console
from typer.core import TyperGroup

from chatpb._errors import ChatpbError

__all__ = ["BAD_DATA", "Group", "complain", "fail", "stderr", "stdout", "table_console", "version"]

BAD_DATA: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
TERMINATED: Final = 143
PIPE_CLOSED: Final = 141
"""Exit statuses; the last three are those of a process that the signal ended."""

_WIDEST: Final = 160
"""Columns of a table in a file or a pipe."""


def stdout() -> Console:
    """Console for results. Text in it is never read as markup."""
    return Console(highlight=False, markup=False, emoji=False)


def table_console() -> Console:
    """Console for tables of any width, which only a terminal limits."""
    console = stdout()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDEST
    return console


def stderr() -> Console:
    """Console for progress."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def complain(text: str) -> None:
    """One line on standard error. What a terminal would act on is escaped."""
    typer.echo("".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text), err=True)


def fail(text: str) -> NoReturn:
    """Say what is wrong with the arguments, and end."""
    complain(f"chatpb: {text}")
    raise SystemExit(USAGE)


def version() -> str:
    """The version of chatpb that is installed."""
    try:
        return metadata.version("chatpb")
    except metadata.PackageNotFoundError:
        return "(not installed)"


class Group(TyperGroup):
    """The commands, each ending in one line and an exit status where it cannot go on, never in a traceback."""

    def main(self, *args: Any, **extra: Any) -> Any:
        try:
            status = super().main(*args, **{**extra, "standalone_mode": False})
        except Exception as error:
            # The class of usage errors has moved between releases of typer; what it can do has not.
            if not hasattr(error, "format_message"):
                raise
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "chatpb"
            complain(f"{command}: {error.format_message()}")
            complain(f"Try '{command} --help'.")
            status = USAGE
        sys.exit(status if isinstance(status, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _terminate)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            complain("chatpb: interrupted")
            raise SystemExit(INTERRUPTED) from None
        except BrokenPipeError:
            # What is still in the buffer has nowhere to go, and would fail again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(PIPE_CLOSED) from None
        except ChatpbError as error:
            complain(f"chatpb: {error}")
            raise SystemExit(BAD_DATA) from None
        except OSError as error:
            if error.strerror is None:
                raise
            complain(f"chatpb: {error.filename}: {error.strerror}" if error.filename else f"chatpb: {error.strerror}")
            raise SystemExit(USAGE) from None


def _terminate(number: int, frame: object) -> NoReturn:
    raise SystemExit(TERMINATED)
