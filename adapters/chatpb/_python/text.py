"""JSON text: decoding it, checking it exactly, and the spelling of values.

Reading is done twice over on purpose. The engine's own reader is quick and only notices *that* text is wrong; then
`check` reads it again, slowly, character by character from the start, and says what is wrong and where. So every rule
about bad text, and its position and path, is stated once, here. The rules, in the order in which they are tried:

1. The whole text is valid UTF-8 and at most MAX_SIZE bytes. A leading byte order mark is skipped.
2. Tokens are read from the left; the first that RFC 8259 does not allow in its place is the error. A token cut short by
   the end of the text is an unexpected end. A number is the longest run of the characters of numbers.
3. A bracket that opens level MAX_DEPTH + 1 is refused where it stands, as is the second member of a name in one object,
   and the name of the outermost object's member if it holds a lone surrogate.
"""

from __future__ import annotations

import re
from json.decoder import scanstring  # type: ignore[attr-defined]
from json.encoder import encode_basestring
from math import isfinite
from typing import NoReturn

from chatpb._errors import JsonError
from chatpb._limits import MAX_DEPTH, MAX_EXACT_INTEGER, MAX_SIZE

BOM = "\ufeff"
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_SPACE = re.compile(r"[ \t\n\r]*")

_NUMBER_RUN = re.compile(r"[-+.eE0-9]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_ESCAPE_START = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LITERALS = ("true", "false", "null")
_NONFINITE = ("NaN", "Infinity", "-Infinity")


def decode(data: bytes | bytearray | memoryview | str) -> str:
    """The text of a document, byte order mark and all.

    Raises JsonError for invalid UTF-8 and for a document above MAX_SIZE, TypeError for anything but text and buffers.
    """
    if isinstance(data, str):
        found = None if data.isascii() else _SURROGATE.search(data)
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


def check(text: str, nonfinite: bool, whole: bool = True) -> None:
    """Raise JsonError for the first thing wrong with a document, or return None.

    `whole` is False for the text of one value inside a message, which need not be an object.
    """
    _Checker(text, nonfinite, whole).run()


def number_text(value: float) -> str:
    """The JSON text of a double: an integer up to 2^53 without a fraction, else the shortest digits that read back.

    Plain notation from 1e-5 to below 1e16, scientific elsewhere, with neither a plus sign nor leading zeros in the
    exponent. Not-a-number and the infinities print as Python and JavaScript name them.
    """
    if not isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if value == int(value) and abs(value) <= MAX_EXACT_INTEGER and (value or str(value) == "0.0"):
        return str(int(value))
    text = repr(value)
    mantissa, e, exponent = text.partition("e")
    if not e:
        return text
    if exponent == "-05":
        sign, digits = ("-", mantissa[1:]) if value < 0 else ("", mantissa)
        return f"{sign}0.0000{digits.replace('.', '')}"
    return f"{mantissa}e{int(exponent)}"


def string_text(value: str) -> str:
    """The JSON text of a string: as few escapes as RFC 8259 allows, and one for each lone surrogate."""
    text = encode_basestring(value)
    return text if text.isascii() else _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def pointer(*keys: str | int) -> str:
    """A JSON Pointer (RFC 6901). A lone surrogate in a name is shown as U+FFFD."""
    return "".join(map(_pointer_step, keys))


def _pointer_step(key: str | int) -> str:
    if isinstance(key, int) or key.isidentifier():
        return f"/{key}"
    return "/" + _SURROGATE.sub("\ufffd", key.replace("~", "~0").replace("/", "~1"))


def _fail(text: str, at: int, path: str, reason: str) -> NoReturn:
    before = text[:at]
    line = before.count("\n") + 1
    column = at - (before.rfind("\n") + 1) + 1
    raise JsonError(path, line, column, len(before.encode("utf-8", "surrogatepass")), reason)


class _Checker:
    """Reads one document token by token with a stack of its own, so that no nesting can exhaust Python's."""

    def __init__(self, text: str, nonfinite: bool, whole: bool) -> None:
        self.text = text
        self.nonfinite = nonfinite
        self.whole = whole
        self.at = 1 if text.startswith(BOM) and whole else 0
        # For each open container: the names seen in it (None for an array), and the current name or index.
        self.seen: list[set[str] | None] = []
        self.keys: list[str | int | None] = []

    def run(self) -> None:
        self.skip_space()
        if self.whole and self.peek() != "{":
            self.fail("a document is a JSON object; this is something else")
        self.value()
        while self.seen:
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
        """The next character; an unexpected end where there is none."""
        if self.at >= len(self.text):
            self.fail_end()
        return self.text[self.at]

    def first(self) -> None:
        """What follows an opening bracket: the closing one, or the first entry."""
        self.skip_space()
        names = self.seen[-1]
        if self.peek() == ("]" if names is None else "}"):
            self.close()
        else:
            self.entry()

    def next(self) -> None:
        """What follows an entry: the closing bracket, or a comma and the next entry."""
        self.skip_space()
        closing = "]" if self.seen[-1] is None else "}"
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
        self.seen.pop()
        self.keys.pop()

    def entry(self) -> None:
        names, key = self.seen[-1], self.keys[-1]
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
        if self.whole and len(self.seen) == 1 and _SURROGATE.search(name):
            self.fail("a lone surrogate in the name of a member, which protobuf cannot carry", start)
        names.add(name)
        self.skip_space()
        if self.peek() != ":":
            self.fail("expected ':'")
        self.at += 1
        self.skip_space()
        self.value()

    def value(self) -> None:
        """Read a scalar whole, or open a container."""
        char = self.peek()
        if char in "{[":
            if len(self.seen) == MAX_DEPTH:
                self.fail(f"nesting deeper than {MAX_DEPTH} levels")
            self.at += 1
            self.seen.append(set() if char == "{" else None)
            self.keys.append(None)
        elif char == '"':
            self.string()
        elif self.word(_LITERALS):
            pass
        elif self.word(_NONFINITE):
            if not self.nonfinite:
                self.fail("NaN and Infinity are not JSON; nonfinite='allow' accepts them")
        elif char in "-0123456789":
            self.number()
        else:
            self.fail("expected a value")

    def word(self, words: tuple[str, ...]) -> bool:
        """Step over one of the words. False where none stands here."""
        rest = self.text[self.at : self.at + len("-Infinity")]
        for word in words:
            if rest.startswith(word):
                if not self.nonfinite and words is _NONFINITE:
                    return True
                self.at += len(word)
                return True
            if word.startswith(rest) and rest != "-":
                self.fail_end()
        return False

    def number(self) -> None:
        run = _NUMBER_RUN.match(self.text, self.at)
        assert run
        if run.end() == len(self.text) and self.whole:
            self.fail_end()
        if not _NUMBER.fullmatch(self.text, self.at, run.end()):
            self.fail("not a JSON number")
        self.at = run.end()

    def string(self) -> str:
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
