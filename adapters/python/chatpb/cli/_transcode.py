"""Documents of one format to documents of another, through wire bytes.

Rules: between JSON lines and length-delimited messages a whole block is converted at once, over all cores, where the
engine does all that the options ask for. If a document of a block is bad, the block's documents are converted one by
one, which finds the bad ones and leaves out no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from google.protobuf import text_format
from google.protobuf.message import DecodeError, Message

from chatpb import (
    ChatpbError,
    ContractError,
    WireError,
    json_lines_to_wire,
    json_to_wire,
    wire_to_json,
    wire_to_json_lines,
)
from chatpb._contract.documents import DOCUMENTS, message_type
from chatpb._detect import descriptor_of, detect_json, detect_wires, wire_fit
from chatpb._engine import codec_of, whole_messages
from chatpb._files.formats import Format
from chatpb._files.framing import frame
from chatpb._files.read import Block, Document, DocumentError
from chatpb._options import Nonfinite, UnknownFields
from chatpb._tree.read import wire_to_tree

__all__ = ["SAMPLE_SIZE", "BadDocument", "Converted", "Options", "detect", "to_wire", "transcode"]

SAMPLE_SIZE: Final = 8
"""Documents of a file from which its message type is detected."""


@dataclass(frozen=True)
class Options:
    """Options of chatpb's public functions, by the names that those give them."""

    strict: bool = False
    canonical: bool = False
    fill_required: bool = False
    nonfinite: Nonfinite = "error"
    unknown_fields: UnknownFields = "error"


class Converted(NamedTuple):
    """Documents in another format, framed, and how many they are."""

    documents: int
    data: bytes


class BadDocument(NamedTuple):
    """A document that cannot be converted, and why."""

    document: Document
    error: ChatpbError


def detect(documents: Iterable[Document], format: Format) -> type[Message]:
    """Return the message type of a file, from some of its documents. Raises DocumentError if several fit alike."""
    data = [document.data for document in documents if not document.error]
    if format.is_json:
        return detect_json(data)
    header = None if format.is_binary or not data else _HEADER.search(data[0])
    try:
        if header:
            return message_type(header[1].decode())
        return detect_wires(data) if format.is_binary or not data else _detect_text(data[0])
    except ValueError as error:
        raise DocumentError(f"{error}; give the type with --type") from None


def transcode(
    blocks: Iterable[Block], format: Format, message_type: type[Message], options: Options
) -> Iterator[Converted | BadDocument]:
    """Yield the documents of the blocks in another format, in order."""
    for block in blocks:
        if not block.error and _converts_whole_blocks(block.format, format, options):
            try:
                data = _convert_block(block, format, message_type, options)
            except ChatpbError:
                pass
            else:
                yield Converted(_count(data, format), data)
                continue
        for document in block.documents():
            try:
                wire = to_wire(document, message_type, options, for_json=format.is_json, keeps_all=format.is_binary)
                yield Converted(1, frame(_from_wire(wire, format, message_type, options), format))
            except ChatpbError as error:
                yield BadDocument(document, error)


def _converts_whole_blocks(source: Format, target: Format, options: Options) -> bool:
    if not (source.is_stream and target.is_stream):
        return False
    return source.is_json or (target.is_json and not options.canonical)


def _convert_block(block: Block, format: Format, message_type: type[Message], options: Options) -> bytes:
    data = block.data
    if block.format.is_json:
        data = json_lines_to_wire(
            data, message_type, strict=options.strict, canonical=options.canonical, nonfinite=options.nonfinite
        )
    elif options.strict:
        for document in block.documents():
            _refuse_violations(document.data, message_type)
    if format.is_json:
        data = wire_to_json_lines(
            data,
            message_type,
            fill_required=options.fill_required,
            unknown_fields=options.unknown_fields,
            nonfinite=options.nonfinite,
        )
    return data


def _count(data: bytes, format: Format) -> int:
    return data.count(b"\n") if format.is_json else whole_messages(data, len(data))[0]


def to_wire(
    document: Document,
    message_type: type[Message],
    options: Options,
    for_json: bool = False,
    keeps_all: bool = False,
) -> bytes:
    """Return the wire bytes of a document. Raises ChatpbError.

    `for_json` leaves out what printing the bytes as JSON checks anyway. `keeps_all` says that the bytes themselves are
    written, with the fields that the contract does not have.
    """
    if document.error:
        raise document.error
    if document.format.is_json:
        return json_to_wire(
            document.data,
            message_type,
            strict=options.strict,
            canonical=options.canonical,
            nonfinite=options.nonfinite,
        )
    wire = document.data
    if not document.format.is_binary:
        wire = _parse_text(wire, message_type).SerializeToString()
    if not for_json:
        refuse_unknown = options.unknown_fields == "error" and not keeps_all
        wire_to_tree(wire, descriptor_of(message_type), refuse_unknown=refuse_unknown)
    if options.strict:
        _refuse_violations(wire, message_type)
    return _parse(wire, message_type).SerializeToString(deterministic=True) if options.canonical else wire


def _from_wire(wire: bytes, format: Format, message_type: type[Message], options: Options) -> bytes:
    """Return a document in a format, without its framing."""
    if format.is_json:
        return wire_to_json(
            wire,
            message_type,
            fill_required=options.fill_required,
            unknown_fields=options.unknown_fields,
            nonfinite=options.nonfinite,
        )
    if format.is_binary:
        return wire
    text = text_format.MessageToString(_parse(wire, message_type), as_utf8=True)
    return _HEADER_TEXT.format(message_type.DESCRIPTOR.file.name, message_type.DESCRIPTOR.full_name, text).encode()


def _refuse_violations(wire: bytes, message_type: type[Message]) -> None:
    """Raise ContractError for a message that breaks the contract so that typed readers fail."""
    if violations := codec_of(descriptor_of(message_type)).validate_wire(wire, True):
        raise ContractError(violations)


def _parse(wire: bytes, message_type: type[Message]) -> Message:
    try:
        return message_type.FromString(wire)
    except DecodeError:
        raise WireError("", 0, "a message that google.protobuf does not parse") from None


def _parse_text(data: bytes, message_type: type[Message]) -> Message:
    """Return a message from protobuf's text format. Raises DocumentError."""
    try:
        return text_format.Parse(data.decode(), message_type())
    except UnicodeDecodeError:
        raise DocumentError("invalid UTF-8") from None
    except RecursionError:
        raise DocumentError("text that is nested too deep") from None
    except (text_format.ParseError, ValueError) as error:
        raise DocumentError(f"not the text of a {message_type.DESCRIPTOR.name}: {error}") from None


def _detect_text(text: bytes) -> type[Message]:
    """Return the document that text without a header fits best, of those whose fields it has."""

    def fit(candidate: type[Message]) -> tuple[bool, float]:
        try:
            score = wire_fit(_parse_text(text, candidate).SerializeToString(), candidate)
        except DocumentError:
            return False, 0
        return True, score or 0

    return max(DOCUMENTS.values(), key=fit)


_HEADER: Final = re.compile(rb"^# proto-message: *([\w.]+)", re.MULTILINE)
_HEADER_TEXT: Final = "# proto-file: {}\n# proto-message: {}\n\n{}"
