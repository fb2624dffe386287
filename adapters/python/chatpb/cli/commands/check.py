"""`chatpb check`: whether a user's own documents come back from protobuf unchanged, and where their members landed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Final

import typer
from google.protobuf.message import Message

import chatpb
from chatpb import ChatCompletion, ChatCompletionRecord, ChatpbError, wire_to_json
from chatpb._extras import MissingExtraError
from chatpb._files.formats import STANDARD, Format, format_of
from chatpb._files.read import MAX_DOCUMENT, Document, documents_of, open_input
from chatpb._files.refusals import Refusals
from chatpb._options import Nonfinite as NonfiniteName
from chatpb._runtimes import RUNTIMES, generated_class
from chatpb.cli._console import report, table_console
from chatpb.cli._document_options import FailFast, MaxRecord, Nonfinite, NonfiniteChoice, TypeName, choose_type
from chatpb.cli._exit_status import BAD_DATA
from chatpb.cli._form_options import has_only_records
from chatpb.cli._progress import ProgressBar, bar_of_files
from chatpb.cli._round_trip import Counts, count_documents
from chatpb.cli._round_trip_tables import print_counts

if TYPE_CHECKING:
    from chatpb.storage import Record

__all__ = ["check"]

_MAX_PROBLEMS: Final = 100
"""The most problems that --json lists; standard error gets all of them."""


class ReportFormat(str, Enum):
    """How the result is shown."""

    TABLE = "table"
    JSON = "json"


def check(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES...", help="Files of .json or .jsonl, .gz too; .db, .parquet; folders; - for JSON lines."
        ),
    ],
    type_name: TypeName = None,
    runtimes: Annotated[
        list[str] | None,
        typer.Option(
            "--runtime",
            metavar="NAME",
            help=f"Send documents through objects of {', '.join(RUNTIMES)}, or of a module's classes.",
        ),
    ] = None,
    nonfinite: Nonfinite = NonfiniteChoice.ERROR,
    format: Annotated[
        ReportFormat, typer.Option("--format", "-f", metavar="FORMAT", help="How to show the result.")
    ] = ReportFormat.TABLE,
    as_json: Annotated[bool, typer.Option("--json", hidden=True)] = False,
    fail_fast: FailFast = False,
    max_record: MaxRecord = MAX_DOCUMENT >> 20,
) -> None:
    """Check that your documents come back from protobuf as they were.

    Documents are sent through wire bytes and google.protobuf objects, and counted by where their members landed. The
    exit status is 1 if any is lost or unreadable. Only names of members are printed, never what documents say.

    Examples:
        chatpb check answers.jsonl
        chatpb check recordings/ --runtime google --runtime betterproto
        chatpb check answers.jsonl --format json

    """
    chosen = choose_type(type_name)
    names = tuple(dict.fromkeys(runtimes or ("google",)))
    for name in names:
        try:
            generated_class(name, ChatCompletion.DESCRIPTOR.name)
        except MissingExtraError:
            raise
        except (AttributeError, ModuleNotFoundError, TypeError, ValueError) as error:
            reason = f"{name} is none of {', '.join(RUNTIMES)}, nor a module of a runtime's classes: {error}"
            raise typer.BadParameter(reason, param_hint="--runtime") from None
    paths = list(_expand(files))
    run = _Check(chosen, names, "allow" if nonfinite is NonfiniteChoice.ALLOW else "error", fail_fast)
    with bar_of_files(paths) as bar:
        for path in paths:
            run.file(path, bar, max_record << 20)
    if as_json or format is ReportFormat.JSON:
        typer.echo(json.dumps(run.as_json(), indent=2))
    else:
        print_counts(table_console(), run.by_file, run.total())
    if not run.total().is_clean:
        raise SystemExit(BAD_DATA)


class _Check:
    """One check: the counts by file, and the first problems."""

    def __init__(
        self, message_type: type[Message] | None, runtimes: tuple[str, ...], nonfinite: NonfiniteName, fail_fast: bool
    ) -> None:
        self.message_type = message_type
        self.runtimes = runtimes
        self.nonfinite = nonfinite
        self.fail_fast = fail_fast
        self.by_file: dict[str, Counts] = {}
        self.problems: list[str] = []

    def file(self, path: str, bar: ProgressBar, limit: int) -> None:
        if has_only_records(path) or os.path.isdir(path):
            self.records(path, limit)
            return
        format = Format.JSONL if path == STANDARD else _format(path)
        try:
            with open_input(path) as opened:
                counts = self.by_file.setdefault(opened.name, Counts())
                blocks = bar.over(opened, opened.blocks(format, limit))
                for problem in count_documents(
                    documents_of(blocks), counts, self.message_type, self.runtimes, self.nonfinite, limit
                ):
                    self.problem(problem)
        except OSError as error:
            self.by_file.setdefault(path, Counts()).unreadable += 1
            self.problem(f"{path}: {error.strerror}")

    def records(self, path: str, limit: int) -> None:
        """Check the records of a recorder's file or of Parquet, each as the JSON that it stands for."""
        from chatpb import storage

        counts = self.by_file.setdefault(path, Counts())
        with storage.open(path, max_record=limit) as records:
            records.refusals = Refusals(self.problem)
            found = _documents(records, records.refusals)
            for problem in count_documents(found, counts, ChatCompletionRecord, self.runtimes, self.nonfinite, limit):
                self.problem(problem)
            counts.unreadable += records.refusals.count
            if untold := records.refusals.untold:
                self.problem(f"{path}: and {untold:,} more that cannot be read")

    def problem(self, text: str) -> None:
        report(text)
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(text)
        if self.fail_fast:
            report("chatpb: stopped at the first bad record")
            raise SystemExit(BAD_DATA)

    def total(self) -> Counts:
        total = Counts()
        for counts in self.by_file.values():
            total.add(counts)
        return total

    def as_json(self) -> dict[str, object]:
        return {
            "chatpb": chatpb.__version__,
            "engine": chatpb.engine,
            "runtimes": list(self.runtimes),
            **self.total().as_json(),
            "problems": self.problems,
            "files": {name: counts.as_json() for name, counts in self.by_file.items()},
        }


def _documents(records: Iterable[Record], refusals: Refusals) -> Iterator[Document]:
    """Yield records as JSON documents, with whole chunks; those that are no JSON are refused."""
    from chatpb import storage

    for record in records:
        try:
            text = wire_to_json(storage.expand_record(record.wire), ChatCompletionRecord, nonfinite="allow")
        except ChatpbError as error:
            refusals(f"{record.place}: {error}")
        else:
            documents = [Document(record.place, Format.BINPB, 1, text)]
            del record, text
            yield documents.pop()  # so that nothing here has it any longer


def _format(path: str) -> Format:
    """Return the format of a file of JSON. Raises BadParameter for any other file."""
    found = format_of(path)
    if not found or not found.is_json:
        raise typer.BadParameter(f"{path} is neither .json, .jsonl, .db nor .parquet", param_hint="FILES")
    return found


def _expand(paths: Iterable[str]) -> Iterator[str]:
    """Yield the files that are named, and the JSON files in folders that are named. Raises BadParameter without any."""
    for path in paths:
        if os.path.isdir(path):
            inside = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
            found = sorted(file for file in inside if (format := format_of(file)) and format.is_json)
            if found:
                yield from found
            elif any(map(has_only_records, inside)):
                yield path
            else:
                raise typer.BadParameter(f"{path} has no .json, .jsonl or .parquet files in it", param_hint="FILES")
        elif path == STANDARD:
            yield path
        elif not os.path.exists(path):
            raise typer.BadParameter(f"{path} does not exist", param_hint="FILES")
        else:
            if not has_only_records(path):
                _format(path)
            yield path
