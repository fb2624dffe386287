"""Records of one format to records of another, through wire bytes.

JSON lines and length-delimited messages go a block at a time, over all cores, where the engine does all that the
options ask for. A block in which a record is bad is done again one by one, which tells which and leaves out no other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from google.protobuf import text_format
from google.protobuf.message import DecodeError, Message

from chatpb import json_lines_to_wire, json_to_wire, wire_to_json, wire_to_json_lines
from chatpb._api import Nonfinite
from chatpb._detect import ROOTS, descriptor_of, detect_objects, detect_wires, message_type, wire_fit
from chatpb._engine import whole_messages
from chatpb._errors import ChatpbError, ContractError, WireError
from chatpb._python.wire_to_tree import wire_to_tree
from chatpb._records import Block, Format, Record, RecordError, frame
from chatpb._validate import validate_wire

__all__ = ["Converted", "Options", "Refused", "detect", "parse_text", "reader", "transcode"]

Step = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Options:
    """What the public functions can be told, in one value. The names are theirs."""

    strict: bool = False
    canonical: bool = False
    fill_required: bool = False
    allow_nonfinite: bool = False
    refuse_unknown: bool = False


class Converted(NamedTuple):
    """Records in another format, framed, and how many they are."""

    records: int
    data: bytes


class Refused(NamedTuple):
    """A record, and what is wrong with it."""

    record: Record
    error: ChatpbError


def detect(records: Iterable[Record], format: Format) -> type[Message]:
    """The message type of a file, from some of its records. Raises RecordError if they leave it open."""
    data = [record.data for record in records if not record.error]
    if format.is_json:
        return detect_objects(data)
    header = None if format.is_binary or not data else _HEADER.search(data[0])
    try:
        if header:
            return message_type(header[1].decode())
        return detect_wires(data) if format.is_binary or not data else _detect_text(data[0])
    except ValueError as error:
        raise RecordError(f"{error}; give the type with --type") from None


def transcode(
    blocks: Iterable[Block], target: Format, message_type: type[Message], options: Options
) -> Iterator[Converted | Refused]:
    """The records in another format, in order."""
    write = _writer(target, message_type, options)
    for block in blocks:
        batch = None if block.error else _batch(block.format, target, message_type, options)
        if batch:
            try:
                data = batch(block.data)
            except ChatpbError:
                pass
            else:
                yield Converted(_count(data, target), data)
                continue
        for record in block.records():
            try:
                if record.error:
                    raise record.error
                read = reader(record.format, message_type, options, to_json=target.is_json)
                yield Converted(1, frame(write(read(record.data)), target))
            except ChatpbError as error:
                yield Refused(record, error)


def _batch(source: Format, target: Format, message_type: type[Message], options: Options) -> Step | None:
    """The function from a run of records to the same in another format; None where they have to go one by one."""
    if options.strict or not (source.is_stream and target.is_stream):
        return None
    if source.is_binary and (options.canonical or target.is_binary):
        return None
    nonfinite: Nonfinite = "allow" if options.allow_nonfinite else "error"

    def convert(data: bytes) -> bytes:
        if source.is_json:
            data = json_lines_to_wire(data, message_type, canonical=options.canonical, nonfinite=nonfinite)
        if target.is_json:
            data = wire_to_json_lines(
                data,
                message_type,
                fill_required=options.fill_required,
                unknown_fields="error" if options.refuse_unknown else "skip",
                nonfinite=nonfinite,
            )
        return data

    return convert


def _count(data: bytes, format: Format) -> int:
    return data.count(b"\n") if format.is_json else whole_messages(data, len(data))[0]


def reader(format: Format, message_type: type[Message], options: Options, to_json: bool = False) -> Step:
    """The function from a record's bytes to wire bytes. `to_json` says that the wire bytes will be read again."""

    def read_json(data: bytes) -> bytes:
        return json_to_wire(
            data,
            message_type,
            strict=options.strict,
            canonical=options.canonical,
            nonfinite="allow" if options.allow_nonfinite else "error",
        )

    def read_text(data: bytes) -> bytes:
        return read_wire(parse_text(data, message_type).SerializeToString())

    def read_wire(data: bytes) -> bytes:
        if not to_json:
            wire_to_tree(data, descriptor_of(message_type), refuse_unknown=options.refuse_unknown)
        if options.strict and (violations := validate_wire(data, descriptor_of(message_type))):
            raise ContractError(violations)
        if options.canonical:
            return _parse(data, message_type).SerializeToString(deterministic=True)
        return data

    if format.is_json:
        return read_json
    return read_wire if format.is_binary else read_text


def _writer(format: Format, message_type: type[Message], options: Options) -> Step:
    """The function from wire bytes to a record's bytes."""

    def write_json(wire: bytes) -> bytes:
        return wire_to_json(
            wire,
            message_type,
            fill_required=options.fill_required,
            unknown_fields="error" if options.refuse_unknown else "skip",
            nonfinite="allow" if options.allow_nonfinite else "error",
        )

    def write_text(wire: bytes) -> bytes:
        text = text_format.MessageToString(_parse(wire, message_type), as_utf8=True)
        return _HEADER_TEXT.format(message_type.DESCRIPTOR.file.name, message_type.DESCRIPTOR.full_name, text).encode()

    if format.is_json:
        return write_json
    return bytes if format.is_binary else write_text


def _parse(wire: bytes, message_type: type[Message]) -> Message:
    try:
        return message_type.FromString(wire)
    except DecodeError:
        raise WireError("", 0, "a message that google.protobuf does not parse") from None


def parse_text(data: bytes, message_type: type[Message]) -> Message:
    """A message from protobuf text format. Raises RecordError."""
    try:
        return text_format.Parse(data.decode(), message_type())
    except UnicodeDecodeError:
        raise RecordError("invalid UTF-8") from None
    except RecursionError:
        raise RecordError("text that is nested too deep") from None
    except (text_format.ParseError, ValueError) as error:
        raise RecordError(f"not the text of a {message_type.DESCRIPTOR.name}: {error}") from None


def _detect_text(text: bytes) -> type[Message]:
    """The document that text without a header is: of those that it parses as, the one that fits best."""

    def fit(candidate: type[Message]) -> tuple[bool, float]:
        try:
            score = wire_fit(parse_text(text, candidate).SerializeToString(), candidate)
        except RecordError:
            return False, 0
        return True, score or 0

    return max(ROOTS.values(), key=fit)


_HEADER = re.compile(rb"^# proto-message: *([\w.]+)", re.MULTILINE)
_HEADER_TEXT = "# proto-file: {}\n# proto-message: {}\n\n{}"
