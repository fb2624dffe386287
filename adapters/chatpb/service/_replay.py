"""A backend that answers with what was recorded."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from itertools import groupby

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk
from chatpb._accumulate import Accumulator
from chatpb._api import json_to_wire, wire_to_json
from chatpb._detect import detect_object, detect_wires
from chatpb._errors import ChatpbError
from chatpb._records import Record, format_of, open_input
from chatpb.service._call import Call
from chatpb.service._errors import ServiceError
from chatpb.service._models import list_models
from chatpb.service._wires import split_answer

__all__ = ["ReplayBackend"]


class ReplayBackend:
    """Answers with the records of a .jsonl or .binpbs file (also .gz), one after the other, and from the first again.

    A record that is a completion is one answer; chunks in a row with the same id are one too. Either kind answers both
    calls: a completion is streamed in pieces, chunks are put together.

    Raises ChatpbError for a file that cannot be read as such, ValueError for one without answers.
    """

    def __init__(self, path: str) -> None:
        format = format_of(path)
        if format is None or not format.is_stream:
            raise ValueError(f"{path!r} is not called .jsonl or .binpbs")
        with open_input(path) as source:
            records = list(source.records(format))
        for record in records:
            if record.error:
                raise type(record.error)(record.describe(record.error))
        wires = list(_from_json(records) if format.is_json else _from_wires(records))
        self._answers = list(_answers(wires))
        if not self._answers:
            raise ValueError(f"{path!r} holds neither completions nor chunks")
        self._next = 0
        models = (json.loads(wire_to_json(wire, kind)).get("model") for kind, wire in wires)
        self._models = dict.fromkeys(model for model in models if model and isinstance(model, str))

    async def create(self, request: bytes, call: Call) -> bytes:
        answer = self._take()
        if isinstance(answer, bytes):
            return answer
        accumulator = Accumulator()
        for chunk in answer:
            accumulator.add_wire(chunk)
        return accumulator.to_wire()

    async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        answer = self._take()
        for chunk in split_answer(answer, request) if isinstance(answer, bytes) else answer:
            yield chunk

    async def models(self, call: Call) -> bytes:
        return list_models(self._models)

    async def close(self) -> None:
        pass

    def _take(self) -> bytes | list[bytes]:
        if not self._answers:
            raise ServiceError.of(503, "There is nothing to replay.")
        answer = self._answers[self._next]
        self._next = (self._next + 1) % len(self._answers)
        return answer


def _from_json(records: list[Record]) -> Iterable[tuple[type, bytes]]:
    before = None
    for record in records:
        try:
            obj = json.loads(record.data)
            before = detect_object(obj, before) if isinstance(obj, dict) else None
            if before in (ChatCompletion, ChatCompletionChunk):
                yield before, json_to_wire(record.data, before)
        except ChatpbError as error:
            raise ChatpbError(record.describe(error)) from None
        except ValueError as error:
            raise ChatpbError(f"{record.file}:{record.number}: {error}") from None


def _from_wires(records: list[Record]) -> Iterable[tuple[type, bytes]]:
    kind = detect_wires(record.data for record in records)
    return ((kind, record.data) for record in records)


def _answers(wires: Iterable[tuple[type, bytes]]) -> Iterable[bytes | list[bytes]]:
    for (kind, _), group in groupby(wires, _source):
        if kind is ChatCompletionChunk:
            yield [wire for _, wire in group]
        else:
            yield from (wire for _, wire in group)


def _source(record: tuple[type, bytes]) -> tuple[type, str]:
    kind, wire = record
    return kind, str(json.loads(wire_to_json(wire, kind)).get("id")) if kind is ChatCompletionChunk else ""
