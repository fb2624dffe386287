"""Record what a client of the `openai` package does."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

from chatcompletion.v1 import CreateChatCompletionRequest
from chatpb._openai_objects import from_openai
from chatpb.storage._recorder import Recorder

__all__ = ["record_openai"]

Client = TypeVar("Client")


def record_openai(client: Client, recorder: Recorder, **fields: Any) -> Client:
    """Make a client of the `openai` package record every chat completion, and return it.

    Whole answers, streams and errors are recorded, of the synchronous client and the asynchronous one, once they have
    ended: those of `create`, `parse` and `stream`, of `with_raw_response`, and of what `with_options` returns. A stream
    that is not read to its end has ended when it is closed, and its record has the status 499. What
    `with_streaming_response` returns is not read here, and not recorded. What the client returns and raises is
    unchanged; an error of recording is raised after the answer came.

    Args:
        client: an OpenAI or AsyncOpenAI, or another client that is made as they are, such as those of Azure.
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
    known: Any = client
    for each in known, getattr(known, "beta", None):
        if (chat := getattr(each, "chat", None)) is not None:
            _record(chat.completions, recorder, fields)
    copy = known.copy

    def recording_copy(*args: Any, **arguments: Any) -> Any:
        return record_openai(copy(*args, **arguments), recorder, **fields)

    known.copy = known.with_options = recording_copy
    return client


def _record(completions: Any, recorder: Recorder, fields: dict[str, Any]) -> None:
    """Record what completions send: all their methods do it by this function, with the body that they made."""
    post = completions._post

    def recording(path: str, **arguments: Any) -> Any:
        if path != "/chat/completions":
            return post(path, **arguments)
        options = arguments.get("options") or {}
        call = _Call(recorder, {**arguments["body"], **(options.get("extra_json") or {})}, fields)
        try:
            answer = post(path, **arguments)
        except Exception as error:
            call.fail(error)
            raise
        if hasattr(answer, "__await__"):
            return _awaited(answer, call)
        return call.answered(answer)

    completions._post = recording


async def _awaited(answer: Any, call: _Call) -> Any:
    try:
        found = await answer
    except Exception as error:
        call.fail(error)
        raise
    return call.answered(found)


class _Call:
    """One call, and what is known of it so far."""

    def __init__(self, recorder: Recorder, request: dict[str, Any], fields: dict[str, Any]) -> None:
        self._recorder = recorder
        self._fields = fields
        self._request = from_openai(request, CreateChatCompletionRequest)
        self._start = time.time_ns() // 1000
        self._first: int | None = None
        self._chunks: list[Any] = []
        self._is_reading = False
        self._has_ended = False

    def answered(self, answer: Any) -> Any:
        """Record a whole answer; or see to it that a stream is recorded when it ends."""
        if hasattr(answer, "choices"):
            self._add(response=answer, status=200)
        elif hasattr(answer, "_iterator") and hasattr(answer, "__aiter__"):
            answer._iterator = self._async_chunks(answer._iterator)
            answer.response.aclose = self._closing_async(answer.response.aclose)
        elif hasattr(answer, "_iterator"):
            answer._iterator = self._chunks_of(answer._iterator)
            answer.response.close = self._closing(answer.response.close)
        elif not hasattr(answer, "parse"):
            self._add(status=200)  # text, such as a page of a proxy: no answer that a record can have
        elif not hasattr(answer, "read"):
            self.answered(answer.parse())  # a raw response, whose body is here; it keeps what it parsed
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
            self._is_reading = True
            for chunk in chunks:
                self._note(chunk)
                yield chunk
                self._is_reading = True

    async def _async_chunks(self, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        with _Ending(self):
            self._is_reading = True
            async for chunk in chunks:
                self._note(chunk)
                yield chunk
                self._is_reading = True

    # Whoever leaves a stream closes its response. The package does so too, while it reads the last chunk or an error.

    def _closing(self, close: Callable[[], None]) -> Callable[[], None]:
        def closing() -> None:
            close()
            self._leave()

        return closing

    def _closing_async(self, close: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def closing() -> None:
            await close()
            self._leave()

        return closing

    def _leave(self) -> None:
        if not self._is_reading:
            self.end_stream(499)

    def _note(self, chunk: Any) -> None:
        self._is_reading = False
        self._first = self._first or time.time_ns() // 1000
        self._chunks.append(chunk)

    def end_stream(self, status: int) -> None:
        self._add(stream=self._chunks, status=status)

    def _add(self, **parts: Any) -> None:
        """Record the call, unless it has ended already."""
        if self._has_ended:
            return
        self._has_ended = True
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
