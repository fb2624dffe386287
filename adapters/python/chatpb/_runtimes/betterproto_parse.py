"""Parse wire bytes to betterproto messages, about ten times as fast as betterproto's own parser.

betterproto sets each attribute by two Python methods. Here the reader of message trees reads the bytes, and a message
gets all its attributes at once: those of an empty message of its class, and those that were read. This relies on how
betterproto 2.0.0b7 stores a message. Another version, and bytes with fields that the contract does not have, go to its
own parser.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor

from chatpb._contract.schema import ADDITIONAL_PROPERTIES, HOME_FIELDS, Field, schema_of
from chatpb._tree.message import MessageTree
from chatpb._tree.read import wire_to_tree

Build = Callable[[Any], Any]

_VERSION = "2.0.0b7"


class _UnknownFields(Exception):
    """The message has fields that only betterproto's own parser keeps."""


def parse(message_type: Any, wire: bytes, descriptor: Descriptor) -> Any:
    """Return the message of a betterproto class that wire bytes encode."""
    if is_known_version():
        try:
            return _message_builder(message_type, descriptor)(wire_to_tree(wire, descriptor))
        except _UnknownFields:
            pass
    return message_type().parse(wire)


@cache
def is_known_version() -> bool:
    """Return whether betterproto is the release that stores a message in the way relied on here."""
    from importlib.metadata import version

    return version("betterproto") == _VERSION


def _maker(message_type: Any) -> Callable[[dict[str, Any]], Any]:
    """Return a function that makes a message from the attributes that were read."""
    empty = dict(object.__getattribute__(message_type(), "__dict__"), _serialized_on_wire=True)
    groups = empty.pop("_group_current")
    group_of = message_type._betterproto.oneof_group_by_field

    def make(attributes: dict[str, Any]) -> Any:
        message: Any = object.__new__(message_type)
        chosen = {group_of[name]: name for name in attributes if name in group_of}
        object.__setattr__(message, "__dict__", {**empty, **attributes, "_group_current": {**groups, **chosen}})
        return message

    return make


@cache
def _message_builder(message_type: Any, descriptor: Descriptor) -> Build:
    schema = schema_of(descriptor)
    meta = message_type._betterproto
    names: dict[int, str] = meta.field_name_by_number
    make = _maker(message_type)
    fields = {field.number: (names[field.number], _field_builder(field, message_type)) for field in schema.fields()}
    if schema.has_homes:
        home = {name: names[number] for name, number in HOME_FIELDS.items()}
        build_struct = _struct_builder(meta.cls_by_field[names[ADDITIONAL_PROPERTIES]])

    def build_message(tree: MessageTree) -> Any:
        if tree.unknown_fields:
            raise _UnknownFields
        attributes = {}
        for number, value in tree.values.items():
            name, build_field = fields[number]
            attributes[name] = build_field(value) if build_field else value
        if tree.member_order:
            attributes[home["member_order"]] = tree.member_order
        if tree.empty_fields:
            attributes[home["empty_fields"]] = tree.empty_fields
        if tree.null_fields:
            attributes[home["null_fields"]] = tree.null_fields
        if tree.additional:
            attributes[home["additional_properties"]] = build_struct(tree.additional)
        if tree.verbatim:
            attributes[home["verbatim_properties"]] = tree.verbatim
        return make(attributes)

    return build_message


def _field_builder(field: Field, message_type: Any) -> Build | None:
    """Return a function that makes a field's value from that in a tree; None where they are equal."""
    name = message_type._betterproto.field_name_by_number[field.number]
    if field.map_key:
        build_entry = _value_builder(field.map_value, message_type._betterproto.cls_by_field[f"{name}.value"])
        return build_entry and (lambda entries: {key: build_entry(value) for key, value in entries.items()})
    build_one = _value_builder(field, message_type._betterproto.cls_by_field[name])
    if field.repeated:
        return build_one and (lambda items: [build_one(item) for item in items])
    return build_one


def _value_builder(field: Field, value_type: Any) -> Build | None:
    match field.kind:
        case "message":
            builder: list[Build] = []

            def build_message(tree: MessageTree) -> Any:
                # Made when first used, so that a message type may contain itself.
                if not builder:
                    builder.append(_message_builder(value_type, field.schema.descriptor))
                return builder[0](tree)

            return build_message
        case "list":
            make = _maker(value_type)
            build_items = _field_builder(field.item, value_type) or list
            return lambda items: make({"items": build_items(items)} if items else {})
        case "enum":
            members: dict[int, Any] = {member.value: member for member in value_type}
            return lambda number: members[number] if number in members else value_type.try_value(number)
        case "double":
            return float
    return None


def _struct_builder(struct_type: Any) -> Build:
    """Return a function that makes a google.protobuf.Struct from a dict of JSON values."""
    value_type = struct_type._betterproto.cls_by_field["fields.value"]
    kinds = value_type._betterproto.cls_by_field
    null = kinds["null_value"](0)
    make_struct, make_value, make_list = map(_maker, (struct_type, value_type, kinds["list_value"]))

    def build_struct(members: dict[str, Any]) -> Any:
        fields = {name: build_value(value) for name, value in members.items()}
        return make_struct({"fields": fields} if fields else {})

    def build_value(value: Any) -> Any:
        if isinstance(value, str):
            return make_value({"string_value": value})
        if isinstance(value, bool):
            return make_value({"bool_value": value})
        if isinstance(value, dict):
            return make_value({"struct_value": build_struct(value)})
        if isinstance(value, list):
            values = [build_value(item) for item in value]
            return make_value({"list_value": make_list({"values": values} if values else {})})
        return make_value({"null_value": null} if value is None else {"number_value": float(value)})

    return build_struct
