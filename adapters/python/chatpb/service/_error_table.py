"""The one table of HTTP statuses, gRPC codes and types of OpenAI error bodies, and the error class that uses it.

An error is an HTTP status and a JSON body; the gRPC code follows from the status. Over gRPC the status travels in the
details, so that it arrives unchanged. If a peer sends no details, the status follows from the code.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Any, Final

from google.rpc import code_pb2

from chatpb._errors import ChatpbError

__all__ = [
    "ROW_BY_STATUS",
    "STATUS_BY_CODE",
    "ServiceError",
    "object_text",
    "parse_body",
    "read_integer",
    "read_status",
    "status_of_body",
    "without_options",
]

ROW_BY_STATUS: Final[dict[int, tuple[str, str]]] = {
    400: ("INVALID_ARGUMENT", "invalid_request_error"),
    401: ("UNAUTHENTICATED", "authentication_error"),
    402: ("RESOURCE_EXHAUSTED", "insufficient_quota"),
    403: ("PERMISSION_DENIED", "permission_error"),
    404: ("NOT_FOUND", "not_found_error"),
    405: ("UNIMPLEMENTED", "invalid_request_error"),
    408: ("DEADLINE_EXCEEDED", "timeout_error"),
    409: ("ABORTED", "conflict_error"),
    412: ("FAILED_PRECONDITION", "invalid_request_error"),
    413: ("RESOURCE_EXHAUSTED", "request_too_large"),
    415: ("INVALID_ARGUMENT", "invalid_request_error"),
    422: ("INVALID_ARGUMENT", "invalid_request_error"),
    424: ("FAILED_PRECONDITION", "failed_dependency_error"),
    429: ("RESOURCE_EXHAUSTED", "rate_limit_error"),
    451: ("PERMISSION_DENIED", "permission_error"),
    498: ("RESOURCE_EXHAUSTED", "capacity_exceeded"),
    499: ("CANCELLED", "cancelled"),
    500: ("INTERNAL", "server_error"),
    501: ("UNIMPLEMENTED", "server_error"),
    502: ("UNAVAILABLE", "server_error"),
    503: ("UNAVAILABLE", "service_unavailable_error"),
    504: ("DEADLINE_EXCEEDED", "timeout_error"),
    529: ("UNAVAILABLE", "overloaded_error"),
}
"""By HTTP status: the gRPC code, and the `type` of an error body that is made here."""

_OTHER_4XX: Final = ("FAILED_PRECONDITION", "invalid_request_error")
_OTHER_5XX: Final = ("INTERNAL", "server_error")

STATUS_BY_CODE: Final[dict[str, int]] = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
"""By gRPC code: the HTTP status of an error whose details do not give one."""

_STATUS_BY_TYPE: Final = {
    **{kind: status for status, (_, kind) in reversed(ROW_BY_STATUS.items())},
    "server_error": 500,
    "requests": 429,
    "tokens": 429,
    "rate_limit_exceeded": 429,
    "invalid_api_key": 401,
    "model_not_found": 404,
}
"""By `type` or `code` of an error body: the HTTP status of an error that came without one."""


_OPTION: Final = re.compile(r"; (?:nonfinite|unknown_fields)='\w+' \w+ (?:them|it out|it)")
"""What an error of the library says of an option of its functions, which callers of a service do not have."""


def without_options(error: ChatpbError) -> str:
    """Return the text of an error for the caller of a service."""
    return _OPTION.sub("", str(error))


def _row(status: int) -> tuple[str, str]:
    return ROW_BY_STATUS.get(status, _OTHER_4XX if status < 500 else _OTHER_5XX)


class ServiceError(ChatpbError):
    """A request that failed, as its caller sees it.

    Attributes:
        status: the HTTP status, 400 to 599.
        body: the error body, JSON text of an object, unchanged from where the error arose.
        headers: headers about limits and trying again, such as `retry-after`, by lower-case name.

    Raises:
        ValueError: for a status that is no error's, which a client would take for an answer.

    Examples:
        >>> from chatpb.service import ServiceError
        >>> error = ServiceError.of(429, "Slow down.", headers={"retry-after": "2"})
        >>> error.code, error.message
        ('RESOURCE_EXHAUSTED', 'Slow down.')
        >>> error.body
        b'{"error": {"message": "Slow down.", "type": "rate_limit_error", "param": null, "code": null}}'

    """

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        if not 400 <= status < 600:
            raise ValueError(f"{status} is no HTTP status of an error: give one of 400 to 599")
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.headers = dict(headers or {})

    @classmethod
    def of(
        cls,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ServiceError:
        """Make an error whose body has the `type` that the table gives for the status."""
        error = {"message": message, "type": _row(status)[1], "param": param, "code": code}
        return cls(status, json.dumps({"error": error}).encode(), headers)

    @property
    def code(self) -> str:
        """The name of the gRPC code."""
        return _row(self.status)[0]

    @property
    def number(self) -> int:
        """The number of the gRPC code."""
        number: int = code_pb2.Code.Value(self.code)
        return number

    @property
    def detail(self) -> dict[str, Any]:
        """The members of the body's `error`, whose text becomes `message`; the body's own if `error` is no object."""
        body = parse_body(self.body) or {}
        inner = body.get("error")
        return inner if isinstance(inner, dict) else {"message": inner, **body} if isinstance(inner, str) else body

    @property
    def message(self) -> str:
        """The error in words."""
        for name in ("message", "detail"):
            if isinstance(found := self.detail.get(name), str):
                return found
        return f"The request failed with status {self.status}."

    @property
    def reason(self) -> str:
        """The error's name for programs, in the form that google.rpc.ErrorInfo prescribes."""
        for name in ("code", "type"):
            found = self.detail.get(name)
            if isinstance(found, str) and (reason := re.sub(r"[^A-Z0-9]+", "_", found.upper()).strip("_")):
                return reason[:63] if reason[0].isalpha() else f"E_{reason}"[:63]
        return _row(self.status)[1].upper()

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"


def parse_body(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object of a body, which may be the only element of an array; None for anything else.

    A byte order mark may stand before it.
    """
    try:
        found = json.loads(body.decode("utf-8-sig"), parse_int=read_integer)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, list) and len(found) == 1:
        (found,) = found
    return found if isinstance(found, dict) else None


def object_text(body: bytes) -> bytes:
    """Return the JSON text of the object that `parse_body` has found in a body, and nothing around it."""
    text = body.removeprefix(BOM_UTF8).strip()
    return text if text.startswith(b"{") else text[1:-1].strip()


def read_integer(text: str) -> int | float:
    """Return the value of an integer; of one with more digits than Python converts, only about how much it is."""
    try:
        return int(text)
    except ValueError:
        return float(text)


def read_status(value: Any) -> int | None:
    """Return the HTTP status of an error that a number or its digits are; None for anything else."""
    if isinstance(value, str) and value.isdecimal():
        value = read_integer(value)
    return int(value) if isinstance(value, int) and 400 <= value < 600 else None


def status_of_body(body: Mapping[str, Any]) -> int:
    """Return the HTTP status of an error body that came without one: in a stream, or under status 200."""
    error = body.get("error")
    members = error if isinstance(error, dict) else body
    for name in ("code", "status", "status_code", "type"):
        value = members.get(name)
        if status := read_status(value):
            return status
        if isinstance(value, str) and value in _STATUS_BY_TYPE:
            return _STATUS_BY_TYPE[value]
    return 500
