"""`chatpb check`: hold a user's own documents against the law, and show what became of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Annotated, Final

import typer
from google.protobuf.message import Message

import chatpb
from chatpb._records import MAX_RECORD, STANDARD, Format, Input, format_of, open_input
from chatpb.cli._choices import FailFast, MaxRecord, Nonfinite, TypeName, choose_type
from chatpb.cli._group import BAD_DATA, complain, stdout, version
from chatpb.cli._progress import Watch, watch
from chatpb.cli._survey import Survey, examine, runtime_class
from chatpb.cli._tables import print_surveys

__all__ = ["check"]

MAX_PROBLEMS: Final = 100
"""Problems that --json lists; all of them go to standard error."""


class RuntimeName(str, Enum):
    """The runtimes whose objects documents are sent through."""

    GOOGLE = "google"
    BETTERPROTO = "betterproto"


def check(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILES...", help="Files of .json or .jsonl, .gz too; folders; - for JSON lines."),
    ],
    type_name: TypeName = None,
    runtimes: Annotated[
        list[RuntimeName] | None,
        typer.Option("--runtime", help="Send documents through this runtime's objects too; may be given twice."),
    ] = None,
    nonfinite: Annotated[Nonfinite, typer.Option(help="NaN and Infinity.")] = Nonfinite.ERROR,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    fail_fast: FailFast = False,
    max_record: MaxRecord = MAX_RECORD >> 20,
) -> None:
    """Check that every document comes back from protobuf as it was, and count where its members landed.

    Documents are sent through wire bytes and google.protobuf objects. The exit status is 1 if any is lost or
    unreadable. Nothing of what documents say is printed, only names of members.
    """
    chosen = choose_type(type_name)
    names = tuple(dict.fromkeys(runtime.value for runtime in runtimes or [RuntimeName.GOOGLE]))
    _require(names)
    paths = list(_expand(files))
    run = _Run(chosen, names, nonfinite is Nonfinite.ALLOW, fail_fast)
    with watch(paths) as watched:
        for path in paths:
            run.file(path, watched, max_record << 20)
    if as_json:
        typer.echo(json.dumps(run.as_json(), indent=2))
    else:
        print_surveys(stdout(), run.surveys, run.total())
    if not run.total().is_clean:
        raise SystemExit(BAD_DATA)


class _Run:
    """One check: what was counted, by file, and the first of what was wrong."""

    def __init__(
        self, message_type: type[Message] | None, runtimes: tuple[str, ...], nonfinite: bool, fail_fast: bool
    ) -> None:
        self.message_type = message_type
        self.runtimes = runtimes
        self.nonfinite = nonfinite
        self.fail_fast = fail_fast
        self.surveys: dict[str, Survey] = {}
        self.problems: list[str] = []

    def file(self, path: str, watched: Watch, limit: int) -> None:
        try:
            with open_input(path) as opened:
                survey = self.surveys.setdefault(opened.name, Survey())
                self.records(opened, survey, watched, Format.JSONL if path == STANDARD else _format(path), limit)
        except OSError as error:
            self.surveys.setdefault(path, Survey()).unreadable += 1
            self.problem(f"{path}: {error.strerror}")

    def records(self, opened: Input, survey: Survey, watched: Watch, format: Format, limit: int) -> None:
        blocks = watched.over(opened, opened.blocks(format, limit))
        records = (record for block in blocks for record in block.records())
        for problem in examine(records, survey, self.message_type, self.runtimes, self.nonfinite):
            if problem:
                self.problem(problem)

    def problem(self, text: str) -> None:
        complain(text)
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text)
        if self.fail_fast:
            complain("chatpb: stopped at the first bad record")
            raise SystemExit(BAD_DATA)

    def total(self) -> Survey:
        total = Survey()
        for survey in self.surveys.values():
            total.add(survey)
        return total

    def as_json(self) -> dict[str, object]:
        return {
            "chatpb": version(),
            "engine": chatpb.engine,
            "runtimes": list(self.runtimes),
            **self.total().as_json(),
            "problems": self.problems,
            "files": {name: survey.as_json() for name, survey in self.surveys.items()},
        }


def _require(runtimes: Iterable[str]) -> None:
    for name in runtimes:
        try:
            runtime_class(name, chatpb.ChatCompletion)
        except ModuleNotFoundError:
            message = f"{name} is not installed: pip install 'chatpb[{name}]'"
            raise typer.BadParameter(message, param_hint="--runtime") from None


def _format(path: str) -> Format:
    """The format of a file of JSON. Raises BadParameter for any other file."""
    found = format_of(path)
    if not found or not found.is_json:
        raise typer.BadParameter(f"{path} is neither .json nor .jsonl", param_hint="FILES")
    return found


def _expand(paths: Iterable[str]) -> Iterator[str]:
    """The files that are named, and those of JSON in the folders that are. Raises BadParameter if one is missing."""
    for path in paths:
        if os.path.isdir(path):
            inside = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
            found = sorted(file for file in inside if (format := format_of(file)) and format.is_json)
            if not found:
                raise typer.BadParameter(f"{path} has no .json or .jsonl files in it", param_hint="FILES")
            yield from found
        elif path == STANDARD:
            yield path
        elif not os.path.exists(path):
            raise typer.BadParameter(f"{path} does not exist", param_hint="FILES")
        else:
            _format(path)
            yield path
