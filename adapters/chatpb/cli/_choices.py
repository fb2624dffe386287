"""Options that several commands have, and what their values mean."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer
from google.protobuf.message import Message

from chatpb._detect import message_type
from chatpb._records import Format, format_of

__all__ = ["FailFast", "MaxRecord", "Nonfinite", "TypeName", "UnknownFields", "choose_format", "choose_type"]


class Nonfinite(str, Enum):
    """What to do with NaN and the infinities."""

    ERROR = "error"
    ALLOW = "allow"


class UnknownFields(str, Enum):
    """What to do with protobuf fields that the contract does not have."""

    SKIP = "skip"
    ERROR = "error"


TypeName = Annotated[
    str | None,
    typer.Option(
        "--type",
        metavar="TYPE",
        help="completion, chunk, request, error, record, or the name of a message. Otherwise told from the data.",
    ),
]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first bad record.")]
MaxRecord = Annotated[int, typer.Option(min=1, max=2047, metavar="MIB", help="Refuse a record above this many MiB.")]


def choose_type(name: str | None) -> type[Message] | None:
    """The message class that --type names; None if it was not given."""
    try:
        return None if name is None else message_type(name)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--type") from None


def choose_format(path: str, given: Format | None, option: str) -> Format:
    """The format of a file: the one that was given, or else the one of its name."""
    found = given or format_of(path)
    if found is None:
        names = ", ".join(format.value for format in Format)
        message = f"the name {path!r} tells no format; give one of {names}"
        raise typer.BadParameter(message, param_hint=option)
    return found
