"""Compact the chunks of a stream into one ChatCompletionStream, and expand it to the same chunks; in records too.

Rules: a stream has one message `common`, and a message for each chunk. The whole chunk is `common` with the chunk's own
message merged into it as protobuf merges messages, so every protobuf library can expand a stream.

- Only the outermost fields of chunks count, as they stand on the wire. Nothing inside them is read.
- A field goes to `common` if each chunk has it once: a message if it is the same in all chunks, any other field with
  the value that most chunks have, if at least two have it. A chunk keeps the fields that differ from those.
- What merging could not take back stays out of `common`: a repeated field, and `empty_fields` or `null_fields` where a
  chunk writes a zero, since there zero and absent are the same to protobuf.
- Chunks whose fields are in the order of their numbers, as all common writers have them, come back byte for byte.

In a record, a stream in several pieces is one, as protobuf merges messages, and takes the place of the first piece. A
stream that is already in the form asked for stays as it is, as do all other fields of the record and the stream.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from google.protobuf.descriptor import Descriptor

from chatpb._contract.schema import ADDITIONAL_PROPERTIES, EMPTY_FIELDS, MEMBER_ORDER, NULL_FIELDS, schema_of
from chatpb._errors import WireError
from chatpb._limits import MAX_EXPANDED
from chatpb._wire import LEN, VARINT
from chatpb._wire.read import WireField, fields_of
from chatpb._wire.write import delimited, varint

# The tags of ChatCompletionStream's two fields.
_COMMON: Final = 1 << 3 | LEN
_CHUNK: Final = 2 << 3 | LEN


def compact_stream(chunks: Sequence[bytes], chunk: Descriptor) -> bytes:
    """Return the stream of chunks of a type. Raises WireError; its path is the place of the chunk at fault."""
    split = [fields_of(data, f"/{index}") for index, data in enumerate(chunks)]
    common = _common(split, chunk)
    out = [delimited(varint(_COMMON), b"".join(common[tag] for tag in sorted(common)))] if common else []
    for fields in split:
        own = b"".join(field.data for field in fields if common.get(field.tag) != field.data)
        out.append(delimited(varint(_CHUNK), own))
    return b"".join(out)


def expand_stream(stream: bytes, chunk: Descriptor) -> list[bytes]:
    """Return the chunks of a stream. Raises WireError, also for chunks of more than MAX_EXPANDED bytes in all."""
    common: list[WireField] = []
    chunks: list[WireField] = []
    for field in fields_of(stream):
        if field.tag == _COMMON:
            common += fields_of(field.payload, "/common", field.payload_start)
        elif field.tag == _CHUNK:
            chunks.append(field)
    if len(stream) + len(chunks) * sum(len(field.data) for field in common) > MAX_EXPANDED:
        raise WireError("", 0, f"a stream that expands to more than {MAX_EXPANDED} bytes")
    common.sort(key=lambda field: field.tag >> 3)
    scalars = {tag for tag, is_message in _mergeable(chunk).items() if not is_message}
    return [
        _merge(common, fields_of(field.payload, f"/chunks/{index}", field.payload_start), scalars)
        for index, field in enumerate(chunks)
    ]


def compact_record(record: bytes, tag: int, compact: Callable[[Sequence[bytes]], bytes]) -> bytes:
    """Return the record with its stream as `compact` makes it of chunks. Raises WireError.

    `tag` is that of the record's stream.
    """

    def change(stream: bytes, fields: list[WireField]) -> bytes:
        if any(field.tag == _COMMON for field in fields):
            return stream
        return compact([field.payload for field in fields if field.tag == _CHUNK]) + _others(fields)

    return _with_stream(record, tag, change)


def expand_record(record: bytes, tag: int, expand: Callable[[bytes], list[bytes]]) -> bytes:
    """Return the record with the whole chunks that `expand` makes of its stream. Raises WireError.

    `tag` is that of the record's stream.
    """

    def change(stream: bytes, fields: list[WireField]) -> bytes:
        if not any(field.tag == _COMMON for field in fields):
            return stream
        return b"".join(delimited(varint(_CHUNK), chunk) for chunk in expand(stream)) + _others(fields)

    return _with_stream(record, tag, change)


def expanded_size(record: bytes, tag: int) -> int:
    """Return how many bytes a record has at most with its stream's chunks whole; what cannot be read is not expanded.

    `tag` is that of the record's stream.
    """
    common = chunks = 0
    for stream in _readable_fields(record):
        for field in _readable_fields(stream.payload) if stream.tag == tag else ():
            common += len(field.data) if field.tag == _COMMON else 0
            chunks += field.tag == _CHUNK
    return len(record) + common * chunks


def _readable_fields(message: bytes) -> list[WireField]:
    try:
        return fields_of(message)
    except WireError:
        return []


@cache
def _mergeable(chunk: Descriptor) -> dict[int, bool]:
    """Return the tags of the fields that may go to `common`, and whether the field holds a message."""
    fields = [field for field in schema_of(chunk).fields() if not (field.repeated or field.oneof)]
    return {
        **{field.tag: field.kind in ("message", "list") for field in fields},
        MEMBER_ORDER << 3 | LEN: False,
        EMPTY_FIELDS << 3 | VARINT: False,
        NULL_FIELDS << 3 | VARINT: False,
        ADDITIONAL_PROPERTIES << 3 | LEN: True,
    }


def _common(split: list[list[WireField]], chunk: Descriptor) -> dict[int, bytes]:
    """Return the fields of `common` by tag, given the fields of each chunk."""
    if len(split) < 2:
        return {}
    mergeable = _mergeable(chunk)
    found: dict[int, Counter[bytes]] = {field.tag: Counter() for field in split[0] if field.tag in mergeable}
    for fields in split:
        times = Counter(field.tag >> 3 for field in fields)
        present = {field.tag: field.data for field in fields}
        for tag in list(found):
            if times[tag >> 3] == 1 and tag in present:
                found[tag][present[tag]] += 1
            else:
                del found[tag]
    common = {}
    for tag, values in found.items():
        data, count = values.most_common(1)[0]
        least = len(split) if mergeable[tag] else 2
        if count >= least and not (tag >> 3 in (EMPTY_FIELDS, NULL_FIELDS) and _has_zero(values)):
            common[tag] = data
    return common


def _has_zero(values: Counter[bytes]) -> bool:
    return any(data.endswith(b"\0") for data in values)


def _merge(common: list[WireField], own: list[WireField], scalars: set[int]) -> bytes:
    """Return a whole chunk: each common field before the first of a higher number, unless the chunk replaces it."""
    replaced = {field.tag for field in own} & scalars
    waiting = [field for field in common if field.tag not in replaced]
    out = []
    at = 0
    for field in own:
        while at < len(waiting) and waiting[at].tag >> 3 <= field.tag >> 3:
            out.append(waiting[at].data)
            at += 1
        out.append(field.data)
    out += (field.data for field in waiting[at:])
    return b"".join(out)


def _with_stream(record: bytes, tag: int, change: Callable[[bytes, list[WireField]], bytes]) -> bytes:
    """Return the record with its stream changed by a function of the stream and of its fields."""
    fields = fields_of(record)
    places = [place for place, field in enumerate(fields) if field.tag == tag]
    if not places:
        return record
    stream = b"".join(fields[place].payload for place in places)
    changed = delimited(varint(tag), change(stream, fields_of(stream)))
    parts = [
        field.data if field.tag != tag else changed if place == places[0] else b"" for place, field in enumerate(fields)
    ]
    return b"".join(parts)


def _others(fields: list[WireField]) -> bytes:
    return b"".join(field.data for field in fields if field.tag not in (_COMMON, _CHUNK))
