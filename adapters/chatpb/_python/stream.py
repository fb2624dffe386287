"""Compact the chunks of a stream into one message, and expand it to the same chunks.

Rules: both work on the outermost fields of chunks as they stand on the wire, and look at nothing inside. A field goes
to `common` if each chunk has it, once: a message if it is the same in all chunks, another singular field with the value
that most chunks have. A chunk keeps what it has otherwise, which replaces what is common. So a chunk is the merge of
`common` and what it kept, and nothing is common that merging could not take back: no repeated field, and no zero of a
field whose zero is the same as its absence. Chunks whose fields are in number order, as every writer of note has them,
come back byte for byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Final

from google.protobuf.descriptor import Descriptor

from chatpb._errors import WireError
from chatpb._limits import MAX_EXPANDED
from chatpb._python.wire import LEN, VARINT, Span, delimited, fields_of, payload_of, payload_start, varint
from chatpb._schema import ADDITIONAL_PROPERTIES, EMPTY_FIELDS, NULL_FIELDS, schema_of

# The tags of ChatCompletionStream's two fields.
COMMON: Final = 1 << 3 | LEN
CHUNK: Final = 2 << 3 | LEN


@cache
def _mergeable(chunk: Descriptor) -> dict[int, bool]:
    """The tags of the singular fields, and whether the field holds a message."""
    fields = [field for field in schema_of(chunk).fields() if not (field.repeated or field.oneof)]
    return {
        **{field.number << 3 | field.wire_type: field.kind in ("message", "list") for field in fields},
        EMPTY_FIELDS << 3 | VARINT: False,
        NULL_FIELDS << 3 | VARINT: False,
        ADDITIONAL_PROPERTIES << 3 | LEN: True,
    }


def compact_stream(chunks: Sequence[bytes], chunk: Descriptor) -> bytes:
    """The stream that consists of chunks. Raises WireError; its path is the place of the chunk at fault."""
    split = [fields_of(data, f"/{index}") for index, data in enumerate(chunks)]
    common = _common(split, chunk)
    out = [delimited(varint(COMMON), b"".join(common[key] for key in sorted(common)))] if common else []
    for fields in split:
        kept = b"".join(field.data for field in fields if common.get(field.tag) != field.data)
        out.append(delimited(varint(CHUNK), kept))
    return b"".join(out)


def expand_stream(stream: bytes, chunk: Descriptor) -> list[bytes]:
    """The chunks of a stream. Raises WireError, also for a stream that would expand beyond MAX_EXPANDED bytes."""
    common: list[Span] = []
    kept: list[Span] = []
    for field in fields_of(stream):
        if field.tag == COMMON:
            common += fields_of(payload_of(field), "/common", payload_start(field))
        elif field.tag == CHUNK:
            kept.append(field)
    if len(stream) + len(kept) * sum(len(field.data) for field in common) > MAX_EXPANDED:
        raise WireError("", 0, f"a stream that expands to more than {MAX_EXPANDED} bytes")
    common.sort(key=lambda field: field.tag >> 3)
    scalars = {key for key, is_message in _mergeable(chunk).items() if not is_message}
    return [
        _merge(common, fields_of(payload_of(field), f"/chunks/{index}", payload_start(field)), scalars)
        for index, field in enumerate(kept)
    ]


def _common(split: list[list[Span]], chunk: Descriptor) -> dict[int, bytes]:
    """By tag, the fields that need to be written only once."""
    if len(split) < 2:
        return {}
    mergeable = _mergeable(chunk)
    found: dict[int, Counter[bytes]] = {field.tag: Counter() for field in split[0] if field.tag in mergeable}
    for fields in split:
        times = Counter(field.tag >> 3 for field in fields)
        present = {field.tag: field.data for field in fields}
        for key in list(found):
            if times[key >> 3] == 1 and key in present:
                found[key][present[key]] += 1
            else:
                del found[key]
    common = {}
    for key, values in found.items():
        data, count = values.most_common(1)[0]
        least = len(split) if mergeable[key] else 2
        if count >= least and not (key >> 3 in (EMPTY_FIELDS, NULL_FIELDS) and _has_zero(values)):
            common[key] = data
    return common


def _has_zero(values: Counter[bytes]) -> bool:
    return any(data.endswith(b"\0") for data in values)


def _merge(common: list[Span], kept: list[Span], scalars: set[int]) -> bytes:
    """A chunk: each common field before the first of a higher number, unless the chunk replaces it."""
    replaced = {field.tag for field in kept} & scalars
    waiting = [field for field in common if field.tag not in replaced]
    out = []
    at = 0
    for field in kept:
        while at < len(waiting) and waiting[at].tag >> 3 <= field.tag >> 3:
            out.append(waiting[at].data)
            at += 1
        out.append(field.data)
    out += (field.data for field in waiting[at:])
    return b"".join(out)
