"""Write files that appear under their names only when they are whole."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO, cast

from chatpb._files.compression import compressing
from chatpb._files.formats import STANDARD

__all__ = ["open_output", "private_opener", "unfinished_name"]


class _Unbuffered:
    """Standard output of an interpreter without buffers (`python -u`), where one write may take only a part."""

    closed = False
    """pyarrow requires this attribute."""

    def __init__(self, raw: RawIOBase) -> None:
        self._raw = raw

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._raw.write(left) :]

    def flush(self) -> None:
        """Do nothing: nothing is held back."""


def private_opener(path: str, flags: int) -> int:
    """Open a file as the `opener` of Python's `open`; a file that is made can be read by its owner alone."""
    return os.open(path, flags, 0o600)


def unfinished_name(target: Path) -> Path:
    """Return a new name beside a file or folder, to use while it is being written."""
    return target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")


@contextmanager
def open_output(path: str) -> Iterator[BinaryIO]:
    """Open a file, or standard output, for writing; compress it if its name ends in .gz or .zst.

    The data goes to a new file in the same folder, which takes the name at the end, or is removed after an error. Only
    the owner can read it, since documents hold what people said; a file that is replaced passes its mode on. Pipes,
    devices and standard output are written to directly.
    """
    if path == STANDARD:
        standard = sys.stdout.buffer
        yield cast(BinaryIO, _Unbuffered(standard)) if isinstance(standard, RawIOBase) else standard
        standard.flush()
        return
    target = Path(path).resolve()
    if target.exists() and not target.is_file():
        with open(target, "wb") as direct:
            yield direct
        return
    # The name is chosen before the file is made, so that an interrupt between the two leaves no file behind.
    part = unfinished_name(target)
    try:
        try:
            # It is closed below; an error in opening it must name the target.
            file = open(part, "xb", opener=private_opener)  # noqa: SIM115
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from None
        with file, compressing(path, file) as packed:
            yield packed
        if target.exists():
            shutil.copymode(target, part)
        os.replace(part, target)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
