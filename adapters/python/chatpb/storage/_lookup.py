"""One record by its id, from any form."""

from __future__ import annotations

import os
from typing import Any

from chatpb._files.read import MAX_DOCUMENT
from chatpb._files.refusals import Refusals
from chatpb._records.columns import columns_of
from chatpb.storage._forms import Form, files_of, form_of, open_source
from chatpb.storage._parquet import ParquetSource
from chatpb.storage._recorder import Recorder

__all__ = ["get"]


def get(path: str | os.PathLike[str], id: str, **options: Any) -> bytes | None:
    """Return the wire bytes of the record of a completion's id or a request's id; None if there is none.

    A recorder's file looks the id up, of Parquet the ids are read first, and any other form is scanned. The newest of
    several is taken from a recorder's file, the first from other forms.

    Args:
        path: a file of records of any form.
        id: the id.
        options: `max_record`, as in `open`, and for a form that is scanned `message_type`, `threads` and `form`, and
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
        with Recorder(name, read_only=True, max_record=options.get("max_record", MAX_DOCUMENT)) as recorder:
            return recorder.get(id)
    return _scan(name, id, **options)


def _scan(name: str, id: str, *, refusals: Refusals | None = None, **options: Any) -> bytes | None:
    """Return the first record with an id, of a file that is read in order."""
    refusals = refusals or Refusals()
    for path in files_of([name]):
        with open_source(path, **options) as source:
            found = source.batches(refusals, id) if isinstance(source, ParquetSource) else source.batches(refusals)
            for batch in found:
                wires = batch.wires()
                del batch
                for row, ids in enumerate(zip(*columns_of(wires, "id", "request_id"), strict=True)):
                    if id in ids:
                        return wires[row]
                del wires
    return None
