"""One record by its id, from any form."""

from __future__ import annotations

import os
from typing import Any

from chatpb.storage._forms import Form, form_of
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
        options: as in `chatpb.storage.query`, for a form that is scanned.

    Raises:
        ChatpbError: the file is not one of records, or damage leaves the answer open.
        OSError: the file cannot be read.

    """
    name = os.fspath(path)
    if form_of(name, options.get("form")) is Form.RECORDER:
        with Recorder(name, read_only=True) as recorder:
            return recorder.get(id)
    from chatpb.storage._query import open_query  # only this branch takes DuckDB

    quoted = sql_literal(id)
    with open_query([name], **options) as query:
        sql = f"SELECT wire FROM records WHERE id = {quoted} OR request_id = {quoted} LIMIT 1"  # noqa: S608
        for batch in query.run(sql).batches:
            for wire in batch.column(0).to_pylist():
                return bytes(wire)
    return None
