"""The options of the commands that read documents."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer
from google.protobuf.message import Message

from chatpb._contract.documents import message_type
from chatpb._files.formats import Format, format_of

__all__ = [
    "FailFast",
    "MaxRecord",
    "NonfiniteChoice",
    "Quiet",
    "TypeName",
    "UnknownFieldsChoice",
    "choose_format",
    "choose_type",
]


class UnknownFieldsChoice(str, Enum):
    """What to do with fields of a newer contract where they would be lost."""

    SKIP = "skip"
    ERROR = "error"


class NonfiniteChoice(str, Enum):
    """What to do with NaN and the infinities."""

    ERROR = "error"
    ALLOW = "allow"


TypeName = Annotated[
    str | None,
    typer.Option(
        "--type",
        metavar="TYPE",
        help="completion, chunk, request, error, record, or a message's name; by default detected from the data.",
    ),
]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first bad record.")]
MaxRecord = Annotated[int, typer.Option(min=1, max=2047, metavar="MIB", help="Refuse a record above this many MiB.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Report only what is wrong.")]


def choose_type(name: str | None) -> type[Message] | None:
    """Return the message class that --type names, or None without --type. Raises BadParameter for an unknown name."""
    try:
        return None if name is None else message_type(name)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--type") from None


def choose_format(path: str, given: Format | None, option: str) -> Format:
    """Return the format that the option gives, or else the one that the file's name implies.

    Raises BadParameter if neither does.
    """
    found = given or format_of(path)
    if found is None:
        names = ", ".join(format.value for format in Format)
        message = f"the name {path!r} implies no format; give one of {names}"
        raise typer.BadParameter(message, param_hint=option)
    return found
