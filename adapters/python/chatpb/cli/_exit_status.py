"""How commands end: each failure is one line on standard error and an exit status, never a traceback."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any, Final, NoReturn

from typer.core import TyperGroup

from chatpb._errors import ChatpbError
from chatpb._extras import MissingExtraError, extra_for
from chatpb._files.refusals import Refusals
from chatpb.cli._console import report, uses_colour

__all__ = ["BAD_DATA", "USAGE", "BadRecords", "CommandGroup"]

BAD_DATA: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141
TERMINATED: Final = 143
"""Exit statuses; the last three are those that a shell reports of a process that the signal ended."""


class CommandGroup(TyperGroup):
    """The group of all commands, which ends the process where one of them cannot go on."""

    def main(self, *args: Any, **extra: Any) -> Any:
        try:
            status = super().main(*args, **{**extra, "standalone_mode": False, "color": uses_colour(sys.stdout)})
        except Exception as error:
            # The class of usage errors is in different modules in different releases of typer; this method is in all.
            if not hasattr(error, "format_message"):
                raise
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "chatpb"
            report(f"{command}: {error.format_message()}")
            report(f"Try '{command} --help'.")
            status = USAGE
        sys.exit(status if isinstance(status, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _terminate)
            if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup sets it
                signal.signal(signal.SIGHUP, _hang_up)
        try:
            with extra_for("this command"):
                return super().invoke(ctx)
        except KeyboardInterrupt:
            report("chatpb: interrupted")
            raise SystemExit(INTERRUPTED) from None
        except BrokenPipeError:
            # Without this, Python would try to write the rest of the buffer at exit, and fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(PIPE_CLOSED) from None
        except ChatpbError as error:
            report(f"chatpb: {error}")
            raise SystemExit(USAGE if isinstance(error, MissingExtraError) else BAD_DATA) from None
        except ImportError as error:
            if error.name is not None:  # as Python's own errors have it
                raise
            report(f"chatpb: {error}")
            raise SystemExit(USAGE) from None
        except OSError as error:
            if error.strerror is None:
                raise
            report(f"chatpb: {error.filename}: {error.strerror}" if error.filename else f"chatpb: {error.strerror}")
            raise SystemExit(USAGE) from None


def _terminate(number: int, frame: object) -> NoReturn:
    raise SystemExit(TERMINATED)


def _hang_up(number: int, frame: object) -> None:
    """End as by SIGTERM, which services handle in ways of their own."""
    signal.raise_signal(signal.SIGTERM)


class BadRecords(Refusals):
    """Reports the first records that are left out, and counts all of them.

    Args:
        nonfinite: the option of the command that accepts NaN, in the place of the library's own.

    """

    def __init__(self, nonfinite: str = "--nonfinite allow") -> None:
        skip = "unknown_fields='skip'", "--unknown-fields skip"
        super().__init__(lambda line: report(line.replace("nonfinite='allow'", nonfinite).replace(*skip)))

    def end(self) -> None:
        """End the command with status 1 if there were any."""
        if self.untold:
            report(f"and {self.untold:,} more like these")
        if self.count:
            raise SystemExit(BAD_DATA)
