"""Records in files of JSON or of length-delimited messages, of whatever type each document in them is.

A block of JSON lines is converted at once, as the type of the block before, if columns of the result show that each
line is of that type. Otherwise its lines are read one by one: then each is what it is, and a bad one is named. A large
document is tried as each type that columns can show, since objects of Python would take several times its bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from io import BytesIO
from itertools import filterfalse, groupby, islice
from typing import Any, Final, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk, ChatCompletionRecord, CreateChatCompletionRequest
from chatpb._contract.documents import DOCUMENTS, RECORD_PARTS
from chatpb._contract.schema import schema_of
from chatpb._convert import json_lines_to_wire, json_to_wire
from chatpb._detect import detect_wires, json_object
from chatpb._engine import codec_of, column_reader
from chatpb._engine.codec import Column, ColumnBuffers, ColumnReader
from chatpb._errors import ChatpbError, JsonError, WireError
from chatpb._files.formats import Format
from chatpb._files.framing import LARGE, emptied
from chatpb._files.memory import TooLargeError, check_encoding, check_memory, size_of_objects
from chatpb._files.read import Block, Document, Input
from chatpb._files.refusals import Refusals
from chatpb._json.ends import end_of_value
from chatpb._json.long_strings import LongStrings
from chatpb._options import Nonfinite
from chatpb.arrow import from_messages, wire_column
from chatpb.storage._batch import BATCH_BYTES, BATCH_ROWS, Batch, checked, in_batches
from chatpb.storage._batch_joiner import BatchJoiner
from chatpb.storage._line_forms import MARKER, ForeignForm, document_type_of, foreign_form_of
from chatpb.storage._wrap_documents import DocumentWrapper, wrapped_large

__all__ = ["DocumentSource"]

_SAMPLE: Final = 8
"""Messages from which the type of all messages of a file is detected."""

_SHOWN_BY: Final[dict[type[Message], tuple[Column, ...]]] = {
    ChatCompletion: (Column("object", "string", ("object",)),),
    ChatCompletionChunk: (Column("object", "string", ("object",)),),
    CreateChatCompletionRequest: (
        Column("model", "strings", ("model",)),
        Column("roles", "strings", ("messages.role",)),
    ),
    ChatCompletionRecord: (
        Column(
            "object",
            "strings",
            (
                "response.object",
                "response.choices.message.role",
                "stream.chunks.object",
                "stream.chunks.choices.delta.role",
                "request.messages.role",
            ),
        ),
    ),
}
"""Columns that show that a document is of a type: each has a value."""

_OBJECTS: Final = {ChatCompletion: "chat.completion", ChatCompletionChunk: "chat.completion.chunk"}

T = TypeVar("T")

_BETWEEN: Final = frozenset(bytes([mark]) for mark in b" \t\r\n,[]")
"""What may stand between the values of arrays, which are read alike on all levels."""

_EVENT_FIELDS: Final = (b"event:", b"id:", b"retry:", b":")


class DocumentSource:
    """The records that the documents in a file are, or become.

    Args:
        opened: the file.
        format: JSON, JSONL or BINPBS.
        size: bytes of the file; 0 if that is not known.
        message_type: the type of all documents; None to detect it.
        max_record: bytes of one document at most.
        threads: how many threads share the work; None for one a core.
        nonfinite: as in `chatpb.json_to_wire`.
        joiner: joins the requests and the results of batches; None to leave them apart.

    Raises ChatpbError for a type that no record has.

    """

    def __init__(
        self,
        opened: Input,
        format: Format,
        size: int,
        message_type: type[Message] | None,
        max_record: int,
        threads: int | None,
        nonfinite: Nonfinite = "error",
        joiner: BatchJoiner | None = None,
    ) -> None:
        self.name = opened.name
        self._opened = opened
        self._format = format
        self._size = size
        self._type = message_type
        self._max_record = max_record
        self._threads = threads
        self._nonfinite = nonfinite
        self._joiner = joiner
        self._before: type[Message] | None = message_type

    def fraction(self) -> float:
        return min(self._opened.position() / self._size, 1.0) if self._size else 0.0

    def batches(self, refusals: Refusals) -> Iterator[Batch]:
        wrapper = DocumentWrapper(self._threads, self._max_record)
        try:
            for batch, message_type in (self._json if self._format.is_json else self._messages)(refusals):
                try:
                    if batch.large is not None and message_type is not ChatCompletionChunk:
                        batch = wrapped_large(batch, message_type, self._max_record)  # the document is not needed now
                        yield batch
                    else:
                        yield from wrapper.wrap(batch, message_type)
                except TooLargeError as error:
                    refusals(f"{batch.place(0)}: {error}")
                del batch
        except TypeError as error:
            raise ChatpbError(f"{self.name}: {error}") from None
        yield from wrapper.finish()

    def _messages(self, refusals: Refusals) -> Iterator[tuple[Batch, type[Message]]]:
        blocks = self._opened.blocks(self._format, self._max_record)
        first = list(islice(blocks, 1))
        message_type = self._type or self._detect(first)
        for block in _joined(first, blocks):
            if block.error:
                refusals(next(block.documents()).describe(block.error))
                continue
            if block.is_large:
                (document,) = block.documents()
                batch = Batch.of_one(document.data, f"{block.file}: record {block.number}")
                del document
            else:
                batch = Batch(from_messages(block.data), _Places(block))
            limit = self._max_record
            good = checked(batch, refusals, max_record=limit, message_type=message_type, threads=self._threads)
            found = [(good, message_type)]
            del block, batch, good
            yield found.pop()  # so that nothing here has it any longer

    def _detect(self, blocks: list[Block]) -> type[Message]:
        samples = [each.data for block in blocks for each in islice(block.documents(), _SAMPLE) if not each.error]
        if any(block.is_large for block in blocks):
            shown = [message_type for message_type in _SHOWN_BY if _shows(samples, message_type)] or _fitting(samples)
            if len(shown) == 1:
                return shown[0]
            raise ChatpbError(f"{self.name}: a large message, of a type that does not show: give it with --type")
        try:
            return detect_wires(samples)
        except ValueError as error:
            raise ChatpbError(f"{self.name}: {error}; give the type with --type") from None

    def _json(self, refusals: Refusals) -> Iterator[tuple[Batch, type[Message]]]:
        blocks = self._opened.blocks(Format.JSONL, self._max_record)
        first = next(blocks, None)
        if first is None:
            return
        if not first.error:
            first = replace(first, data=self._utf8(first.data))
        is_one_value = self._format is Format.JSON or (not first.error and _is_one_value(first.data))
        lines = _joined([first], blocks)
        del first
        if is_one_value:
            text = [self._whole(lines)]
            line = 1 + text[0].count(b"\n", 0, max(0, text[0].find(b"{")))
            if len(text[0]) >= LARGE and (found := self._shown(text[0], f"{self.name}:{line}")):
                text.clear()
                yield found.pop()
            else:
                for documents in _of_some_bytes(self._values(text.pop(), refusals)):
                    self._before = self._before or self._first_type(documents)
                    if self._before and (wires := self._all_values(documents, self._before)) is not None:
                        places = [f"{document.file}:{document.number}" for document in documents]
                        documents.clear()
                        yield Batch(wires, places.__getitem__), self._before
                        del wires
                    else:
                        yield from self._one_by_one(emptied(documents), refusals)
            return
        for block in lines:
            if block.is_large:
                place = f"{block.file}:{block.number}"
                if found := self._shown(block.data, place):
                    del block
                    yield found.pop()
                else:
                    documents = list(block.documents())
                    del block
                    yield from self._one_by_one(emptied(documents), refusals)
                continue
            if not self._before:
                self._before = self._first_type(block.documents())
            if self._before and not block.error and (wires := self._whole_block(block, self._before)) is not None:
                yield Batch(wires, _Places(block)), self._before
                del wires
            else:
                yield from self._one_by_one(block.documents(), refusals)
            del block

    def _first_type(self, documents: Iterable[Document]) -> type[Message] | None:
        """Return the type of the first document that shows one; None if it is of a foreign form, or of none.

        Azure's first chunk could be a completion too: the documents after it say which.
        """
        lines = (each.data.removeprefix(b"data:") for each in documents if not each.error)
        objects = []
        for line in islice(lines, _SAMPLE):
            with suppress(TooLargeError):
                if (obj := self._object(line)) is not None:
                    objects.append(obj)
        for obj in [*filterfalse(_is_undecided, objects), *objects]:
            if foreign_form_of(obj):
                return None
            try:
                return document_type_of(obj, None)
            except ChatpbError:
                return None
        return None

    def _utf8(self, data: bytes) -> bytes:
        """Return the start of a file without a byte order mark. Raises ChatpbError for UTF-16 and UTF-32."""
        if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:2]:
            raise ChatpbError(
                f"{self.name}: this is UTF-16 or UTF-32, and JSON is read as UTF-8: convert it with iconv"
            )
        return data.removeprefix(b"\xef\xbb\xbf")

    def _whole_block(self, block: Block, message_type: type[Message]) -> pa.Array | None:
        """Return the wire bytes of a block's lines, if each of them is a document of that type; else None."""
        if not self._type and message_type not in _SHOWN_BY:
            return None
        try:
            messages = json_lines_to_wire(block.data, message_type, nonfinite=self._nonfinite, threads=self._threads)
        except (ChatpbError, ValueError):
            return None  # at least one line is wrong: read one by one, it is named
        wires = from_messages(messages)
        return wires if self._are_all(wires, message_type, messages) else None

    def _all_values(self, documents: Sequence[Document], message_type: type[Message]) -> pa.Array | None:
        """Return the wire bytes of values of a text, as `_whole_block` does; None also if one is large."""
        if not self._type and message_type not in _SHOWN_BY:
            return None
        if any(document.error or len(document.data) >= LARGE for document in documents):
            return None
        text = pa.array([document.data for document in documents], pa.large_binary())
        try:
            wires = wire_column(text, message_type, nonfinite=self._nonfinite, threads=self._threads)
        except (ChatpbError, ValueError):
            return None
        return wires if self._are_all(wires, message_type, wires.buffers()[2].to_pybytes()) else None

    def _are_all(self, wires: pa.Array, message_type: type[Message], data: bytes) -> bool:
        """Return whether columns show that all messages are of a type; `data` has the bytes of all of them."""
        if self._type:
            return True
        if message_type not in _OBJECTS and MARKER in data:
            return False
        offsets, buffer = wires.buffers()[1:]
        found = _reader(message_type.DESCRIPTOR).of_array(memoryview(buffer or b""), memoryview(offsets), 1)
        return _all_shown(found, len(wires), message_type)

    def _shown(self, text: bytes, place: str) -> list[tuple[Batch, type[Message]]]:
        """Return a large document, alone in a list, if columns show its type; else nothing."""
        for message_type in [self._type] if self._type else _likely_types(text):
            try:
                wire = self._wire(text, message_type)
            except ChatpbError:
                return []  # read as what it may be otherwise, or named
            if self._type or ((message_type in _OBJECTS or MARKER not in wire) and _shows([wire], message_type)):
                self._before = message_type
                return [(Batch.of_one(wire, place), message_type)]
            del wire
        return []

    def _one_by_one(self, documents: Iterable[Document], refusals: Refusals) -> Iterator[tuple[Batch, type[Message]]]:
        found = self._typed(documents, refusals)
        for message_type, group in groupby(found, lambda each: each[0]):
            for batch in in_batches((place, wires.pop()) for _, place, wires in group):
                found_batch = [(batch, message_type)]
                del batch
                yield found_batch.pop()  # so that nothing here has it any longer

    def _typed(
        self, documents: Iterable[Document], refusals: Refusals
    ) -> Iterator[tuple[type[Message], str, list[bytes]]]:
        """Yield the type, the place and the wire bytes of each document, and report those that cannot be read.

        The bytes are in a list, so that who takes them from it is alone to have them.
        """
        for document in documents:
            place = f"{document.file}:{document.number}"
            texts = [document.data]
            document = replace(document, data=b"")  # what reads the text is alone to have it
            found: list[tuple[type[Message], bytes]] = []
            try:
                if document.error:
                    raise document.error
                if texts[0].startswith(b"data:"):
                    texts = [texts[0].removeprefix(b"data:").strip()]
                    if texts[0] == b"[DONE]":
                        continue
                elif texts[0].startswith(_EVENT_FIELDS):
                    continue
                found.extend(self._wires(texts))
            except ChatpbError as error:
                refusals(document.describe(error))
            del document
            for message_type, wire in emptied(found):
                wires = [wire]
                del wire
                yield message_type, place, wires

    def _wires(self, texts: list[bytes]) -> Iterator[tuple[type[Message], bytes]]:
        """Yield the type and the wire bytes of each document that the JSON text in a list is or becomes.

        The list is empty then. Raises ChatpbError.
        """
        data = texts.pop()
        obj = None if self._type else self._object(data)
        if obj is None:
            # It is of the given type; or it is no JSON, and the error says where.
            message_type = self._type or ChatCompletionRecord
            yield message_type, self._wire(data, message_type)
        elif form := foreign_form_of(obj):
            texts = self._read_foreign(form, data)
            del data
            for text in emptied(texts):
                try:
                    wire = self._wire(text, ChatCompletionRecord)
                except JsonError as error:  # its place is that in the record's text
                    raise ChatpbError(f"{error.reason}, in {error.path}") from None
                del text
                if self._joiner and form.name in ("batch", "batch_input"):
                    joined = self._joiner.join(obj["custom_id"], wire, is_request="body" in obj)
                    if joined is None:
                        continue
                    wire = joined
                yield ChatCompletionRecord, wire
        else:
            self._before = document_type_of(obj, self._before)
            del obj
            yield self._before, self._wire(data, self._before)

    def _wire(self, text: bytes, message_type: type[Message]) -> bytes:
        """Return the wire bytes of a JSON text. Raises ChatpbError, also where they take too much memory."""
        if len(text) >= LARGE:
            check_encoding(text, self._max_record)
        wire = json_to_wire(text, message_type, nonfinite=self._nonfinite)
        if len(wire) > self._max_record:
            raise TooLargeError(f"it has {len(wire)} bytes as a message, above the limit of {self._max_record}")
        return wire

    def _object(self, data: bytes) -> dict[str, Any] | None:
        """Return the object of a JSON text without its long strings; None if it is none. Raises TooLargeError."""
        structure = LongStrings(data).text
        check_memory(2 * len(data) + size_of_objects(structure), self._max_record)
        return json_object(structure)

    def _read_foreign(self, form: ForeignForm, data: bytes) -> list[bytes]:
        """Return the JSON texts of the records that a text of a foreign form becomes. Raises ChatpbError."""
        strings = LongStrings(data)
        try:
            # Refuses what Python's parser does not. The strings are checked when they are back.
            json_to_wire(strings.text, ChatCompletionRecord, nonfinite=self._nonfinite)
        except ChatpbError:
            json_to_wire(data, ChatCompletionRecord, nonfinite=self._nonfinite)  # the error has its place here
            raise
        taken = 3 * len(data) + size_of_objects(strings.text)

        def whole(value: Any) -> Any:
            """Return a string that may be long, of which objects and a text are made too."""
            if not (string := strings.long(value)):
                return value
            check_memory(taken + 12 * len(string) + size_of_objects(string), self._max_record)
            return json.loads(b'"%b"' % string)

        try:
            records = form.read(strings.parsed(), *([whole] if form.reads_strings else []))
            return [strings.put_back(json.dumps(record).encode()) for record in records]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, ChatpbError):
                raise
            raise ChatpbError(f"it looks like a line of {form.name}, but is not built like one") from None

    def _whole(self, blocks: Iterable[Block]) -> bytes:
        """Return all bytes of a file. Raises ChatpbError if it is above the limit of a document."""
        whole = BytesIO()
        for block in blocks:
            if block.error:
                raise ChatpbError(next(block.documents()).describe(block.error))
            whole.write(block.data)
            if block.is_large:
                whole.write(b"\n")  # a large line comes without its end
            if whole.tell() > self._max_record + 1:
                limit = f"{self._max_record >> 20} MiB"
                raise ChatpbError(f"{self.name}: JSON that is not one object a line is read whole, up to {limit}")
            del block
        return whole.getvalue()

    def _values(self, data: bytes, refusals: Refusals) -> Iterator[Document]:
        """Yield the JSON values of a text that are not one a line, such as the items of an array."""
        strings = LongStrings(self._utf8(data))
        size = len(data)
        del data
        text = strings.text

        def document(text: bytes) -> Document:
            value = strings.put_back(text)
            try:  # the whole text, the value, and the message that is made of it
                check_memory(size + 2 * len(value), self._max_record)
            except TooLargeError as error:
                return Document(self.name, Format.JSONL, line, b"", error)
            return Document(self.name, Format.JSONL, line, value)

        at, line, seen = 0, 1, 0
        depth, is_after_array = 0, False
        cut_short = f"{self.name}: the array has no end: the file is cut short"
        while True:
            while at < len(text) and (mark := text[at : at + 1]) in _BETWEEN:
                depth += (mark == b"[") - (mark == b"]")
                is_after_array = (mark == b"]" and not depth) or (is_after_array and mark != b"[")
                at += 1
            line += text.count(b"\n", seen, at)
            seen = at
            if at >= len(text):
                if depth > 0:
                    refusals(cut_short)
                return
            if is_after_array:
                refusals(f"{self.name}:{line}: JSON goes on after the end of the array; it is read too")
                is_after_array = False
            end = end_of_value(text, at)
            if end is None:
                if depth > 0 and text.rstrip()[-1:] != b"]":
                    refusals(cut_short)
                # The exact parser says where; nothing says where the next value starts.
                yield document(text[at:])
                return
            yield document(text[at:end])
            at = end


class _Places:
    """Where the documents of a block stand, looked up only if one of them is bad."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._documents: list[Document] | None = None

    def __call__(self, row: int) -> str:
        if self._documents is None:
            self._documents = list(self._block.documents())
        document = self._documents[row]
        return (
            f"{document.file}:{document.number}"
            if document.format.is_json
            else f"{document.file}: record {document.number}"
        )


def _is_undecided(obj: dict[str, Any]) -> bool:
    """Return whether an object may be a completion or a chunk alike."""
    return obj.get("choices") == [] and not obj.get("object")


def _is_one_value(data: bytes) -> bool:
    """Return whether a file's first line begins a JSON value that goes on over other lines, or an array."""
    start = len(data) - len(data.lstrip())
    first = data[start : data.find(b"\n", start) + 1 or None].strip()
    return first[:1] == b"[" or first in (b"{", b"")


def _of_some_bytes(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Yield documents in groups as large as a block of lines: no more than their last one adds to half a batch."""
    group: list[Document] = []
    size = 0
    for document in documents:
        group.append(document)
        size += len(document.data)
        del document
        if size > BATCH_BYTES // 2 or len(group) == BATCH_ROWS:
            yield group
            group, size = [], 0
    yield group


def _likely_types(text: bytes) -> list[type[Message]]:
    """Return the types that columns show and a large text may have, the likeliest first.

    That is the one whose own member stands first in it. What is converted as another type takes more memory.
    """
    own = {message_type: _own_members(message_type) for message_type in _SHOWN_BY}
    found = {
        each: [at for name in names if (at := text.find(b'"%b"' % name.encode())) >= 0] for each, names in own.items()
    }
    likely = (
        each for each in found if found[each] and (each not in _OBJECTS or b'"%b"' % _OBJECTS[each].encode() in text)
    )
    return sorted(likely, key=lambda each: min(found[each]))


def _own_members(message_type: type[Message]) -> list[str]:
    """Return the names of the messages that make a document one of its type."""
    if message_type is ChatCompletionRecord:
        return list(RECORD_PARTS)
    schema = schema_of(message_type.DESCRIPTOR)
    return [name for name in schema.required if schema.members[name].first.kind == "message"]


def _joined(first: list[Block], blocks: Iterator[Block]) -> Iterator[Block]:
    yield from emptied(first)
    yield from blocks


def _shows(wires: Sequence[bytes], message_type: type[Message]) -> bool:
    """Return whether columns show that all messages are of a type."""
    try:
        found = _reader(message_type.DESCRIPTOR).of_messages(wires)
    except WireError:
        return False
    return _all_shown(found, len(wires), message_type)


def _fitting(wires: Sequence[bytes]) -> list[type[Message]]:
    """Return the types whose contract messages break least often, which is found without objects."""
    found: dict[type[Message], int] = {}
    for message_type in DOCUMENTS.values():
        codec = codec_of(message_type.DESCRIPTOR)
        with suppress(WireError):
            found[message_type] = sum(len(codec.validate_wire(wire, False)) for wire in wires)
    return [message_type for message_type, count in found.items() if count == min(found.values())]


def _all_shown(found: Sequence[ColumnBuffers], count: int, message_type: type[Message]) -> bool:
    """Return whether columns show that all of so many documents are of a type."""
    expected = _OBJECTS.get(message_type, "").encode() * count
    for column, (_, lists, _, strings) in zip(_SHOWN_BY[message_type], found, strict=True):
        # Compared as buffers, since an object for each string takes longer than all else.
        if column.type == "strings":
            starts = pa.Array.from_buffers(pa.int32(), count + 1, [None, pa.py_buffer(lists)])
            if pc.any(pc.equal(starts[1:], starts[:-1])).as_py():
                return False
        elif expected != strings:
            return False
    return True


@cache
def _reader(descriptor: Descriptor) -> ColumnReader:
    (columns,) = (found for message_type, found in _SHOWN_BY.items() if message_type.DESCRIPTOR is descriptor)
    return column_reader(descriptor, columns)
