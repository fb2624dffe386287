"""Records of any form, for Python: `open` reads them, `write` writes them, and each has its parts as messages."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from google.protobuf.message import Message

from chatcompletion.v1 import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRecord,
    CreateChatCompletionRequest,
    ErrorResponse,
)
from chatpb._files.read import MAX_DOCUMENT
from chatpb._files.refusals import Refusals
from chatpb._known_json import known_json
from chatpb._records.parts import wire_of_part
from chatpb.storage._batch import checked, in_batches
from chatpb.storage._copy import Copied
from chatpb.storage._forms import files_of, open_source, write_records
from chatpb.streams import Accumulator
from chatpb.streams._known import add_known
from chatpb.streams.compact import expand_stream

if TYPE_CHECKING:
    import duckdb

    from chatpb.storage._query import Query

__all__ = ["Record", "Records", "open", "write"]


@dataclass(frozen=True)
class Record:
    """One exchange.

    Attributes:
        wire: the wire bytes of its ChatCompletionRecord.
        place: where it stands: its file, and its line or number there.

    Examples:
        >>> from chatpb.storage import Record, make_record
        >>> record = Record(make_record(request={"model": "m"}, stream=['{"id":"c1"}', '{"id":"c1"}']))
        >>> record.request.model, len(record.chunks), record.completion.id
        ('m', 2, 'c1')

    """

    wire: bytes
    place: str = ""

    @cached_property
    def message(self) -> ChatCompletionRecord:
        """All of the record as a message, with its times, status and labels; a stream in it is compact."""
        return ChatCompletionRecord.FromString(self.wire)

    @property
    def request(self) -> CreateChatCompletionRequest | None:
        """The request, None if the record has none."""
        return self.message.request if self.message.HasField("request") else None

    @property
    def response(self) -> ChatCompletion | None:
        """The whole answer, None if the record has none."""
        return self.message.response if self.message.HasField("response") else None

    @property
    def error(self) -> ErrorResponse | None:
        """The error, None if the record has none."""
        return self.message.error if self.message.HasField("error") else None

    @property
    def chunks(self) -> list[ChatCompletionChunk]:
        """The chunks of a streamed answer, each whole."""
        stream = self.message.stream if self.message.HasField("stream") else None
        return [] if stream is None else [ChatCompletionChunk.FromString(each) for each in expand_stream(stream)]

    @property
    def completion(self) -> ChatCompletion | None:
        """The answer, also one that was streamed, put together from its chunks; None if there is none."""
        if self.response is not None or not (chunks := self.chunks):
            return self.response
        accumulator = Accumulator()
        for chunk in chunks:
            add_known(accumulator, chunk.SerializeToString())
        found: ChatCompletion = accumulator.message()
        return found

    def to_json(self) -> bytes:
        """Return the JSON text of the record. Raises WireError for NaN and the infinities.

        Fields of a newer contract are left out; each is logged once, and counted.
        """
        return known_json(self.wire, ChatCompletionRecord)


class Records:
    """Records of files of any form, as `chatpb.storage.open` opens them.

    Attributes:
        refusals: what could not be read so far; each record that iterating leaves out is counted there.

    Examples:
        >>> from chatpb import storage
        >>> copied = storage.write("traffic.jsonl", [storage.make_record(response={"model": "m"}) for _ in range(3)])
        >>> with storage.open("traffic.jsonl") as records:
        ...     [record.response.model for record in records]
        ...     records.query("select count(*) from records").fetchall()
        ...
        ['m', 'm', 'm']
        [(3,)]

    """

    def __init__(self, paths: Sequence[str], **options: Any) -> None:
        self.paths = files_of(paths)
        self.refusals = Refusals()
        self._options = options
        self._stack = ExitStack()
        self._sources = [self._stack.enter_context(open_source(path, **options)) for path in self.paths]

    def __iter__(self) -> Iterator[Record]:
        """Iterate over the records, in the order of the files. What cannot be read is in `refusals`."""
        for source in self._sources:
            for batch in source.batches(self.refusals):
                wires, place, count = batch.wires(), batch.place, len(batch.wire)
                del batch
                wires.reverse()
                while wires:  # of a record that the caller lets go of, nothing has the bytes any longer
                    yield Record(wires.pop(), place(count - len(wires) - 1))

    def batches(self) -> Iterator[pa.Array]:
        """Iterate over columns (large_binary) of the records' wire bytes, for `chatpb.arrow`."""
        for source in self._sources:
            for batch in source.batches(self.refusals):
                yield batch.wire

    def query(self, sql: str) -> duckdb.DuckDBPyRelation:
        """Return what SQL over the view `records` gives, as a relation of DuckDB.

        Its methods `arrow`, `df` and `pl` give Arrow, a pandas frame and a polars frame. It stays valid when these
        records are closed or gone: `chatpb.storage.open(path).query(sql).df()`. Raises QueryError for SQL that does
        not run, or does not only read.
        """
        return self._query.relation(sql)

    @cached_property
    def _query(self) -> Query:
        from chatpb.storage._query import open_query  # only queries take DuckDB

        return open_query(self.paths, refusals=self.refusals, **self._options)

    def close(self) -> None:
        """Close the files. Leaving the `with` does the same."""
        self._stack.close()

    def __enter__(self) -> Records:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open(*paths: str | os.PathLike[str], **options: Any) -> Records:
    """Open records of any form: files, folders, patterns of files, and URLs of stores.

    Args:
        paths: what to read; the form of each is detected from its name, and that of each line from the line.
        options: `message_type`, `max_record`, `threads` and `form`, as `copy` describes them.

    Raises:
        ChatpbError: a file is not of a form that can be read.
        OSError: a file cannot be opened.

    Examples:
        >>> from chatpb import storage
        >>> copied = storage.write("traffic.jsonl", [storage.make_record(response={"id": "c1"})])
        >>> with storage.open("traffic.jsonl") as records:
        ...     for record in records:
        ...         print(record.place, record.response.id)
        ...
        traffic.jsonl:1 c1

    """
    return Records([os.fspath(path) for path in paths], **options)


def write(path: str | os.PathLike[str], records: Iterable[bytes | Message | Record], **options: Any) -> Copied:
    """Write records to a file of any form, and return what was written, and what was left out because it is no record.

    Args:
        path: the file or folder; records are added to a recorder's file, and any other file is replaced.
        records: wire bytes, messages, or what `open` gives.
        options: `form`, `document`, `partition`, `columns`, `members`, `level`, `threads` and `nonfinite`, as in
            `copy`.

    Raises:
        ChatpbError: the form cannot be written so.
        TypeError: a record is neither bytes nor a message.

    Examples:
        >>> from chatpb import ChatCompletionRecord
        >>> from chatpb.storage import write
        >>> write("traffic.parquet", [ChatCompletionRecord(request_id=f"r{number}") for number in range(3)]).written
        3

    """
    refusals = Refusals()
    wires = (
        (f"record {number}", each.wire if isinstance(each, Record) else wire_of_part(each, ChatCompletionRecord))
        for number, each in enumerate(records, 1)
    )
    batches = (checked(batch, refusals, max_record=MAX_DOCUMENT) for batch in in_batches(wires))
    written = write_records(os.fspath(path), batches, refusals, **options)
    return Copied(written, refusals.count, tuple(refusals.lines))
