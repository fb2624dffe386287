"""`chatpb export` and `chatpb import`: records from any form to any other."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Annotated, Any, Final

import typer

from chatpb._contract.documents import RECORD_DOCUMENTS
from chatpb._extras import extra_for
from chatpb._files.read import MAX_DOCUMENT
from chatpb.cli._console import report
from chatpb.cli._document_options import (
    TO_HELP,
    MaxRecord,
    Nonfinite,
    NonfiniteChoice,
    Quiet,
    Threads,
    TypeName,
    UnknownFields,
    UnknownFieldsChoice,
    choose_type,
)
from chatpb.cli._exit_status import BadRecords
from chatpb.cli._form_options import FormName, SourceForm, form_named
from chatpb.cli._progress import ProgressBar

__all__ = ["export_records", "import_records"]

# mypy knows the members of an Enum only from literals.
RecordDocument = Enum("RecordDocument", {name: name for name in RECORD_DOCUMENTS}, type=str)  # type: ignore[misc]


class Engine(str, Enum):
    """What does the work of an export."""

    LOCAL = "local"
    SPARK = "spark"


class TargetForm(str, Enum):
    """A form to write, or a layout of lines for training or for a batch API."""

    DB = "db"
    JSONL = "jsonl"
    BINPBS = "binpbs"
    PARQUET = "parquet"
    SFT = "sft"
    DATASET = "dataset"
    BATCH = "batch"
    BATCH_OUTPUT = "batch-output"


_CONVERSATIONS: Final = (TargetForm.SFT, TargetForm.DATASET)
_BATCHES: Final = (TargetForm.BATCH, TargetForm.BATCH_OUTPUT)


class Partition(str, Enum):
    """How an export divides records among folders."""

    DAY = "day"


Sources = Annotated[
    list[str], typer.Argument(metavar="IN...", help="Files or folders to read: .db, .jsonl, .binpbs, .parquet.")
]
Level = Annotated[
    int | None,
    typer.Option(
        "--level", min=1, max=22, metavar="N", help="Compression level of zstd, in Parquet or .db: higher is smaller."
    ),
]


def export_records(
    sources: Sources,
    target: Annotated[
        str, typer.Argument(metavar="OUT", help="File or folder to write; its form is detected from its name.")
    ],
    only: Annotated[
        RecordDocument | None,
        typer.Option("--only", metavar="DOCUMENT", help="Write these documents of the records, not the records."),
    ] = None,
    partition: Annotated[
        Partition | None, typer.Option("--partition", help="Write Parquet as a folder with a folder for each day.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns", metavar="NAME,...", help="Columns of Parquet to write, as model,time. `wire` is always there."
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--member",
            "--column",
            metavar="NAME=PATH",
            help="Another column of Parquet: the member at a path, as $.response.x_groq.id.",
        ),
    ] = None,
    engine: Annotated[
        Engine,
        typer.Option("--engine", help="spark: the tasks of a cluster write a folder of .jsonl, .jsonl.gz or .parquet."),
    ] = Engine.LOCAL,
    master: Annotated[
        str, typer.Option("--master", metavar="URL", envvar="SPARK_MASTER", help="The URL of Spark's master.")
    ] = "local[*]",
    level: Level = None,
    threads: Threads = None,
    type_name: TypeName = None,
    source_form: SourceForm = None,
    target_form: Annotated[
        TargetForm | None,
        typer.Option("--to", metavar="FORMAT", help=TO_HELP),
    ] = None,
    nonfinite: Nonfinite = NonfiniteChoice.ERROR,
    unknown_fields: UnknownFields = UnknownFieldsChoice.SKIP,
    max_record: MaxRecord = MAX_DOCUMENT >> 20,
    quiet: Quiet = False,
) -> None:
    """Write records in another form, such as Parquet.

    Forms are .db (a recorder's file), .jsonl, .binpbs (both also .gz, .zst) and .parquet; sft and dataset are lines for
    training, batch and batch-output those of a batch API. All but .db may be on a store, by URL.
    Documents of other kinds (completions, chunks, requests, errors) become records with that part alone.
    A record that cannot be read is named and left out, and the exit status is 1.

    Examples:
        chatpb export traffic.db days --partition day
        chatpb export traffic.db - --to jsonl
        chatpb export traffic.db train.jsonl --to sft

    """
    if engine is Engine.SPARK:
        if only or partition or columns or column or level or threads or max_record != MAX_DOCUMENT >> 20:
            given = "--only, --partition, --columns, --member, --level, --threads and --max-record"
            raise typer.BadParameter(f"{given} are not for spark", param_hint="--engine")
        with extra_for("--engine spark"):
            from chatpb.cli._spark_export import export_by_spark
        export_by_spark(sources, target, choose_type(type_name), master, quiet)
        return
    if target_form in (*_CONVERSATIONS, *_BATCHES):
        if only or partition or columns or column or level or threads or nonfinite is not NonfiniteChoice.ERROR:
            given = "--only, --partition, --columns, --member, --level, --threads and --nonfinite"
            raise typer.BadParameter(f"{given} are not for conversations and batches", param_hint="--to")
        from chatpb.storage import write_batch, write_conversations

        bad = BadRecords()
        options = {"message_type": choose_type(type_name), "max_record": max_record << 20, "refusals": bad}
        write: Any = write_conversations if target_form in _CONVERSATIONS else write_batch
        copied = write(sources, target, target_form.value, form=form_named(source_form), **options)
        what = "conversation" if target_form in _CONVERSATIONS else "line"
        _report(copied.written, what, bad, quiet, sources, target)
        return
    _copy(
        sources,
        target,
        type_name,
        max_record,
        quiet,
        document=only.value if only else "",
        partition=bool(partition),
        columns=None if columns is None else columns.replace(" ", "").split(","),
        members=_paths(column or ()),
        level=level,
        threads=threads,
        source_form=form_named(source_form),
        form=form_named(FormName(target_form.value) if target_form else None),
        nonfinite=nonfinite.value,
        unknown_fields=unknown_fields.value,
    )


def _paths(given: Iterable[str]) -> dict[str, str]:
    """Return the paths of columns by their names. Raises BadParameter for an option of another form."""
    paths = {}
    for each in given:
        name, equals, path = each.partition("=")
        if not equals:
            raise typer.BadParameter(f"{each!r} is not NAME=PATH", param_hint="--member")
        paths[name] = path
    return paths


def import_records(
    sources: Sources,
    target: Annotated[str, typer.Argument(metavar="OUT.db", help="The recorder's file to add to.")],
    level: Level = None,
    threads: Threads = None,
    type_name: TypeName = None,
    source_form: SourceForm = None,
    nonfinite: Nonfinite = NonfiniteChoice.ERROR,
    max_record: MaxRecord = MAX_DOCUMENT >> 20,
    quiet: Quiet = False,
) -> None:
    """Add records to a recorder's file.

    The file is created if it does not exist. Records, of any form, are committed piece by piece: after an interruption
    the file holds those that were read until then.

    Examples:
        chatpb import old.jsonl.gz traffic.db
        chatpb import batch_input.jsonl batch_output.jsonl traffic.db

    """
    from chatpb.storage import Form, form_of

    if form_of(target) is not Form.RECORDER:
        raise typer.BadParameter(
            "records are imported into a .db file; use export for other forms", param_hint="OUT.db"
        )
    given: dict[str, Any] = {"nonfinite": nonfinite.value, "level": level, "threads": threads}
    _copy(sources, target, type_name, max_record, quiet, source_form=form_named(source_form), **given)


def _copy(sources: list[str], target: str, type_name: str | None, max_record: int, quiet: bool, **options: Any) -> None:
    """Copy records, and report what was done; `options` are those of `chatpb.storage.copy`."""
    from chatpb.storage import copy

    bad = BadRecords()
    with ProgressBar(1, hidden=quiet) as bar:
        copied = copy(
            sources,
            target,
            message_type=choose_type(type_name),
            max_record=max_record << 20,
            refusals=bad,
            progress=bar.show,
            **options,
        )
    _report(copied.written, options.get("document") or "record", bad, quiet, sources, target)


def _report(written: int, what: str, bad: BadRecords, quiet: bool, sources: list[str], target: str) -> None:
    """Report what was done, and end the command with status 1 if something was left out."""
    if not quiet or bad.count:
        left_out = f", {bad.count:,} left out" if bad.count else ""
        report(f"{written:,} {what}{'' if written == 1 else 's'}{left_out}: {', '.join(sources)} to {target}")
    bad.end()
