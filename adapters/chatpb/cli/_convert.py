"""`chatpb convert`: a file of one format to a file of another."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain, islice
from typing import Annotated, Final, NoReturn

import typer
from google.protobuf.message import Message

from chatpb._records import MAX_RECORD, STANDARD, Block, Format, Record, open_input, open_output
from chatpb.cli._choices import FailFast, MaxRecord, Nonfinite, TypeName, UnknownFields, choose_format, choose_type
from chatpb.cli._group import BAD_DATA, complain
from chatpb.cli._progress import watch
from chatpb.cli._transcode import Options, Refused, detect, transcode

__all__ = ["convert"]

SAMPLE: Final = 8
"""Records that are looked at to tell the type of a file."""


def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help="File to read, or - for standard input.")],
    target: Annotated[str, typer.Argument(metavar="OUT", help="File to write, or - for standard output.")],
    source_format: Annotated[Format | None, typer.Option("--from", help="Format of IN; else told by its name.")] = None,
    target_format: Annotated[Format | None, typer.Option("--to", help="Format of OUT; else told by its name.")] = None,
    type_name: TypeName = None,
    canonical: Annotated[bool, typer.Option("--canonical", help="Give equal documents equal bytes.")] = False,
    fill_required: Annotated[
        bool, typer.Option("--fill-required", help="Write required members that are left out, as null, [] or {}.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse documents that break the contract.")] = False,
    nonfinite: Annotated[Nonfinite, typer.Option(help="NaN and Infinity in JSON.")] = Nonfinite.ERROR,
    unknown_fields: Annotated[
        UnknownFields, typer.Option(help="Protobuf fields that the contract does not have.")
    ] = UnknownFields.SKIP,
    fail_fast: FailFast = False,
    max_record: MaxRecord = MAX_RECORD >> 20,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what is wrong.")] = False,
) -> None:
    """Convert between .json, .jsonl, .binpb, .binpbs (messages, each after its length) and .txtpb, .gz and .zst too.

    A bad record is named and left out, and the exit status is 1; with --fail-fast nothing is written.
    """
    reading = choose_format(source, source_format, "--from")
    writing = choose_format(target, target_format, "--to")
    chosen = choose_type(type_name)
    if fill_required and not writing.is_json:
        raise typer.BadParameter(f"only JSON can be filled, not {writing.value}", param_hint="--fill-required")
    if target == STANDARD and writing.is_binary and sys.stdout.isatty():
        raise typer.BadParameter("binary data would upset the terminal; name a file or a pipe", param_hint="OUT")
    options = Options(
        strict=strict,
        canonical=canonical,
        fill_required=fill_required,
        allow_nonfinite=nonfinite is Nonfinite.ALLOW,
        refuse_unknown=unknown_fields is UnknownFields.ERROR,
    )
    is_shown = target == STANDARD and sys.stdout.isatty()
    with open_output(target) as output, open_input(source) as opened, watch([source], quiet or is_shown) as watched:
        blocks = watched.over(opened, opened.blocks(reading, max_record << 20))
        run = _Run(opened.name, fail_fast, "the output is not whole" if target == STANDARD else "nothing is written")
        for data in run.convert(blocks, reading, writing, chosen, options):
            output.write(data)
    if not quiet or run.bad:
        complain(f"{run.summary()}: {opened.name} to {'stdout' if target == STANDARD else target}")
    if run.bad:
        raise SystemExit(BAD_DATA)


class _Run:
    """One conversion, and what it has counted."""

    def __init__(self, source: str, fail_fast: bool, failure: str) -> None:
        self.source = source
        self.fail_fast = fail_fast
        self.failure = failure
        self.good = 0
        self.bad = 0
        self.kind = ""

    def convert(
        self,
        blocks: Iterator[Block],
        reading: Format,
        writing: Format,
        chosen: type[Message] | None,
        options: Options,
    ) -> Iterator[bytes]:
        """The framed records, for writing. Ends the process with BAD_DATA where there is nothing to write."""
        ahead: list[Block] = []
        sample: list[Record] = []
        while not chosen and len(sample) < SAMPLE and (block := next(blocks, None)):
            ahead.append(block)
            sample += islice(block.records(), SAMPLE - len(sample))
        kind = chosen or detect(sample, reading)
        self.kind = kind.DESCRIPTOR.name
        only = b""
        for result in transcode(chain(ahead, blocks), writing, kind, options):
            if isinstance(result, Refused):
                self.bad += 1
                complain(result.record.describe(result.error))
                if self.fail_fast:
                    self.give_up("stopped at the first bad record")
                continue
            self.good += result.records
            if writing.is_stream:
                yield result.data
            elif self.good > 1:
                self.give_up(f"{self.source} has more than one record, and .{writing.value} holds one")
            else:
                only = result.data
        if not self.good and (self.bad or not writing.is_stream):
            self.give_up("there is no good record to write")
        if not writing.is_stream:
            yield only

    def give_up(self, why: str) -> NoReturn:
        complain(f"chatpb: {why}; {self.failure}")
        raise SystemExit(BAD_DATA)

    def summary(self) -> str:
        records = "record" if self.good == 1 else "records"
        return f"{self.good:,} {records} of {self.kind}" + (f", {self.bad:,} left out" if self.bad else "")
