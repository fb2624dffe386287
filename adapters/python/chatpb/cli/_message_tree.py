"""A message as a tree: its members by home, with their protobuf types and their sizes on the wire."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

from rich.text import Text
from rich.tree import Tree

from chatpb._contract.schema import ADDITIONAL_PROPERTIES, KINDS, VERBATIM_PROPERTIES, Field, Member
from chatpb._json.print import print_value
from chatpb._tree.message import MessageTree
from chatpb._wire import LEN
from chatpb._wire.read import read_span, read_tag, skip_field

__all__ = ["message_tree"]

Fragment = tuple[Any, int]
"""One occurrence of a field on the wire: a view of its payload, which is empty without a length, and its bytes with the
tag. A copy would be as large as the message, at each level of it."""


def message_tree(message: MessageTree, wire: bytes, title: Text, items: int, width: int | None) -> Tree:
    """Return the tree of a message.

    Args:
        message: the message, read.
        wire: its wire bytes.
        title: what the root says.
        items: the most items of an array of messages that are shown, and the most members of each home that keeps
            members by name. A line says how many more there are.
        width: the most characters that are shown of a value; None shows no values.

    """
    tree = Tree(title, guide_style="dim")
    _Builder(items, width).members(tree, message, wire)
    return tree


class _Builder:
    """Adds members, fields and items to a branch of the tree."""

    def __init__(self, most: int, width: int | None) -> None:
        self.most = most
        self.width = width

    def members(self, branch: Tree, message: MessageTree, wire: Any) -> None:
        fragments = _split(wire)
        for member in message.schema.members.values():
            for field in member.alternatives:
                if message.has_typed(field):
                    value = message.values[field.number]
                    self.field(branch, member, field, value, fragments.get(field.number, []))
            if message.null_fields & member.bits:
                branch.add(_label(member.name, "null bit"))
            if message.empty_fields & member.bits:
                branch.add(_label(member.name, "empty bit", member.empty_form))
        entries = _split(_join(fragments.get(ADDITIONAL_PROPERTIES, []))).get(1, [])
        self.named(branch, "additional", message.additional, entries)
        self.named(branch, "verbatim", message.verbatim, fragments.get(VERBATIM_PROPERTIES, []))
        if message.unknown_fields:
            branch.add(
                _label(f"{sum(message.unknown_fields.values())} unknown", "fields that the contract does not have")
            )

    def named(self, branch: Tree, home: str, members: Mapping[str, Any], entries: list[Fragment]) -> None:
        sizes = _sizes_by_key(entries)
        for name, value in islice(members.items(), self.most):
            text = self.start(value) if home == "verbatim" else print_value(self.start(value))
            branch.add(self.leaf(name, home, text, sizes.get(name)))
        self.rest(branch, len(members), f"{home} members")

    def field(self, branch: Tree, member: Member, field: Field, value: Any, fragments: list[Fragment]) -> None:
        size = sum(size for _, size in fragments)
        if field.kind == "list":
            item = field.item
            fragments = _split(_join(fragments)).get(item.number, [])
            self.items(branch, member.name, item, value, fragments, size)
        elif field.repeated and not field.map_key:
            self.items(branch, member.name, field, value, fragments, size)
        elif field.kind == "message" and not field.map_key:
            inner = branch.add(_label(member.name, _type_name(field), size=size))
            # A message may be on the wire in several fragments, which are one message when joined.
            self.members(inner, value, _join(fragments))
        else:
            branch.add(self.leaf(member.name, _type_name(field), _value_text(field, self.start(value)), size))

    def items(
        self, branch: Tree, name: str, field: Field, items: list[Any], fragments: list[Fragment], size: int
    ) -> None:
        description = f"{_type_name(field)}, {len(items)} {'item' if len(items) == 1 else 'items'}"
        if field.kind != "message":
            text = "[" + ",".join(_value_text(field, self.start(item)) for item in self.start(items)) + "]"
            branch.add(self.leaf(name, description, text, size))
            return
        inner = branch.add(_label(name, description, size=size))
        shown = islice(zip(items, fragments, strict=True), self.most)
        for index, (item, (payload, item_size)) in enumerate(shown):
            self.members(inner.add(_label(str(index), size=item_size)), item, payload)
        self.rest(inner, len(items), "items")

    def rest(self, branch: Tree, count: int, what: str) -> None:
        if count > self.most:
            branch.add(Text(f"… and {count - self.most:,} more {what}", style="dim"))

    def start(self, value: Any) -> Any:
        """Return the start of a text or a list, which is all that is shown of it: its JSON would be as large."""
        return value[: (self.width or 0) + 1] if isinstance(value, (str, list)) else value

    def leaf(self, name: str, description: str, text: str, size: int | None) -> Text:
        return _label(name, description, "" if self.width is None else _shorten(text, self.width), size)


def _split(message: Any) -> dict[int, list[Fragment]]:
    """Return the fragments of a message, given its bytes or a view of them, by field number."""
    fragments: dict[int, list[Fragment]] = {}
    wire: Any = memoryview(message)
    at, end = 0, len(wire)
    while at < end:
        start = at
        tag, at = read_tag(wire, at, end)
        payload = wire[:0]
        if tag & 7 == LEN:
            begin, at = read_span(wire, at, end)
            payload = wire[begin:at]
        else:
            at = skip_field(tag, wire, at, end)
        fragments.setdefault(tag >> 3, []).append((payload, at - start))
    return fragments


def _join(fragments: list[Fragment]) -> Any:
    return fragments[0][0] if len(fragments) == 1 else b"".join(payload for payload, _ in fragments)


def _sizes_by_key(entries: list[Fragment]) -> dict[str, int]:
    """Return the sizes of the entries of a map, by key. Of entries with the same key the last one counts."""
    keys = (_split(payload).get(1, [(b"", 0)])[-1][0] for payload, _ in entries)
    return {bytes(key).decode(): size for key, (_, size) in zip(keys, entries, strict=True)}


def _type_name(field: Field) -> str:
    if field.map_key:
        return f"map<{field.map_key.kind}, {_type_name(field.map_value)}>"
    shown = KINDS[field.kind].shown_as
    if field.enum:
        shown = field.enum.name
    elif field.kind == "message":
        shown = field.schema.name
    return f"repeated {shown}" if field.repeated else shown


def _value_text(field: Field, value: Any) -> str:
    if field.map_key:
        entries = (f"{json.dumps(key)}:{_value_text(field.map_value, item)}" for key, item in value.items())
        return "{" + ",".join(entries) + "}"
    if isinstance(value, MessageTree):
        return "{...}"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if field.enum:
        return json.dumps(field.enum.string_of.get(value, value))
    return str(value) if field.kind == "text" else print_value(value)


def _shorten(text: str, width: int) -> str:
    """Return the start of a text, on one line, with characters that a terminal would act on escaped."""
    start = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[: width + 1])
    return start if len(start) <= width else start[: width - 1] + "…"


def _label(name: str, description: str = "", text: str = "", size: int | None = None) -> Text:
    label = Text(_shorten(name, 60), style="bold")
    if description:
        label.append(f"  {description}", style="not bold cyan")
    if text:
        label.append(f"  {text}", style="not bold green")
    if size is not None:
        label.append(f"  {size:,} B", style="not bold dim")
    return label
