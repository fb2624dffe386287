"""Record what a client of the `openai` package does."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

from chatcompletion.v1 import CreateChatCompletionRequest
from chatpb._openai_objects import from_openai
from chatpb.storage._recorder import Recorder

__all__ = ["record_openai"]

Client = TypeVar("Client")


def record_openai(client: Client, recorder: Recorder, **fields: Any) -> Client:
    """Make a client of the `openai` package record every chat completion, and return it.

    Whole answers, streams and errors are recorded, of the synchronous client and the asynchronous one, once they have
    ended. What the client returns and raises is unchanged; an error of recording is raised after the answer came.

    Args:
        client: an OpenAI, AsyncOpenAI, or a client with their `chat.completions.create`.
        recorder: the file to record in; the caller closes it.
        fields: fields that every record has, such as `labels` and `peer`.

    Examples:
        >>> from openai import OpenAI
        >>> from chatpb.storage import Recorder, record_openai
        >>> with Recorder("traffic.db") as recorder:
        ...     client = record_openai(OpenAI(api_key="key"), recorder, labels={"team": "search"})
        ...     client.close()
        ...

    """
    completions: Any = client.chat.completions  # type: ignore[attr-defined]
    create = completions.create

    def recording(*args: Any, **arguments: Any) -> Any:
        call = _Call(recorder, arguments, fields)
        try:
            answer = create(*args, **arguments)
        except Exception as error:
            call.fail(error)
            raise
        if hasattr(answer, "__await__"):
            return _awaited(answer, call)
        return call.answered(answer)

    completions.create = recording
    return client


async def _awaited(answer: Any, call: _Call) -> Any:
    try:
        found = await answer
    except Exception as error:
        call.fail(error)
        raise
    return call.answered(found)


class _Call:
    """One call, and what is known of it so far."""

    def __init__(self, recorder: Recorder, arguments: dict[str, Any], fields: dict[str, Any]) -> None:
        self._recorder = recorder
        self._fields = fields
        self._request = from_openai(arguments, CreateChatCompletionRequest)
        self._start = time.time_ns() // 1000
        self._first: int | None = None
        self._chunks: list[Any] = []

    def answered(self, answer: Any) -> Any:
        """Record a whole answer; or return a stream that is recorded when it ends."""
        if hasattr(answer, "choices"):
            self._add(response=answer, status=200)
        elif hasattr(answer, "__aiter__"):
            answer._iterator = self._async_chunks(answer._iterator)
        elif hasattr(answer, "__iter__"):
            answer._iterator = self._chunks_of(answer._iterator)
        return answer

    def fail(self, error: Exception) -> None:
        body = getattr(error, "body", None)
        known = body if isinstance(body, dict) else {"message": str(error), "type": type(error).__name__}
        self._add(
            error={"error": known},
            status=getattr(error, "status_code", None),
            **({"stream": self._chunks} if self._chunks else {}),
        )

    def _chunks_of(self, chunks: Iterator[Any]) -> Iterator[Any]:
        with _Ending(self):
            for chunk in chunks:
                self._note(chunk)
                yield chunk

    async def _async_chunks(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        with _Ending(self):
            async for chunk in chunks:
                self._note(chunk)
                yield chunk

    def _note(self, chunk: Any) -> None:
        self._first = self._first or time.time_ns() // 1000
        self._chunks.append(chunk)

    def end_stream(self, status: int) -> None:
        self._add(stream=self._chunks, status=status)

    def _add(self, **parts: Any) -> None:
        self._recorder.add(
            request=self._request,
            start_time=self._start,
            first_token_time=self._first,
            end_time=time.time_ns() // 1000,
            **parts,
            **self._fields,
        )


class _Ending:
    """Records a stream when it ends, breaks off, or is left."""

    def __init__(self, call: _Call) -> None:
        self._call = call

    def __enter__(self) -> None:
        """Do nothing: the stream has begun already."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            self._call.fail(error)
        else:
            self._call.end_stream(200 if error is None else 499)
