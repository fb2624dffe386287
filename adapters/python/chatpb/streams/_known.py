"""Streams for services and storage, which log and count the fields of a newer contract that JSON leaves out."""

from __future__ import annotations

from collections.abc import Iterator

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk
from chatpb._convert import json_to_wire
from chatpb._errors import WireError
from chatpb._inputs import Buffer
from chatpb._known_json import known_json
from chatpb.streams.accumulate import Accumulator
from chatpb.streams.split import split_json

__all__ = ["add_known", "split_known"]


def add_known(accumulator: Accumulator, wire: Buffer) -> None:
    """Add an encoded chunk to an accumulator that refuses fields of a newer contract. Raises WireError."""
    try:
        accumulator.add_wire(wire)
    except WireError:
        accumulator.add_json(known_json(wire, ChatCompletionChunk))


def split_known(wire: Buffer, *, usage: bool = True) -> Iterator[bytes]:
    """Yield the wire bytes of a completion's chunks, given its own. Raises WireError."""
    for chunk in split_json(known_json(wire, ChatCompletion), usage=usage):
        yield json_to_wire(chunk, ChatCompletionChunk)
