"""The forms that records are kept in, detected from a file's name: each is read and written in batches of wire bytes.

A form is a recorder's file, JSON lines, length-delimited messages or Parquet. Lines and messages may also be documents
of another kind, which become records (see `_documents`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from glob import glob, has_magic
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from google.protobuf.message import Message

from chatcompletion.v1 import ChatCompletionRecord
from chatpb._contract.documents import RECORD_DOCUMENTS
from chatpb._convert import wire_to_json_lines
from chatpb._errors import ChatpbError, WireError
from chatpb._files.formats import PARQUET_ENDINGS, RECORDER_ENDINGS, STANDARD, Format, format_of
from chatpb._files.memory import check_memory
from chatpb._files.read import MAX_DOCUMENT, Input, open_input
from chatpb._files.refusals import Refusals
from chatpb._files.write import open_output
from chatpb._known_json import known_json, note_unknown_fields
from chatpb._options import Nonfinite, UnknownFields, threads_of
from chatpb._records.parts import expand_record
from chatpb._wire.write import varint
from chatpb.arrow import expand_records, expanded_size, one_row, size_of, to_messages
from chatpb.storage._batch import BATCH_BYTES, EXPANDED_AT_ONCE, Batch
from chatpb.storage._batch_joiner import BatchJoiner
from chatpb.storage._documents import DocumentSource
from chatpb.storage._parquet import ParquetSource, write_dataset, write_file
from chatpb.storage._prefetch import prefetch
from chatpb.storage._recorder import DEFAULT_LEVEL, Recorder, append_batches
from chatpb.storage._sift import sift
from chatpb.storage._sources import RecorderSource, Source
from chatpb.storage._stores import create_stored, is_remote, open_stored
from chatpb.storage._wrap_documents import unwrap_documents

__all__ = ["Form", "Source", "files_of", "form_of", "open_source", "standard_input_as_file", "write_records"]


class Form(str, Enum):
    """A form of keeping records.

    Examples:
        >>> from chatpb.storage import Form, form_of
        >>> form_of("traffic.parquet") is Form.PARQUET
        True

    """

    RECORDER = "recorder"
    LINES = "jsonl"
    MESSAGES = "binpbs"
    PARQUET = "parquet"


def form_of(path: str, form: Form | None = None) -> Form:
    """Return the form that a name stands for, or the given one. Raises ChatpbError if it stands for none.

    Examples:
        >>> from chatpb.storage import form_of
        >>> form_of("traffic.jsonl.gz")
        <Form.LINES: 'jsonl'>

    """
    if form:
        return form
    if path == STANDARD:
        raise ChatpbError("standard input and output have no name: give their form with --from or --to")
    ending = Path(path.rstrip("/")).suffix.lower()
    if ending in RECORDER_ENDINGS:
        if is_remote(path):
            raise ChatpbError(f"{path}: a recorder's file cannot be on a store; export it to another form")
        return Form.RECORDER
    if ending in PARQUET_ENDINGS or os.path.isdir(path) or (is_remote(path) and not ending):
        return Form.PARQUET
    format = format_of(path)
    if format in (Format.JSONL, Format.JSON):
        return Form.LINES
    if format is Format.BINPBS:
        return Form.MESSAGES
    raise ChatpbError(
        f"{path}: the name implies no form of records: use .db, .jsonl, .binpbs (each also .gz, .zst) or .parquet,"
        " or give the form of what is read by --from jsonl or another, of what is written by --to"
    )


def files_of(paths: Iterable[str]) -> list[str]:
    """Return the files that paths name, with patterns and folders of JSON files replaced by the files in them.

    Raises FileNotFoundError for a pattern that no file matches.
    """
    found: list[str] = []
    for path in paths:
        if is_remote(path) or os.path.lexists(path) or not has_magic(path):
            matches = [path]
        elif not (matches := sorted(glob(path, recursive=True))):
            raise FileNotFoundError(2, "No file matches this pattern", path)
        for match in matches:
            found += _json_files(match) if os.path.isdir(match) else [match]
    return found


def _json_files(folder: str) -> list[str]:
    """Return the JSON files of a folder that has no Parquet, in the order of their names; else the folder."""
    files = sorted(str(path) for path in Path(folder).rglob("*") if path.is_file() and path.name[0] not in "._")
    if any(name.lower().endswith(PARQUET_ENDINGS) for name in files):
        return [folder]
    return [name for name in files if format_of(name) in (Format.JSON, Format.JSONL)] or [folder]


@contextmanager
def open_source(
    path: str,
    message_type: type[Message] | None = None,
    max_record: int = MAX_DOCUMENT,
    threads: int | None = None,
    start: int | None = None,
    end: int | None = None,
    *,
    form: Form | None = None,
    nonfinite: Nonfinite = "error",
    joiner: BatchJoiner | None = None,
    check: bool = True,
) -> Iterator[Source]:
    """Open records of any form. Raises ChatpbError or OSError where there are none.

    Args:
        path: a file, a folder of Parquet, or, except for a recorder's file, the URL of either on an fsspec store; "-"
            is standard input.
        message_type: the type of the documents in lines or messages; None to detect it.
        max_record: bytes of one line, message or record at most.
        threads: how many threads share the work on lines; None for one a core.
        start: the earliest time of records in a recorder's file, as in `Recorder.scan`. Other forms give all records.
        end: the time before which records of a recorder's file are taken.
        form: the form; None for the one that the path stands for.
        nonfinite: whether JSON may have NaN and the infinities, as in `chatpb.json_to_wire`.
        joiner: joins the requests and the results of batches; None to leave them apart.
        check: whether to leave out records that cannot be read whole; without it the caller finds them.

    """
    form = form_of(path, form)
    if form is Form.PARQUET:
        with standard_input_as_file(path) as file:
            yield ParquetSource(file, max_record, threads, check)
    elif form is Form.RECORDER:
        with (
            standard_input_as_file(path) as file,
            Recorder(file, read_only=True, max_record=max_record) as recorder,
        ):
            yield RecorderSource(recorder, start, end, max_record, threads, check)
    else:
        format = Format.BINPBS if form is Form.MESSAGES else Format.JSON if is_json(path) else Format.JSONL
        with _open_documents(path) as (opened, size):
            yield DocumentSource(opened, format, size, message_type, max_record, threads, nonfinite, joiner)


@contextmanager
def standard_input_as_file(path: str) -> Iterator[str]:
    """Give a file with all of standard input, if a path stands for that, for forms that are not read in order."""
    if path != STANDARD:
        yield path
        return
    with TemporaryDirectory(prefix="chatpb-") as folder:
        name = os.path.join(folder, "stdin")
        with open_input(path) as source, open(name, "xb") as file:
            source.copy_to(file)
        yield name


@contextmanager
def _standard_output_as_file(path: str) -> Iterator[str]:
    """Give a file whose bytes go to standard output at the end, if a path stands for that."""
    if path != STANDARD:
        yield path
        return
    with TemporaryDirectory(prefix="chatpb-") as folder:
        name = os.path.join(folder, "stdout")
        yield name
        with open(name, "rb") as file, open_output(path) as output:
            copyfileobj(file, output)


def is_json(path: str) -> bool:
    return format_of(path) is Format.JSON


@contextmanager
def _open_documents(path: str) -> Iterator[tuple[Input, int]]:
    """Open a file here or on a store, and give its size in bytes too."""
    if is_remote(path):
        with open_stored(path) as (raw, size):
            yield Input(path, raw), size
    else:
        with open_input(path) as opened:
            yield opened, 0 if path == STANDARD else os.path.getsize(path)


def write_records(
    path: str,
    batches: Iterable[Batch],
    refusals: Refusals,
    *,
    form: Form | None = None,
    document: str = "",
    partition: bool = False,
    columns: Sequence[str] | None = None,
    members: Mapping[str, str] | None = None,
    level: int | None = None,
    threads: int | None = None,
    max_record: int = MAX_DOCUMENT,
    nonfinite: Nonfinite = "error",
    unknown_fields: UnknownFields = "skip",
) -> int:
    """Write records to any form, and return how many records or documents were written.

    Except for a recorder's file, the output appears only when all of it is written.

    Args:
        path: the file or folder. Records are appended to a recorder's file. "-" is standard output.
        batches: the records.
        refusals: takes what the form cannot hold, which is left out.
        form: the form; None for the one that the path stands for.
        document: a name of RECORD_DOCUMENTS: write these documents of the records, and not the records, as lines or
            messages. "" for the records.
        partition: write Parquet as a folder with a folder for each day.
        columns: the columns of Parquet beside `wire`, by their names in `chatpb.arrow.SCHEMA`; None for all.
        members: columns of Parquet for members of the records' JSON, as in `copy`.
        level: the level of zstd for Parquet or for a recorder's file; None for the default of the form.
        threads: how many threads share the work; None for one a core.
        max_record: bytes of a record at most; one that takes more than twice that to write is left out.
        nonfinite: "allow" writes NaN and the infinities as JSON lines; "error" leaves records with them out.
        unknown_fields: "skip" writes records with fields of a newer contract as JSON lines without those fields, and
            logs each field once; "error" leaves such records out. All other forms keep the fields.

    Raises ChatpbError if the form cannot be written so.

    """
    form = form_of(path, form)
    if document and form not in (Form.LINES, Form.MESSAGES):
        raise ChatpbError(f"{path}: only lines and messages can be documents other than records")
    if partition and form is not Form.PARQUET:
        raise ChatpbError(f"{path}: only Parquet can be partitioned")
    if (columns is not None or members) and form is not Form.PARQUET:
        raise ChatpbError(f"{path}: only Parquet has columns")
    if partition and path == STANDARD:
        raise ChatpbError(f"{path}: a folder cannot be standard output")
    if form is Form.RECORDER:
        chosen = DEFAULT_LEVEL if level is None else level
        with (
            _standard_output_as_file(path) as file,
            Recorder(file, level=chosen, threads=threads_of(threads)) as recorder,
        ):
            return sum(len(numbers) for numbers in append_batches(recorder, _wires(batches), threads))
    if form is Form.PARQUET:
        if members:  # they are read from its JSON, by DuckDB
            batches = _bounded_with_chunks(batches)
        # Arrow copies a record, makes a page of it, and compresses that.
        needed = (lambda record: 5 * expanded_size(record)) if members else (lambda record: 4 * size_of(record))
        counted = _Counted(_within_memory(batches, needed, max_record, refusals))
        with _standard_output_as_file(path) as file:
            (write_dataset if partition else write_file)(file, counted, columns, members or {}, level, threads)
        return counted.records
    if document == "chunk" or (form is Form.LINES and not document):
        batches = _within_memory(_bounded_with_chunks(batches), _memory_of_chunks, max_record, refusals)
    encode = _encoder(form, document, nonfinite, unknown_fields, threads, max_record)
    written = 0
    with (create_stored if is_remote(path) else open_output)(path) as output:
        for encoded in prefetch(encode(batches, refusals), threads, lambda encoded: encoded.size):
            for data in encoded.data:
                for start in range(0, len(data), BATCH_BYTES):  # a compressor makes as much at once as it is given
                    output.write(memoryview(data)[start : start + BATCH_BYTES])
                del data
            written += encoded.documents
            del encoded
    return written


def _within_memory(
    batches: Iterable[Batch], needed: Callable[[pa.Array], int], max_record: int, refusals: Refusals
) -> Iterator[Batch]:
    """Yield batches without a large record that takes more than twice the limit of a record to write.

    Args:
        batches: the records. Those that are not large are bounded together.
        needed: returns how many bytes the record in a column takes while it is written.
        max_record: bytes of a record at most.
        refusals: takes what is left out.

    """
    for batch in batches:
        if len(batch.wire) > 1:
            within = batch
        else:
            within = batch.without_bad(lambda record: check_memory(needed(record), max_record), refusals)
        del batch
        yield within
        del within


def _memory_of_chunks(record: pa.Array) -> int:
    """Return the bytes that a record takes while it becomes text: its stream, the chunks whole, and their text."""
    own, whole = size_of(record), expanded_size(record)
    return 3 * whole if whole > own else 2 * own


def _bounded_with_chunks(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield records in batches that have no more than EXPANDED_AT_ONCE bytes with whole chunks, or one record."""
    for batch in batches:
        pending = [batch]
        del batch
        while pending:
            if len(pending[-1].wire) > 1 and expanded_size(pending[-1].wire) > EXPANDED_AT_ONCE:
                pending += pending.pop().halves()
            else:
                yield pending.pop()  # so that nothing here has it any longer


def _wires(batches: Iterable[Batch]) -> Iterator[list[bytes]]:
    for batch in batches:
        wires = [batch.wires()]
        del batch
        yield wires.pop()  # so that nothing here has them any longer


@dataclass
class _Counted:
    """Batches, whose records are counted as they are taken."""

    batches: Iterable[Batch]
    records: int = 0

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.batches:
            self.records += len(batch.wire)
            yield batch
            del batch


@dataclass(frozen=True)
class _Encoded:
    """Lines or messages: how many they are, and their bytes, in pieces that follow each other."""

    documents: int
    data: list[bytes]

    @property
    def size(self) -> int:
        return sum(map(len, self.data))


def _encoder(
    form: Form,
    document: str,
    nonfinite: Nonfinite,
    unknown_fields: UnknownFields,
    threads: int | None,
    max_record: int,
) -> Callable[[Iterable[Batch], Refusals], Iterator[_Encoded]]:
    """Return a function that yields batches as lines or messages, and reports the records that cannot be those."""
    message_type = RECORD_DOCUMENTS.get(document, ChatCompletionRecord)

    def lines_of(wires: pa.Array) -> bytes:
        messages = to_messages(wires)
        try:
            return wire_to_json_lines(messages, message_type, nonfinite=nonfinite, threads=threads)
        except WireError:
            if unknown_fields == "error":
                raise
        options: dict[str, Any] = {"nonfinite": nonfinite, "unknown_fields": "skip", "threads": threads}
        lines = wire_to_json_lines(messages, message_type, **options)
        for wire in wires:
            note_unknown_fields(wire.as_py(), message_type)
        return lines

    def many(records: pa.Array) -> _Encoded:
        if len(records) == 1:  # so that an error has its place in the one record
            return one(records.to_pylist())
        wires = records
        if document:
            wires = pa.array(unwrap_documents(records.to_pylist(), document), pa.large_binary())
        elif form is Form.LINES:
            wires = expand_records(records, threads=threads)
        return _Encoded(len(wires), [to_messages(wires) if form is Form.MESSAGES else lines_of(wires)])

    def one(records: list[bytes]) -> _Encoded:
        (record,) = records
        options: dict[str, Any] = {"nonfinite": nonfinite, "unknown_fields": unknown_fields}
        try:
            if document:
                wires = list(unwrap_documents(records, document))
            else:
                is_compact = form is Form.LINES and expanded_size(one_row(record)) > len(record)
                wires = [expand_record(record) if is_compact else record]
            if form is Form.MESSAGES:
                return _Encoded(len(wires), [piece for wire in wires for piece in (varint(len(wire)), wire)])
            left = 2 * max_record - len(record) - sum(len(wire) for wire in wires if wire is not record)
            texts = []
            for wire in wires:
                texts.append(known_json(wire, message_type, limit=max(left, BATCH_BYTES), **options))
                left -= len(texts[-1])
            return _Encoded(len(wires), [piece for text in texts for piece in (text, b"\n")])
        except WireError as error:
            raise WireError(f"/0{error.path}", error.offset, error.reason) from None

    def encode(batches: Iterable[Batch], refusals: Refusals) -> Iterator[_Encoded]:
        for batch in batches:
            refuse = batch.refuse(refusals)
            yield from sift(batch.wire, many, refuse) if batch.large is None else sift([batch.large], one, refuse)
            del batch, refuse  # which has the batch

    return encode
