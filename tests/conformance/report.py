"""The report that a program must give on a message, made here from descriptors and google.protobuf."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from tests.conformance.generated import entry_of, is_repeated

_LEAF_FIELD = {
    FieldDescriptor.TYPE_INT32: "integer",
    FieldDescriptor.TYPE_INT64: "integer",
    FieldDescriptor.TYPE_UINT64: "unsigned",
    FieldDescriptor.TYPE_DOUBLE: "number",
    FieldDescriptor.TYPE_BOOL: "boolean",
    FieldDescriptor.TYPE_STRING: "text",
    FieldDescriptor.TYPE_BYTES: "data",
    FieldDescriptor.TYPE_ENUM: "enum_number",
}

Lines = set[tuple[str, str]]


def expected_report(message: Any) -> Lines:
    """Return the report on a message as comparable lines."""
    return set(_walk(message, ""))


def lines_of(report: Any) -> Lines:
    """Return a program's report as comparable lines."""
    lines = {("null", path) for path in report.null_members} | {("empty", path) for path in report.empty_members}
    for leaf in report.leaves:
        field = leaf.WhichOneof("value")
        lines.add((leaf.path, f"{field}: {getattr(leaf, field)!r}" if field else "message"))
    return lines


def _walk(message: Any, path: str) -> Iterator[tuple[str, str]]:
    yield path, "message"
    for field, value in message.ListFields():
        at = f"{path}/{field.name}"
        if entry := entry_of(field):
            for key in value:
                yield from _visit(entry.fields_by_name["value"], value[key], f"{at}/{key}")
        elif is_repeated(field):
            for index, item in enumerate(value):
                yield from _visit(field, item, f"{at}/{index}")
        else:
            yield from _visit(field, value, at)
            if at == f"{path}/null_fields":
                yield from _members(message, value, path, "null")
            if at == f"{path}/empty_fields":
                yield from _members(message, value, path, "empty")


def _visit(field: FieldDescriptor, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if field.message_type:
        yield from _walk(value, path)
    else:
        yield path, f"{_LEAF_FIELD[field.type]}: {value!r}"


def _members(message: Any, bits: int, path: str, kind: str) -> Iterator[tuple[str, str]]:
    fields = message.DESCRIPTOR.fields_by_number
    for number in range(64):
        if bits >> number & 1:
            yield kind, f"{path}/{fields[number].name if number in fields else number}"
