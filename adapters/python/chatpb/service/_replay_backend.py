"""A backend that answers with recorded completions and streams."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from itertools import cycle, groupby
from typing import Any

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk
from chatpb._convert import json_to_wire
from chatpb._detect import detect_object, detect_wires
from chatpb._errors import ChatpbError
from chatpb._files.formats import format_of
from chatpb._files.read import Document, open_input
from chatpb._known_json import known_json
from chatpb.service._call import Call
from chatpb.service._error_table import parse_body
from chatpb.service._model_list import list_models
from chatpb.service._request_flags import split_answer
from chatpb.streams._known import add_known
from chatpb.streams.accumulate import Accumulator

__all__ = ["ReplayBackend"]


class ReplayBackend:
    r"""Answers with the records of a .jsonl or .binpbs file (also .gz), in their order, and then from the first again.

    A completion is one answer, and so are consecutive chunks with the same id. Both kinds answer whole and as a stream:
    a completion is split into chunks, and chunks are put together.

    Raises ValueError for a file with another ending or without answers, ChatpbError for one with a damaged record,
    OSError for one that cannot be opened.

    Examples:
        >>> import asyncio
        >>> from pathlib import Path
        >>> from chatpb import ChatCompletion
        >>> from chatpb.service import Call, ReplayBackend
        >>> size = Path("answers.jsonl").write_text('{"object":"chat.completion","id":"c1","choices":[]}\n')
        >>> answer = asyncio.run(ReplayBackend("answers.jsonl").create(b"", Call()))
        >>> ChatCompletion.FromString(answer).id
        'c1'

    """

    def __init__(self, path: str) -> None:
        format = format_of(path)
        if format is None or not format.is_stream:
            raise ValueError(f"{path!r} is not called .jsonl or .binpbs")
        with open_input(path) as source:
            records = list(source.documents(format))
        for record in records:
            if record.error:
                raise type(record.error)(record.describe(record.error))
        wires = list(_wires_of_json(records) if format.is_json else _wires_of_messages(records))
        if not wires:
            raise ValueError(f"{path!r} holds neither completions nor chunks")
        self._answers = cycle(list(_answers(wires)))
        models = (_members(wire, kind).get("model") for kind, wire in wires)
        self._models = dict.fromkeys(model for model in models if model and isinstance(model, str))

    async def create(self, request: bytes, call: Call) -> bytes:
        answer = next(self._answers)
        if isinstance(answer, bytes):
            return answer
        accumulator = Accumulator()
        for chunk in answer:
            add_known(accumulator, chunk)
        return accumulator.to_wire()

    async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        answer = next(self._answers)
        for chunk in split_answer(answer, request) if isinstance(answer, bytes) else answer:
            yield chunk

    async def models(self, call: Call) -> bytes:
        """Return the JSON text of a list of the models that the records name."""
        return list_models(self._models)

    async def close(self) -> None:
        pass


def _wires_of_json(records: list[Document]) -> Iterable[tuple[type, bytes]]:
    """Yield message class and wire bytes of each record that is a completion or a chunk."""
    before = None
    for record in records:
        try:
            obj = json.loads(record.data, parse_int=float)
            before = detect_object(obj, before) if isinstance(obj, dict) else None
            if before in (ChatCompletion, ChatCompletionChunk):
                yield before, json_to_wire(record.data, before)
        except ChatpbError as error:
            raise ChatpbError(record.describe(error)) from None
        except (ValueError, RecursionError) as error:
            raise ChatpbError(f"{record.file}:{record.number}: {error}") from None


def _wires_of_messages(records: list[Document]) -> Iterable[tuple[type, bytes]]:
    """Return message class and wire bytes of each record."""
    kind = detect_wires(record.data for record in records)
    return ((kind, record.data) for record in records)


def _answers(wires: Iterable[tuple[type, bytes]]) -> Iterable[bytes | list[bytes]]:
    """Yield each answer: the wire bytes of a completion, or those of a stream's chunks."""
    for (kind, _), group in groupby(wires, _stream_of):
        if kind is ChatCompletionChunk:
            yield [wire for _, wire in group]
        else:
            yield from (wire for _, wire in group)


def _stream_of(record: tuple[type, bytes]) -> tuple[type, str]:
    """Return what is the same for all chunks of a stream: their class and their id."""
    kind, wire = record
    return kind, str(_members(wire, kind).get("id")) if kind is ChatCompletionChunk else ""


def _members(wire: bytes, kind: type) -> dict[str, Any]:
    return parse_body(known_json(wire, kind)) or {}
