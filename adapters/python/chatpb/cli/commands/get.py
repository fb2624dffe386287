"""`chatpb get`: one stored record."""

from __future__ import annotations

from typing import Annotated

import typer

from chatpb import ChatpbError
from chatpb._files.formats import STANDARD
from chatpb._files.write import open_output

__all__ = ["get"]


def get(
    file: Annotated[str, typer.Argument(metavar="FILE", help="File of records.")],
    id: Annotated[str, typer.Argument(metavar="ID", help="The id of a completion or of a request.")],
) -> None:
    """Print the record of an id as JSON.

    A recorder's file looks it up; any other form is scanned.

    Examples:
        chatpb get traffic.db chatcmpl-1

    """
    from chatpb import ChatCompletionRecord
    from chatpb._known_json import known_json
    from chatpb.storage import expand_record
    from chatpb.storage import get as find

    wire = find(file, id)
    if wire is None:
        raise ChatpbError(f"{file}: no record has the id {id}")
    with open_output(STANDARD) as output:
        output.write(known_json(expand_record(wire), ChatCompletionRecord, nonfinite="allow"))
        output.write(b"\n")
