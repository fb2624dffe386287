"""The options of the commands that read documents. An option has one name and one meaning in all commands."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Final

import typer
from google.protobuf.message import Message

from chatpb._contract.documents import message_type
from chatpb._files.formats import Format, format_of

__all__ = [
    "FROM_HELP",
    "TO_HELP",
    "UNKNOWN_FIELDS_HELP",
    "FailFast",
    "MaxRecord",
    "Nonfinite",
    "NonfiniteChoice",
    "Quiet",
    "SourceFormat",
    "TargetFormat",
    "Threads",
    "TypeName",
    "UnknownFields",
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


FROM_HELP: Final = "Format of what is read, by default that of its name."
TO_HELP: Final = "Format of what is written, by default that of its name."
UNKNOWN_FIELDS_HELP: Final = (
    "Fields of a newer contract, which JSON and text cannot hold: leave them out, or refuse what has them."
)

SourceFormat = Annotated[Format | None, typer.Option("--from", metavar="FORMAT", help=FROM_HELP)]
TargetFormat = Annotated[Format | None, typer.Option("--to", metavar="FORMAT", help=TO_HELP)]
TypeName = Annotated[
    str | None,
    typer.Option(
        "--type",
        metavar="TYPE",
        help="completion, chunk, request, error, record, or the name of a message; by default detected from the data.",
    ),
]
Nonfinite = Annotated[
    NonfiniteChoice, typer.Option("--nonfinite", help="NaN and Infinity in JSON: refuse what has them, or keep them.")
]
UnknownFields = Annotated[UnknownFieldsChoice, typer.Option("--unknown-fields", help=UNKNOWN_FIELDS_HELP)]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first bad record.")]
MaxRecord = Annotated[
    int, typer.Option("--max-record", min=1, max=2047, metavar="MIB", help="Refuse a record above this many MiB.")
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, metavar="N", help="Threads that share the work, by default one a core."),
]
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
