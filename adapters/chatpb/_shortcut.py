"""Shortcuts: built-in functions of the native engine that serve the calls which are made most.

A call of a Python function costs as much as the conversion of a short message. So with the native engine, a plain call
of `from_json` and its like, which gives nothing but what is to be converted and its class, never enters one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from chatpb._classes import codecs, parsers, serializers
from chatpb._engine import engine
from chatpb._runtimes import on_register

__all__ = ["shortcut"]

F = TypeVar("F", bound=Callable[..., Any])

# What a plain call needs of a message class beside its codec: what makes its messages, or takes them apart.
_RUNTIMES: dict[str, Callable[[type], Any]] = {
    "json_to_wire": lambda message_type: None,
    "wire_to_json": lambda message_type: None,
    "from_json": lambda message_type: parsers[message_type],
    "to_json": lambda message_type: serializers[message_type],
}


def shortcut(function: F) -> F:
    """The built-in function that serves plain calls of a function; the function itself where the Python engine runs."""
    if engine == "python":
        return function
    from chatpb import _native

    runtime = _RUNTIMES[function.__name__]
    signature = inspect.signature(function)
    message_type = signature.parameters.get("message_type")
    return _native.shortcut(  # type: ignore[return-value]
        function,
        f"{function.__name__}{_plain(signature)}\n--\n\n{inspect.getdoc(function)}",
        message_type.default if message_type else None,
        lambda message_type: (codecs[message_type], runtime(message_type)),
    )


def _plain(signature: inspect.Signature) -> str:
    """A signature as `inspect` reads it in a built-in function's text."""
    parameters = []
    for parameter in signature.parameters.values():
        # There is no way to say there which class is a default.
        is_class = isinstance(parameter.default, type) and parameter.default is not parameter.empty
        default = ... if is_class else parameter.default
        parameters.append(parameter.replace(annotation=parameter.empty, default=default))
    return str(inspect.Signature(parameters)).replace("Ellipsis", "...")


if engine == "native":
    from chatpb._native import forget_classes

    on_register(forget_classes)
