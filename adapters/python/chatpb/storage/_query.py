"""SQL over records, by DuckDB: files of any form as one view, and a function that returns a record as JSON.

Rules: a query is one statement that only reads. DuckDB itself reads Parquet, from a store through fsspec, and only the
columns and row groups that a query needs. A column that a file leaves out is made from its records. Every other form is
a dataset of Arrow batches, which are made anew for each scan. The connection reads no files but the named ones, writes
none, loads no extension, and reaches no network but the stores of the named files.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from glob import escape
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from weakref import WeakValueDictionary, finalize

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from chatcompletion.v1 import ChatCompletionRecord
from chatpb._errors import ChatpbError, WireError
from chatpb._files.cancellation import result_of
from chatpb._files.memory import TooLargeError
from chatpb._files.read import MAX_DOCUMENT
from chatpb._files.refusals import Refusals
from chatpb._known_json import known_json
from chatpb._records.columns import columns_of
from chatpb._records.parts import expand_record
from chatpb.arrow import SCHEMA, expand_records, expanded_size, one_row, size_of, with_columns
from chatpb.storage._batch import reason_of
from chatpb.storage._duckdb_dataset import RecordsDataset
from chatpb.storage._forms import Form, files_of, form_of, open_source, standard_input_as_file
from chatpb.storage._known_column import known_json_column
from chatpb.storage._member_columns import COLUMN_PATHS, member_fields
from chatpb.storage._parquet import parquet_below
from chatpb.storage._sift import sift
from chatpb.storage._sql import sql_literal, sql_name
from chatpb.storage._stores import is_remote, store_errors, store_of

__all__ = ["DEFAULT_MEMORY", "Answer", "Query", "QueryError", "answer_of", "open_query"]

DEFAULT_MEMORY: Final = "512MB"
"""How much DuckDB may keep in memory, unless the caller says otherwise; beyond that it uses temporary files."""

_LARGE: Final = 64 << 20
"""Bytes of records from which on they become JSON one by one."""

_ANSWER_ROWS: Final = 2_048
"""Rows of a batch of an answer."""

_SETTINGS: Final[Mapping[str, object]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,
    "TimeZone": "UTC",
    "enable_progress_bar": True,  # for `Query.fraction`; without it DuckDB does not measure progress
    "enable_progress_bar_print": False,
}


class QueryError(ChatpbError):
    """SQL that does not run, or a file that is not one of records.

    Examples:
        >>> from chatpb.storage import QueryError, make_record, query, write
        >>> copied = write("traffic.jsonl", [make_record(response={"id": "c1"})])
        >>> with query(["traffic.jsonl"]) as records:
        ...     try:
        ...         records.run("drop view records")
        ...     except QueryError as error:
        ...         print(error)
        ...
        a query is one statement that gives rows and only reads; begin it with SELECT or FROM

    """


@dataclass(frozen=True)
class Answer:
    """The rows of a query.

    Attributes:
        types: DuckDB's type of each column, by the column's name.
        schema: the schema of the batches.
        batches: the rows, made as they are taken; taking them may raise QueryError.

    Examples:
        >>> from chatpb.storage import make_record, query, write
        >>> copied = write("traffic.jsonl", [make_record(response={"model": "m"})])
        >>> with query(["traffic.jsonl"]) as records:
        ...     answer = records.run("select model, count(*) as calls from records group by all")
        ...     answer.types, [batch.to_pylist() for batch in answer.batches]
        ...
        ({'model': 'VARCHAR', 'calls': 'BIGINT'}, [[{'model': 'm', 'calls': 1}]])

    """

    types: Mapping[str, str]
    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


def answer_of(table: pa.Table) -> Answer:
    """Return the rows of a table as an answer.

    Examples:
        >>> import pyarrow as pa
        >>> from chatpb.storage import answer_of
        >>> answer = answer_of(pa.table({"calls": [3]}))
        >>> answer.types, next(answer.batches).to_pylist()
        ({'calls': 'BIGINT'}, [{'calls': 3}])

    """
    relation = duckdb.from_arrow(table)
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    return Answer(types, table.schema, iter(table.to_batches()))


class Query:
    """A DuckDB connection with the view `records`, as `open_query` opens it.

    Without `close`, a relation or an Arrow reader that it gave is valid for as long as there is a reference to it.

    Attributes:
        connection: DuckDB's own connection, for what `run` cannot do.

    Examples:
        >>> from chatpb.storage import make_record, query, write
        >>> copied = write("traffic.jsonl", [make_record(response={"model": "m", "usage": {"total_tokens": 7}})])
        >>> with query(["traffic.jsonl"]) as records:
        ...     records.relation("select sum(total_tokens) from records").fetchall()
        ...
        [(7,)]

    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        remove_files: Callable[[], object],
        has_parquet: bool,
        datasets: Sequence[RecordsDataset],
    ) -> None:
        self.connection = connection
        self._remove_files = remove_files
        self._has_parquet = has_parquet
        self._datasets = datasets

    def close(self) -> None:
        """Close the connection. What `relation` gave is no longer valid."""
        self.connection.close()
        self._remove_files()

    def __enter__(self) -> Query:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, sql: str) -> Answer:
        """Run a query and return its rows. Raises QueryError, also for SQL that does not only read."""
        relation = self.relation(sql)
        with _query_errors():
            names = _different(relation.columns)
            types = dict(zip(names, map(str, relation.types), strict=True))
            reader = self._interruptibly(lambda: relation.to_arrow_reader(_ANSWER_ROWS))
            schema = pa.schema([field.with_name(name) for field, name in zip(reader.schema, names, strict=True)])
            return Answer(types, schema, self._batches(reader, schema))

    def _batches(self, reader: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        batches = iter(reader)
        with _query_errors():
            while (batch := self._interruptibly(lambda: next(batches, None))) is not None:
                yield pa.record_batch(batch.columns, schema=schema)

    def _interruptibly(self, work: Callable[[], Any]) -> Any:
        """Return what a function returns for which DuckDB works. DuckDB itself takes no notice of signals."""
        with ThreadPoolExecutor(1, "chatpb-query") as pool:
            future = pool.submit(work)
            try:
                return result_of(future)
            except BaseException:
                while not future.cancel() and not future.done():
                    self.connection.interrupt()  # DuckDB forgets it if the query has not begun yet
                    wait([future], timeout=0.05)
                raise

    def relation(self, sql: str) -> duckdb.DuckDBPyRelation:
        """Return a query as a relation of DuckDB, which gives Arrow, pandas and polars. Raises QueryError, as `run`."""
        with _query_errors():
            # COPY, ATTACH and their like could write to the named files, which DuckDB is allowed to open.
            kinds = [statement.type for statement in self.connection.extract_statements(sql)]
            if kinds != [duckdb.StatementType.SELECT]:
                raise QueryError(
                    "a query is one statement that gives rows and only reads; begin it with SELECT or FROM"
                )
            return self.connection.sql(sql)

    def fraction(self) -> float:
        """Return about how much of the records the running query has read, from 0 to 1. Any thread may call it."""
        read = [dataset.fraction for dataset in self._datasets]
        if self._has_parquet:
            read.append(max(self.connection.query_progress(), 0) / 100)  # negative where DuckDB does not know
        return sum(read) / len(read)


def open_query(
    paths: Sequence[str],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    memory: str = DEFAULT_MEMORY,
    threads: int | None = None,
    refusals: Refusals | None = None,
    **open_options: Any,
) -> Query:
    """Open files of records for queries: the view `records`, and the function `wire_to_json`.

    Use what it returns in a `with` statement, or close it.

    Args:
        paths: files of records, folders, and patterns of files.
        since: only records of this time and later; in UTC, if it has no time zone.
        until: only records before this time.
        memory: how much DuckDB may keep in memory, such as "512MB".
        threads: DuckDB's threads; None for its own choice, all cores.
        refusals: takes the records that cannot be read, which are left out.
        open_options: options of `chatpb.storage._forms.open_source`.

    Raises:
        QueryError: a file is not one of records, or a setting is not one of DuckDB's.
        OSError: a file cannot be read.

    Examples:
        >>> from chatpb.storage import make_record, query, write
        >>> copied = write("traffic.jsonl", [make_record(response={"model": model}) for model in ("a", "b", "a")])
        >>> with query(["traffic.jsonl"]) as records:
        ...     records.relation("select model, count(*) from records group by all order by all").fetchall()
        ...
        [('a', 2), ('b', 1)]

    """
    refusals = refusals or Refusals()
    paths = files_of(paths)
    for path in paths:
        form_of(path, open_options.get("form"))  # before anything is read
    with ExitStack() as on_error:
        files = on_error.enter_context(ExitStack())
        connection = on_error.enter_context(duckdb.connect(":memory:"))
        folder = files.enter_context(tempfile.TemporaryDirectory(prefix="chatpb-query-"))
        # A query may read its records more than once.
        paths = [files.enter_context(standard_input_as_file(path)) for path in paths]
        settings = {**_SETTINGS, "temp_directory": folder, "memory_limit": memory}
        if threads:
            settings["threads"] = threads
        with _query_errors():
            for name, value in settings.items():
                connection.execute(f"SET {name} = {sql_literal(value)}")
            create: Any = connection.create_function  # its annotations allow no string for `type`
            options = {"type": "arrow", "null_handling": "special"}  # a bad record gives null
            create("json_of", _json_of, ["BLOB", "BIGINT"], "JSON", **options)
            create("columns_of", _columns_of, ["BLOB", "BIGINT"], _row_type(connection), side_effects=True, **options)
            _refusals[id(refusals)] = refusals
            connection.execute(f"CREATE MACRO wire_to_json(wire) AS json_of(wire, {id(refusals)})")
            limits = [("time >= ", since), ("time < ", until)]
            where = " AND ".join(f"{test}{sql_literal(limit)}" for test, limit in limits if limit) or "true"
            given = open_options.get("form")
            parquet = [path for path in paths if form_of(path, given) is Form.PARQUET]
            datasets = [
                RecordsDataset(path, since, until, refusals, **open_options) for path in paths if path not in parquet
            ]
            union = " UNION ALL ".join(_selects(connection, parquet, datasets, refusals, open_options))
            connection.execute(f"CREATE VIEW records AS SELECT * FROM ({union}) WHERE {where}")  # noqa: S608
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
        on_error.pop_all()
    # The class is never collected: files that `close` does not remove are removed when the process ends.
    return Query(connection, finalize(Query, files.close), bool(parquet), datasets)


def _selects(
    connection: duckdb.DuckDBPyConnection,
    paths: Sequence[str],
    datasets: Sequence[RecordsDataset],
    refusals: Refusals,
    open_options: Mapping[str, Any],
) -> Iterator[str]:
    """Yield the SQL that selects the records of each dataset, and of the Parquet files at some paths.

    The columns of all are those of SCHEMA, and those of members that a Parquet file has.
    """
    files = list(_parquet_files(connection, paths))
    if files:
        # DuckDB takes a name as a pattern, so the names are escaped; it compares both spellings with the allowed paths.
        connection.execute(f"SET allowed_paths = {sql_literal([*files, *map(escape, files)])}")
    own = _members_of_files(connection, files)
    members = {name: path for paths in reversed(own.values()) for name, path in paths.items()}
    from_wire = {name: f"wire_to_json(wire) ->> {sql_literal(path)}" for name, path in members.items()}
    for number, dataset in enumerate(datasets):
        with open_source(dataset.path, **open_options):
            pass  # so that a file that cannot be read is reported before the query runs
        connection.register(f"source_{number}", dataset)
        made = (f"{sql} AS {sql_name(name)}" for name, sql in from_wire.items())
        yield f"SELECT {', '.join([*SCHEMA.names, *made])} FROM source_{number}"  # noqa: S608
    if files:
        true = {file: {name for name in own.get(file, ()) if own[file][name] == members[name]} for file in files}
        columns = _columns_of_files(connection, true)
        for stored in dict.fromkeys(columns.values()):
            # A column that files leave out is made from `wire` if the query asks for it: once for each row, since
            # DuckDB does not repeat a function that may have side effects.
            made_of = {**{name: f"made.{name}" for name in SCHEMA.names}, **from_wire}
            names = (
                sql_name(name) if name in stored else f"{sql} AS {sql_name(name)}" for name, sql in made_of.items()
            )
            alike = [escape(file) for file in files if columns[file] == stored]
            table = f"read_parquet({sql_literal(alike)}, union_by_name = true, hive_partitioning = false)"
            made_columns = f"columns_of(wire, {id(refusals)}) AS made"
            inner = f"SELECT {', '.join(map(sql_name, stored))}, {made_columns} FROM {table}"  # noqa: S608
            yield f"SELECT {', '.join(names)} FROM ({inner})"  # noqa: S608


def _members_of_files(connection: duckdb.DuckDBPyConnection, files: list[str]) -> dict[str, dict[str, str]]:
    """Return the columns of members that each Parquet file says it has: the path of each by its name."""
    found: dict[str, dict[str, str]] = {}
    if files:
        said = f"parquet_kv_metadata({sql_literal([*map(escape, files)])})"
        sql = f"SELECT file_name, value FROM {said} WHERE key = '{COLUMN_PATHS}'::BLOB"  # noqa: S608
        for file, value in connection.execute(sql).fetchall():
            try:
                paths = json.loads(value)
                member_fields(paths)
            except (ValueError, AttributeError, TypeError, ChatpbError) as error:
                raise QueryError(f"{file}: what it says of its columns is not true: {error}") from None
            found[file] = paths
    return found


def _columns_of_files(
    connection: duckdb.DuckDBPyConnection, files: Mapping[str, Set[str]]
) -> dict[str, frozenset[str]]:
    """Return which columns of SCHEMA, and which of its own ones, each Parquet file has.

    Raises QueryError for a file without `wire`.
    """
    found: dict[str, set[str]] = {file: set() for file in files}
    schemas = f"parquet_schema({sql_literal([*map(escape, files)])})"
    for file, name in connection.execute(f"SELECT file_name, name FROM {schemas}").fetchall():  # noqa: S608
        found[file].add(name)
    for file, names in found.items():
        if "wire" not in names:
            raise QueryError(f"{file}: not a file of records: it has no column 'wire'")
    return {file: frozenset(names.intersection([*SCHEMA.names, *files[file]])) for file, names in found.items()}


def _parquet_files(connection: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> Iterator[str]:
    """Yield the files that paths name, and those in folders. Register their stores with DuckDB. Raises OSError."""
    stores: dict[Any, Any] = {}
    for path in paths:
        if is_remote(path):
            store, root = store_of(path)
            if store.protocol not in stores:
                connection.register_filesystem(store)
            if stores.setdefault(store.protocol, store) != store:
                raise QueryError(f"{path}: two stores of one kind; copy one of them here with chatpb export")
            with store_errors(path):
                found = [root] if store.info(root)["type"] == "file" else parquet_below(root, store.find(root))
            found = [store.unstrip_protocol(name) for name in found]
        elif Path(path).is_dir():
            root = os.path.abspath(path)
            found = parquet_below(root, map(str, Path(root).rglob("*")))
        else:
            with open(path, "rb"):
                found = [os.path.abspath(path)]
        if not found:
            raise QueryError(f"{path}: no .parquet file is in it")
        yield from found


def _different(names: Sequence[str]) -> list[str]:
    """Return the names of columns, with a number after each that stood before: id, id_1."""
    found: list[str] = []
    for name in names:
        numbered = (f"{name}_{number}" for number in count(1))
        found.append(name if name not in found else next(each for each in numbered if each not in (*found, *names)))
    return found


@contextmanager
def _query_errors() -> Iterator[None]:
    """Raise QueryError for an error of DuckDB."""
    try:
        yield
    except duckdb.InterruptException:
        raise KeyboardInterrupt from None
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of a file; DuckDB's errors in making an answer come as one without a number
        # The text up to the place where it quotes the SQL. Of a traceback, where DuckDB called Python, only the error.
        said = re.split(r"\n\s*\n|\nLINE \d", str(error).strip())[0]
        said = re.sub(r"Traceback \(most recent call last\):\n( .*\n)*", "", said)
        more = "; give it more with --memory" if said.startswith("Out of Memory") else ""
        raise QueryError(" ".join(said.split()) + more) from None


_refusals: Final[WeakValueDictionary[int, Refusals]] = WeakValueDictionary()
"""What takes the bad records of each query, by its identity.

The functions of queries find it here, since they must not be made for one query: a reader of DuckDB calls them after
the connection is gone, without a reference to them.
"""


def _json_of(wire: pa.ChunkedArray, identity: pa.ChunkedArray) -> pa.Array:
    """Return the JSON text of records, whose streams have whole chunks.

    All texts of a column are in memory at once. So those that chunks repeat may take MAX_DOCUMENT bytes together.
    """
    left = MAX_DOCUMENT

    def text_of(records: pa.Array) -> pa.Array:
        nonlocal left
        more = expanded_size(records) - size_of(records)
        if more > left:
            raise TooLargeError(f"its stream expands to {more} bytes, too many beside the records read with it")
        left -= more
        return _json_of_records(records)

    return _of_good_records(text_of, wire, identity, "wire_to_json")


def _columns_of(wire: pa.ChunkedArray, identity: pa.ChunkedArray) -> pa.Array:
    """Return the columns of records."""
    return _of_good_records(lambda each: with_columns(each).to_struct_array(), wire, identity, "the columns")


def _json_of_records(wire: pa.Array) -> pa.Array:
    if wire.nbytes >= _LARGE:  # functions of columns would have all of them several times
        rows = [_json_of_one(row, wire.slice(row, 1).to_pylist()) for row in range(len(wire))]
        text = rows[0] if len(rows) == 1 else pa.concat_arrays(rows)
    else:
        text = known_json_column(expand_records(wire), ChatCompletionRecord)
    return pa.ExtensionArray.from_storage(pa.json_(), text.cast(pa.string()))


def _json_of_one(row: int, records: list[bytes]) -> pa.Array:
    """Return the JSON text of the one record in a list, which is empty then."""
    try:
        whole = expand_record(records.pop())
        return one_row(known_json(whole, ChatCompletionRecord)).cast(pa.large_string())
    except WireError as error:
        raise WireError(f"/{row}{error.path}", error.offset, error.reason) from None


def _of_good_records(
    function: Callable[[pa.Array], pa.Array], wire: pa.ChunkedArray, identity: pa.ChunkedArray, name: str
) -> pa.Array:
    """Return what a function makes of a column of records, null for the bad ones, which are reported."""
    column = wire.chunk(0) if wire.num_chunks == 1 else wire.combine_chunks()  # which copies one as well
    given = pc.indices_nonzero(column.is_valid())
    bad: list[int] = []

    def refuse(row: int, error: ChatpbError) -> None:
        bad.append(row)
        record = column[given[row].as_py()].as_py()
        found = sift([record], lambda each: columns_of(each, "request_id", "id"), _skip)
        ids = [id for columns in found for (id,) in columns if id is not None]
        which = f"the record of id {ids[0]}" if ids else f"a record of {len(record)} bytes"
        if (refusals := _refusals.get(identity[0].as_py())) is not None:
            refusals(f"{name}: {which}: {reason_of(error)}")

    made = list(sift(column if len(given) == len(column) else column.take(given), function, refuse))
    if len(given) == len(column) and not bad:
        return made[0] if len(made) == 1 else pa.chunked_array(made).combine_chunks()
    good = iter(range(len(given) - len(bad)))
    left_out = {given[row].as_py() for row in bad}
    valid = set(given.to_pylist()) - left_out
    places = pa.array([next(good) if row in valid else None for row in range(len(column))], pa.int64())
    if not made:
        made = [function(column[:0])]
    return pa.chunked_array(made).combine_chunks().take(places)


def _skip(place: int, error: ChatpbError) -> None:
    """Leave a record out."""


def _row_type(connection: duckdb.DuckDBPyConnection) -> str:
    """Return the type of a row of SCHEMA in SQL."""
    described = connection.from_arrow(SCHEMA.empty_table())
    fields = (f"{name} {type}" for name, type in zip(described.columns, described.types, strict=True))
    return f"STRUCT({', '.join(fields)})"
