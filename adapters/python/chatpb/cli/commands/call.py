"""`chatpb call`: one request to a gRPC server."""

from __future__ import annotations

import json
import sys
from enum import Enum
from typing import Annotated, Any

import typer

from chatcompletion.v1 import CreateChatCompletionRequest
from chatpb import ChatpbError, wire_to_json
from chatpb._files.formats import STANDARD, Format, format_of
from chatpb._files.read import open_input
from chatpb.cli import _service_options as options
from chatpb.cli._console import report, shown
from chatpb.cli._exit_status import BAD_DATA
from chatpb.cli._option_groups import with_groups
from chatpb.cli._service_logs import unknown_variables
from chatpb.cli._service_setup import check_tokens, silence_grpc, target_of, tls_of

__all__ = ["call"]


class AnswerFormat(str, Enum):
    """How an answer is shown."""

    TEXT = "text"
    JSON = "json"


@with_groups
def call(
    *,
    request: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="The request: .json, .binpb, or - for JSON from a pipe.")
    ] = None,
    message: Annotated[
        str | None, typer.Option("--message", "-m", metavar="TEXT", help="What to say, in place of FILE.")
    ] = None,
    model: Annotated[str | None, options.option("--model", metavar="NAME", help="The model, with --message.")] = None,
    target: options.Target = None,
    stream: Annotated[bool, typer.Option("--stream", "-s", help="Show the answer as it arrives.")] = False,
    format: Annotated[
        AnswerFormat, options.option("--format", "-f", metavar="FORMAT", help="How to show the result.")
    ] = AnswerFormat.TEXT,
    as_json: Annotated[bool, typer.Option("--json", hidden=True)] = False,
    target_token: options.TargetToken = None,
    use_tls: options.UseTls = False,
    certificates: options.CertificateOptions,
    timeout: options.Timeout = 600,
) -> None:
    """Send one request to a gRPC server, and print the answer.

    --format json prints the completion, or with --stream one chunk on each line.

    Examples:
        chatpb call --message hello
        chatpb call --message hello --stream --target 127.0.0.1:50051
        chatpb call request.json --format json

    """
    silence_grpc()
    for warning in unknown_variables():
        report(f"chatpb call: {warning}")
    from chatpb.service import Client, ServiceError

    tls = tls_of(certificates, wanted=use_tls)
    check_tokens("--target-token", target_token)
    text = _request(request, message, model)
    as_json = as_json or format is AnswerFormat.JSON
    address = target_of(target or "127.0.0.1:50051")
    try:
        with Client(address, tls=tls, token=target_token, timeout=timeout) as client:
            if stream:
                _show_stream(client.stream(text), as_json)
            else:
                _show(client.create(text), as_json)
    except ServiceError as error:
        report(f"chatpb call: {address}: {error}")
        raise SystemExit(BAD_DATA) from None


def _request(path: str | None, message: str | None, model: str | None) -> str | bytes:
    """Return the request as JSON text. Raises BadParameter or ChatpbError."""
    if (path is None) == (message is None):
        raise typer.BadParameter("give one of them", param_hint="FILE, --message")
    if path is None:
        return json.dumps({"model": model or "echo", "messages": [{"role": "user", "content": message}]})
    format = Format.JSON if path == STANDARD else format_of(path)
    if format not in (Format.JSON, Format.BINPB):
        raise typer.BadParameter("is not called .json or .binpb", param_hint=path)
    with open_input(path) as source:
        (document,) = source.documents(format)
    if document.error:
        raise document.error
    if format is Format.JSON:
        return document.data
    try:
        return wire_to_json(document.data, CreateChatCompletionRequest)
    except ChatpbError as error:
        raise ChatpbError(document.describe(error)) from None


def _show(answer: bytes, as_json: bool) -> None:
    if as_json:
        _echo_json(answer)
        return
    for choice in _choices(answer):
        message = _object(choice.get("message"))
        for text in (message.get("content"), message.get("refusal")):
            if text:
                typer.echo(shown(text) if isinstance(text, str) else json.dumps(text))
        _show_tool_calls(message)


def _show_stream(stream: Any, as_json: bool) -> None:
    """Print text as it arrives, that of the first choice only."""
    for chunk in stream:
        if as_json:
            _echo_json(chunk)
            sys.stdout.flush()
            continue
        for choice in _choices(chunk):
            delta = _object(choice.get("delta"))
            for text in (delta.get("content"), delta.get("refusal")):
                if isinstance(text, str) and not choice.get("index"):
                    typer.echo(shown(text), nl=False)
                    sys.stdout.flush()
    if not as_json:
        typer.echo()
        for choice in _choices(stream.completion()):
            _show_tool_calls(_object(choice.get("message")))


def _show_tool_calls(message: dict[str, Any]) -> None:
    for tool_call in _objects(message.get("tool_calls")):
        body = _object(tool_call.get("function") or tool_call.get("custom"))
        typer.echo(shown(f"{body.get('name', '')}({body.get('arguments', body.get('input', ''))})"))


def _choices(answer: bytes) -> list[dict[str, Any]]:
    """Return the choices of an answer, whatever else a server put in their place."""
    from chatpb.service._error_table import parse_body

    return _objects((parse_body(answer) or {}).get("choices"))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _echo_json(text: bytes) -> None:
    """Print JSON text. The control characters that JSON allows in strings are escaped, which changes no value."""
    typer.echo(shown(text.decode()))
