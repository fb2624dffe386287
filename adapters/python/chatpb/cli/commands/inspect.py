"""`chatpb inspect`: a message as a tree."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Annotated

import typer
from google.protobuf.message import Message
from rich.console import Console
from rich.text import Text

from chatpb import ChatCompletionRecord, ChatpbError, WireError, wire_to_json
from chatpb._detect import descriptor_of
from chatpb._engine import codec_of
from chatpb._files.formats import format_of
from chatpb._files.read import MAX_DOCUMENT, Document, open_input
from chatpb._tree.read import wire_to_tree
from chatpb.cli._console import stdout_console
from chatpb.cli._document_options import FailFast, MaxRecord, SourceFormat, TypeName, choose_format, choose_type
from chatpb.cli._exit_status import BadRecords
from chatpb.cli._form_options import has_only_records
from chatpb.cli._message_tree import message_tree
from chatpb.cli._transcode import Options, detect, to_wire

__all__ = ["inspect", "show_message"]


def inspect(
    file: Annotated[str, typer.Argument(metavar="FILE", help="File to read, or - for standard input.")],
    source_format: SourceFormat = None,
    type_name: TypeName = None,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help="Show the first N records.")] = 1,
    items: Annotated[
        int,
        typer.Option(
            "--items", min=1, metavar="N", help="Show N items of an array, N vendor members and N violations."
        ),
    ] = 20,
    values: Annotated[
        bool, typer.Option("--values/--no-values", help="Show the start of each value, or no values.")
    ] = True,
    fail_fast: FailFast = False,
    max_record: MaxRecord = MAX_DOCUMENT >> 20,
) -> None:
    """Show a message as a tree, with the home and size of each member.

    A member's home is its typed field, or the place for what has none. Below the tree is what breaks the contract. Of a
    recorder's file and of Parquet it shows the records.

    Examples:
        chatpb inspect error.json
        chatpb inspect answers.jsonl --limit 3 --no-values
        chatpb convert answers.jsonl - --to binpbs | chatpb inspect - --from binpbs --type completion

    """
    if source_format is None and format_of(file) is None and has_only_records(file):
        _show_records(file, limit, items, values, max_record << 20)
        return
    reading = choose_format(file, source_format, "--from")
    chosen = choose_type(type_name)
    console = stdout_console()
    bad = BadRecords()
    with open_input(file) as opened:
        for document in islice(opened.documents(reading, max_record << 20), limit):
            try:
                message_type = chosen or detect([document], reading)
                wires = [to_wire(document, message_type, Options(nonfinite="allow", unknown_fields="skip"))]
                document = replace(document, data=b"")  # its place is all that is needed
                console.print(Text(_place(document), style="dim"))
                show_message(console, wires.pop(), message_type, items, values)
            except ChatpbError as error:
                bad(document.describe(error))
                if fail_fast:
                    break
    bad.end()


def _show_records(file: str, limit: int, items: int, values: bool, max_record: int) -> None:
    from chatpb import storage

    console = stdout_console()
    bad = BadRecords()
    with storage.open(file, max_record=max_record) as records:
        records.refusals = bad
        for record in islice(records, limit):
            console.print(Text(record.place, style="dim"))
            show_message(console, record.wire, ChatCompletionRecord, items, values)
    bad.end()


def _place(document: Document) -> str:
    return f"{document.file}:{document.number}" if document.format.is_stream else document.file


def show_message(
    console: Console, wire: bytes, message_type: type[Message], items: int = 20, values: bool = True
) -> None:
    """Print an encoded message as a tree, and how it breaks the contract, with so many items each. Raises WireError."""
    title = Text(message_type.DESCRIPTOR.full_name, style="bold")
    title.append(f"  {len(wire):,} B{_json_size(wire, message_type)}", style="not bold dim")
    tree = wire_to_tree(wire, descriptor_of(message_type))  # after the JSON text, which is as large
    width = max(20, console.width - 56) if values else None
    console.print(message_tree(tree, wire, title, items, width))
    violations = codec_of(descriptor_of(message_type)).validate_wire(wire, False)
    if violations:
        # The last one may say that there are more.
        above = "more than " if violations[-1].rule == "more" else ""
        count = len(violations) - bool(above)
        heading = f"{above}{count:,} {'violation' if count == 1 else 'violations'} of the contract"
        console.print(Text(heading, style="yellow"))
        for violation in violations[: min(items, count)]:
            console.print(Text(f"  {violation}"))
        if above or count > items:
            console.print(Text(f"  … and {above}{max(0, count - items):,} more", style="dim"))
    else:
        console.print(Text("keeps the contract", style="green"))


def _json_size(wire: bytes, message_type: type[Message]) -> str:
    try:
        size = len(wire_to_json(wire, message_type, unknown_fields="skip", nonfinite="allow"))
    except WireError:
        return ", no JSON"
    return f", {size:,} B as JSON"
