"""A message that was read from wire bytes, as a tree for printing, validation, detection and statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from chatpb._contract.schema import Field, Member, MessageSchema
from chatpb._json.member_order import arranged

__all__ = ["HOMES", "MessageTree"]

HOMES: Final = ("typed", "null", "empty", "additional", "verbatim")
"""The homes of a member, in the order in which the mapping tries them."""


@dataclass(eq=False, slots=True)
class MessageTree:
    """One message, with the messages inside it.

    Attributes:
        schema: the schema of the message type.
        values: the typed fields by number. A value is an int, bool, float, str, bytes or MessageTree; a list of them
            for a repeated field and for a message that stands for an array; a dict for a map. A double that is an
            integer up to 2^53 is an int.
        empty_fields: the empty bits.
        null_fields: the null bits.
        member_order: the order of open members, where it is not the sorted one.
        additional: the members in `additional_properties`, as JSON values, in the order in which they came.
        verbatim: the members in `verbatim_properties`, as JSON texts.
        unknown_fields: by number, how often each field came that the contract does not have.

    """

    schema: MessageSchema
    values: dict[int, Any] = field(default_factory=dict)
    empty_fields: int = 0
    null_fields: int = 0
    member_order: bytes = b""
    additional: dict[str, Any] = field(default_factory=dict)
    verbatim: dict[str, str] = field(default_factory=dict)
    unknown_fields: dict[int, int] = field(default_factory=dict)

    def has(self, member: Member) -> bool:
        """Return whether any home holds the member."""
        return (
            bool((self.null_fields | self.empty_fields) & member.bits)
            or member.name in self.additional
            or member.name in self.verbatim
            or any(self.has_typed(each) for each in member.alternatives)
        )

    def has_typed(self, each: Field) -> bool:
        """Return whether a typed field has a value. An array or map without entries has none."""
        value = self.values.get(each.number)
        return value is not None and not (each.repeated and not value)

    def open_members(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the additional and the verbatim members in the order in which they print, inside them too."""
        return arranged(self.additional, self.verbatim, self.member_order)

    def messages(self) -> Iterator[MessageTree]:
        """Yield this message and every message inside it, each before those inside it."""
        waiting: list[Any] = [self]
        while waiting:
            value = waiting.pop()
            if isinstance(value, MessageTree):
                yield value
                waiting.extend(value.values.values())
            elif isinstance(value, list):
                waiting.extend(value)
            elif isinstance(value, dict):
                waiting.extend(value.values())

    def homes(self) -> Counter[str]:
        """Count the members that each home holds, in this message and those inside it."""
        count: Counter[str] = Counter()
        for message in self.messages():
            count["typed"] += sum(message.has_typed(each) for each in message.schema.fields())
            for home, bits in ("null", message.null_fields), ("empty", message.empty_fields):
                if bits:
                    count[home] += sum(bool(bits & member.bits) for member in message.schema.members.values())
            count["additional"] += len(message.additional)
            count["verbatim"] += len(message.verbatim)
        return count
