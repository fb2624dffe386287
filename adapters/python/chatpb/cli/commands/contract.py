"""`chatpb contract`: what a .proto file lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chatpb import ChatpbError, ProtoError
from chatpb.cli._console import report, shown
from chatpb.cli._exit_status import BAD_DATA

__all__ = ["contract"]


def contract(
    files: Annotated[list[Path], typer.Argument(metavar="FILES...", help="The .proto files.")],
    fix: Annotated[bool, typer.Option("--fix", help="Write what can be added into the files.")] = False,
    envelopes: Annotated[
        list[str],
        typer.Option("--envelope", metavar="MESSAGE", help="A message that needs no home fields."),
    ] = [],  # noqa: B006  (typer copies it)
) -> None:
    """List what a .proto file of yours lacks to lose nothing.

    Every message needs the fields that hold what its typed fields do not; without them it is an envelope, which refuses
    such members. --fix adds these fields, their import, and `optional`; numbers and types of fields stay as they are.

    Examples:
        chatpb contract orders.proto
        chatpb contract --fix orders.proto
        chatpb contract --envelope PriceOrderRequest orders.proto

    """
    from chatpb import complete_proto, proto_gaps

    left = fixable = 0
    for file in files:
        try:
            source = file.read_bytes().decode()
            completed = complete_proto(source, envelopes)
            gaps = proto_gaps(completed if fix else source, envelopes)
        except (ProtoError, UnicodeDecodeError) as error:
            raise ChatpbError(f"{file}: {error}") from None
        if fix and completed != source:
            file.write_bytes(completed.encode())
            report(f"{file}: written")
        for gap in gaps:
            typer.echo(shown(f"{file}:{gap}"))
        left += len(gaps)
        fixable += sum(gap.is_fixable for gap in gaps)
    if left:
        report(f"{left} missing, of which --fix adds {fixable}" if not fix else f"{left} missing, to be added by hand")
        raise SystemExit(BAD_DATA)
