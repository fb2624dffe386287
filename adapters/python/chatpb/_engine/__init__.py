"""The two engines, which convert between JSON text and wire bytes, and the choice between them.

The native engine runs where it is built, in the main interpreter of a process; the reference runs elsewhere. The
environment variable CHATPB_ENGINE forces one: `python` is the reference, `native` the native engine.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from google.protobuf.descriptor import Descriptor

from chatpb._engine.codec import Codec, Column, ColumnReader
from chatpb._errors import WireError
from chatpb._inputs import Wire

__all__ = [
    "codec_of",
    "column_reader",
    "description",
    "engine",
    "expanded_sizes",
    "fields_of_rows",
    "forget_classes",
    "messages_of_rows",
    "native_function",
    "rows_of_messages",
    "whole_messages",
]

F = TypeVar("F", bound=Callable[..., Any])


def _choose() -> Literal["native", "python"]:
    forced = os.environ.get("CHATPB_ENGINE", "")
    if forced not in ("", "native", "python"):
        raise ImportError(f"CHATPB_ENGINE must be 'native' or 'python', not {forced!r}")
    if forced == "python":
        return "python"
    try:
        import chatpb._engine.native  # noqa: F401
    except ModuleNotFoundError as error:
        if forced:
            raise ImportError(
                f"CHATPB_ENGINE={forced}, but chatpb was installed without its native engine: "
                "install a wheel, or install from source where a Rust toolchain is"
            ) from error
        _warn_of_another_installation()
        return "python"
    except ImportError as error:  # such as in a second interpreter of the process
        if forced:
            raise ImportError(f"CHATPB_ENGINE={forced}, but the native engine cannot be loaded: {error}") from error
        return "python"
    return "native"


def _warn_of_another_installation() -> None:
    """Warn where this package, without a native engine, hides an installed one that has it."""
    from importlib import metadata

    here = Path(__file__).resolve().parents[1]
    for each in metadata.distributions(name="chatpb"):
        other = Path(str(each.locate_file("chatpb"))).resolve()
        if other != here and any(other.glob("_engine/native/native.*[od]")):  # .so or .pyd
            warnings.warn(
                f"chatpb was imported from {here}, which has no native engine, and not from {other}, which has one: "
                "take the first from PYTHONPATH, or build its engine with `pip install -e .`",
                RuntimeWarning,
                stacklevel=2,
            )
            return


engine: Final = _choose()
"""Name of the engine in use.

Examples:
    >>> import chatpb
    >>> chatpb.engine in ("native", "python")
    True

"""

if engine == "native":
    from chatpb._engine import native as _engine
else:
    from chatpb._engine import reference as _engine  # type: ignore[no-redef]


def description() -> str:
    """Return the name of the engine in use, and of the processor's instructions that it uses."""
    return _engine.DESCRIPTION


@cache
def codec_of(descriptor: Descriptor) -> Codec:
    """Return the codec of a message type. Raises TypeError for a type that the mapping cannot hold."""
    return _engine.codec(descriptor)


def native_function(function: F, resolve: Callable[[type], tuple[Any, ...]]) -> F:
    """Return the native function that serves the calls of a function of its name; the function itself without one.

    `resolve` finds the functions that convert the messages of a class: see `chatpb._runtimes.MessageClass`.
    """
    return _engine.native_function(function, resolve) if engine == "native" else function


def forget_classes() -> None:
    """Have native functions find anew what converts the messages of each class."""
    if engine == "native":
        _engine.native.forget_classes()


def column_reader(descriptor: Descriptor, columns: Sequence[Column]) -> ColumnReader:
    """Return a reader of columns from messages of a type. Raises ValueError for a source without such values."""
    return _engine.column_reader(descriptor, columns)


def rows_of_messages(messages: Wire) -> tuple[bytes, bytes]:
    """Return messages that each follow their length as the bytes and 64-bit offsets of an Arrow array.

    Raises WireError if they are cut short.
    """
    try:
        return _engine.rows_of_messages(messages)
    except ValueError:
        _, end = _engine.whole_messages(messages, sys.maxsize)
        raise WireError("", end, "a message that runs past the end of the input") from None


def messages_of_rows(data: Wire, offsets: Wire) -> bytes:
    """Return the rows of an Arrow array, each after its length. Raises ValueError for offsets that do not fit."""
    return _engine.messages_of_rows(data, offsets)


def fields_of_rows(data: Wire, offsets: Wire, tag: int) -> tuple[bytes, bytes]:
    """Return messages that have a row of an Arrow array as their only field, which has the tag.

    Raises ValueError for offsets that do not fit.
    """
    return _engine.fields_of_rows(data, offsets, tag)


def expanded_sizes(data: Wire, offsets: Wire, tag: int) -> bytes:
    """Return how many bytes each record in the rows of an Arrow array has at most with whole chunks in its stream.

    The sizes are 64-bit integers; `tag` is that of a record's stream. What cannot be read is not expanded. Raises
    ValueError for offsets that do not fit.
    """
    return _engine.expanded_sizes(data, offsets, tag)


def whole_messages(wire: Wire, limit: int) -> tuple[int, int]:
    """Count the whole messages, each after its length, that the bytes begin with, and find where the last one ends.

    A length of more than five bytes, or above the limit, ends the run.
    """
    return _engine.whole_messages(wire, limit)
