"""Find the first thing that is wrong with JSON text, and where it stands.

An engine reads text with a quick reader, which only notices *that* the text is wrong. Wrong text is then read a second
time here, slowly and token by token from the start. So each rule about wrong text, and the position and path of each
error, is stated once. The rules, in the order in which they apply:

1. The whole text is valid UTF-8 and at most MAX_SIZE bytes. A leading byte order mark is skipped.
2. Tokens are read from the left. The first token that RFC 8259 does not allow in its place is the error. A token that
   the end of the text cuts short is an unexpected end. A number reaches as far as characters that numbers have.
3. These are errors where they stand: a bracket that opens level MAX_DEPTH + 1, the second member of one name in an
   object, and in the outermost object a name with a lone surrogate.
"""

from __future__ import annotations

import re
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import NoReturn

from chatpb._errors import JsonError
from chatpb._json import BOM, SURROGATE
from chatpb._json.pointer import pointer
from chatpb._limits import MAX_DEPTH, MAX_SIZE

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_SPACE = re.compile(r"[ \t\n\r]*")

_NUMBER_RUN = re.compile(r"[-+.eE0-9]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_ESCAPE_START = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_LITERALS = ("true", "false", "null")
_NONFINITE = ("NaN", "Infinity", "-Infinity")


def decode_document(data: bytes | bytearray | memoryview | str) -> str:
    """Return the text of a document, with its byte order mark.

    Raises JsonError for invalid UTF-8 and for a document above MAX_SIZE, TypeError for anything but text and buffers.
    """
    if isinstance(data, str):
        found = None if data.isascii() else SURROGATE.search(data)
        if found:
            _fail(data, found.start(), "", "a lone surrogate, which UTF-8 cannot encode")
        text = data
    else:
        try:
            text = str(data, "utf-8")
        except UnicodeDecodeError as error:
            text = bytes(data)[: error.start].decode()
            _fail(text, len(text), "", "invalid UTF-8")
    if len(text) > MAX_SIZE or (len(text) > MAX_SIZE // 4 and len(text.encode()) > MAX_SIZE):
        raise JsonError("", 1, 1, 0, f"a document of more than {MAX_SIZE} bytes")
    return text


def check_document(text: str, nonfinite: bool) -> None:
    """Raise JsonError for the first thing that is wrong with a document, if anything is."""
    _Checker(text, nonfinite, whole=True).run()


def check_value(text: str, nonfinite: bool) -> None:
    """Raise JsonError for the first thing that is wrong with the text of one value inside a message."""
    _Checker(text, nonfinite, whole=False).run()


def check_home(text: str, path: tuple[str | int, ...], envelope: str) -> NoReturn:
    """Raise JsonError for a value that an envelope of a name has no field for, given the path of the value.

    The text is a document in which nothing else is wrong.
    """
    reason = f"{envelope} has no field for this value, and lacks the fields that hold any member (docs/contracts.md)"
    checker = _Checker(text, nonfinite=True, whole=True)
    checker.stop = [*path], reason
    checker.run()
    raise AssertionError("no value is there")


def _fail(text: str, at: int, path: str, reason: str) -> NoReturn:
    before = text[:at]
    line = before.count("\n") + 1
    column = at - (before.rfind("\n") + 1) + 1
    raise JsonError(path, line, column, len(before.encode("utf-8", "surrogatepass")), reason)


class _Checker:
    """Reads text token by token, and keeps its own stack, so that deep nesting cannot exhaust Python's.

    `whole` says whether the text is a document, which is an object, or any value.
    """

    def __init__(self, text: str, nonfinite: bool, whole: bool) -> None:
        self.text = text
        self.nonfinite = nonfinite
        self.whole = whole
        self.at = 1 if text.startswith(BOM) and whole else 0
        # For each open object or array: the names seen in it (None for an array), and the current name or index.
        self.names: list[set[str] | None] = []
        self.keys: list[str | int | None] = []
        # The path of a value that is an error, and the reason.
        self.stop: tuple[list[str | int], str] | None = None

    def run(self) -> None:
        self.skip_space()
        if self.whole and self.peek() != "{":
            self.fail("a document is a JSON object; this is something else")
        self.value()
        while self.names:
            if self.keys[-1] is None:
                self.first()
            else:
                self.next()
        self.skip_space()
        if self.at < len(self.text):
            self.fail("unexpected data after the end of the document")

    def fail(self, reason: str, at: int | None = None) -> NoReturn:
        _fail(self.text, self.at if at is None else at, pointer(*(k for k in self.keys if k is not None)), reason)

    def fail_end(self) -> NoReturn:
        self.fail("unexpected end of the text", len(self.text))

    def skip_space(self) -> None:
        found = _SPACE.match(self.text, self.at)
        assert found
        self.at = found.end()

    def peek(self) -> str:
        """Return the next character. Where there is none, fail with an unexpected end."""
        if self.at >= len(self.text):
            self.fail_end()
        return self.text[self.at]

    def first(self) -> None:
        """Read what follows an opening bracket: the closing bracket or the first entry."""
        self.skip_space()
        names = self.names[-1]
        if self.peek() == ("]" if names is None else "}"):
            self.close()
        else:
            self.entry()

    def next(self) -> None:
        """Read what follows an entry: the closing bracket, or a comma and the next entry."""
        self.skip_space()
        closing = "]" if self.names[-1] is None else "}"
        key, self.keys[-1] = self.keys[-1], None
        char = self.peek()
        if char == closing:
            self.close()
        elif char == ",":
            self.at += 1
            self.keys[-1] = key
            self.entry()
        else:
            self.fail(f"expected ',' or '{closing}'")

    def close(self) -> None:
        self.at += 1
        self.names.pop()
        self.keys.pop()

    def entry(self) -> None:
        """Read an item of an array, or a name, a colon and a value of an object."""
        names, key = self.names[-1], self.keys[-1]
        if names is None:
            self.keys[-1] = key + 1 if isinstance(key, int) else 0
            self.skip_space()
            self.value()
            return
        self.keys[-1] = None
        self.skip_space()
        if self.peek() != '"':
            self.fail("expected the name of a member, in double quotes")
        start = self.at
        name = self.string()
        self.keys[-1] = name
        if name in names:
            self.fail("a second member of this name; JSON objects here have each name once", start)
        if self.whole and len(self.names) == 1 and SURROGATE.search(name):
            self.fail("a lone surrogate in the name of a member, which protobuf cannot carry", start)
        names.add(name)
        self.skip_space()
        if self.peek() != ":":
            self.fail("expected ':'")
        self.at += 1
        self.skip_space()
        if self.stop and self.keys == self.stop[0]:
            self.fail(self.stop[1])
        self.value()

    def value(self) -> None:
        """Read a scalar, or the opening bracket of an object or array."""
        char = self.peek()
        if char in "{[":
            if len(self.names) == MAX_DEPTH:
                self.fail(f"nesting deeper than {MAX_DEPTH} levels")
            self.at += 1
            self.names.append(set() if char == "{" else None)
            self.keys.append(None)
        elif char == '"':
            self.string()
        elif size := self.word(_LITERALS):
            self.at += size
        elif size := self.word(_NONFINITE):
            if not self.nonfinite:
                self.fail("NaN and Infinity are not JSON; nonfinite='allow' accepts them")
            self.at += size
        elif char in "-0123456789":
            self.number()
        else:
            self.fail("expected a value")

    def word(self, words: tuple[str, ...]) -> int:
        """Return the length of the word that stands here, 0 if none does. Fail where the text ends inside a word."""
        rest = self.text[self.at : self.at + len("-Infinity")]
        for word in words:
            if rest.startswith(word):
                return len(word)
            if word.startswith(rest) and rest != "-":
                self.fail_end()
        return 0

    def number(self) -> None:
        run = _NUMBER_RUN.match(self.text, self.at)
        assert run
        if run.end() == len(self.text) and self.whole:
            self.fail_end()
        if not _NUMBER.fullmatch(self.text, self.at, run.end()):
            self.fail("not a JSON number")
        self.at = run.end()

    def string(self) -> str:
        """Read a string and return its value."""
        start, at, text = self.at, self.at + 1, self.text
        while True:
            plain = _PLAIN.match(text, at)
            assert plain
            at = plain.end()
            if at >= len(text):
                self.fail_end()
            if text[at] == '"':
                break
            if text[at] != "\\":
                self.fail("a control character in a string, which must be escaped", at)
            escape = _ESCAPE.match(text, at)
            if not escape:
                if _ESCAPE_START.match(text, at):
                    self.fail_end()
                self.fail("not a JSON escape", at)
            at = escape.end()
        self.at = at + 1
        value: str = scanstring(text, start + 1, True)[0]
        return value
