"""`chatpb backup` and `chatpb verify`: a recorder's file copied while it is written, and checked."""

from __future__ import annotations

from typing import Annotated

import typer

from chatpb.cli._console import report
from chatpb.cli._exit_status import BadRecords

__all__ = ["backup", "verify"]


def backup(
    file: Annotated[str, typer.Argument(metavar="FILE.db", help="The recorder's file.")],
    copy: Annotated[str, typer.Argument(metavar="COPY.db", help="The file to make.")],
) -> None:
    """Copy a recorder's file with all that is committed, while others write to it.

    A plain copy would lack what is only in the write-ahead log beside the file.
    """
    from chatpb.storage import Recorder

    with Recorder(file, read_only=True) as recorder:
        recorder.backup(copy)
        report(f"{len(recorder):,} records: {file} to {copy}")


def verify(file: Annotated[str, typer.Argument(metavar="FILE.db", help="The recorder's file.")]) -> None:
    """Read all of a recorder's file, and report all that is wrong with it; the exit status is then 1."""
    from chatpb.storage import verify as problems

    bad = BadRecords()
    for line in problems(file):
        bad(f"{file}: {line}")
    bad.end()
    report(f"{file}: all is well")
