"""`chatpb convert`: a file of one format to a file of another."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain, islice
from typing import Annotated, NoReturn

import typer
from google.protobuf.message import Message

from chatpb._files.formats import STANDARD, Format
from chatpb._files.read import MAX_DOCUMENT, Block, Document, open_input
from chatpb._files.write import open_output
from chatpb.cli._console import report
from chatpb.cli._document_options import (
    FailFast,
    MaxRecord,
    Nonfinite,
    NonfiniteChoice,
    Quiet,
    SourceFormat,
    TargetFormat,
    TypeName,
    UnknownFields,
    UnknownFieldsChoice,
    choose_format,
    choose_type,
)
from chatpb.cli._exit_status import BAD_DATA, BadRecords
from chatpb.cli._progress import bar_of_files
from chatpb.cli._transcode import SAMPLE_SIZE, BadDocument, Options, detect, transcode

__all__ = ["convert"]


def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help="File to read, or - for standard input.")],
    target: Annotated[str, typer.Argument(metavar="OUT", help="File to write, or - for standard output.")],
    source_format: SourceFormat = None,
    target_format: TargetFormat = None,
    type_name: TypeName = None,
    canonical: Annotated[bool, typer.Option("--canonical", help="Give equal documents equal bytes.")] = False,
    fill_required: Annotated[
        bool, typer.Option("--fill-required", help="Write required members that are left out, as null, [] or {}.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse documents that break the contract.")] = False,
    nonfinite: Nonfinite = NonfiniteChoice.ERROR,
    unknown_fields: UnknownFields = UnknownFieldsChoice.ERROR,
    fail_fast: FailFast = False,
    max_record: MaxRecord = MAX_DOCUMENT >> 20,
    quiet: Quiet = False,
) -> None:
    """Convert a file between JSON, JSON lines and protobuf.

    The names say the formats: .json, .jsonl, .binpb (one message), .binpbs (messages, each after its length) and .txtpb
    (protobuf's text), each also with .gz or .zst.
    A bad record is named and left out, and the exit status is 1; with --fail-fast nothing is written.

    Examples:
        chatpb convert answers.jsonl answers.binpbs
        chatpb convert answers.binpbs - --to jsonl | head -n 1
        chatpb convert error.json error.txtpb --type error

    """
    reading = choose_format(source, source_format, "--from")
    writing = choose_format(target, target_format, "--to")
    chosen = choose_type(type_name)
    if fill_required and not writing.is_json:
        raise typer.BadParameter(f"only JSON can be filled, not {writing.value}", param_hint="--fill-required")
    is_terminal = target == STANDARD and sys.stdout.isatty()
    if is_terminal and writing.is_binary:
        raise typer.BadParameter("binary data would upset the terminal; name a file or a pipe", param_hint="OUT")
    options = Options(
        strict=strict,
        canonical=canonical,
        fill_required=fill_required,
        nonfinite="allow" if nonfinite is NonfiniteChoice.ALLOW else "error",
        unknown_fields="error" if unknown_fields is UnknownFieldsChoice.ERROR else "skip",
    )
    failure = "the output is not whole" if target == STANDARD else "nothing is written"
    hidden = quiet or is_terminal
    with open_output(target) as output, open_input(source) as opened, bar_of_files([source], hidden) as bar:
        blocks = bar.over(opened, opened.blocks(reading, max_record << 20))
        conversion = _Conversion(opened.name, fail_fast, failure)
        for data in conversion.convert(blocks, reading, writing, chosen, options):
            output.write(data)
    if not quiet or conversion.bad.count:
        report(f"{conversion.summary()}: {opened.name} to {'stdout' if target == STANDARD else target}")
    conversion.bad.end()


class _Conversion:
    """One conversion, and what it has counted."""

    def __init__(self, source: str, fail_fast: bool, failure: str) -> None:
        self.source = source
        self.fail_fast = fail_fast
        self.failure = failure
        self.good = 0
        self.bad = BadRecords()
        self.type_name = ""

    def convert(
        self,
        blocks: Iterator[Block],
        reading: Format,
        writing: Format,
        chosen: type[Message] | None,
        options: Options,
    ) -> Iterator[bytes]:
        """Yield the documents, framed. End the process with BAD_DATA if there is nothing to write."""
        ahead: list[Block] = []
        sample: list[Document] = []
        while not chosen and len(sample) < SAMPLE_SIZE and (block := next(blocks, None)):
            ahead.append(block)
            sample += islice(block.documents(), SAMPLE_SIZE - len(sample))
        message_type = chosen or detect(sample, reading)
        self.type_name = message_type.DESCRIPTOR.name
        only = b""
        for result in transcode(chain(ahead, blocks), writing, message_type, options):
            if isinstance(result, BadDocument):
                self.bad(result.document.describe(result.error))
                if self.fail_fast:
                    self.give_up("stopped at the first bad record")
                continue
            self.good += result.documents
            if writing.is_stream:
                yield result.data
            elif self.good > 1:
                self.give_up(f"{self.source} has more than one record, and .{writing.value} holds one")
            else:
                only = result.data
        if not self.good and (self.bad.count or not writing.is_stream):
            self.give_up("there is no good record to write")
        if not writing.is_stream:
            yield only

    def give_up(self, why: str) -> NoReturn:
        report(f"chatpb: {why}; {self.failure}")
        raise SystemExit(BAD_DATA)

    def summary(self) -> str:
        records = "record" if self.good == 1 else "records"
        left_out = f", {self.bad.count:,} left out" if self.bad.count else ""
        return f"{self.good:,} {records} of {self.type_name}{left_out}"
