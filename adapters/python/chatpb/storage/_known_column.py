"""Columns of JSON text for queries, which go on where records have fields of a newer contract."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from chatpb._errors import WireError
from chatpb._known_json import note_unknown_fields
from chatpb.arrow import json_column

__all__ = ["known_json_column"]


def known_json_column(wire: pa.Array, message_type: type[Any], **options: Any) -> pa.Array:
    """Return what `json_column` does; fields that this contract does not have are left out, logged and counted.

    Raises WireError for bytes that are no such message.
    """
    try:
        return json_column(wire, message_type, **options)
    except WireError:
        text = json_column(wire, message_type, unknown_fields="skip", **options)
    for each in wire:
        if each.is_valid:
            note_unknown_fields(each.as_py(), message_type)
    return text
