"""Every form that records are kept in, told by a file's name, read and written as columns of their wire bytes.

A form is a recorder's file, JSON lines, length-delimited messages or Parquet. Lines and messages may also be documents
of another kind, which become records (see `_documents`). Columns have some thousands of rows, so memory stays bounded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from itertools import chain, islice
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa
from google.protobuf.message import Message

from chatcompletion.v1 import ChatCompletionRecord
from chatpb._api import json_lines_to_wire, json_to_wire, threads_of, wire_to_json_lines
from chatpb._detect import detect_objects, detect_wires
from chatpb._errors import ChatpbError
from chatpb._records import MAX_RECORD, Block, Format, Input, format_of, open_input, open_output
from chatpb.arrow import expand_records, from_messages, to_messages
from chatpb.storage._ahead import ahead
from chatpb.storage._documents import ONLY, Wrapper, only
from chatpb.storage._parquet import ParquetInput, write_dataset, write_file
from chatpb.storage._recorder import LEVEL as RECORDER_LEVEL
from chatpb.storage._recorder import Damaged, Recorder
from chatpb.storage._stores import create_stored, is_remote, open_stored

__all__ = ["Form", "Source", "form_of", "open_source", "write"]

Refuse = Callable[[str], None]
"""Told of records that cannot be read: one line that says which, where and why."""

SAMPLE: Final = 8
"""Documents that are looked at to tell the type of a file."""

ROWS: Final = 4096
"""Records of a recorder's file that are taken at a time."""


class Form(str, Enum):
    """A form of keeping records."""

    RECORDER = "recorder"
    LINES = "jsonl"
    MESSAGES = "binpbs"
    PARQUET = "parquet"


def form_of(path: str) -> Form:
    """The form that a name tells. Raises ChatpbError if it tells none."""
    ending = Path(path.rstrip("/")).suffix.lower()
    if ending in (".db", ".sqlite", ".sqlite3"):
        if is_remote(path):
            raise ChatpbError(f"{path}: a recorder's file cannot be on a store; export it to another form")
        return Form.RECORDER
    if ending in (".parquet", ".pq") or os.path.isdir(path) or (is_remote(path) and not ending):
        return Form.PARQUET
    format = format_of(path)
    if format in (Format.JSONL, Format.BINPBS):
        return Form(format.value)
    raise ChatpbError(
        f"{path}: the name tells no form of records: use .db, .jsonl, .binpbs (each also .gz, .zst) or .parquet"
    )


class Source(Protocol):
    """Records being read."""

    name: str

    def batches(self, refuse: Refuse) -> Iterator[pa.Array]:
        """Columns of records' wire bytes, streams compact."""

    def fraction(self) -> float:
        """How much has been read, from 0 to 1."""


@contextmanager
def open_source(
    path: str,
    message_type: type[Message] | None = None,
    max_record: int = MAX_RECORD,
    threads: int | None = None,
) -> Iterator[Source]:
    """Open records of any form. Raises ChatpbError or OSError where there are none.

    Args:
        path: a file, a folder of Parquet, or the URL of either on an fsspec store, but for a recorder's file.
        message_type: what the documents of lines or messages are, if that is not to be told from the data.
        max_record: bytes of one line or message at most.
        threads: how many share the work on lines; None for one a core.

    """
    form = form_of(path)
    if form is Form.PARQUET:
        yield ParquetInput(path)
    elif form is Form.RECORDER:
        with Recorder(path, read_only=True) as recorder:
            yield _Recorded(path, recorder)
    else:
        with _open(path) as (opened, size):
            yield _Documents(opened, Format(form.value), size, message_type, max_record, threads)


@contextmanager
def _open(path: str) -> Iterator[tuple[Input, int]]:
    """A file here or on a store, and its size in bytes."""
    if is_remote(path):
        with open_stored(path) as (raw, size):
            yield Input(path, raw), size
    else:
        with open_input(path) as opened:
            yield opened, os.path.getsize(path)


def write(
    path: str,
    batches: Iterable[pa.Array],
    *,
    kind: str = "",
    partition: bool = False,
    columns: Sequence[str] | None = None,
    level: int | None = None,
    threads: int | None = None,
) -> None:
    """Write columns of records to any form; the output of all but a recorder's file appears only when it is whole.

    Args:
        path: the file or folder, whose name tells the form; a recorder's file is added to.
        batches: columns of records' wire bytes.
        kind: a name of ONLY to write these documents of the records alone, to lines or messages.
        partition: write Parquet as a folder with a folder for each day.
        columns: what Parquet has beside `wire`, of the names of `chatpb.arrow.SCHEMA`; None for all.
        level: zstd's level of Parquet or of a recorder's records; None for that of the form.
        threads: how many share the work on columns and lines; None for one a core.

    Raises:
        ChatpbError: the form cannot be written so, or a record is damaged.

    """
    form = form_of(path)
    if kind and form not in (Form.LINES, Form.MESSAGES):
        raise ChatpbError(f"{path}: only lines and messages can be documents other than records")
    if partition and form is not Form.PARQUET:
        raise ChatpbError(f"{path}: only Parquet can be partitioned")
    if columns is not None and form is not Form.PARQUET:
        raise ChatpbError(f"{path}: only Parquet has columns")
    if form is Form.RECORDER:
        chosen = RECORDER_LEVEL if level is None else level
        with Recorder(path, level=chosen, threads=threads_of(threads)) as recorder:
            for batch in ahead(batches, threads):
                recorder.append(batch.to_pylist())
    elif form is Form.PARQUET:
        (write_dataset if partition else write_file)(path, batches, columns, level, threads)
    else:
        with (create_stored if is_remote(path) else open_output)(path) as output:
            for piece in ahead((_framed(batch, form, kind, threads) for batch in batches), threads):
                output.write(piece)


def _framed(batch: pa.Array, form: Form, kind: str, threads: int | None) -> bytes:
    if kind:
        batch = pa.array(only(batch.to_pylist(), kind), pa.large_binary())
    elif form is Form.LINES:
        batch = expand_records(batch, threads=threads)
    messages = to_messages(batch)
    if form is Form.MESSAGES:
        return messages
    return wire_to_json_lines(messages, ONLY.get(kind, ChatCompletionRecord), threads=threads)


class _Recorded:
    """The records of a recorder's file."""

    def __init__(self, path: str, recorder: Recorder) -> None:
        self.name = path
        self._recorder = recorder
        self._rows = len(recorder)
        self._done = 0

    def fraction(self) -> float:
        return min(self._done / self._rows, 1.0) if self._rows else 1.0

    def batches(self, refuse: Refuse) -> Iterator[pa.Array]:
        found = iter(self._recorder)
        while batch := list(islice(found, ROWS)):
            self._done += len(batch)
            good = [each for each in batch if isinstance(each, bytes)]
            for each in batch:
                if isinstance(each, Damaged):
                    numbers = str(each.first) if each.first == each.last else f"{each.first} to {each.last}"
                    refuse(f"{self.name}: record {numbers}: {each.reason}")
            yield pa.array(good, pa.large_binary())


class _Documents:
    """Lines or messages: records, or documents that become records."""

    def __init__(
        self,
        opened: Input,
        format: Format,
        size: int,
        message_type: type[Message] | None,
        max_record: int,
        threads: int | None,
    ) -> None:
        self.name = opened.name
        self._opened = opened
        self._format = format
        self._size = size
        self._type = message_type
        self._max_record = max_record
        self._threads = threads

    def fraction(self) -> float:
        return self._opened.position() / self._size if self._size else 1.0

    def batches(self, refuse: Refuse) -> Iterator[pa.Array]:
        blocks = self._opened.blocks(self._format, self._max_record)
        ahead = list(islice(blocks, 1))
        kind = self._type or self._detect(ahead)
        try:
            wrapper = Wrapper(kind, self._threads)
        except TypeError as error:
            raise ChatpbError(f"{self.name}: {error}") from None
        for block in chain(ahead, blocks):
            yield wrapper.records(self._wires(block, kind, refuse))
        yield wrapper.rest()

    def _detect(self, blocks: list[Block]) -> type[Message]:
        data = [record.data for block in blocks for record in islice(block.records(), SAMPLE) if not record.error]
        try:
            return detect_objects(data) if self._format.is_json else detect_wires(data)
        except ValueError as error:
            raise ChatpbError(f"{self.name}: {error}; give the type with --type") from None

    def _wires(self, block: Block, kind: type[Message], refuse: Refuse) -> pa.Array:
        if not block.error:
            try:
                messages = (
                    json_lines_to_wire(block.data, kind, threads=self._threads) if self._format.is_json else block.data
                )
                return from_messages(messages)
            except (ChatpbError, ValueError):
                pass  # one of them is wrong: which, is told one by one
        wires = []
        for record in block.records():
            try:
                if record.error:
                    raise record.error
                wires.append(json_to_wire(record.data, kind) if self._format.is_json else record.data)
            except ChatpbError as error:
                refuse(record.describe(error))
        return pa.array(wires, pa.large_binary())
