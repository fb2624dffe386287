"""How the members of chunks add up: the rules that options of the contract state, found for a type of chunk.

No name of a member stands in the code that puts chunks together. A field says by its option how it accumulates. Vendor
members, which have no field, accumulate as the fields of a delta that have their name, or their name's last word: so
`item_id` is an id, and `thought_signature` a signature.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from google.protobuf.descriptor import Descriptor

from chatcompletion.v1 import options_pb2
from chatpb._contract.schema import MessageSchema, schema_of

FIRST: Final = options_pb2.ACCUMULATION_FIRST
LATEST: Final = options_pb2.ACCUMULATION_LATEST
PIECES: Final = options_pb2.ACCUMULATION_PIECES
NAME: Final = options_pb2.ACCUMULATION_NAME
BASE64: Final = options_pb2.ACCUMULATION_BASE64
NONE: Final = options_pb2.ACCUMULATION_NONE
CHOICES: Final = options_pb2.ACCUMULATION_CHOICES
CALLS: Final = options_pb2.ACCUMULATION_CALLS

Accumulations = dict[str, int]
"""By the name of a member, how it accumulates. Members that are not in it accumulate by where they stand."""

_LAST_WORD: Final = re.compile("(?:_|([A-Z]))([^_A-Z]*)$")
NAMES_KEPT: Final = 1024
"""Names of vendor members whose rule is remembered."""


@dataclass(frozen=True, eq=False)
class StreamRules:
    """The rules of a type of chunk.

    Attributes:
        chunk: the accumulations of a chunk's members.
        values: by a chunk's member, the strings that it has in a completion instead of its own.
        choice: the accumulations of a choice's members.
        pending: the names of a choice's members that are null until its last chunk.
        delta: the name of a choice's member that holds pieces of a message; "" where there is none.
        message: the name of the completion's member that those make.
        delta_members: the accumulations of a delta's members.
        call: the accumulations of a call's members.
        bodies: by the name of a call's member that is an object, the name of its text that comes in pieces.
        names: the accumulations of members of any depth in a delta.
        running: the names of members of parts whose text goes on in the next part.

    """

    chunk: Accumulations
    values: dict[str, dict[str, str]]
    choice: Accumulations
    pending: tuple[str, ...]
    delta: str
    message: str
    delta_members: Accumulations
    call: Accumulations
    bodies: dict[str, str]
    names: Accumulations
    running: tuple[str, ...]

    def of_name(self, name: str) -> int:
        """Return how a member of a name accumulates inside a delta: PIECES unless a rule says otherwise."""
        return _of_name(self, name)


@lru_cache(NAMES_KEPT)
def _of_name(rules: StreamRules, name: str) -> int:
    if found := rules.names.get(name):
        return found
    word = _LAST_WORD.search(name)
    found = rules.names.get((word[1] or "").lower() + word[2]) if word else None
    return found if found in (FIRST, LATEST) else PIECES


@cache
def stream_rules(descriptor: Descriptor) -> StreamRules:
    """Return the rules of a type of chunk. A type without options for streams has none: its members take the latest."""
    chunk = schema_of(descriptor)
    choice = _held(chunk, CHOICES)
    fields = choice.fields() if choice else ()
    named = [(f.name, f.descriptor.GetOptions().Extensions[options_pb2.accumulated_name], f) for f in fields]
    delta, message, field = next((each for each in named if each[1]), ("", "", None))
    call = _held(field.schema, CALLS) if field else None
    return StreamRules(
        _accumulations(chunk),
        dict(_values(chunk)),
        _accumulations(choice),
        tuple(field.name for field in choice.fields() if field.required and field.nullable) if choice else (),
        delta,
        message,
        _accumulations(field.schema) if field else {},
        _accumulations(call),
        dict(_bodies(call)) if call else {},
        _names(field.schema) if field else {},
        tuple(field.schema.descriptor.GetOptions().Extensions[options_pb2.running_text]) if field else (),
    )


def _accumulations(schema: MessageSchema | None) -> Accumulations:
    members = schema.members.items() if schema else ()
    found = {
        name: int(member.first.descriptor.GetOptions().Extensions[options_pb2.accumulation]) for name, member in members
    }
    return {name: accumulation for name, accumulation in found.items() if accumulation}


def _held(schema: MessageSchema, accumulation: int) -> MessageSchema | None:
    """Return the type of the items of the member that accumulates so."""
    names = [name for name, found in _accumulations(schema).items() if found == accumulation]
    return schema.members[names[0]].first.schema if names else None


def _values(schema: MessageSchema) -> Iterator[tuple[str, dict[str, str]]]:
    for field in schema.fields():
        if field.enum and field.descriptor.enum_type:
            yield (
                field.name,
                {
                    field.enum.string_of[value.number]: whole
                    for value in field.descriptor.enum_type.values
                    if (whole := value.GetOptions().Extensions[options_pb2.accumulated_value])
                },
            )


def _bodies(call: MessageSchema) -> Iterator[tuple[str, str]]:
    for field in call.fields():
        if field.kind == "message" and not field.repeated:
            rules = _accumulations(field.schema)
            texts = [
                inner.name for inner in field.schema.fields() if inner.kind == "string" and inner.name not in rules
            ]
            yield from ((field.name, text) for text in texts[:1])


def _names(delta: MessageSchema) -> Accumulations:
    """Return the accumulations of texts in a delta and in all that it holds, by name."""
    whole = delta.descriptor.GetOptions().Extensions[options_pb2.whole_text]
    names: Accumulations = dict.fromkeys(whole, LATEST)
    for schema in _reached(delta, {}).values():
        names |= {
            name: found for name, found in _accumulations(schema).items() if found in (FIRST, LATEST, NAME, BASE64)
        }
    return names


def _reached(schema: MessageSchema, found: dict[str, MessageSchema]) -> dict[str, MessageSchema]:
    if schema.full_name not in found:
        found[schema.full_name] = schema
        for field in schema.fields():
            if field.kind in ("message", "list") and not field.map_key:
                _reached(field.schema, found)
    return found
