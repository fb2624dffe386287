"""What `chatpb serve` and `gateway` write to standard error while they run: with `--log json`, lines of JSON alone."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from typing import Final

from chatpb.cli._console import report
from chatpb.cli._service_options import PREFIX, LogFormat

__all__ = ["address_of", "announce", "start_logs", "unknown_variables", "with_port"]

_NAMES: Final = ("chatpb.service", "chatpb.storage", "chatpb.unknown_fields", "uvicorn")
"""Loggers whose notes of level INFO are shown; of all others, warnings and errors are."""

_OF_THE_LIBRARY: Final = {"ENGINE", "SCAN"}
"""Variables that are no options."""

_log: Final = logging.getLogger("chatpb.service")


def start_logs(log: LogFormat, warnings: Iterable[str]) -> None:
    """Have all that this process logs written to standard error in a form, first the warnings."""
    from chatpb.service import JsonFormatter, SumRepeats
    from chatpb.service._observers import TextFormatter

    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log is LogFormat.JSON else TextFormatter("%(asctime)s %(message)s"))
    handler.addFilter(SumRepeats())
    logging.getLogger().addHandler(handler)
    logging.captureWarnings(True)
    for name in _NAMES:
        logging.getLogger(name).setLevel(logging.WARNING if log is LogFormat.NONE else logging.INFO)
    for warning in warnings:
        _log.warning("%s", warning)


def unknown_variables() -> list[str]:
    """Return a warning for each variable of the environment that looks like one for an option, and is not."""
    given = {name.removeprefix(PREFIX) for name in os.environ if name.startswith(PREFIX)} - _OF_THE_LIBRARY
    if not given:
        return []
    from chatpb.cli._app import load_command

    options = [option for name in ("serve", "gateway", "call") for option in load_command(name).params]
    known = {str(option.envvar).removeprefix(PREFIX) for option in options if option.envvar} | _OF_THE_LIBRARY
    warnings = []
    for name in sorted(given - known):
        alike = get_close_matches(name, known, 1)
        hint = f"; did you mean {PREFIX}{alike[0]}?" if alike else ""
        warnings.append(f"the variable {PREFIX}{name} has no effect, because no option is called so{hint}")
    return warnings


def announce(command: str, where: str, log: LogFormat) -> None:
    """Report where a service listens, to whoever started it as well: systemd with `Type=notify` waits for that."""
    text = f"chatpb {command}: listening on {where}"
    if log is LogFormat.JSON:
        _log.info("%s", text)
    else:
        report(text)
    if path := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as starter, suppress(OSError):
            starter.sendto(b"READY=1", "\0" + path[1:] if path.startswith("@") else path)


def with_port(listen: str, port: int) -> str:
    """Return the address of a service whose port may have been 0."""
    return listen if listen.startswith("unix:") else f"{listen.rpartition(':')[0]}:{port}"


def address_of(listener: socket.socket) -> str:
    """Return where a socket listens."""
    from chatpb.service._call import host_and_port

    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port, *_ = listener.getsockname()
    return host_and_port(host, port)
