"""A message as a tree: its members by home, with their protobuf types and their sizes on the wire."""

from __future__ import annotations

import json
from typing import Any

from rich.text import Text
from rich.tree import Tree

from chatpb._python.open_values import print_value
from chatpb._python.wire import LEN, read_span, read_tag, skip_field
from chatpb._python.wire_to_tree import Message
from chatpb._schema import ADDITIONAL_PROPERTIES, VERBATIM_PROPERTIES, Field, Member

__all__ = ["message_tree"]

Parts = dict[int, list[tuple[bytes, int]]]
"""By field number, for each time that the field occurs: its payload if it has a length, and its size, tag and all."""


def message_tree(message: Message, wire: bytes, title: Text, width: int | None) -> Tree:
    """The tree of a message. `width` is the longest value that is shown; None shows no values."""
    tree = Tree(title, guide_style="dim")
    _Printer(width).members(tree, message, wire)
    return tree


class _Printer:
    def __init__(self, width: int | None) -> None:
        self.width = width

    def members(self, branch: Tree, message: Message, wire: bytes) -> None:
        parts = _split(wire)
        for member in message.schema.members.values():
            for field in member.alternatives:
                value = message.values.get(field.number)
                if value is not None and not (field.repeated and not value):
                    self.field(branch, member, field, value, parts.get(field.number, []))
            if message.null_fields & member.bits:
                branch.add(_label(member.name, "null bit"))
            if message.empty_fields & member.bits:
                branch.add(_label(member.name, "empty bit", member.empty_form))
        entries = _split(b"".join(payload for payload, _ in parts.get(ADDITIONAL_PROPERTIES, []))).get(1, [])
        sizes = _sizes_by_key(entries)
        for name, value in message.additional.items():
            branch.add(self.leaf(name, "additional", print_value(value), sizes.get(name)))
        sizes = _sizes_by_key(parts.get(VERBATIM_PROPERTIES, []))
        for name, text in message.verbatim.items():
            branch.add(self.leaf(name, "verbatim", text, sizes.get(name)))
        if message.unknown_fields:
            branch.add(_label(f"{message.unknown_fields} unknown", "fields that the contract does not have"))

    def field(self, branch: Tree, member: Member, field: Field, value: Any, parts: list[tuple[bytes, int]]) -> None:
        size = sum(size for _, size in parts)
        if field.kind == "list":
            item = field.item
            parts = _split(b"".join(payload for payload, _ in parts)).get(item.number, [])
            self.items(branch, member.name, item, value, parts, size)
        elif field.repeated and not field.map_key:
            self.items(branch, member.name, field, value, parts, size)
        elif field.kind == "message" and not field.map_key:
            inner = branch.add(_label(member.name, _type(field), size=size))
            # The parts of a message that came in parts are one message when joined.
            self.members(inner, value, b"".join(payload for payload, _ in parts))
        else:
            branch.add(self.leaf(member.name, _type(field), _value_text(field, value), size))

    def items(
        self, branch: Tree, name: str, field: Field, items: list[Any], parts: list[tuple[bytes, int]], size: int
    ) -> None:
        kind = f"{_type(field)}, {len(items)} {'item' if len(items) == 1 else 'items'}"
        if field.kind != "message":
            text = "[" + ",".join(_value_text(field, item) for item in items) + "]"
            branch.add(self.leaf(name, kind, text, size))
            return
        inner = branch.add(_label(name, kind, size=size))
        for index, (item, (payload, item_size)) in enumerate(zip(items, parts, strict=True)):
            self.members(inner.add(_label(str(index), size=item_size)), item, payload)

    def leaf(self, name: str, kind: str, text: str, size: int | None) -> Text:
        return _label(name, kind, "" if self.width is None else _shorten(text, self.width), size)


def _split(wire: bytes) -> Parts:
    parts: Parts = {}
    at, end = 0, len(wire)
    while at < end:
        start = at
        tag, at = read_tag(wire, at, end)
        payload = b""
        if tag & 7 == LEN:
            begin, at = read_span(wire, at, end)
            payload = wire[begin:at]
        else:
            at = skip_field(tag, wire, at, end)
        parts.setdefault(tag >> 3, []).append((payload, at - start))
    return parts


def _sizes_by_key(entries: list[tuple[bytes, int]]) -> dict[str, int]:
    """Sizes of the entries of a map, by key. Of entries with the same key the last one counts."""
    keys = (_split(payload).get(1, [(b"", 0)])[-1][0] for payload, _ in entries)
    return {key.decode(): size for key, (_, size) in zip(keys, entries, strict=True)}


def _type(field: Field) -> str:
    if field.map_key:
        return f"map<{field.map_key.kind}, {_type(field.map_value)}>"
    kind = field.kind
    if field.enum:
        kind = field.enum.name
    elif kind == "message":
        kind = field.schema.name
    elif kind == "text":
        kind = "string of JSON text"
    elif kind == "byte_array":
        kind = "bytes"
    return f"repeated {kind}" if field.repeated else kind


def _value_text(field: Field, value: Any) -> str:
    if field.map_key:
        entries = (f"{json.dumps(key)}:{_value_text(field.map_value, item)}" for key, item in value.items())
        return "{" + ",".join(entries) + "}"
    if isinstance(value, Message):
        return "{...}"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if field.enum:
        return json.dumps(field.enum.string_of.get(value, value))
    return str(value) if field.kind == "text" else print_value(value)


def _shorten(text: str, width: int) -> str:
    """The start of a text, on one line, with nothing in it that a terminal would act on."""
    start = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[: width + 1])
    return start if len(start) <= width else start[: width - 1] + "…"


def _label(name: str, kind: str = "", text: str = "", size: int | None = None) -> Text:
    label = Text(_shorten(name, 60), style="bold")
    if kind:
        label.append(f"  {kind}", style="not bold cyan")
    if text:
        label.append(f"  {text}", style="not bold green")
    if size is not None:
        label.append(f"  {size:,} B", style="not bold dim")
    return label
