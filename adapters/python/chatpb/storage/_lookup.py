"""One record by its id, from any form."""

from __future__ import annotations

import os
from typing import Any

from chatpb._files.refusals import Refusals
from chatpb._records.columns import columns_of
from chatpb.storage._forms import Form, files_of, form_of, open_source
from chatpb.storage._recorder import Recorder
from chatpb.storage._sql import sql_literal

__all__ = ["get"]


def get(path: str | os.PathLike[str], id: str, **options: Any) -> bytes | None:
    """Return the wire bytes of the record of a completion's id or a request's id; None if there is none.

    A recorder's file looks the id up; any other form is scanned. The newest of several is taken from the former, the
    first from the latter.

    Args:
        path: a file of records of any form.
        id: the id.
        options: `message_type`, `max_record`, `threads` and `form`, as in `open`, for a form that is scanned, and
            `refusals`, which takes what cannot be read on the way.

    Raises:
        ChatpbError: the file is not one of records, or damage leaves the answer open.
        OSError: the file cannot be read.

    Examples:
        >>> from chatpb.storage import Record, Recorder, get
        >>> with Recorder("traffic.db") as recorder:
        ...     number = recorder.add(response={"id": "c1", "model": "m"})
        ...
        >>> Record(get("traffic.db", "c1")).response.model
        'm'
        >>> get("traffic.db", "c2")

    """
    name = os.fspath(path)
    form = form_of(name, options.get("form"))
    if form is Form.RECORDER:
        with Recorder(name, read_only=True) as recorder:
            return recorder.get(id)
    if form is not Form.PARQUET:
        return _scan(name, id, **options)
    from chatpb.storage._query import open_query  # only this branch takes DuckDB

    quoted = sql_literal(id)
    with open_query([name], **options) as query:
        sql = f"SELECT wire FROM records WHERE id = {quoted} OR request_id = {quoted} LIMIT 1"  # noqa: S608
        for batch in query.run(sql).batches:
            for wire in batch.column(0).to_pylist():
                return bytes(wire)
    return None


def _scan(name: str, id: str, *, refusals: Refusals | None = None, **options: Any) -> bytes | None:
    """Return the first record with an id, of a file that is read in order."""
    for path in files_of([name]):
        with open_source(path, **options) as source:
            for batch in source.batches(refusals or Refusals()):
                wires = batch.wires()
                del batch
                for row, ids in enumerate(zip(*columns_of(wires, "id", "request_id"), strict=True)):
                    if id in ids:
                        return wires[row]
                del wires
    return None
