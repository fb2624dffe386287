"""Convert between dicts of Python and JSON text.

The native engine does the same in Rust (`dict_to_json.rs` and `json_to_dict.rs` of adapters/python/native) and has its
errors made here, so that they are worded once.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

from chatpb._errors import STACK_IS_FULL, JsonError
from chatpb._json.check import check_document, decode_document
from chatpb._json.print import print_string
from chatpb._limits import MAX_DEPTH, MAX_SIZE

__all__ = ["Default", "dict_to_json", "json_to_dict", "pair", "refusal"]

Default = Callable[[Any], Any]
"""Returns the JSON value of an object of any other type."""

_STRING_OR_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*"|[-+.eE0-9]+')
_END: Final = object()


def dict_to_json(obj: Any, default: Default | None = None, nonfinite: bool = True) -> bytes:
    """Return the JSON text of a dict, in UTF-8.

    JSON values are mappings, lists, tuples, str, int, float, bool, None and objects of subclasses. A str, int or float
    of a subclass counts as what it holds, whatever its methods say. A subclass of dict, list or tuple has the members
    or items that it iterates over. A float is spelled as `repr` spells it.

    Args:
        obj: the dict, or any other JSON value.
        default: makes JSON values of other objects. Without it, they raise TypeError.
        nonfinite: whether NaN and the infinities count as JSON where the first of several errors is looked for. They
            are written in any case.

    Raises:
        JsonError: the text would be deeper or larger than a document may be, an array or an object contains itself, or
            an integer has more digits than Python converts.
        TypeError: an object is no JSON value, or a name is not a string. The message ends with the JSON Pointer.

    """
    return _Writer(default, nonfinite).write(obj)


def json_to_dict(text: bytes) -> dict[str, Any]:
    """Return the dict of a JSON object that an engine printed.

    Raises JsonError for an integer of more digits than Python converts.
    """
    try:
        obj: dict[str, Any] = json.loads(text)
    except RecursionError:
        raise JsonError("", 1, 1, 0, STACK_IS_FULL) from None
    except ValueError:
        raise _long_integer(text.decode()) from None
    return obj


def refusal(
    before: str, nonfinite: bool, what: Literal["cycle", "integer", "name", "value"], culprit: object
) -> JsonError | TypeError:
    """Return the error for something that cannot be converted, or for what is wrong before it.

    Args:
        before: the JSON text before it.
        nonfinite: whether that text may have NaN and the infinities.
        what: an array or object that contains itself, an integer of too many digits, a name that is no string, or an
            object that is no JSON value.
        culprit: the name or the object.

    """
    try:
        check_document(before + "?", nonfinite)  # where no token starts with that
    except JsonError as error:
        if error.offset < len(before.encode()):
            return error
        path, place = error.path, (error.line, error.column, error.offset)
    kind, where = type(culprit).__name__, f", in {path}" if path else ""
    if what == "name":
        return TypeError(f"a JSON object has strings for names, not {kind}{where}")
    if what == "value":
        hint = "; from_openai takes such objects" if hasattr(type(culprit), "model_dump") else ""
        return TypeError(f"{kind} is not a JSON value{where}{hint}")
    reason = "an array or object that contains itself"
    if what == "integer":
        limit = sys.get_int_max_str_digits()
        reason = (
            f"an integer of more than {limit} digits, the most that Python converts: see sys.set_int_max_str_digits"
        )
    return JsonError(path, *place, reason)


def pair(entry: Any) -> tuple[Any, Any]:
    """Return the name and the value that an entry of a mapping's items consists of, or raise as unpacking it does."""
    name, value = entry
    return name, value


class _Open(NamedTuple):
    """An array or object that is not written whole yet, where its text starts, and what is left of its entries."""

    container: object
    start: int
    entries: Iterator[Any]
    closing: bytes


class _Writer:
    """Writes one value. It keeps its own stack, so that deep nesting cannot exhaust Python's."""

    def __init__(self, default: Default | None, nonfinite: bool) -> None:
        self.default = default
        self.nonfinite = nonfinite
        self.text = bytearray()
        self.open: list[_Open] = []
        self.full = False

    def write(self, obj: Any) -> bytes:
        self.value(obj)
        while self.open and not self.full:
            _, start, entries, closing = self.open[-1]
            entry = next(entries, _END)
            if entry is _END:
                self.open.pop()
                self.text += closing
                continue
            if len(self.text) > start + 1:
                self.text += b","
            if closing == b"}":
                name, entry = pair(entry)
                if not issubclass(type(name), str):
                    self.refuse("name", name)
                self.text += print_string(name).encode() + b":"
            self.value(entry)
        text = bytes(self.text)
        if self.full:
            check_document(decode_document(text), self.nonfinite)
        return text

    def refuse(self, what: Literal["cycle", "integer", "name", "value"], culprit: object) -> None:
        raise refusal(self.text.decode(), self.nonfinite, what, culprit)

    def value(self, value: Any) -> None:
        if not self.known(value):
            if self.default is None:
                self.refuse("value", value)
            elif not self.known(made := self.default(value)):
                self.refuse("value", made)

    def known(self, value: Any) -> bool:
        """Write a scalar, or the opening bracket of an array or object. Return whether it is one of these."""
        # Classes are looked at themselves, since an object may say that it is of another class.
        kind = type(value)
        if value is None or value is True or value is False:
            self.text += b"null" if value is None else b"true" if value else b"false"
        elif issubclass(kind, str):
            self.text += print_string(value).encode()
        elif issubclass(kind, int):
            try:
                self.text += int.__repr__(value).encode()
            except ValueError:
                self.refuse("integer", value)
        elif issubclass(kind, float):
            text = float.__repr__(value)
            self.text += {"nan": b"NaN", "inf": b"Infinity", "-inf": b"-Infinity"}.get(text) or text.encode()
        elif isinstance(value, Mapping):
            self.begin(value, lambda: iter(value.items()), b"{}")
        elif issubclass(kind, (list, tuple)):
            self.begin(value, lambda: iter(value), b"[]")
        else:
            return False
        return True

    def begin(self, container: Any, entries: Callable[[], Iterator[Any]], brackets: bytes) -> None:
        start = len(self.text)
        self.full = len(self.open) == MAX_DEPTH or start > MAX_SIZE
        if self.full:
            self.refuse_cycle(container)
        self.text += brackets[:1]
        if not self.full:
            self.open.append(_Open(container, start, entries(), brackets[1:]))

    def refuse_cycle(self, container: Any) -> None:
        """Refuse the first of the open arrays and objects that contains itself, if one does."""
        seen = set()
        for each, start in [*((each.container, each.start) for each in self.open), (container, len(self.text))]:
            if id(each) in seen:
                del self.text[start:]
                self.refuse("cycle", each)
            seen.add(id(each))


def _long_integer(text: str) -> JsonError | TypeError:
    """Return the error for the first integer of a text that has more digits than Python converts."""
    limit = sys.get_int_max_str_digits()
    for token in _STRING_OR_NUMBER.finditer(text):
        digits = token[0].removeprefix("-")
        if digits.isdigit() and len(digits) > limit:
            return refusal(text[: token.start()], True, "integer", None)
    raise AssertionError("Python refused JSON text that an engine printed")
