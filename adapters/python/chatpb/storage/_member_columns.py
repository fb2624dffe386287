"""Columns of Parquet that a caller chooses: each is a member of the records' JSON, given by its path.

A file says what they are (COLUMN_PATHS), so that a query can make a column from `wire` for the files that lack it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from chatcompletion.v1 import ChatCompletionRecord
from chatpb._errors import ChatpbError
from chatpb._extras import extra_for
from chatpb._known_json import known_json
from chatpb._options import threads_of
from chatpb._records.parts import expand_record
from chatpb.arrow import SCHEMA, expand_records, one_row
from chatpb.storage._known_column import known_json_column
from chatpb.storage._sql import sql_literal, sql_name

__all__ = ["COLUMN_PATHS", "DAY", "member_fields", "with_members"]

COLUMN_PATHS: Final = "chatpb.columns"
"""The key of a Parquet file's metadata whose value is a JSON object: the path of each such column by its name."""

DAY: Final = "day"
"""The column that the names of folders by day give their files, so that no file can have one of that name."""

WHOLE: Final = "$"
"""The path of the whole record; its column has the type of JSON."""


def member_fields(paths: Mapping[str, str]) -> list[pa.Field]:
    """Return the fields of columns, given the path of each by its name. Raises ChatpbError for what is no column."""
    for name, path in paths.items():
        if not name or name in (*SCHEMA.names, DAY):
            raise ChatpbError(f"{name!r} cannot be the name of a member's column: give one that records do not have")
        if isinstance(path, str) and path and not path.startswith(("$", "/")):
            # DuckDB takes it whole for the name of one member of a record, which none has.
            raise ChatpbError(f"{path!r} is no path of one member: write $.{path.lstrip('.')}")
        try:
            if not isinstance(path, str):
                raise ValueError("a path is text")
            found = _extracted(pa.table({"text": ["{}"]}), {name: path}, 1).schema.types[0]
        except ValueError:
            found = None
        if found != pa.string():
            raise ChatpbError(f"{path!r} is no path of one member: give one such as $.response.x_vendor.id")
    return [_field(name, path) for name, path in paths.items()]


def with_members(
    batch: pa.RecordBatch, paths: Mapping[str, str], threads: int | None, large: bytes | None = None
) -> pa.RecordBatch:
    """Return records with columns of members: strings as they are, other values as JSON, null where there is none.

    A record that JSON cannot hold, since it has NaN, has null in each of them. `large` has the bytes of the only
    record, if it is large: it is read where it is.
    """
    if not paths:
        return batch
    if large is not None:
        whole = expand_record(large)
        text = one_row(known_json(whole, ChatCompletionRecord, nonfinite="allow")).cast(pa.large_string())
        del whole
    else:
        wires = expand_records(batch.column("wire"), threads=threads)
        text = known_json_column(wires, ChatCompletionRecord, nonfinite="allow", threads=threads)
        del wires
    made = _extracted(pa.table({"text": text}), paths, threads_of(threads)).combine_chunks()
    for field, column in zip(map(_field, paths, paths.values()), made.columns, strict=True):
        (values,) = column.chunks or [pa.array([], pa.string())]
        if isinstance(field.type, pa.JsonType):
            values = pa.ExtensionArray.from_storage(field.type, values.cast(pa.string()))
        batch = batch.append_column(field, values)
    return batch


def _field(name: str, path: str) -> pa.Field:
    return pa.field(name, pa.json_() if path == WHOLE else pa.string())


def _extracted(table: pa.Table, paths: Mapping[str, str], threads: int) -> pa.Table:
    """Return the members of a table's texts. Raises ValueError for a path that is none."""
    with extra_for("--member"):
        import duckdb  # only such columns take it
    columns = ", ".join(
        f"CASE WHEN json_valid(text) THEN CAST(text AS JSON) ->> {sql_literal(path)} END AS {sql_name(name)}"
        for name, path in paths.items()
    )
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"SET threads = {threads}")
        connection.register("given", table)
        try:
            return connection.sql(f"SELECT {columns} FROM given").to_arrow_table()  # noqa: S608
        except duckdb.Error as error:
            raise ValueError(str(error)) from None
