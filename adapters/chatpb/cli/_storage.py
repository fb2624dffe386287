"""`chatpb export` and `chatpb import`: records from any form to any other."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from chatpb._errors import ChatpbError
from chatpb._records import MAX_RECORD
from chatpb.cli._choices import MaxRecord, TypeName, choose_type
from chatpb.cli._group import BAD_DATA, complain, stderr

if TYPE_CHECKING:
    from chatpb.storage._forms import Source

__all__ = ["export_records", "import_records"]


class Only(str, Enum):
    """The documents that are taken out of records."""

    REQUEST = "request"
    RESPONSE = "response"
    CHUNK = "chunk"
    ERROR = "error"


class Engine(str, Enum):
    """What does the work."""

    LOCAL = "local"
    SPARK = "spark"


class Partition(str, Enum):
    """How a dataset is divided into folders."""

    DAY = "day"


Sources = Annotated[
    list[str], typer.Argument(metavar="IN...", help="Files or folders to read: .db, .jsonl, .binpbs, .parquet.")
]
Level = Annotated[
    int | None, typer.Option(min=1, max=22, help="zstd's level, of Parquet or of a .db file: the higher, the smaller.")
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads that share the work; one a core otherwise.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what is wrong.")]


def export_records(
    sources: Sources,
    target: Annotated[str, typer.Argument(metavar="OUT", help="File or folder to write; its name tells the form.")],
    kind: Annotated[
        Only | None, typer.Option("--only", help="Write these documents of the records, not the records.")
    ] = None,
    partition: Annotated[
        Partition | None, typer.Option(help="Write Parquet as a folder with one for each day.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Columns of Parquet to write, as model,time. `wire` is always there."),
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="spark: folders of .jsonl, .jsonl.gz or .parquet, by the tasks of a cluster.")
    ] = Engine.LOCAL,
    master: Annotated[str, typer.Option(envvar="SPARK_MASTER", help="Spark's master.")] = "local[*]",
    level: Level = None,
    threads: Threads = None,
    type_name: TypeName = None,
    max_record: MaxRecord = MAX_RECORD >> 20,
    quiet: Quiet = False,
) -> None:
    """Write records of any form to another: .db (a recorder's file), .jsonl, .binpbs (both also .gz, .zst) or .parquet.

    Documents that are no records (completions, chunks, requests, errors) become records with that part alone.
    All but .db may be on a store, by URL. A record that cannot be read is named and left out, and the exit status is 1.
    """
    if engine is Engine.SPARK:
        if kind or partition or columns or level or threads or max_record != MAX_RECORD >> 20:
            given = "--only, --partition, --columns, --level, --threads and --max-record"
            raise typer.BadParameter(f"{given} are not for spark", param_hint="--engine")
        from chatpb.cli._spark import export_by_spark

        export_by_spark(sources, target, choose_type(type_name), master, quiet)
        return
    _copy(
        sources,
        target,
        type_name,
        max_record,
        quiet,
        kind=kind.value if kind else "",
        partition=bool(partition),
        columns=None if columns is None else columns.replace(" ", "").split(","),
        level=level,
        threads=threads,
    )


def import_records(
    sources: Sources,
    target: Annotated[str, typer.Argument(metavar="OUT.db", help="The recorder's file to add to.")],
    level: Level = None,
    threads: Threads = None,
    type_name: TypeName = None,
    max_record: MaxRecord = MAX_RECORD >> 20,
    quiet: Quiet = False,
) -> None:
    """Add records of any form to a recorder's file, which is made if it is not there.

    What is added is committed piece by piece: after an interruption the file holds what was read until then.
    """
    from chatpb.storage._forms import Form, form_of

    if form_of(target) is not Form.RECORDER:
        raise typer.BadParameter(
            "records are imported into a .db file; use export for other forms", param_hint="OUT.db"
        )
    _copy(sources, target, type_name, max_record, quiet, level=level, threads=threads)


def _copy(
    paths: list[str],
    target: str,
    type_name: str | None,
    max_record: int,
    quiet: bool,
    threads: int | None,
    **options: Any,
) -> None:
    try:
        from chatpb.storage._forms import open_source, write
    except ModuleNotFoundError as error:
        raise ChatpbError(f"storage needs {error.name}: pip install 'chatpb[storage]'") from None
    chosen = choose_type(type_name)
    run = _Run()
    with ExitStack() as stack:
        # All are opened first, so that a wrong name is told before anything is written.
        sources = [stack.enter_context(open_source(path, chosen, max_record << 20, threads)) for path in paths]
        write(target, run.over(sources, quiet), threads=threads, **options)
    if not quiet or run.bad:
        left_out = f", {run.bad:,} left out" if run.bad else ""
        complain(f"{run.good:,} {'record' if run.good == 1 else 'records'}{left_out}: {', '.join(paths)} to {target}")
    if run.bad:
        raise SystemExit(BAD_DATA)


class _Run:
    """One copy, and what it has counted."""

    def __init__(self) -> None:
        self.good = 0
        self.bad = 0

    def over(self, sources: list[Source], quiet: bool) -> Iterator[Any]:
        """The columns of all sources, a bar moving on with them."""
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        hidden = quiet or not sys.stderr.isatty()
        with Progress(*columns, TimeRemainingColumn(), console=stderr(), transient=True, disable=hidden) as progress:
            task = progress.add_task("", total=len(sources))
            for index, source in enumerate(sources):
                for batch in source.batches(self.refuse):
                    self.good += len(batch)
                    shown = f"{source.name}: {self.good:,} records"
                    progress.update(task, description=shown, completed=index + source.fraction())
                    yield batch

    def refuse(self, line: str) -> None:
        self.bad += 1
        complain(line)
