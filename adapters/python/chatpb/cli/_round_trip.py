"""Send documents to protobuf and back, and count what becomes of their members.

Rules: a document is lost unless the JSON that comes back equals the JSON that went in, integers exactly, other numbers
as doubles, members in any order. It goes through wire bytes, and through the message objects of the named runtimes.
What is kept is counts and names of members, never values.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import copysign
from typing import Any

from google.protobuf.message import Message

from chatpb import ChatCompletion, ChatpbError, json_to_wire, wire_to_json
from chatpb._detect import descriptor_of, detect_object
from chatpb._engine import codec_of
from chatpb._files.memory import check_memory, size_of_objects
from chatpb._files.read import MAX_DOCUMENT, Document
from chatpb._json.long_strings import LongStrings
from chatpb._json.pointer import pointer
from chatpb._options import Nonfinite
from chatpb._runtimes import generated_class, runtime_of
from chatpb._tree.message import HOMES
from chatpb._tree.read import wire_to_tree

__all__ = ["Counts", "compact_json", "count_documents", "difference", "load_json"]


@dataclass
class Counts:
    """Counts over documents.

    Attributes:
        documents: all of them.
        lost: those that came back changed.
        unreadable: those that are not acceptable JSON.
        json_bytes: bytes of the readable ones, as JSON without insignificant whitespace.
        wire_bytes: bytes of the readable ones in protobuf.
        types: documents by the name of their message.
        homes: members by the home where they landed.
        violations: how often each rule of the contract is broken, by rule and path.

    """

    documents: int = 0
    lost: int = 0
    unreadable: int = 0
    json_bytes: int = 0
    wire_bytes: int = 0
    types: Counter[str] = field(default_factory=Counter)
    homes: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(HOMES, 0)))
    violations: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Wire bytes per byte of JSON; None without documents."""
        return self.wire_bytes / self.json_bytes if self.json_bytes else None

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.unreadable)

    def add(self, other: Counts) -> None:
        self.documents += other.documents
        self.lost += other.lost
        self.unreadable += other.unreadable
        self.json_bytes += other.json_bytes
        self.wire_bytes += other.wire_bytes
        self.types.update(other.types)
        self.homes.update(other.homes)
        for rule, paths in other.violations.items():
            self.violations.setdefault(rule, Counter()).update(paths)

    def as_json(self) -> dict[str, Any]:
        """Return the counts as a JSON object, the violations with the most frequent first."""
        by_count = sorted(self.violations.items(), key=lambda item: -item[1].total())
        return {
            "documents": self.documents,
            "lost": self.lost,
            "unreadable": self.unreadable,
            "json_bytes": self.json_bytes,
            "wire_bytes": self.wire_bytes,
            "ratio": None if self.ratio is None else round(self.ratio, 4),
            "types": dict(self.types.most_common()),
            "homes": dict(self.homes),
            "violations": {
                rule: {"count": paths.total(), "paths": dict(paths.most_common())} for rule, paths in by_count
            },
        }


def count_documents(
    documents: Iterable[Document],
    counts: Counts,
    message_type: type[Message] | None,
    runtimes: tuple[str, ...],
    nonfinite: Nonfinite = "error",
    max_record: int = MAX_DOCUMENT,
) -> Iterator[str]:
    """Add each document to the counts, and yield one line about each that is lost or unreadable.

    Args:
        documents: JSON documents.
        counts: what they are added to.
        message_type: their message; None detects it from each.
        runtimes: names of runtimes, whose message objects they are sent through.
        nonfinite: as for `json_to_wire`.
        max_record: bytes of a document at most; one whose objects take more than twice that is unreadable.

    """
    detected: type[Message] | None = None
    for document in documents:
        counts.documents += 1
        texts = [document.data]
        document = replace(document, data=b"")  # what counts it is alone to have it
        try:
            if document.error:
                raise document.error
            structure = LongStrings(texts[0]).text
            # Two texts, the wire bytes, and objects of protobuf, which takes the objects of some engines four times.
            check_memory(4 * len(texts[0]) + 4 * size_of_objects(structure), max_record)
            if message_type is None and isinstance(value := load_json(structure), dict):
                detected = detect_object(value, detected)
            structure, value = b"", None
            loss = _count_document(texts, counts, message_type or detected or ChatCompletion, runtimes, nonfinite)
        except ChatpbError as error:
            counts.unreadable += 1
            yield document.describe(error)
            continue
        except Exception as error:  # A defect of chatpb or of a runtime: the document did not come through.
            loss = f"{type(error).__name__} on the way"
        if loss:
            counts.lost += 1
            yield document.describe(ChatpbError(f"lost: {loss}"))


def _count_document(
    texts: list[bytes],
    counts: Counts,
    message_type: type[Message],
    runtimes: tuple[str, ...],
    nonfinite: Nonfinite,
) -> str:
    """Add the document in a list, which is empty then, to the counts, and return how it is lost; "" if it is not.

    Raises ChatpbError.
    """
    data = texts.pop()
    wire = json_to_wire(data, message_type, nonfinite=nonfinite)
    text = wire_to_json(wire, message_type, nonfinite=nonfinite)
    size, path = _compare(data, text)
    del data, text
    counts.json_bytes += size
    descriptor = descriptor_of(message_type)
    counts.types[descriptor.name] += 1
    counts.wire_bytes += len(wire)
    counts.homes.update(wire_to_tree(wire, descriptor).homes())
    for violation in codec_of(descriptor).validate_wire(wire, False):
        counts.violations.setdefault(violation.rule, Counter())[_without_indices(violation.path)] += 1
    if path is not None:
        return f"{path or 'the document'} differs after wire bytes"
    for name in runtimes:
        twin = generated_class(name, message_type.DESCRIPTOR.name)
        runtime = runtime_of(twin)
        again = runtime.serialize(runtime.parse(twin, wire))
        if again == wire:
            continue
        texts = [wire_to_json(each, message_type, nonfinite=nonfinite) for each in (wire, again)]
        path = difference(*map(load_json, texts))
        if path is not None:
            return f"{path or 'the document'} differs after objects of {name}"
    return ""


def _compare(data: bytes, text: bytes) -> tuple[int, str | None]:
    """Return the bytes of a document without insignificant whitespace, and where the text it came back as differs.

    Objects of Python take several times the bytes of a document, so they are made only of what is not obviously equal.
    """
    if text == data or difference(*(load_json(LongStrings(each).text) for each in (data, text))) is None:
        return len(text), None
    before = load_json(data)
    return len(compact_json(before)), difference(before, load_json(text))


def difference(before: Any, after: Any) -> str | None:
    """Return the JSON Pointer of the first place where two JSON values differ; None if they are equal."""
    if isinstance(before, dict) and isinstance(after, dict):
        if before.keys() != after.keys():
            return pointer(next(name for name in (*before, *after) if name not in before or name not in after))
        keys: Iterable[str | int] = before
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            return ""
        keys = range(len(before))
    else:
        return None if _equal(before, after) else ""
    for key in keys:
        place = difference(before[key], after[key])
        if place is not None:
            return pointer(key) + place
    return None


def _equal(before: Any, after: Any) -> bool:
    """Return whether two JSON scalars are equal: 1.0 may come back as 1, but 1 not as 1.0, nor -0.0 as 0."""
    if type(before) is float and type(after) in (int, float):
        return (before == after and copysign(1, before) == copysign(1, after)) or (before != before and after != after)
    return type(before) is type(after) and bool(before == after)


def load_json(data: bytes) -> Any:
    """Return the JSON value of a text, integers of any length exact; None if Python's parser refuses it."""
    try:
        return json.loads(data.decode().removeprefix("\ufeff"), parse_int=_exact)
    except (ValueError, RecursionError):
        return None


def _exact(digits: str) -> int | Decimal:
    # Python makes no int of more than 4300 digits.
    return int(digits) if len(digits) < 4000 else Decimal(digits)


def compact_json(value: Any) -> bytes:
    """Return the JSON text of a value without insignificant whitespace, the form that sizes are compared with."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)
    return text.encode("utf-8", "surrogatepass")


def _without_indices(path: str) -> str:
    """Return a JSON Pointer with `*` in place of each index."""
    return re.sub(r"/[0-9]+(?=/|$)", "/*", path)
