"""The native engine.

On x86-64 it scans long texts with AVX2 where the processor has it, else with SSE2. The environment variable CHATPB_SCAN
forces one, by the names `avx2` and `sse2`. Other processors have one set of instructions: `neon`, or `portable`.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from functools import WRAPPER_ASSIGNMENTS, cache, update_wrapper
from types import MethodType
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import Descriptor

import chatpb._engine.native.native as native
from chatpb._contract.descriptor_set import descriptor_set_of
from chatpb._engine.codec import Column, ColumnReader

__all__ = [
    "DESCRIPTION",
    "codec",
    "column_reader",
    "expanded_sizes",
    "fields_of_rows",
    "messages_of_rows",
    "native",
    "native_function",
    "rows_of_messages",
    "whole_messages",
]

_forced = os.environ.get("CHATPB_SCAN")
if _forced and _forced not in native.instruction_sets():
    raise ValueError(f"CHATPB_SCAN must be one of {native.instruction_sets()} on this machine, not {_forced!r}")

DESCRIPTION: Final = f"native ({native.instruction_set()})"

expanded_sizes: Final = native.expanded_sizes
fields_of_rows: Final = native.fields_of_rows
messages_of_rows: Final = native.messages_of_rows
rows_of_messages: Final = native.rows_of_messages
whole_messages: Final = native.whole_messages


F = TypeVar("F", bound=Callable[..., Any])


class NativeFunction:
    """The base of native functions: what they do as functions of Python do, except being called."""

    __slots__ = ()

    def __get__(self, owner: object, owner_type: type | None = None) -> Any:
        # `help` describes an object as a function if it binds as one.
        return self if owner is None else MethodType(self, owner)  # type: ignore[arg-type]

    def __reduce__(self) -> str:
        return self.__qualname__  # type: ignore[attr-defined,no-any-return]

    def __repr__(self) -> str:
        return f"<native function {self.__reduce__()}>"


def native_function(function: F, resolve: Callable[[type], tuple[Any, ...]]) -> F:
    """Return the native function that serves the calls of a function of its name."""
    parameters = list(inspect.signature(function).parameters.values())
    made = native.native_function(
        NativeFunction,
        function,
        [each.name for each in parameters],
        sum(each.kind is each.POSITIONAL_OR_KEYWORD for each in parameters),
        [each.default for each in parameters[1:]],
        resolve,
    )
    # Python 3.14 leaves `__annotations__` out by itself. There is no `__dict__` to update.
    update_wrapper(made, function, (*WRAPPER_ASSIGNMENTS, "__annotations__"), updated=())
    return made  # type: ignore[no-any-return]


@cache
def codec(descriptor: Descriptor) -> native.Codec:
    """Return the codec of a message type."""
    return native.Codec(descriptor_set_of(descriptor.file), descriptor.full_name)


def column_reader(descriptor: Descriptor, columns: Sequence[Column]) -> ColumnReader:
    """Return a reader of columns from messages of a type."""
    return native.ColumnReader(codec(descriptor), [(column.type, list(column.sources)) for column in columns])
