"""Read the source of a .proto file as far as the mapping needs it: its messages, their fields, and where each stands.

protoc checks sources; this only finds what it needs in those that protoc accepts. Offsets count characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple, NoReturn

from chatpb._errors import ProtoError

__all__ = ["ProtoField", "ProtoFile", "ProtoMessage", "read_proto"]

MAX_NESTING: Final = 32
"""Levels of messages declared inside messages, as protoc allows them."""

_TOKEN: Final = re.compile(
    r"""[\s\ufeff]+|//[^\n]*|/\*.*?\*/
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<word>\.?[A-Za-z_][\w.]*)
    |(?P<number>[0-9][\w.]*)
    |(?P<symbol>.)""",
    re.DOTALL | re.VERBOSE,
)
_CLOSING: Final = {"{": "}", "[": "]", "(": ")", "<": ">"}
_MAX_NUMBER: Final = 2**29 - 1


@dataclass(frozen=True)
class ProtoField:
    """A field of a message.

    Attributes:
        name: its name.
        number: its number.
        type: its type as it is written, without space; of a map, "map<KEY,VALUE>".
        key: of a map, the type of its keys, else "".
        label: "optional", "repeated", "required" or "".
        oneof: whether it is an alternative of a oneof.
        words: the words in its options, such as the names of options and of values.
        start: the offset of its first character.
        end: the offset behind its semicolon.

    """

    name: str
    number: int
    type: str
    key: str
    label: str
    oneof: bool
    words: frozenset[str]
    start: int
    end: int


@dataclass
class ProtoMessage:
    """A message: its full name, its fields, the ranges of its reserved and extension numbers, and where it stands."""

    name: str
    start: int
    end: int = 0
    fields: list[ProtoField] = field(default_factory=list)
    reserved: list[range] = field(default_factory=list)


@dataclass
class ProtoFile:
    """A file: its messages, nested ones too, and its imports. An import may be inserted at `imports_end`."""

    source: str
    syntax: str = "proto2"
    package: str = ""
    imports: list[str] = field(default_factory=list)
    imports_end: int = 0
    messages: list[ProtoMessage] = field(default_factory=list)


class _Token(NamedTuple):
    text: str
    start: int
    kind: str


def read_proto(source: str) -> ProtoFile:
    """Return what a .proto file declares. Raises ProtoError where the text is not the source of one."""
    return _Reader(source).file()


class _Reader:
    def __init__(self, source: str) -> None:
        self.found = ProtoFile(source)
        self.tokens = [
            _Token(match[0], match.start(), match.lastgroup) for match in _TOKEN.finditer(source) if match.lastgroup
        ]
        self.at = 0
        if (
            quote := next((each for each in self.tokens if each.kind == "symbol" and each.text in "\"'"), None)
        ) is not None:
            raise ProtoError(*place(source, quote.start), "a string without an end")

    def fail(self, expected: str) -> NoReturn:
        source = self.found.source
        start = self.tokens[self.at].start if self.at < len(self.tokens) else len(source)
        found = _quoted(self.tokens[self.at].text) if self.at < len(self.tokens) else "the end of the file"
        raise ProtoError(*place(source, start), f"expected {expected}, not {found}")

    def peek(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.tokens[at].text if at < len(self.tokens) else ""

    def take(self, kind: str, expected: str) -> _Token:
        if self.at >= len(self.tokens) or self.tokens[self.at].kind != kind:
            self.fail(expected)
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, symbol: str) -> _Token:
        if self.peek() != symbol:
            self.fail(_quoted(symbol))
        self.at += 1
        return self.tokens[self.at - 1]

    def skip_statement(self) -> list[_Token]:
        """Step over a statement, up to its semicolon or the end of its block. Return its tokens."""
        start, open_brackets = self.at, []
        while self.at < len(self.tokens):
            text = self.tokens[self.at].text
            self.at += 1
            if text in "{[(":
                open_brackets.append(_CLOSING[text])
            elif open_brackets and text == open_brackets[-1]:
                open_brackets.pop()
                if not open_brackets and text == "}" and self.peek() != ";":
                    break
            elif text == ";" and not open_brackets:
                break
        else:
            self.fail('";"')
        return self.tokens[start : self.at]

    def file(self) -> ProtoFile:
        found = self.found
        while self.at < len(self.tokens):
            match self.peek():
                case "message":
                    self.message("", 0)
                    continue
                case "syntax" | "edition" | "package" | "import" as keyword:
                    statement = self.skip_statement()
                case _:
                    self.skip_statement()
                    continue
            found.imports_end = statement[-1].start + 1
            value = next((each for each in statement[1:] if each.kind == "string" or keyword == "package"), None)
            text = value.text.strip("\"'") if value else ""
            if keyword == "import":
                found.imports.append(text)
            elif keyword == "package":
                found.package = text
            else:
                found.syntax = text if keyword == "syntax" else "editions"
        return found

    def message(self, scope: str, nesting: int) -> None:
        if nesting == MAX_NESTING:
            raise ProtoError(
                *place(self.found.source, self.tokens[self.at].start),
                f"messages nested deeper than {MAX_NESTING} levels",
            )
        start = self.take("word", "a message").start
        name = self.take("word", "the name of a message").text
        message = ProtoMessage(f"{scope}.{name}" if scope else name, start)
        self.found.messages.append(message)
        self.expect("{")
        while self.peek() != "}":
            self.member(message, nesting, oneof=False)
        message.end = self.expect("}").start

    def member(self, message: ProtoMessage, nesting: int, oneof: bool) -> None:
        """Read a statement inside a message or a oneof."""
        keyword, is_block = self.peek(), self.peek(2) == "{"
        if keyword == "message" and is_block:
            self.message(message.name, nesting + 1)
        elif keyword == "oneof" and is_block:
            self.at += 3
            while self.peek() != "}":
                self.member(message, nesting, oneof=True)
            self.at += 1
        elif keyword in ("enum", "extend") and is_block:
            self.skip_statement()
        elif keyword in ("option", "reserved", "extensions", ";") and self.peek(1) != "=":
            statement = self.skip_statement()
            if keyword in ("reserved", "extensions"):
                message.reserved += _ranges(statement[1:])
        else:
            message.fields.append(self.field(oneof))

    def field(self, oneof: bool) -> ProtoField:
        start, label, key = self.at, "", ""
        if self.peek() in ("optional", "repeated", "required") and self.peek(1) != "=":
            label = self.take("word", "a field").text
        kind = self.take("word", "a field").text
        if kind == "map" and self.peek() == "<":
            self.at += 1
            key = self.take("word", "the type of a map's keys").text
            self.expect(",")
            kind = f"map<{key},{self.take('word', 'the type of values').text}>"
            self.expect(">")
        name = self.take("word", "the name of a field").text
        self.expect("=")
        number = self.take("number", "the number of a field")
        rest = self.skip_statement()
        words = frozenset(each.text for each in rest if each.kind == "word")
        end = rest[-1].start + 1
        return ProtoField(name, _integer(number.text), kind, key, label, oneof, words, self.tokens[start].start, end)


def _ranges(tokens: list[_Token]) -> list[range]:
    """Return the ranges in `4, 9 to 11, 40 to max`; names and options stand for none."""
    found: list[range] = []
    for at, token in enumerate(tokens):
        if token.text == "[":
            break
        if token.kind != "number":
            continue
        first = _integer(token.text)
        if at and tokens[at - 1].text == "to" and found:
            found[-1] = range(found[-1].start, first + 1)
        else:
            is_open = [each.text for each in tokens[at + 1 : at + 3]] == ["to", "max"]
            found.append(range(first, (_MAX_NUMBER if is_open else first) + 1))
    return found


def _integer(text: str) -> int:
    """Return a decimal, hexadecimal or octal number; 0, which no field has, for any other text."""
    try:
        return int(text, 8 if re.fullmatch("0[0-7]+", text) else 0)
    except ValueError:
        return 0


def _quoted(text: str) -> str:
    """Return a piece of the source in quotes, cut if it is long."""
    return f'"{text[:40]}"'


def place(source: str, offset: int) -> tuple[int, int]:
    """Return the line and the column of an offset, both from 1."""
    return source.count("\n", 0, offset) + 1, offset - source.rfind("\n", 0, offset)
