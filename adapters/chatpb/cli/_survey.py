"""Hold documents against the law, and count what became of their members. Keeps counts, never values.

The law: the JSON that comes back is the JSON that went in, integers exactly, other numbers as doubles, members in any
order. It is checked through wire bytes, and through the message objects of each runtime that is named.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from importlib import import_module
from math import copysign
from typing import Any, Final

from google.protobuf.message import Message

from chatpb import ChatCompletion, json_to_wire, wire_to_json
from chatpb._api import Nonfinite
from chatpb._detect import descriptor_of, detect_object
from chatpb._errors import ChatpbError
from chatpb._python.text import pointer
from chatpb._python.wire_to_tree import wire_to_tree
from chatpb._records import Record
from chatpb._runtimes import runtime_of
from chatpb._validate import validate_tree
from chatpb._walk import HOMES, homes

__all__ = ["RUNTIMES", "Survey", "compact", "difference", "examine", "load", "loss", "runtime_class"]

RUNTIMES: Final = {"google": "chatcompletion.v1", "betterproto": "chatcompletion_betterproto"}
"""The package of generated classes, by the name of a runtime."""


@dataclass
class Survey:
    """What was counted. Bytes are those of readable documents, JSON without insignificant whitespace."""

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
        return self.wire_bytes / self.json_bytes if self.json_bytes else None

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.unreadable)

    def add(self, other: Survey) -> None:
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
        """The counts as a JSON object; violations most frequent first, each with its paths."""
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


def examine(
    records: Iterable[Record],
    survey: Survey,
    message_type: type[Message] | None,
    runtimes: tuple[str, ...],
    nonfinite: bool = False,
) -> Iterator[str]:
    """Count each record into the survey, and give one line about it if it is lost or unreadable, else ""."""
    one = _Examiner(survey, message_type, runtimes, "allow" if nonfinite else "error")
    for record in records:
        survey.documents += 1
        try:
            if record.error:
                raise record.error
            lost = one.examine(record.data)
        except ChatpbError as error:
            survey.unreadable += 1
            yield record.describe(error)
            continue
        except Exception as error:  # A defect of chatpb or of a runtime: the document did not come through.
            lost = f"{type(error).__name__} on the way"
        survey.lost += bool(lost)
        yield record.describe(ChatpbError(f"lost: {lost}")) if lost else ""


class _Examiner:
    """Examines the documents of one file."""

    def __init__(
        self, survey: Survey, message_type: type[Message] | None, runtimes: tuple[str, ...], nonfinite: Nonfinite
    ) -> None:
        self.survey = survey
        self.message_type = message_type
        self.runtimes = runtimes
        self.nonfinite = nonfinite
        self.detected: type[Message] | None = None

    def examine(self, data: bytes) -> str:
        """Count a document, and say in what way it is lost; "" if it is not. Raises JsonError."""
        before = load(data)
        if self.message_type is None and isinstance(before, dict):
            self.detected = detect_object(before, self.detected)
        kind = self.message_type or self.detected or ChatCompletion
        wire = json_to_wire(data, kind, nonfinite=self.nonfinite)
        survey = self.survey
        survey.types[kind.DESCRIPTOR.name] += 1
        survey.json_bytes += len(compact(before))
        survey.wire_bytes += len(wire)
        tree = wire_to_tree(wire, descriptor_of(kind))
        survey.homes.update(homes(tree))
        for violation in validate_tree(tree):
            survey.violations.setdefault(violation.rule, Counter())[_fold(violation.path)] += 1
        return loss(before, wire, kind, self.runtimes, self.nonfinite)


def loss(
    before: Any, wire: bytes, message_type: type[Message], runtimes: tuple[str, ...], nonfinite: Nonfinite = "error"
) -> str:
    """In what way wire bytes, or a runtime's objects made of them, differ from what was read; "" if in none."""
    path = difference(before, load(wire_to_json(wire, message_type, nonfinite=nonfinite)))
    if path is not None:
        return f"{path or 'the document'} differs after wire bytes"
    for name in runtimes:
        twin = runtime_class(name, message_type)
        runtime = runtime_of(twin)
        again = runtime.serialize(runtime.parse(twin, wire))
        path = (
            None if again == wire else difference(before, load(wire_to_json(again, message_type, nonfinite=nonfinite)))
        )
        if path is not None:
            return f"{path or 'the document'} differs after objects of {name}"
    return ""


def runtime_class(name: str, message_type: type[Message]) -> type:
    """A message's class in a runtime. Raises ModuleNotFoundError if the runtime is not installed."""
    module = import_module(RUNTIMES[name])
    twin: type = getattr(module, message_type.DESCRIPTOR.name)
    return twin


def difference(before: Any, after: Any) -> str | None:
    """JSON Pointer of the first place where two JSON values differ by the law; None if they are equal."""
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
    """Whether two JSON scalars are equal. An integer stays one; 1.0 may come back as 1, and keeps its sign if zero."""
    if type(before) is float and type(after) in (int, float):
        return (before == after and copysign(1, before) == copysign(1, after)) or (before != before and after != after)
    return type(before) is type(after) and bool(before == after)


def load(data: bytes) -> Any:
    """The JSON value of a text, integers of any length exact; None if Python's parser refuses it."""
    try:
        return json.loads(data.decode().removeprefix("\ufeff"), parse_int=_exact)
    except (ValueError, RecursionError):
        return None


def _exact(digits: str) -> int | Decimal:
    # Python turns no more than 4300 digits into an int.
    return int(digits) if len(digits) < 4000 else Decimal(digits)


def compact(value: Any) -> bytes:
    """The JSON text of a value without insignificant whitespace, the form that sizes are measured against."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)
    return text.encode("utf-8", "surrogatepass")


def _fold(path: str) -> str:
    """A JSON Pointer with `*` for every index."""
    return re.sub(r"/[0-9]+(?=/|$)", "/*", path)
