"""The requests of batches, kept until the result with the same `custom_id` comes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from chatcompletion.v1 import ChatCompletionRecord
from chatpb._convert import dict_to_wire
from chatpb._json.dicts import json_to_dict
from chatpb._known_json import known_json

__all__ = ["BatchJoiner"]


class BatchJoiner:
    """Joins the requests and the results of batches to one record for each `custom_id`.

    Requests wait in a temporary database of SQLite, which keeps them on the disk where they are many. A result without
    a request, because there is none or because it comes later, is a record of its own.
    """

    def __init__(self) -> None:
        self._waiting = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._waiting.execute("CREATE TABLE waiting (place INTEGER PRIMARY KEY, id TEXT NOT NULL, wire BLOB NOT NULL)")
        self._waiting.execute("CREATE INDEX ids ON waiting (id)")

    def join(self, custom_id: object, wire: bytes, *, is_request: bool) -> bytes | None:
        """Return the record of a result, with its request; or None for a request, which waits."""
        key = str(custom_id)
        if is_request:
            self._waiting.execute("INSERT INTO waiting (id, wire) VALUES (?, ?)", (key, wire))
            return None
        query = "SELECT place, wire FROM waiting WHERE id = ? ORDER BY place LIMIT 1"
        found = self._waiting.execute(query, (key,)).fetchone()
        if found is None:
            return wire
        place, request = found
        self._waiting.execute("DELETE FROM waiting WHERE place = ?", (place,))
        # Merged as objects: protobuf's own merge would give the members of both the order of the one.
        asked, answered = map(_members, (request, wire))
        labels = {**asked["labels"], **answered["labels"]}
        return dict_to_wire({**asked, **answered, "labels": labels}, ChatCompletionRecord, nonfinite="allow")

    def finish(self) -> Iterator[tuple[str, bytes]]:
        """Yield the name and the record of each request that no result came for."""
        for key, wire in self._waiting.execute("SELECT id, wire FROM waiting ORDER BY place"):
            yield f"custom_id {key}", wire

    def close(self) -> None:
        self._waiting.close()


def _members(record: bytes) -> dict[str, Any]:
    return json_to_dict(known_json(record, ChatCompletionRecord, nonfinite="allow"))
