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

# What makes a class's messages, or takes them apart, for the calls that have messages.
_RUNTIMES = {"from_json": parsers, "to_json": serializers}


def shortcut(function: F) -> F:
    """The built-in function that serves plain calls of a function; the function itself where the Python engine runs."""
    if engine == "python":
        return function
    from chatpb._native import native

    runtimes = _RUNTIMES.get(function.__name__)
    signature = inspect.signature(function)
    message_type = signature.parameters.get("message_type")
    return native.shortcut(  # type: ignore[return-value]
        function,
        f"{function.__name__}{_plain(signature)}\n--\n\n{inspect.getdoc(function)}",
        message_type.default if message_type else None,
        lambda message_type: (codecs[message_type], None if runtimes is None else runtimes[message_type]),
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
    from chatpb._native import native

    on_register(native.forget_classes)
