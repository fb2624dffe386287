"""Options that several commands have: a dataclass, whose fields are the options, is one parameter of each command.

Its HEADING is that of these options in the help of commands.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any, get_args, get_type_hints

__all__ = ["with_groups"]


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the fields of a dataclass as its options, in place of each parameter of such a type."""
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []

    def add(name: str, kind: Any, default: Any) -> None:
        parameters.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default),
        )

    # In Python 3.10, get_type_hints of a function hides the options of parameters whose default is None.
    for name, parameter in inspect.signature(command, eval_str=True).parameters.items():
        group: Any = parameter.annotation
        if is_dataclass(group):
            groups[name] = group
            kinds_of_group = get_type_hints(group, include_extras=True)
            for each in fields(group):
                get_args(kinds_of_group[each.name])[1].rich_help_panel = vars(group)["HEADING"]
                add(each.name, kinds_of_group[each.name], each.default)
        else:
            add(name, group, parameter.default)

    @wraps(command)
    def flat(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{each.name: given.pop(each.name) for each in fields(group)})
        command(**given)

    # typer reads both.
    vars(flat)["__signature__"] = inspect.Signature(parameters)
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return flat
