"""What the source of a .proto file lacks for the mapping, and the source with what can be added.

The rules are those by which `schema_of` refuses a type, found in the source, where they can be mended. The home fields
are copied from the contract's own source, so that no list of them stands here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from chatpb._contract.proto_files import proto_path
from chatpb._contract.proto_source import ProtoField, ProtoFile, ProtoMessage, place, read_proto
from chatpb._contract.schema import HOME_FIELDS

__all__ = ["ProtoGap", "complete_proto", "proto_gaps"]

_STRUCT: Final = "google/protobuf/struct.proto"
_SCALARS: Final = {"int32", "int64", "uint32", "uint64", "double", "bool", "string", "bytes"}
_OTHERS: Final = {
    "float": "double",
    "sint32": "int32",
    "sint64": "int64",
    "fixed32": "uint32",
    "fixed64": "uint64",
    "sfixed32": "int32",
    "sfixed64": "int64",
}
"""Scalar types that the mapping does not know, and the type to use."""


@dataclass(frozen=True)
class ProtoGap:
    """One thing that a .proto file lacks.

    Attributes:
        line: the line of the message or the field, from 1.
        column: its column, from 1.
        name: the full name of the message, without its package, or MESSAGE.FIELD; "" is the file.
        reason: what is missing, and what to do.
        is_fixable: whether `complete_proto` adds it.

    Examples:
        >>> from chatpb import proto_gaps
        >>> gap = proto_gaps('syntax = "proto3"; message Order { optional string id = 1; }')[0]
        >>> gap.name, gap.is_fixable
        ('', True)

    """

    line: int
    column: int
    name: str
    reason: str
    is_fixable: bool

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.name + ': ' if self.name else ''}{self.reason}"


class _Edit(NamedTuple):
    """A text that takes the place of what stands between two offsets."""

    start: int
    stop: int
    text: str


@dataclass(frozen=True)
class _Finding:
    """What is missing: where, of what, why, and the edit that adds it, if one does, which may need Struct's import."""

    start: int
    name: str
    reason: str
    edit: _Edit | None = None
    needs_struct: bool = False


def proto_gaps(source: str, envelopes: Collection[str] = ()) -> list[ProtoGap]:
    """Return what a .proto file lacks so that JSON goes through its messages without loss, in the file's order.

    Types of other files are taken to be right: ask for those files too.

    Args:
        source: the text of the file.
        envelopes: names of messages, without the package, that need no home fields: a JSON member that such a message
            has no field for is an error.

    Raises:
        ProtoError: the text is not the source of a .proto file.

    Examples:
        >>> from chatpb import proto_gaps
        >>> for gap in proto_gaps('syntax = "proto3"; message Order { string id = 1; }'):
        ...     print(f"{gap.line}:{gap.column}: {gap.name} {gap.reason}")
        ...
        1:19:  lacks the import of google/protobuf/struct.proto
        1:20: Order lacks the home fields, which hold any member
        1:36: Order.id needs `optional`: without it, zero and absent are one

    """
    found = [(each, place(source, each.start)) for each in _findings(read_proto(source), envelopes)]
    return [ProtoGap(*at, each.name, each.reason, each.edit is not None) for each, at in found]


def complete_proto(source: str, envelopes: Collection[str] = ()) -> str:
    """Return a .proto file with what it lacks, as far as that can be added: the gaps that are fixable.

    Numbers and types of fields are never changed, so what was encoded before is read as before. Arguments and errors
    are those of `proto_gaps`.

    Examples:
        >>> from chatpb import complete_proto, proto_gaps
        >>> completed = complete_proto('syntax = "proto3"; message Order { string id = 1; }')
        >>> "optional string id = 1;" in completed, "additional_properties = 15;" in completed
        (True, True)
        >>> proto_gaps(completed)
        []

    """
    edits = [each.edit for each in _findings(read_proto(source), envelopes) if each.edit]
    newline = "\r\n" if "\r\n" in source else "\n"
    for start, stop, text in sorted(edits, reverse=True):
        source = source[:start] + text.replace("\n", newline) + source[stop:]
    return source


def _findings(file: ProtoFile, envelopes: Collection[str]) -> Iterator[_Finding]:
    found = [each for message in file.messages for each in _of_message(file, message, message.name in envelopes)]
    if any(each.needs_struct for each in found) and _STRUCT not in file.imports:
        at = file.imports_end
        line_before, line_after = "" if file.imports else "\n", "" if file.source[at:].startswith("\n\n") else "\n"
        text = f'{line_before}\nimport "{_STRUCT}";{line_after}'
        yield _Finding(at, "", f"lacks the import of {_STRUCT}", _Edit(at, at, text))
    yield from found


def _of_message(file: ProtoFile, message: ProtoMessage, is_envelope: bool) -> Iterator[_Finding]:
    is_list = [each.name for each in message.fields] == ["items"] and message.fields[0].label == "repeated"
    if not is_list:
        yield from _of_homes(file, message, is_envelope)
    for each in message.fields:
        if is_list or each.name not in HOME_FIELDS:
            yield from _of_field(file, message, each)


def _of_homes(file: ProtoFile, message: ProtoMessage, is_envelope: bool) -> Iterator[_Finding]:
    by_name = {each.name: each for each in message.fields}
    by_number = {each.number: each for each in message.fields}
    missing = {}
    is_blocked = False
    for name, number in HOME_FIELDS.items():
        if (found := by_name.get(name)) is not None:
            if (found.number, found.type) != (number, _homes()[name].type):
                is_blocked = True
                reason = f"must be {_homes()[name].type} and have the number {number}"
                yield _Finding(found.start, f"{message.name}.{name}", reason)
        elif (other := by_number.get(number)) is not None:
            is_blocked = True
            reason = f"has the number {number}, which {name} needs: give it another"
            yield _Finding(other.start, f"{message.name}.{other.name}", reason)
        elif any(number in numbers for numbers in message.reserved):
            is_blocked = True
            yield _Finding(message.start, message.name, f"reserves the number {number}, which {name} needs")
        else:
            missing[name] = number
    if missing and not (is_envelope and len(missing) == len(HOME_FIELDS)):
        some = ", ".join(f"{name} = {number}" for name, number in missing.items())
        reason = f"lacks {some}" if len(missing) < len(HOME_FIELDS) else "lacks the home fields, which hold any member"
        edit = None if is_blocked else _homes_edit(file, message, missing)
        yield _Finding(message.start, message.name, reason, edit, needs_struct=bool(edit))


def _of_field(file: ProtoFile, message: ProtoMessage, each: ProtoField) -> Iterator[_Finding]:
    def finding(reason: str, edit: _Edit | None = None) -> _Finding:
        return _Finding(each.start, f"{message.name}.{each.name}", reason, edit)

    held = each.type.removeprefix("map<").removesuffix(">").rpartition(",")[2]
    is_single = not (each.label or each.oneof or each.key)
    if each.number > 63:
        yield finding(f"has the number {each.number}, and null bits go to 63")
    if each.key not in ("", "string"):
        yield finding(f"has keys of type {each.key}, and the names of JSON members are strings")
    if held in _OTHERS:
        yield finding(f"has the type {held}, which the mapping does not know: use {_OTHERS[held]}")
    elif held == "group":
        yield finding("is a group, which the mapping does not know: use a message")
    elif held.removeprefix(".").startswith("google.protobuf."):
        reason = f"has the type {held}, whose JSON form the mapping does not know: use a string"
        yield finding(f"{reason} with the option json_form = JSON_FORM_TEXT, or a message of your own")
    elif is_single and held in _SCALARS and file.syntax == "proto3" and "JSON_FORM_TEXT" not in each.words:
        yield finding(
            "needs `optional`: without it, zero and absent are one", _Edit(each.start, each.start, "optional ")
        )


def _homes_edit(file: ProtoFile, message: ProtoMessage, names: Collection[str]) -> _Edit:
    """Return the edit that adds the home fields of some names at the end of a message."""
    source = file.source
    before = source[source.rfind("\n", 0, message.start) + 1 : message.start]
    indent = before[: len(before) - len(before.lstrip())]
    label = "optional " if file.syntax == "proto2" else ""
    lines = []
    for name in names:
        home = _homes()[name]
        lines += [*home.comment, f"{'' if home.type.startswith('map') else label}{home.declaration}"]
    text = "".join(f"{indent}  {each}\n" for each in lines)
    line = source.rfind("\n", 0, message.end) + 1
    if not source[line : message.end].strip():
        return _Edit(line, line, text)
    return _Edit(len(source[: message.end].rstrip()), message.end, f"\n{text}{indent}")


@dataclass(frozen=True)
class _Home:
    """A home field as the contract's own source has it: its type, its lines of comment, and its declaration."""

    type: str
    comment: tuple[str, ...]
    declaration: str


@cache
def _homes() -> dict[str, _Home]:
    source = (proto_path() / "chatcompletion" / "v1" / "usage.proto").read_text(encoding="utf-8")
    found = {}
    for each in read_proto(source).messages[0].fields:
        if each.name in HOME_FIELDS:
            comment: list[str] = []
            for line in reversed(source[: each.start].splitlines()[:-1]):
                if not line.strip().startswith("//"):
                    break
                comment.insert(0, line.strip())
            found[each.name] = _Home(each.type, tuple(comment), source[each.start : each.end])
    return found
