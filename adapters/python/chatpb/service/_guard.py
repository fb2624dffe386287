"""What the server and the gateway do around each call: tokens, limits, the deadline, observers, and stray errors."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
import traceback
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from chatpb._errors import ChatpbError
from chatpb.service._byte_budget import ByteBudget
from chatpb.service._call import Call, check_token, forwarded_for, header_names, is_header, pick_request_headers
from chatpb.service._error_table import ServiceError, without_options
from chatpb.service._observers import Observer, Outcome
from chatpb.service._secrets import Secrets

__all__ = ["Guard", "Limits", "SendLimit", "error_for_caller"]

_log: Final = logging.getLogger("chatpb.service")


@dataclass(frozen=True)
class Limits:
    """The most that a service accepts.

    Attributes:
        message: bytes of one message or body, in either direction.
        in_flight: bytes of the requests of all open calls together. A request waits until there is room for it, at
            most as long as its body may take to arrive, and is then refused with 503.
        concurrent: open calls; one more is refused with 503.
        connections: open connections; one more is closed at once.
        timeout: seconds that a call may take, unless its caller sets a shorter deadline; None for no limit.
        head: seconds that the headers of a request may take to arrive.
        body: seconds that a body may take to arrive, if that is less than a call may take.
        send: seconds that a caller may take to accept a piece of an answer; None for no limit.
        grace: seconds that open calls have to finish when the server stops.

    Examples:
        >>> from chatpb.service import Limits
        >>> limits = Limits(message=1 << 20, timeout=30)
        >>> limits.message, limits.concurrent
        (1048576, 4096)

    """

    message: int = 64 << 20
    in_flight: int = 1 << 30
    concurrent: int = 4096
    connections: int = 10_000
    timeout: float | None = 600.0
    head: float = 10.0
    body: float = 60.0
    send: float | None = 60.0
    grace: float = 30.0


@dataclass
class Guard:
    """Stands between the callers of a service and its backend.

    Attributes:
        tokens: bearer tokens. If there are any, every call needs one of them, and the backend does not see it.
        limits: the most that is accepted.
        observers: they are notified of every call.
        forward: headers of callers that the backend gets besides those that concern every backend.
        trust_forwarded_for: whether callers are proxies, whose `x-forwarded-for` has the address of the caller behind.

    """

    tokens: Sequence[str]
    limits: Limits
    observers: Sequence[Observer]
    forward: Sequence[str]
    trust_forwarded_for: bool
    _open: int = 0

    def __post_init__(self) -> None:
        self._budget = ByteBudget(self.limits.in_flight)
        self._forward = header_names(self.forward)
        for token in self.tokens:
            check_token(token)

    @contextmanager
    def handle_call(
        self,
        method: str,
        headers: Mapping[str, str],
        *,
        received: int = 0,
        remaining: float | None = None,
        peer: str = "",
    ) -> Iterator[tuple[Call, Outcome]]:
        """Check a call, and give its deadline, its observers and its errors to the block that handles it.

        Every error of the block becomes a ServiceError with the call's id. Only cancellation passes unchanged.

        Args:
            method: "create", "stream", "models", or "other" for what is no call.
            headers: the request's.
            received: bytes of the request's body.
            remaining: seconds until the caller's own deadline; None without one.
            peer: the caller's address; empty if it is not known.

        """
        if self.trust_forwarded_for:
            peer = forwarded_for(headers) or peer
        call = Call(pick_request_headers(headers, self._forward), peer=peer)
        # It goes on to logs and records, where a credential has no place.
        given = call.metadata.get("x-request-id")
        identity = Secrets.of(call.metadata).hide_in_text(given) if given else uuid.uuid4().hex
        call.reply["x-request-id"] = call.metadata["x-request-id"] = identity
        known = [seconds for seconds in (remaining, self.limits.timeout) if seconds is not None]
        call.deadline = time.monotonic() + min(known) if known else None
        outcome = Outcome(method, received=received)
        finishes = [observer.start(method, call) for observer in self.observers]
        self._open += 1
        try:
            self.authorize(call.metadata)
            if self.tokens:
                del call.metadata["authorization"]
            self._check_room()
            with _time_limit(call.remaining(), 504, "The deadline passed before the answer was complete."):
                yield call, outcome
        except (asyncio.CancelledError, GeneratorExit):
            outcome.fail(499, "CANCELLED")
            raise
        except Exception as error:
            shown = error_for_caller(error, method)
            outcome.fail(shown.status, shown.code)
            # A copy, since a backend may raise the same object for several calls.
            headers = {"x-request-id": call.reply["x-request-id"], **shown.headers}
            headers = {name: value for name, value in headers.items() if is_header(name.lower(), value)}
            raise ServiceError(shown.status, shown.body, headers) from None
        finally:
            self._open -= 1
            outcome.end()
            for finish in finishes:
                finish(outcome)

    def refuse(
        self,
        error: ServiceError,
        headers: Mapping[str, str],
        method: str = "other",
        *,
        received: int = 0,
        peer: str = "",
    ) -> ServiceError:
        """Return the error of a request that is refused before it is a call: with an id, and seen by the observers."""
        try:
            with self.handle_call(method, headers, received=received, peer=peer):
                raise error
        except ServiceError as shown:
            return shown

    @contextmanager
    def count_request(self) -> Iterator[None]:
        """Count a request whose body has not come yet as an open call. Raises ServiceError 503 for one too many."""
        self._open += 1
        try:
            self._check_room()
            yield
        finally:
            self._open -= 1

    @asynccontextmanager
    async def read_body(self, read: Callable[[], Awaitable[bytes]], size: int | None = None) -> AsyncIterator[bytes]:
        """Read a request's body when there is room for it, and hold its bytes for the block.

        Raises ServiceError 503 if there is no room in time, and 408 if the body does not come in time.

        Args:
            read: reads the body.
            size: bytes of the body; None if they are not known.

        """
        seconds = min(self.limits.body, self.limits.timeout or self.limits.body)
        async with AsyncExitStack() as held:
            with _time_limit(seconds, 503, "Too many bytes are in flight.", "overloaded"):
                bytes_held = await held.enter_async_context(
                    self._budget.hold(self.limits.message if size is None else size)
                )
            with _time_limit(seconds, 408, "The body did not come in time."):
                body = await read()
            bytes_held.shrink(len(body))
            yield body

    def authorize(self, headers: Mapping[str, str]) -> None:
        """Raise ServiceError 401 for a call without one of the tokens."""
        if not self.tokens:
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        matches = [hmac.compare_digest(given.strip().encode(), token.encode()) for token in self.tokens]
        if scheme.lower() != "bearer" or not any(matches):
            what = "Incorrect API key provided." if given else "No API key provided: send it as a bearer token."
            raise ServiceError.of(401, what, code="invalid_api_key")

    def _check_room(self) -> None:
        if self._open > self.limits.concurrent:
            raise ServiceError.of(503, "Too many calls are open.", code="overloaded", headers={"retry-after": "1"})


@contextmanager
def _time_limit(seconds: float | None, status: int, message: str, code: str | None = None) -> Iterator[None]:
    """Cancel the block after some seconds (None: never), and raise a ServiceError in place of the cancellation."""
    task = asyncio.current_task()
    assert task
    is_over = False

    def cancel(task: asyncio.Task[object]) -> None:
        nonlocal is_over
        is_over = True
        task.cancel()

    timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, cancel, task)
    try:
        yield
    except asyncio.CancelledError:
        if not is_over:
            raise
        if hasattr(task, "uncancel"):  # from Python 3.11 on
            task.uncancel()
        raise ServiceError.of(status, message, code=code) from None
    finally:
        if timer:
            timer.cancel()


class SendLimit:
    """A limit on the time that a caller takes to accept a piece: `with` it, the task sends the piece.

    One timer watches all pieces of a call, since a timer for each would cost more than sending it. Raises ServiceError
    499.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._task: Any = asyncio.current_task()
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False

    def __enter__(self) -> None:
        self._since = self._loop.time()
        if self._timer is None and self._seconds is not None:
            self._timer = self._loop.call_later(self._seconds, self._look)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._since = None
        if self._is_over and kind is asyncio.CancelledError:
            if hasattr(self._task, "uncancel"):  # from Python 3.11 on
                self._task.uncancel()
            raise ServiceError.of(499, "The caller does not read the answer.") from None

    def close(self) -> None:
        """Stop the timer."""
        if self._timer:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        if self._since is None:
            return
        assert self._seconds is not None
        left = self._since + self._seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._is_over = True
            self._task.cancel()


def error_for_caller(error: Exception, method: str) -> ServiceError:
    """Return what a caller may see of an error."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, ChatpbError):
        return ServiceError.of(400, f"The request cannot be read: {without_options(error)}.")
    # The error's own text may hold parts of the conversation.
    where = "".join(traceback.format_tb(error.__traceback__))
    _log.error("%s failed with %s\n%s", method, type(error).__name__, where)
    return ServiceError.of(500, "The service failed.")
