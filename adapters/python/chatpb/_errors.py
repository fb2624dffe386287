"""The errors that chatpb raises for bad data. Wrong arguments raise TypeError or a plain ValueError."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["STACK_IS_FULL", "ChatpbError", "ContractError", "JsonError", "ProtoError", "Violation", "WireError"]

STACK_IS_FULL: Final = "nesting deeper than Python's stack has room for"
"""The reason for an error of the reference engine where Python's recursion limit is low. The native engine has none."""


SHOWN_VIOLATIONS: Final = 20
"""Violations that the text of an error lists."""


class ChatpbError(ValueError):
    """The base of every error about data that chatpb was given.

    Examples:
        >>> from chatpb import ChatpbError, from_json
        >>> try:
        ...     from_json('{"id":')
        ... except ChatpbError as error:
        ...     print(error)
        ...
        unexpected end of the text at line 1, column 7 (byte 6), in /id

    """


class JsonError(ChatpbError):
    """Text is not acceptable JSON: RFC 8259, and the limits in docs/mapping.md.

    Attributes:
        path: JSON Pointer (RFC 6901) of the value being read; "" is the document itself.
        line: the line of the character where the text is wrong, from 1.
        column: the column of that character in code points, from 1.
        offset: the offset of that character in bytes of UTF-8, from 0.
        reason: what is wrong, in one sentence.

    Examples:
        >>> from chatpb import JsonError, from_json
        >>> try:
        ...     from_json('{"choices":[01]}')
        ... except JsonError as error:
        ...     print(error.path, error.column, error.reason)
        ...
        /choices/0 13 not a JSON number

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
    """Bytes are not a valid protobuf encoding, or hold what JSON cannot.

    Attributes:
        path: JSON Pointer (RFC 6901) of the message being read; "" is the outermost one. In an array of messages it
            starts with the place of the message.
        offset: the offset in bytes of the field that is wrong, from the start of the input.
        reason: what is wrong, in one sentence.

    Examples:
        >>> from chatpb import WireError, wire_to_json
        >>> try:
        ...     wire_to_json(bytes.fromhex("0a05 6331"))
        ... except WireError as error:
        ...     print(error.offset, error.reason)
        ...
        0 a field that runs past the end of its message

    """

    def __init__(self, path: str, offset: int, reason: str) -> None:
        super().__init__(path, offset, reason)
        self.path = path
        self.offset = offset
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason} at byte {self.offset}" + (f", in {self.path}" if self.path else "")


class ProtoError(ChatpbError):
    """Text is not the source of a .proto file.

    Attributes:
        line: the line of the piece that is wrong, from 1.
        column: its column, from 1.
        reason: what is wrong, in one sentence.

    Examples:
        >>> from chatpb import ProtoError, proto_gaps
        >>> try:
        ...     proto_gaps("message {")
        ... except ProtoError as error:
        ...     print(error.line, error.column, error.reason)
        ...
        1 9 expected the name of a message, not "{"

    """

    def __init__(self, line: int, column: int, reason: str) -> None:
        super().__init__(line, column, reason)
        self.line = line
        self.column = column
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason} at line {self.line}, column {self.column}"


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which a message breaks the contract.

    Attributes:
        path: JSON Pointer (RFC 6901) of the member.
        rule: the id of the broken rule, from the list in docs/mapping.md.
        message: what is wrong, in one sentence. It names types and members, but never a value.

    Examples:
        >>> from chatpb import from_json, validate
        >>> violation = validate(from_json('{"created":"soon"}'))[0]
        >>> violation.path, violation.rule
        ('/id', 'required')

    """

    path: str
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path or 'document'}: {self.message} [{self.rule}]"


class ContractError(ChatpbError):
    """A message breaks the contract, and the caller asked for `strict=True`.

    Attributes:
        violations: the violations found, in the contract's order, but those that `strict` lets pass.

    Examples:
        >>> from chatpb import ContractError, from_json
        >>> try:
        ...     from_json('{"id":null}', strict=True)
        ... except ContractError as error:
        ...     for violation in error.violations:
        ...         print(violation.path, violation.rule)
        ...
        /id not_nullable
        /object required
        /created required
        /model required
        /choices required

    """

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__(tuple(violations))
        self.violations = tuple(violations)

    def __str__(self) -> str:
        count = len(self.violations)
        head = "1 violation" if count == 1 else f"{count} violations"
        shown = [*map(str, self.violations[:SHOWN_VIOLATIONS])]
        if count > SHOWN_VIOLATIONS:
            shown.append(f"and {count - SHOWN_VIOLATIONS:,} more")
        return head + " of the contract: " + "; ".join(shown)
