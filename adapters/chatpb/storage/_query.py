"""SQL over records, by DuckDB: files of any form as one view, and a function that makes a record JSON.

Rules: Parquet is read by DuckDB itself, which takes the columns and row groups that a query needs, from a store by way
of fsspec; a column that a file leaves out is made from its records. Every other form goes through a dataset of Arrow
batches, made anew for each scan. The connection reads no file but those that were named, writes none, loads no
extension and reaches no network but the stores of what was named.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from glob import escape
from pathlib import Path, PurePath
from typing import Any, Final

import duckdb
import pyarrow as pa

from chatcompletion.v1 import ChatCompletionRecord
from chatpb._errors import ChatpbError
from chatpb.arrow import SCHEMA, json_column, with_columns
from chatpb.storage._columns import columns_of
from chatpb.storage._dataset import Records, in_utc
from chatpb.storage._forms import Form, Refuse, form_of, open_source
from chatpb.storage._record import expand_record
from chatpb.storage._stores import is_remote, reaching, store_of

__all__ = ["MEMORY", "Answer", "Query", "QueryError", "open_query", "record_json"]

MEMORY: Final = "512MB"
"""What DuckDB may keep in memory, unless the caller says otherwise; beyond that it uses temporary files."""

_ROWS: Final = 2_048
"""Rows of a batch of results."""

_SETTINGS: Final[Mapping[str, object]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
    "TimeZone": "UTC",
    "enable_progress_bar": True,  # so that it is kept, for `Query.fraction`
    "enable_progress_bar_print": False,
}
_NAMES: Final = ", ".join(SCHEMA.names)


class QueryError(ChatpbError):
    """SQL that does not run, or a file that is not one of records."""


@dataclass(frozen=True)
class Answer:
    """The rows of a query.

    Attributes:
        types: its columns, each with DuckDB's name of its type.
        schema: of the batches.
        batches: the rows, made as they are taken; taking them raises QueryError.

    """

    types: Mapping[str, str]
    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


class Query:
    """What `open_query` opens.

    Attributes:
        connection: DuckDB's, for whoever needs more than `run`.

    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, has_files: bool, others: Sequence[Records]) -> None:
        self.connection = connection
        self._has_files = has_files
        self._others = others

    def run(self, sql: str) -> Answer:
        """Run a query. Raises QueryError."""
        with _errors():
            relation = self.connection.sql(sql)
            if relation is None:
                raise QueryError("the SQL gives no rows; begin it with SELECT or FROM")
            types = dict(zip(relation.columns, map(str, relation.types), strict=True))
            reader = relation.to_arrow_reader(_ROWS)
            return Answer(types, reader.schema, _batches(reader))

    def fraction(self) -> float:
        """About how much of the records the query that runs has read, from 0 to 1. For any thread."""
        read = [source.fraction for source in self._others]
        if self._has_files:
            read.append(max(self.connection.query_progress(), 0) / 100)  # of what is not known it is negative
        return sum(read) / len(read)


@contextmanager
def open_query(
    paths: Sequence[str],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    memory: str = MEMORY,
    threads: int | None = None,
    refuse: Refuse = lambda text: None,
) -> Iterator[Query]:
    """Queries by DuckDB of the view `records` of files, with the function `wire_to_json`.

    Args:
        paths: files of records, and folders of Parquet files.
        since: only records of this time and later; in UTC, if without a time zone.
        until: only records before this time.
        memory: what DuckDB may keep in memory, as "512MB".
        threads: of DuckDB; all cores unless given.
        refuse: told of records that cannot be read, which are left out.

    Raises:
        QueryError: a file is not one of records, or a setting is not one of DuckDB's.
        OSError: a file cannot be read.

    """
    with tempfile.TemporaryDirectory(prefix="chatpb-query-") as folder, duckdb.connect(":memory:") as connection:
        settings = {**_SETTINGS, "temp_directory": folder, "memory_limit": memory}
        if threads:
            settings["threads"] = threads
        with _errors():
            for name, value in settings.items():
                connection.execute(f"SET {name} = {_literal(value)}")
            create: Any = connection.create_function  # its types have no strings for `type`
            create("wire_to_json", _json, ["BLOB"], "JSON", type="arrow")
            create("columns_of", _typed, ["BLOB"], _struct(connection), type="arrow", side_effects=True)
            limits = [("time >= ", since), ("time < ", until)]
            where = " AND ".join(f"{test}{_literal(limit)}" for test, limit in limits if limit) or "true"
            parquet = [path for path in paths if form_of(path) is Form.PARQUET]
            others = [Records(path, since, until, refuse) for path in paths if path not in parquet]
            union = " UNION ALL ".join(_selects(connection, parquet, others))
            connection.execute(f"CREATE VIEW records AS SELECT * FROM ({union}) WHERE {where}")  # noqa: S608
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
        yield Query(connection, bool(parquet), others)


def record_json(wire: pa.Array) -> pa.Array:
    """JSON text of a column of records, the chunks of their streams whole. Raises WireError."""
    records = wire.to_pylist()
    (streamed,) = columns_of(records, "streamed")
    if any(streamed):
        whole = (expand_record(record) if stream else record for record, stream in zip(records, streamed, strict=True))
        wire = pa.array(whole, pa.large_binary())
    return json_column(wire, ChatCompletionRecord)


def _selects(connection: duckdb.DuckDBPyConnection, paths: Sequence[str], others: Sequence[Records]) -> Iterator[str]:
    """What to select from, for Parquet and for each of the others."""
    for number, source in enumerate(others):
        with open_source(source.path):
            pass  # a file that cannot be read is told before the query runs
        connection.register(f"source_{number}", source)
        yield f"SELECT {_NAMES} FROM source_{number}"  # noqa: S608
    if files := list(_parquet_files(connection, paths)):
        # DuckDB asks for a name as it is written, with what a pattern would take otherwise escaped.
        connection.execute(f"SET allowed_paths = {_literal([*files, *map(escape, files)])}")
        columns = _columns(connection, files)
        for there in dict.fromkeys(columns.values()):
            # What a file leaves out is made from `wire` if the query asks for it: once a row, as DuckDB repeats no
            # function that may have side effects.
            names = (name if name in there else f"made.{name} AS {name}" for name in SCHEMA.names)
            alike = [escape(file) for file in files if columns[file] == there]
            table = f"read_parquet({_literal(alike)}, union_by_name = true, hive_partitioning = false)"
            inner = f"SELECT {', '.join(there)}, columns_of(wire) AS made FROM {table}"  # noqa: S608
            yield f"SELECT {', '.join(names)} FROM ({inner})"  # noqa: S608


def _columns(connection: duckdb.DuckDBPyConnection, files: list[str]) -> dict[str, frozenset[str]]:
    """Which columns of SCHEMA each Parquet file has. Raises QueryError for one without `wire`."""
    found: dict[str, set[str]] = {file: set() for file in files}
    schemas = f"parquet_schema({_literal([*map(escape, files)])})"
    for file, name in connection.execute(f"SELECT file_name, name FROM {schemas}").fetchall():  # noqa: S608
        found[file].add(name)
    for file, names in found.items():
        if "wire" not in names:
            raise QueryError(f"{file}: not a file of records: it has no column 'wire'")
    return {file: frozenset(names.intersection(SCHEMA.names)) for file, names in found.items()}


def _parquet_files(connection: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> Iterator[str]:
    """The files that are named, and those of folders; their stores are made known to DuckDB. Raises OSError."""
    stores: dict[Any, Any] = {}
    for path in paths:
        if is_remote(path):
            store, root = store_of(path)
            if store.protocol not in stores:
                connection.register_filesystem(store)
            if stores.setdefault(store.protocol, store) != store:
                raise QueryError(f"{path}: two stores of one kind; copy one of them here with chatpb export")
            with reaching(path):
                found = [root] if store.info(root)["type"] == "file" else _below(root, store.find(root))
            found = [store.unstrip_protocol(name) for name in found]
        elif Path(path).is_dir():
            found = _below(path, map(str, Path(path).rglob("*")))
        else:
            with open(path, "rb"):
                found = [path]
        if not found:
            raise QueryError(f"{path}: no .parquet file is in it")
        yield from found


def _below(root: str, names: Iterable[str]) -> list[str]:
    """The Parquet files of a folder but for what another program is still writing."""
    parquet = (name for name in sorted(names) if name.endswith(".parquet"))
    return [name for name in parquet if not any(part[0] in "._" for part in PurePath(name).relative_to(root).parts)]


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    with _errors():
        yield from reader


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, pa.ArrowException) as error:
        # What it says before it shows the SQL, which its user has; of Python that it called, the end of the traceback.
        said = re.split(r"\n\s*\n|\nLINE \d", str(error).strip())[0]
        said = re.sub(r"Traceback \(most recent call last\):\n( .*\n)*", "", said)
        more = "; give it more with --memory" if isinstance(error, duckdb.OutOfMemoryException) else ""
        raise QueryError(" ".join(said.split()) + more) from None


def _json(wire: pa.ChunkedArray) -> pa.Array:
    text = record_json(wire.combine_chunks()).cast(pa.string())
    return pa.ExtensionArray.from_storage(pa.json_(), text)


def _typed(wire: pa.ChunkedArray) -> pa.Array:
    return with_columns(wire.combine_chunks()).to_struct_array()


def _struct(connection: duckdb.DuckDBPyConnection) -> str:
    """The type of a row of SCHEMA, as SQL writes it."""
    described = connection.from_arrow(SCHEMA.empty_table())
    fields = (f"{name} {type}" for name, type in zip(described.columns, described.types, strict=True))
    return f"STRUCT({', '.join(fields)})"


def _literal(value: object) -> str:
    """A value as SQL writes it."""
    match value:
        case bool() | int():
            return str(value).lower()
        case list():
            return f"[{', '.join(map(_literal, value))}]"
        case datetime():
            return f"TIMESTAMPTZ '{in_utc(value).isoformat()}'"
    quoted = str(value).replace("'", "''")
    return f"'{quoted}'"
