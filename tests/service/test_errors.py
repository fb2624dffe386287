"""The table of errors, each row in both directions, and errors through both hops."""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode
from contextlib import nullcontext
from datetime import datetime, tzinfo
from http import HTTPStatus
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc import aio

from chatcompletion.v1 import CreateChatCompletionRequest, ErrorResponse
from chatpb import ChatpbError, from_dict, json_to_wire, wire_to_json
from chatpb._wire.write import delimited, tag
from chatpb.service import AsyncClient, Client, EchoBackend, Server, ServiceError, _grpc_status
from chatpb.service._error_table import ROW_BY_STATUS, STATUS_BY_CODE, status_of_body, without_options
from chatpb.service._grpc_backend import CREATE, STREAM
from chatpb.service._grpc_status import (
    DEFAULT_MAX_METADATA,
    DETAILS,
    MAX_METADATA,
    from_rpc_error,
    from_status,
    metadata_size,
    to_status,
)
from tests.service.fake_upstream import HttpExchange
from tests.service.service_stack import HOPS, QUESTION, hops, run, stack
from tests.support import ROOT, exactly_equal

STATUSES = [*ROW_BY_STATUS, 418, 499, 520, 599]

BODY = (
    b'{"error":{"message":"Slow down.","type":"requests","param":null,"code":"rate_limit_exceeded",'
    b'"big":18446744073709551617,"vendor":{"a":[null,{}]}},"id":7}'
)


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_comes_back_through_grpc(status: int) -> None:
    error = ServiceError(status, BODY, {"retry-after": "1.5", "x-ratelimit-limit-tokens": "10"})
    message, metadata = to_status(error)
    assert message == "Slow down."
    again = from_status(error.code, message, metadata)
    assert (again.status, again.headers) == (status, error.headers)
    assert exactly_equal(json.loads(again.body), json.loads(BODY))


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_made_here(status: int) -> None:
    error = ServiceError.of(status, "No.", param="model", code="why")
    code, kind = ROW_BY_STATUS.get(status, ("FAILED_PRECONDITION" if status < 500 else "INTERNAL", None))
    assert error.code == code
    assert error.number == code_pb2.Code.Value(code) == grpc.StatusCode[code].value[0]
    assert json.loads(error.body)["error"]["type"] == (
        kind or ("invalid_request_error" if status < 500 else "server_error")
    )
    assert str(error) == f"{status} {code}: No."


@pytest.mark.parametrize(("status", "right"), [(399, False), (400, True), (599, True), (600, False), (200, False)])
def test_statuses_of_errors(status: int, right: bool) -> None:
    with nullcontext() if right else pytest.raises(ValueError, match=f"^{status} is no HTTP status of an error"):
        assert ServiceError.of(status, "No.").status == status


@pytest.mark.parametrize("code", [code.name for code in grpc.StatusCode])
def test_every_code_without_details(code: str) -> None:
    error = from_status(code, "Words.", [])
    assert error.status == (STATUS_BY_CODE[code] if code != "OK" else 500)
    kind = ROW_BY_STATUS[error.status][1]
    assert json.loads(error.body) == {"error": {"message": "Words.", "type": kind, "param": None, "code": None}}


def test_the_codes_are_those_of_the_page() -> None:
    """It lists each status, and what stands for the others."""
    page = (ROOT / "docs" / "grpc.md").read_text("utf-8")
    cells = re.findall(r"([\dx][^|]*) \| ([A-Z_]{5,}) \|", page)
    rows = [(status, code) for statuses, code in cells for status in re.findall(r"\d{3}|\dxx", statuses)]
    assert dict(rows) == {
        **{str(status): code for status, (code, _) in ROW_BY_STATUS.items()},
        "4xx": ServiceError.of(418, "").code,
        "5xx": ServiceError.of(599, "").code,
    }
    assert len(rows) == len(dict(rows))


def test_every_code_goes_to_the_status_whose_code_it_is() -> None:
    """Of several, it is the one that the code's own words fit. Codes that no status has are the exception: they have the
    one that google/rpc/code.proto gives them.
    """
    others = {"UNKNOWN": 500, "ALREADY_EXISTS": 409, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "DATA_LOSS": 500}
    assert set(STATUS_BY_CODE) == set(code_pb2.Code.keys()) - {"OK"}
    assert STATUS_BY_CODE["UNAVAILABLE"] == HTTPStatus.SERVICE_UNAVAILABLE
    for code, status in STATUS_BY_CODE.items():
        assert others[code] == status if code in others else ROW_BY_STATUS[status][0] == code


def details_of(error: ServiceError, limit: int = DEFAULT_MAX_METADATA) -> dict[str, Any]:
    message, metadata = to_status(error, limit)
    value = dict(metadata)[DETAILS]
    assert isinstance(value, bytes)
    assert metadata_size(message, metadata) <= limit
    status = status_pb2.Status.FromString(value)
    assert (status.code, status.message) == (error.number, to_status(error)[0])
    return {detail.type_url.rpartition("/")[2]: detail.value for detail in status.details}


def test_details_are_those_that_google_defines() -> None:
    body = b'{"error":{"message":"Bad n.","type":"invalid_request_error","param":"n","code":"n too big!"}}'
    details = details_of(ServiceError(400, body, {"retry-after-ms": "250"}))
    info = error_details_pb2.ErrorInfo.FromString(details["google.rpc.ErrorInfo"])
    assert (info.reason, info.domain, dict(info.metadata)) == ("N_TOO_BIG", "chatcompletion.v1", {"http_status": "400"})
    retry = error_details_pb2.RetryInfo.FromString(details["google.rpc.RetryInfo"])
    assert retry.retry_delay == Duration(nanos=250_000_000)
    (violation,) = error_details_pb2.BadRequest.FromString(details["google.rpc.BadRequest"]).field_violations
    assert (violation.field, violation.description) == ("n", "Bad n.")
    assert ErrorResponse.FromString(details["chatcompletion.v1.ErrorResponse"]).error.message == "Bad n."


class AfternoonOf2015(datetime):
    """A clock that shows the afternoon of a day, ten seconds before half past."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> AfternoonOf2015:
        return cls(2015, 10, 21, 16, 29, 50, tzinfo=tz)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "17"}, 17),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "999999999"}, 999_999_999),
        ({"retry-after": "1000000000"}, None),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 16:30:00 GMT"}, 10),
        ({"retry-after": "Wed, 21 Oct 2015 16:30:00 -0000"}, 10),
        ({"retry-after": "Wed, 21 Oct 2015 18:30:02 +0200"}, 12),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Wed, 21 Oct 99999999999 07:28:00 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 +99999999999999999999"}, None),
        ({"retry-after": "9" * 5000}, None),
        ({"retry-after-ms": "x", "retry-after": "2"}, 2),
        ({}, None),
    ],
)
def test_retry_info(headers: dict[str, str], seconds: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_grpc_status, "datetime", AfternoonOf2015)
    found = details_of(ServiceError(429, BODY, headers)).get("google.rpc.RetryInfo")
    delay = found and error_details_pb2.RetryInfo.FromString(found).retry_delay
    assert (delay and delay.ToNanoseconds()) == (None if seconds is None else seconds * 1_000_000_000)


@pytest.mark.parametrize(("size", "is_whole"), [(511, True), (512, True), (513, False)])
def test_the_first_512_bytes_of_a_message(size: int, is_whole: bool) -> None:
    text = "m" * size
    assert to_status(ServiceError.of(400, text))[0] == (text if is_whole else "m" * 509 + "...")


def test_metadata_at_the_limit() -> None:
    """What takes just as many bytes as the caller accepts is sent."""
    error = ServiceError(429, BODY, {"x-ratelimit-a": "1"})

    def sent(limit: int) -> list[str]:
        _, metadata = to_status(error, limit)
        names = [name for name, _ in metadata[:-1]]
        return names + ["body"] * ("chatcompletion.v1.ErrorResponse" in details_of(error, limit))

    whole = metadata_size(*to_status(error, MAX_METADATA))
    assert sent(whole) == ["x-ratelimit-a", "body"]
    assert sent(whole - 1) == ["x-ratelimit-a"]
    without_body = metadata_size(*to_status(error, whole - 1))
    assert sent(without_body) == ["x-ratelimit-a"]
    assert sent(without_body - 1) == []


@pytest.mark.parametrize(("status", "named"), [(400, True), (422, True), (409, False), (404, False), (429, False)])
@pytest.mark.parametrize("param", ["n", 7, None])
def test_the_parameter_of_an_error(status: int, named: bool, param: object) -> None:
    """The details name it where the request is wrong, and so as gRPC says that."""
    error = ServiceError(status, json.dumps({"error": {"message": "No.", "param": param}}).encode())
    assert ("google.rpc.BadRequest" in details_of(error)) is (named and param == "n")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"code": "n too big!"}, "N_TOO_BIG"),
        ({"code": "a1"}, "A1"),
        ({"code": "1a"}, "E_1A"),
        ({"code": "a"}, "A"),
        ({"code": "x" * 100}, "X" * 63),
        ({"code": "1" * 100}, "E_" + "1" * 61),
        ({"code": 7, "type": "requests"}, "REQUESTS"),
        ({"code": "!?"}, "RATE_LIMIT_ERROR"),
        ({}, "RATE_LIMIT_ERROR"),
    ],
)
def test_the_reason_of_an_error(members: dict[str, Any], reason: str) -> None:
    """It has the form that Google's ErrorInfo has: at most 63 capitals, digits and underscores, a letter first."""
    error = ServiceError(429, json.dumps({"error": members}).encode())
    assert error.reason == reason


def test_a_body_that_does_not_fit_is_left_out() -> None:
    body = json.dumps({"error": {"message": "é" * 5000, "param": "p" * 5000}}).encode()
    error = ServiceError(422, body)
    assert "chatcompletion.v1.ErrorResponse" not in details_of(error)
    assert "chatcompletion.v1.ErrorResponse" in details_of(error, MAX_METADATA)
    again = from_status(error.code, *to_status(error))
    assert again.status == 422
    assert again.message == "é" * 254 + "..."
    five = ServiceError(422, json.dumps({"error": {"message": "m", "input": "x" * 5000}}).encode())
    assert from_status(five.code, *to_status(five)).body == five.body.replace(b": ", b":").replace(b", ", b",")


@pytest.mark.parametrize(
    ("fails", "words"),
    [
        (lambda: json_to_wire('{"x":NaN}'), "NaN and Infinity are not JSON at line 1, column 6 (byte 5), in /x"),
        (lambda: wire_to_json(json_to_wire('{"x":NaN}', nonfinite="allow")), "not JSON at byte "),
        (lambda: wire_to_json(delimited(tag(1000, 2), b"x")), " in this form at byte "),
    ],
)
def test_errors_for_callers_name_no_option_of_the_library(fails: Any, words: str) -> None:
    with pytest.raises(ChatpbError) as caught:
        fails()
    assert re.search(r"; (nonfinite|unknown_fields)='", str(caught.value))
    assert words in without_options(caught.value)
    assert not re.search(r"=|;", without_options(caught.value))


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'"x"', b"[1,2]", b'[{"message":"a"},{}]', b"\xff", b'{"a":1,"a":2}']
)
def test_a_body_that_is_no_object_is_left_out(body: bytes) -> None:
    error = ServiceError(500, body)
    assert "chatcompletion.v1.ErrorResponse" not in details_of(error)
    assert error.message == "The request failed with status 500."


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("400", 400),
        ("422", 422),
        ("599", 599),
        ("399", 429),
        ("600", 429),
        ("-1", 429),
        ("4001", 429),
        ("", 429),
        ("9" * 5000, 429),
    ],
)
def test_the_status_that_another_server_gives(given: str, status: int) -> None:
    """Where it is none, the one that belongs to the code of gRPC stands for it."""
    details = status_pb2.Status(code=8)
    details.details.add().Pack(error_details_pb2.ErrorInfo(metadata={"http_status": given}))
    assert from_status("RESOURCE_EXHAUSTED", "", [(DETAILS, details.SerializeToString())]).status == status


def test_details_of_another_server() -> None:
    status = status_pb2.Status(code=8)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="QUOTA", metadata={"http_status": "no"}))
    status.details.add().Pack(
        error_details_pb2.RetryInfo(retry_delay=Duration(seconds=3_000_000_000, nanos=500_000_000))
    )
    status.details.add().Pack(
        error_details_pb2.BadRequest(field_violations=[error_details_pb2.BadRequest.FieldViolation(field="model")])
    )
    status.details.add(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")
    status.details.add(type_url="type.googleapis.com/chatcompletion.v1.ErrorResponse", value=b"\xff")
    for name in ("another", "unknown"):
        status.details.add(type_url=f"type.googleapis.com/{name}")
    error = from_status("RESOURCE_EXHAUSTED", "Enough.", [(DETAILS, status.SerializeToString())])
    assert (error.status, error.headers) == (429, {"retry-after": "3000000000.5"})
    want = {"message": "Enough.", "type": "rate_limit_error", "param": "model", "code": "quota"}
    assert json.loads(error.body) == {"error": want}
    assert from_status("INTERNAL", "", [(DETAILS, b"\xff\xff")]).message == "The call failed with INTERNAL."


def test_what_follows_details_that_cannot_be_read() -> None:
    """Other entries of the metadata, and other details, count."""
    status = status_pb2.Status()
    status.details.add(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")
    status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=3)))
    damaged, whole = (DETAILS, b"\xff\xff"), (DETAILS, status.SerializeToString())
    assert from_status("UNAVAILABLE", "", [damaged, ("retry-after", "5")]).headers == {"retry-after": "5"}
    assert from_status("UNAVAILABLE", "", [damaged, whole]).headers == {"retry-after": "3"}
    for other in ("a-bin", "z-bin"):
        assert from_status("UNAVAILABLE", "", [whole, (other, b"")]).headers == {"retry-after": "3"}


@pytest.mark.parametrize(
    ("code", "message", "status"),
    [
        ("RESOURCE_EXHAUSTED", "Received message larger than max (9 vs. 8)", 413),
        ("RESOURCE_EXHAUSTED", "Enough.", 429),
        ("UNAVAILABLE", "larger than max", 503),
        ("ABORTED", "larger than max", 409),
    ],
)
def test_messages_that_grpc_refuses_for_their_size(code: str, message: str, status: int) -> None:
    assert from_status(code, message, []).status == status


def test_the_size_of_metadata() -> None:
    """Text counts as it is, the message with its escapes, bytes in base64, and each entry 32 bytes more."""
    nothing = metadata_size("", [])
    assert nothing == _grpc_status._OTHER_METADATA + len("grpc-message") + 32
    assert metadata_size("a%", []) == nothing + 4
    assert all(metadata_size("a" * size, []) == nothing + size for size in range(600))
    assert metadata_size("", [("name", "value")]) == nothing + 4 + 5 + 32
    for size in range(10):
        assert metadata_size("", [("a-bin", bytes(size))]) == nothing + 5 + len(b64encode(bytes(size))) + 32


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": 429}, 429),
        ({"code": "503"}, 503),
        ({"code": "5031"}, 500),
        ({"status": 404}, 404),
        ({"code": "requests"}, 429),
        ({"code": "tokens"}, 429),
        ({"code": "invalid_api_key"}, 401),
        ({"code": "model_not_found"}, 404),
        ({"code": "rate_limit_exceeded"}, 429),
        ({"type": "server_error"}, 500),
        ({"type": "invalid_request_error"}, 400),
        ({"type": "overloaded_error"}, 529),
        ({"code": "context_length_exceeded", "type": "invalid_request_error"}, 400),
        ({"code": 1}, 500),
        ({"code": 399}, 500),
        ({"code": 400}, 400),
        ({"code": 599}, 599),
        ({"code": 600}, 500),
        ({"code": "9" * 5000}, 500),
        ({}, 500),
        ("text", 500),
    ],
)
def test_status_of_a_body_without_one(error: Any, status: int) -> None:
    assert status_of_body({"error": error}) == status


@hops
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", STATUSES)
def test_errors_of_an_upstream_arrive_as_they_are(hops: str, stream: bool, status: int) -> None:
    headers = {"retry-after": "17", "x-request-id": "req_9", "x-should-retry": "false"}

    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(BODY, status, headers=headers)

    async def main() -> None:
        async with stack(answer, hops) as up:
            response = await up.post({**QUESTION, "stream": stream})
            assert response.status_code == status
            assert {name: response.headers.get(name) for name in headers} == headers
            assert exactly_equal(response.json(), json.loads(BODY))

    run(main())


@pytest.mark.parametrize(
    ("where", "hops"), [("server", HOPS[1]), *((where, hops) for where in ("front", "backend") for hops in HOPS)]
)
def test_errors_made_on_the_way_carry_the_id_of_the_call(where: str, hops: str) -> None:
    """The id is the caller's own, or one that was made for it, wherever the error arose."""
    options: dict[str, Any] = {} if where == "backend" else {where: {"tokens": ["right"]}}

    async def answer(exchange: HttpExchange) -> None:
        exchange.reset()

    async def main() -> None:
        async with stack(answer, hops, **options) as up:
            for body in (QUESTION, {**QUESTION, "stream": True}):
                response = await up.post(body, x_request_id="mine")
                assert response.status_code == (502 if where == "backend" else 401)
                assert response.headers["x-request-id"] == "mine"
                assert len((await up.post(body)).headers["x-request-id"]) == 32
            if where != "front":
                assert (await up.post(b"{", x_request_id="mine")).headers["x-request-id"] == "mine"

    run(main())


def test_an_error_that_is_raised_again_has_the_id_of_each_call() -> None:
    busy = ServiceError.of(503, "Busy.")

    async def refuse(request: CreateChatCompletionRequest) -> str:
        raise busy

    async def main() -> None:
        async with (
            Server(refuse, listen="127.0.0.1:0") as server,
            AsyncClient(f"127.0.0.1:{server.port}") as client,
        ):
            for name in ("one", "two"):
                with pytest.raises(ServiceError) as caught:
                    await client.create(QUESTION, metadata={"x-request-id": name})
                assert caught.value.headers == {"x-request-id": name}

    run(main())


@pytest.mark.parametrize(
    "text",
    ["m" * 600, "\u4e16" * 600, "\U0001f600" * 600, "\ud83d" * 600, "%" * 600],
    ids=["ascii", "three bytes", "four bytes", "surrogate", "percent"],
)
def test_metadata_that_any_client_takes(text: str) -> None:
    """Of calls with more than 8 KiB of metadata only some fail, at random, so the test makes many."""
    headers = {f"x-ratelimit-{number}": "9" * 100 for number in range(100)}
    error = {"message": text, "param": text, "code": text, "more": "x" * 3000}

    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(json.dumps({"error": error}).encode(), 422, headers={"retry-after": "17", **headers})

    async def main() -> None:
        async with stack(answer) as up, aio.insecure_channel(up.target) as channel:
            call: Any = channel.unary_unary("/chatcompletion.v1.ChatCompletionService/CreateChatCompletion")
            request = from_dict(QUESTION, CreateChatCompletionRequest).SerializeToString()
            for _ in range(20):
                with pytest.raises(aio.AioRpcError) as caught:
                    await call(request)
                assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
                assert ("retry-after", "17") in tuple(caught.value.trailing_metadata() or ())

    run(main())


def test_a_large_error_body_passes_between_the_parts_here() -> None:
    body = json.dumps({"error": {"message": "m" * 100_000, "input": ["é"] * 5000}}).encode()

    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(body, 422)

    async def main() -> None:
        async with stack(answer) as up:
            response = await up.post(QUESTION)
            assert (response.status_code, response.json()) == (422, json.loads(body))
            # A client that does not say what it accepts gets the status without the body.
            async with aio.insecure_channel(up.target) as channel:
                call: Any = channel.unary_unary("/chatcompletion.v1.ChatCompletionService/CreateChatCompletion")
                with pytest.raises(aio.AioRpcError) as caught:
                    await call(from_dict(QUESTION, CreateChatCompletionRequest).SerializeToString())
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert caught.value.details() == "m" * 509 + "..."

    run(main())


def test_a_request_that_is_no_message() -> None:
    async def answer(exchange: HttpExchange) -> None:
        raise AssertionError

    async def main() -> None:
        async with stack(answer) as up, aio.insecure_channel(up.target) as channel:
            call: Any = channel.unary_unary("/chatcompletion.v1.ChatCompletionService/CreateChatCompletion")
            with pytest.raises(aio.AioRpcError) as caught:
                await call(delimited(tag(1, 2), b"\xff"))
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert "UTF-8" in str(caught.value.details())

    run(main())


def test_the_clients_raise_it() -> None:
    async def answer(exchange: HttpExchange) -> None:
        await exchange.answer(BODY, 429, headers={"retry-after": "17"})

    def blocking(target: str) -> None:
        with Client(target) as client:
            for ask in (client.create, lambda request: list(client.stream(request))):
                with pytest.raises(ServiceError, match=r"^429 RESOURCE_EXHAUSTED: Slow down\.$") as caught:
                    ask(QUESTION)
                assert caught.value.headers["retry-after"] == "17"

    async def main() -> None:
        async with stack(answer) as up, AsyncClient(up.target) as client:
            with pytest.raises(ServiceError, match=r"^429 RESOURCE_EXHAUSTED: Slow down\.$"):
                await client.create(QUESTION)
            with pytest.raises(ServiceError, match="^429"):
                async for _ in client.stream(QUESTION):
                    pass
            await asyncio.to_thread(blocking, up.target)

    run(main())


@pytest.mark.parametrize("path", [CREATE, STREAM])
def test_a_call_without_a_message(path: str) -> None:
    """As a client sends it that takes the methods for streams of requests."""

    async def main() -> None:
        async with (
            Server(EchoBackend(), listen="127.0.0.1:0") as server,
            aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ):
            with pytest.raises(aio.AioRpcError) as caught:
                await channel.stream_unary(path, request_serializer=bytes)(iter([]))
        error = from_rpc_error(caught.value)
        assert (error.status, error.code, error.message) == (400, "INVALID_ARGUMENT", "The call has no request.")

    run(main())
