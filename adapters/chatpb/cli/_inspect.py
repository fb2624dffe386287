"""`chatpb inspect`: a message as a tree."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer
from google.protobuf.message import Message
from rich.console import Console
from rich.text import Text

from chatpb import wire_to_json
from chatpb._detect import descriptor_of
from chatpb._errors import ChatpbError, WireError
from chatpb._python.wire_to_tree import wire_to_tree
from chatpb._records import MAX_RECORD, Format, Record, open_input
from chatpb._validate import validate_tree
from chatpb.cli._choices import FailFast, MaxRecord, TypeName, choose_format, choose_type
from chatpb.cli._group import BAD_DATA, complain, stdout
from chatpb.cli._transcode import Options, detect, reader
from chatpb.cli._tree import message_tree

__all__ = ["inspect", "show_message"]


def inspect(
    file: Annotated[str, typer.Argument(metavar="FILE", help="File to read, or - for standard input.")],
    source_format: Annotated[
        Format | None, typer.Option("--from", help="Format of FILE; else told by its name.")
    ] = None,
    type_name: TypeName = None,
    limit: Annotated[int, typer.Option(min=1, help="Show this many records, from the first.")] = 1,
    values: Annotated[bool, typer.Option(help="Show the start of each value, or none of it.")] = True,
    fail_fast: FailFast = False,
    max_record: MaxRecord = MAX_RECORD >> 20,
) -> None:
    """Show a message as a tree: each member with its home, its protobuf type and its bytes, and what is wrong."""
    reading = choose_format(file, source_format, "--from")
    chosen = choose_type(type_name)
    console = stdout()
    bad = 0
    with open_input(file) as opened:
        records = opened.records(reading, max_record << 20)
        for record in islice(records, limit):
            try:
                if record.error:
                    raise record.error
                _show(console, record, chosen or detect([record], reading), values)
            except ChatpbError as error:
                bad += 1
                complain(record.describe(error))
                if fail_fast:
                    break
    if bad:
        raise SystemExit(BAD_DATA)


def _show(console: Console, record: Record, message_type: type[Message], values: bool) -> None:
    wire = reader(record.format, message_type, Options(allow_nonfinite=True))(record.data)
    place = f"{record.file}:{record.number}" if record.format.is_stream else record.file
    console.print(Text(place, style="dim"))
    show_message(console, wire, message_type, values)


def show_message(console: Console, wire: bytes, message_type: type[Message], values: bool = True) -> None:
    """Print the tree of an encoded message, and how it breaks the contract."""
    tree = wire_to_tree(wire, descriptor_of(message_type))
    title = Text(message_type.DESCRIPTOR.full_name, style="bold")
    title.append(f"  {len(wire):,} B{_json_size(wire, message_type)}", style="not bold dim")
    width = max(20, console.width - 56) if values else None
    console.print(message_tree(tree, wire, title, width))
    violations = list(validate_tree(tree))
    count = len(violations)
    if count:
        heading = f"{count} {'violation' if count == 1 else 'violations'} of the contract"
        console.print(Text(heading, style="yellow"))
        for violation in violations:
            console.print(Text(f"  {violation}"))
    else:
        console.print(Text("keeps the contract", style="green"))


def _json_size(wire: bytes, message_type: type[Message]) -> str:
    try:
        size = len(wire_to_json(wire, message_type, nonfinite="allow"))
    except WireError:
        return ", no JSON"
    return f", {size:,} B as JSON"
