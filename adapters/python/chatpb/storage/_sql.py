"""Values and names as they stand in SQL."""

from __future__ import annotations

from datetime import datetime

from chatpb.storage._times import in_utc

__all__ = ["sql_literal", "sql_name"]


def sql_literal(value: object) -> str:
    """Return a value in SQL."""
    match value:
        case bool() | int():
            return str(value).lower()
        case list():
            return f"[{', '.join(map(sql_literal, value))}]"
        case datetime():
            return f"TIMESTAMPTZ '{in_utc(value).isoformat()}'"
    quoted = str(value).replace("'", "''")
    return f"'{quoted}'"


def sql_name(name: str) -> str:
    """Return the name of a column in SQL, whatever characters it has."""
    return '"{}"'.format(name.replace('"', '""'))
