"""Walk the tree of a message: every message in it, and where each member of a message is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from chatpb._python.wire_to_tree import Message

__all__ = ["HOMES", "homes", "messages"]

HOMES: Final = ("typed", "null", "empty", "additional", "verbatim")
"""The homes of a member, in the order in which the mapping tries them."""


def messages(value: Any) -> Iterator[Message]:
    """The messages in a value of a tree, the outermost first."""
    if isinstance(value, Message):
        yield value
        for inner in value.values.values():
            yield from messages(inner)
    elif isinstance(value, list):
        for item in value:
            yield from messages(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from messages(item)


def homes(tree: Message) -> Counter[str]:
    """How many members of a message, and of those inside it, each home holds."""
    count: Counter[str] = Counter()
    for message in messages(tree):
        members = message.schema.members.values()
        empty = {f.number for f in message.schema.fields() if f.repeated and not message.values.get(f.number)}
        count["typed"] += len(message.values.keys() - empty)
        count["null"] += sum(bool(message.null_fields & member.bits) for member in members)
        count["empty"] += sum(bool(message.empty_fields & member.bits) for member in members)
        count["additional"] += len(message.additional)
        count["verbatim"] += len(message.verbatim)
    return count
