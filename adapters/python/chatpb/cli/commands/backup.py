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
    """Copy a recorder's file while others write to it.

    The copy has all that is committed. A plain copy would lack what is only in the write-ahead log beside the file.

    Examples:
        chatpb backup traffic.db copy.db

    """
    from chatpb.storage import Recorder

    with Recorder(file, read_only=True) as recorder:
        recorder.backup(copy)
        count = len(recorder)
        report(f"{count:,} record{'' if count == 1 else 's'}: {file} to {copy}")


def verify(file: Annotated[str, typer.Argument(metavar="FILE.db", help="The recorder's file.")]) -> None:
    """Check that a recorder's file is whole.

    All of it is read, and all that is wrong is reported; the exit status is then 1.

    Examples:
        chatpb verify traffic.db

    """
    from chatpb.storage import verify as problems

    bad = BadRecords(nonfinite="`chatpb export --nonfinite allow`")
    for line in problems(file):
        bad(f"{file}: {line}")
    bad.end()
    report(f"{file}: all is well")
