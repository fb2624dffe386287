"""Copies of records from any forms to any other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from google.protobuf.message import Message

from chatpb._errors import ChatpbError
from chatpb._files.formats import STANDARD
from chatpb._files.read import MAX_DOCUMENT
from chatpb._files.refusals import Refusals
from chatpb._options import Nonfinite, UnknownFields
from chatpb.storage._batch import Batch, in_batches
from chatpb.storage._batch_joiner import BatchJoiner
from chatpb.storage._forms import Form, Source, files_of, form_of, open_source, write_records
from chatpb.storage._stores import is_remote

__all__ = ["Copied", "copy"]


@dataclass(frozen=True)
class Copied:
    """What a copy did.

    Attributes:
        written: how many records or documents were written.
        left_out: how many were left out, as far as that is known.
        problems: what describes the first of those, a line each.

    Examples:
        >>> from chatpb.storage import make_record, write
        >>> copied = write("traffic.parquet", [make_record(response={"id": "c1"})])
        >>> copied.written, copied.left_out
        (1, 0)

    """

    written: int
    left_out: int
    problems: tuple[str, ...]


def copy(
    sources: Sequence[str],
    target: str,
    *,
    message_type: type[Message] | None = None,
    source_form: Form | None = None,
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
    refusals: Refusals | None = None,
    progress: Callable[[str, float], None] = lambda text, fraction: None,
) -> Copied:
    """Write the records of files of any forms to a file of any form, and return what was written and what was left out.

    Args:
        sources: files, patterns of files, folders, URLs; "-" is standard input.
        target: the file or folder. Records are added to a recorder's file.
        message_type: the type of the documents in lines and messages; None to detect it.
        source_form: the form of all sources; None for the one that each name stands for.
        form: the form of the target; None for the one that its name stands for.
        document: write these documents of the records instead: "request", "response", "error" or "chunk".
        partition: write Parquet as a folder with a folder for each day.
        columns: the columns of Parquet beside `wire`; None for all.
        members: more columns of Parquet, for members of the records' JSON: the path of each by its name, such as
            `{"groq_id": "$.response.x_groq.id"}`. "$" is the whole record.
        level: the level of zstd.
        threads: how many threads share the work; None for one a core.
        max_record: bytes of one record at most.
        nonfinite: "allow" reads and writes NaN and the infinities in JSON; "error" leaves records with them out.
        unknown_fields: "skip" writes records with fields of a newer contract as JSON lines without those fields, and
            logs each field once; "error" leaves such records out. All other forms keep the fields.
        refusals: takes what is left out as it is found.
        progress: called with a line of text, and how much of the sources has been read.

    Raises:
        ChatpbError: a source or the target is not of a form that can be read or written, or they are one file.
        OSError: a file cannot be opened.

    Examples:
        >>> from chatpb.storage import copy, make_record, write
        >>> copied = write("traffic.jsonl", [make_record(response={"id": "c1"})])
        >>> copy(["traffic.jsonl"], "traffic.parquet").written
        1

    """
    refusals = refusals or Refusals()
    paths = files_of(sources)
    if partition and not os.path.splitext(target.rstrip("/"))[1]:
        form = form or Form.PARQUET  # only Parquet is divided into folders
    target_form = form_of(target, form)
    _check_target(paths, target, target_form)
    check = target_form is not Form.LINES or bool(document)  # writing whole records as JSON reads all of them
    with ExitStack() as stack:
        joiner = stack.enter_context(closing(BatchJoiner()))
        # All are opened before anything is written, so that a wrong name leaves nothing behind.
        opened = [
            stack.enter_context(
                open_source(
                    path,
                    message_type,
                    max_record,
                    threads,
                    form=source_form,
                    nonfinite=nonfinite,
                    joiner=joiner,
                    check=check,
                )
            )
            for path in paths
        ]
        written = write_records(
            target,
            _batches(opened, joiner, refusals, progress),
            refusals,
            form=form,
            document=document,
            partition=partition,
            columns=columns,
            members=members,
            level=level,
            threads=threads,
            max_record=max_record,
            nonfinite=nonfinite,
            unknown_fields=unknown_fields,
        )
    return Copied(written, refusals.count, tuple(refusals.lines))


def _check_target(paths: Iterable[str], target: str, form: Form) -> None:
    """Raise ChatpbError if records would be added to the file that they are read from."""
    if form is not Form.RECORDER or not os.path.exists(target):
        return
    for path in paths:
        if path != STANDARD and not is_remote(path) and os.path.exists(path) and os.path.samefile(path, target):
            raise ChatpbError(f"{path}: this is {target} itself, whose records would be doubled")


def _batches(
    sources: Sequence[Source], joiner: BatchJoiner, refusals: Refusals, progress: Callable[[str, float], None]
) -> Iterator[Batch]:
    records = 0
    for index, source in enumerate(sources):
        for batch in source.batches(refusals):
            records += len(batch.wire)
            progress(f"{source.name}: {records:,} records", (index + source.fraction()) / len(sources))
            yield batch
            del batch
    yield from in_batches(joiner.finish())
