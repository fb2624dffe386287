"""Errors in gRPC: a code, a message, and details in the trailing metadata.

Details are a google.rpc.Status with ErrorInfo (the HTTP status), RetryInfo, BadRequest, and the whole error body as an
ErrorResponse, which holds any JSON object without loss.

Peers refuse metadata above a limit, by default 8 KiB, and the call then fails with another status. Details have no
other place, since a call that fails has no message. So whatever does not fit is left out: the body first, then headers.
A caller that accepts more says so in `x-chatpb-max-metadata`, as chatpb's own clients do.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Iterable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote

from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from chatcompletion.v1 import ErrorResponse
from chatpb._convert import json_to_wire
from chatpb._errors import ChatpbError
from chatpb._known_json import known_json
from chatpb.service._call import pick_reply_headers
from chatpb.service._error_table import STATUS_BY_CODE, ServiceError, parse_body, read_status

__all__ = [
    "DEFAULT_MAX_METADATA",
    "DETAILS",
    "MAX_METADATA",
    "MAX_METADATA_HEADER",
    "from_rpc_error",
    "from_status",
    "metadata_size",
    "text_metadata",
    "to_status",
]

Metadata = Iterable[tuple[str, str | bytes]]

DETAILS: Final = "grpc-status-details-bin"

MAX_METADATA_HEADER: Final = "x-chatpb-max-metadata"
"""The request's metadata entry that says how many bytes of metadata the caller accepts."""

DEFAULT_MAX_METADATA: Final = 8 << 10
"""Bytes of metadata that a caller accepts if it does not say how many."""

MAX_METADATA: Final = 1 << 20
"""Bytes of metadata that chatpb's own clients and server accept."""

_MAX_TEXT: Final = 512
"""The most bytes of a message or a parameter's name."""

_OTHER_METADATA: Final = 640
"""Bytes of the metadata that gRPC and the server add: `:status`, `content-type`, `grpc-status`, and how to retry."""

_DOMAIN: Final = "chatcompletion.v1"
_TYPE_URL: Final = "type.googleapis.com/chatcompletion.v1.ErrorResponse"


def to_status(error: ServiceError, limit: float = DEFAULT_MAX_METADATA) -> tuple[str, list[tuple[str, str | bytes]]]:
    """Return the message and the trailing metadata of an error, together at most `limit` bytes of metadata."""
    message = _shorten(error.message)
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
        violation = error_details_pb2.BadRequest.FieldViolation(field=_shorten(param), description=message)
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    details = status.SerializeToString()
    headers: list[tuple[str, str | bytes]] = []
    for header in error.headers.items():
        if metadata_size(message, [*headers, header, (DETAILS, details)]) <= limit:
            headers.append(header)
    wire = _body_wire(error)
    if wire is not None:
        status.details.add(type_url=_TYPE_URL, value=wire)
        whole = status.SerializeToString()
        if metadata_size(message, [*headers, (DETAILS, whole)]) <= limit:
            details = whole
    return message, [*headers, (DETAILS, details)]


def metadata_size(message: str, metadata: Metadata) -> int:
    """Return the bytes of an answer's metadata as HTTP/2 counts them (RFC 9113, 6.5.2): name, value and 32 for each."""
    entries = [("grpc-message", quote(message)), *metadata]
    values = (value if isinstance(value, str) else b64encode(value) for _, value in entries)
    return _OTHER_METADATA + sum(len(name) + len(value) + 32 for (name, _), value in zip(entries, values, strict=True))


def _shorten(text: str) -> str:
    """Return a text cut to _MAX_TEXT bytes of UTF-8."""
    encoded = text.encode("utf-8", "replace")
    whole = len(encoded) <= _MAX_TEXT
    return encoded.decode() if whole else encoded[: _MAX_TEXT - 3].decode("utf-8", "ignore") + "..."


def from_rpc_error(error: Any, return_headers: Collection[str] = ()) -> ServiceError:
    """Return the error of a call that failed: a grpc.RpcError of a blocking or an asyncio client."""
    return from_status(error.code().name, error.details() or "", error.trailing_metadata() or (), return_headers)


def from_status(code: str, message: str, metadata: Metadata, return_headers: Collection[str] = ()) -> ServiceError:
    """Return the error that a code, a message and trailing metadata stand for, from any server.

    It has the headers that concern a caller, and those of the names in `return_headers`.
    """
    headers: dict[str, str] = {}
    details = status_pb2.Status()
    for name, value in metadata:
        if name == DETAILS and isinstance(value, bytes):
            try:
                details = status_pb2.Status.FromString(value)
            except DecodeError:
                continue
        elif isinstance(value, str):
            headers.update(pick_reply_headers({name: value}, return_headers))
    status, body, reason, param = STATUS_BY_CODE.get(code, 500), None, None, None
    for detail in details.details:
        try:
            if detail.type_url == _TYPE_URL:
                body = known_json(detail.value, ErrorResponse)
            elif info := _unpack(detail, error_details_pb2.ErrorInfo):
                reason = info.reason.lower() or None
                status = read_status(info.metadata.get("http_status")) or status
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


def text_metadata(metadata: Metadata | None) -> dict[str, str]:
    """Return the entries of metadata that are text."""
    return {name: value for name, value in metadata or () if isinstance(value, str)}


def _unpack(detail: Any, message_type: type[Any]) -> Any:
    """Return the message of a google.protobuf.Any; None if it is of another type."""
    return message_type.FromString(detail.value) if detail.Is(message_type.DESCRIPTOR) else None


def _body_wire(error: ServiceError) -> bytes | None:
    """Return the wire bytes of an error body; None if it is not a JSON object."""
    if parse_body(error.body) is None:
        return None
    try:
        return json_to_wire(error.body, ErrorResponse)
    except ChatpbError:
        return None


def _retry_seconds(headers: dict[str, str]) -> float | None:
    """Return the seconds to wait before trying again; None if the headers do not say."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "")
        try:
            seconds = float(value) * unit
        except ValueError:
            continue
        return seconds if 0 <= seconds < 1e9 else None
    try:
        at = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    return max(0.0, (at - datetime.now(timezone.utc)).total_seconds())
