"""Errors on gRPC: a code, a message, and details in the trailing metadata.

Details are a google.rpc.Status with ErrorInfo (the HTTP status), RetryInfo, BadRequest, and the whole error body as an
ErrorResponse, which holds any JSON object without loss.

Peers refuse metadata above a limit, 8 KiB unless they are told otherwise, and the call then fails with another status.
There is no other place for details, since a call that fails has no message. So what does not fit is left out: the body
first, then headers. A caller that takes more says so in `x-chatpb-max-metadata`, as the clients here do.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote

from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

from chatcompletion.v1 import ErrorResponse
from chatpb._api import json_to_wire, wire_to_json
from chatpb._errors import ChatpbError
from chatpb.service._call import pick_reply
from chatpb.service._errors import BY_CODE, ServiceError, parse_body

__all__ = ["DETAILS", "MAX_METADATA", "METADATA_LIMIT", "USUAL_METADATA", "from_status", "metadata_size", "to_status"]

DETAILS: Final = "grpc-status-details-bin"
METADATA_LIMIT: Final = "x-chatpb-max-metadata"
"""Metadata of a request: the bytes of metadata that the caller takes."""

USUAL_METADATA: Final = 8 << 10
"""Bytes of metadata that a caller takes who does not say how many."""

MAX_METADATA: Final = 1 << 20
"""Bytes of metadata that the clients and the server here take."""

_MAX_TEXT: Final = 512
_OTHER_METADATA: Final = 512
"""Bytes for what gRPC adds: `:status`, `content-type`, `grpc-status`."""
_DOMAIN: Final = "chatcompletion.v1"
_TYPE_URL: Final = "type.googleapis.com/chatcompletion.v1.ErrorResponse"


def to_status(error: ServiceError, limit: int = USUAL_METADATA) -> tuple[str, list[tuple[str, str | bytes]]]:
    """The message and the trailing metadata of an error, in all at most `limit` bytes of metadata."""
    message = _short(error.message)
    status = status_pb2.Status(code=error.number, message=message)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=_DOMAIN, metadata={"http_status": str(error.status)})
    status.details.add().Pack(info)
    seconds = _retry_seconds(error.headers)
    if seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(round(seconds * 1e9))
        status.details.add().Pack(retry)
    param = error.detail.get("param")
    if error.code == "INVALID_ARGUMENT" and isinstance(param, str):
        violation = error_details_pb2.BadRequest.FieldViolation(field=_short(param), description=message)
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    details = status.SerializeToString()
    headers: list[tuple[str, str | bytes]] = []
    for header in pick_reply(error.headers).items():
        if metadata_size(message, [*headers, header, (DETAILS, details)]) <= limit:
            headers.append(header)
    wire = _body_wire(error)
    if wire is not None:
        status.details.add(type_url=_TYPE_URL, value=wire)
        whole = status.SerializeToString()
        if metadata_size(message, [*headers, (DETAILS, whole)]) <= limit:
            details = whole
    return message, [*headers, (DETAILS, details)]


def metadata_size(message: str, metadata: Iterable[tuple[str, str | bytes]]) -> int:
    """The bytes of an answer's metadata as HTTP/2 counts them (RFC 9113, 6.5.2): 32 for each beside name and value."""
    size = _OTHER_METADATA + len("grpc-message") + len(quote(message)) + 32
    for name, value in metadata:
        size += len(name) + (len(value) if isinstance(value, str) else len(value) * 4 // 3 + 4) + 32
    return size


def _short(text: str) -> str:
    """A text in at most so many bytes of UTF-8."""
    encoded = text.encode("utf-8", "replace")
    whole = len(encoded) <= _MAX_TEXT
    return encoded.decode() if whole else encoded[: _MAX_TEXT - 3].decode("utf-8", "ignore") + "..."


def from_status(code: str, message: str, metadata: Iterable[tuple[str, str | bytes]]) -> ServiceError:
    """The error that a code, a message and trailing metadata stand for, from any server."""
    headers: dict[str, str] = {}
    details = status_pb2.Status()
    for name, value in metadata:
        if name == DETAILS and isinstance(value, bytes):
            try:
                details = status_pb2.Status.FromString(value)
            except DecodeError:
                continue
        elif isinstance(value, str):
            headers.update(pick_reply({name: value}))
    status, body, reason, param = BY_CODE.get(code, 500), None, None, None
    for detail in details.details:
        try:
            if detail.type_url == _TYPE_URL:
                body = wire_to_json(detail.value, ErrorResponse)
            elif info := _unpack(detail, error_details_pb2.ErrorInfo):
                reason = info.reason.lower() or None
                given = info.metadata.get("http_status", "")
                status = int(given) if given.isdecimal() and 400 <= int(given) < 600 else status
            elif retry := _unpack(detail, error_details_pb2.RetryInfo):
                seconds = retry.retry_delay.ToNanoseconds() / 1e9
                headers.setdefault("retry-after", f"{seconds:.3f}".rstrip("0").rstrip("."))
            elif bad := _unpack(detail, error_details_pb2.BadRequest):
                param = next((violation.field for violation in bad.field_violations), None)
        except (DecodeError, ChatpbError):
            continue
    if body is not None:
        return ServiceError(status, body, headers)
    if code == "RESOURCE_EXHAUSTED" and "larger than max" in message:
        status = 413
    return ServiceError.of(
        status, message or f"The call failed with {code}.", param=param, code=reason, headers=headers
    )


def _unpack(detail: Any, message_type: type[Any]) -> Any:
    if not detail.Is(message_type.DESCRIPTOR):
        return None
    return message_type.FromString(detail.value)


def _body_wire(error: ServiceError) -> bytes | None:
    if parse_body(error.body) is None:
        return None
    try:
        return json_to_wire(error.body, ErrorResponse)
    except ChatpbError:
        return None


def _retry_seconds(headers: dict[str, str]) -> float | None:
    """Seconds to wait before another try."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "")
        try:
            seconds = float(value) * unit
        except ValueError:
            continue
        return seconds if 0 <= seconds < 1e9 else None
    try:
        at = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    return max(0.0, (at - datetime.now(timezone.utc)).total_seconds())


assert set(BY_CODE) == set(code_pb2.Code.keys()) - {"OK"}  # every code has a row
