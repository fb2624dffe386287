"""What the server and the gateway do alike around a call: tokens, limits, the deadline, observers, and stray errors."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
import traceback
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from chatpb._errors import ChatpbError
from chatpb.service._call import Call, check_token, deadline, pick_request
from chatpb.service._errors import ServiceError
from chatpb.service._observe import Observer, Outcome

__all__ = ["Edge", "Limits"]

_log: Final = logging.getLogger("chatpb.service")


@dataclass(frozen=True)
class Limits:
    """What is accepted at most.

    Attributes:
        message: bytes of one message or body, in either direction.
        concurrent: calls at once; one more is refused with 503.
        timeout: seconds that a call may take where the caller sets no shorter deadline, and that a body may take to
            come in; None for no limit.
        grace: seconds that open calls get to finish when the server stops.

    """

    message: int = 64 << 20
    concurrent: int = 4096
    timeout: float | None = 600.0
    grace: float = 30.0


@dataclass
class Edge:
    """The rules at the edge of a service.

    Attributes:
        tokens: bearer tokens, one of which every call has to bring; none: anyone may call. What was checked here is
            not passed on.
        limits: what is accepted at most.
        observers: what is told of every call.

    """

    tokens: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    observers: Sequence[Observer] = ()
    _open: int = 0

    def __post_init__(self) -> None:
        for token in self.tokens:
            check_token(token)

    @contextmanager
    def call(
        self, method: str, headers: Mapping[str, str], remaining: float | None = None, peer: str = ""
    ) -> Iterator[Exchange]:
        """One call. All that goes wrong inside comes out as ServiceError with the call's id, but for cancellation."""
        call = Call(pick_request(headers), peer=peer)
        call.reply["x-request-id"] = call.metadata.setdefault("x-request-id", uuid.uuid4().hex)
        known = [seconds for seconds in (remaining, self.limits.timeout) if seconds is not None]
        call.deadline = time.monotonic() + min(known) if known else None
        exchange = Exchange(call, Outcome(method))
        finish = [observer.start(method, call) for observer in self.observers]
        self._open += 1
        try:
            self._admit(call)
            with deadline(call.remaining(), 504, "The deadline passed before the answer was complete."):
                yield exchange
        except (asyncio.CancelledError, GeneratorExit):
            exchange.outcome.fail(499, "CANCELLED")
            raise
        except Exception as error:
            told = _told(error, method)
            exchange.outcome.fail(told.status, told.code)
            # A new one, since a backend may raise the same error again.
            headers = {"x-request-id": call.reply["x-request-id"], **told.headers}
            raise ServiceError(told.status, told.body, headers) from None
        finally:
            self._open -= 1
            exchange.outcome.end()
            for each in finish:
                each(exchange.outcome)

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """A request while it comes in. It is one of the calls that are open, and may take as long as one."""
        self._open += 1
        try:
            self._check_room()
            with deadline(self.limits.timeout, 408, "The body did not come in time."):
                yield
        finally:
            self._open -= 1

    def authorize(self, headers: Mapping[str, str]) -> None:
        """Raises ServiceError 401 for a call without one of the tokens."""
        if not self.tokens:
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        matches = [hmac.compare_digest(given.strip().encode(), token.encode()) for token in self.tokens]
        if scheme.lower() != "bearer" or not any(matches):
            what = "Incorrect API key provided." if given else "No API key provided: send it as a bearer token."
            raise ServiceError.of(401, what, code="invalid_api_key")

    def _admit(self, call: Call) -> None:
        self.authorize(call.metadata)
        if self.tokens:
            del call.metadata["authorization"]
        self._check_room()

    def _check_room(self) -> None:
        if self._open > self.limits.concurrent:
            raise ServiceError.of(503, "Too many calls are open.", code="overloaded", headers={"retry-after": "1"})


def _told(error: Exception, method: str) -> ServiceError:
    """What a caller is told of an error."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, ChatpbError):
        return ServiceError.of(400, f"The request cannot be read: {error}.")
    # The error's own text may hold what was said in the conversation.
    where = "".join(traceback.format_tb(error.__traceback__))
    _log.error("%s failed with %s\n%s", method, type(error).__name__, where)
    return ServiceError.of(500, "The service failed.")


@dataclass
class Exchange:
    """A call with what is known of how it went."""

    call: Call
    outcome: Outcome
