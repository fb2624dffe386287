"""`chatpb get`: one stored record."""

from __future__ import annotations

from typing import Annotated

import typer

from chatpb import ChatpbError
from chatpb._files.formats import STANDARD
from chatpb._files.framing import LARGE
from chatpb._files.memory import check_memory
from chatpb._files.read import MAX_DOCUMENT
from chatpb._files.write import open_output
from chatpb.cli._document_options import MaxRecord

__all__ = ["get"]


def get(
    file: Annotated[str, typer.Argument(metavar="FILE", help="File of records.")],
    id: Annotated[str, typer.Argument(metavar="ID", help="The id of a completion or of a request.")],
    max_record: MaxRecord = MAX_DOCUMENT >> 20,
) -> None:
    """Print the record of an id as JSON.

    A recorder's file looks it up; any other form is scanned.

    Examples:
        chatpb get traffic.db chatcmpl-1

    """
    from chatpb import ChatCompletionRecord
    from chatpb._known_json import known_json
    from chatpb.arrow import expanded_size, one_row
    from chatpb.storage import expand_record
    from chatpb.storage import get as find

    wire = find(file, id, max_record=max_record << 20)
    if wire is None:
        raise ChatpbError(f"{file}: no record has the id {id}")
    if (size := expanded_size(one_row(wire))) > len(wire):
        check_memory(3 * size, max_record << 20)  # the stream, its chunks whole, and their text
    limit = max(2 * (max_record << 20) - len(wire), LARGE)
    with open_output(STANDARD) as output:
        output.write(known_json(expand_record(wire), ChatCompletionRecord, nonfinite="allow", limit=limit))
        output.write(b"\n")
