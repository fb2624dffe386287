"""The errors that chatpb raises for bad data. Wrong arguments raise TypeError or ValueError as usual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ChatpbError", "ContractError", "JsonError", "Violation", "WireError"]


class ChatpbError(ValueError):
    """Base of every error about data that chatpb was given."""


class JsonError(ChatpbError):
    """Text that is not acceptable JSON (RFC 8259 and the limits in docs/mapping.md).

    Attributes:
        path: JSON Pointer (RFC 6901) of the value being read; "" is the document itself.
        line: line of the offending character, from 1.
        column: its column in code points, from 1.
        offset: its offset in bytes of UTF-8, from 0.
        reason: what is wrong, in one sentence.

    """

    def __init__(self, path: str, line: int, column: int, offset: int, reason: str) -> None:
        super().__init__(path, line, column, offset, reason)
        self.path = path
        self.line = line
        self.column = column
        self.offset = offset
        self.reason = reason

    def __str__(self) -> str:
        where = f"line {self.line}, column {self.column} (byte {self.offset})"
        return f"{self.reason} at {where}" + (f", in {self.path}" if self.path else "")


class WireError(ChatpbError):
    """Bytes that are not a valid protobuf encoding, or hold what JSON cannot.

    Attributes:
        path: JSON Pointer of the message being read; "" is the outermost one.
        offset: offset in bytes of the field that is wrong, from the start of the input.
        reason: what is wrong, in one sentence.

    """

    def __init__(self, path: str, offset: int, reason: str) -> None:
        super().__init__(path, offset, reason)
        self.path = path
        self.offset = offset
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason} at byte {self.offset}" + (f", in {self.path}" if self.path else "")


@dataclass(frozen=True)
class Violation:
    """One way in which a message breaks the contract.

    Attributes:
        path: JSON Pointer (RFC 6901) of the member.
        rule: id of the broken rule, one of those listed in docs/mapping.md.
        message: what is wrong, in one sentence. It names types and members, never their values.

    """

    path: str
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path or 'document'}: {self.message} [{self.rule}]"


class ContractError(ChatpbError):
    """A message that breaks the contract, raised where `strict=True` was asked for.

    Attributes:
        violations: every violation found, in the contract's order.

    """

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__(tuple(violations))
        self.violations = tuple(violations)

    def __str__(self) -> str:
        count = len(self.violations)
        head = "1 violation" if count == 1 else f"{count} violations"
        return head + " of the contract: " + "; ".join(map(str, self.violations))
