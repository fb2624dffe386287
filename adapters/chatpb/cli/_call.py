"""`chatpb call`: one request to a gRPC server."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from chatcompletion.v1 import CreateChatCompletionRequest
from chatpb import wire_to_json
from chatpb._errors import ChatpbError
from chatpb._records import STANDARD, Format, format_of, open_input
from chatpb.cli._group import BAD_DATA, complain
from chatpb.cli._service_options import Authorities, Certificate, Key, Target, TargetToken, Timeout, UseTls, option
from chatpb.cli._service_parts import check_tokens, packages, target_of, tls_of

__all__ = ["call"]


def call(
    request: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="The request: .json, .binpb, or - for JSON from a pipe.")
    ] = None,
    message: Annotated[str | None, typer.Option("--message", "-m", metavar="TEXT", help="Or: what to say.")] = None,
    model: Annotated[str | None, option("--model", metavar="NAME", help="The model, with --message.")] = None,
    target: Target = None,
    stream: Annotated[bool, typer.Option("--stream", "-s", help="Show the answer as it comes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: the completion, or a chunk a line.")] = False,
    target_token: TargetToken = None,
    use_tls: UseTls = False,
    tls_certificate: Certificate = None,
    tls_key: Key = None,
    tls_ca: Authorities = None,
    timeout: Timeout = 600,
) -> None:
    """Send one request to a gRPC server, and print the answer."""
    with packages():
        from chatpb.service import Client, ServiceError

        tls = tls_of(tls_certificate, tls_key, tls_ca, wanted=use_tls)
        check_tokens("--target-token", target_token)
        wire = _request(request, message, model)
        where = target_of(target or "127.0.0.1:50051")
        try:
            with Client(where, tls=tls, token=target_token, timeout=timeout) as client:
                if stream:
                    _show_stream(client.stream(wire), as_json)
                else:
                    _show(client.create(wire), as_json)
        except ServiceError as error:
            complain(f"chatpb call: {where}: {error}")
            raise SystemExit(BAD_DATA) from None


def _request(path: str | None, message: str | None, model: str | None) -> Any:
    """The request, as JSON text or as a message."""
    if (path is None) == (message is None):
        raise typer.BadParameter("give one of them", param_hint="FILE, --message")
    if path is None:
        return json.dumps({"model": model or "echo", "messages": [{"role": "user", "content": message}]})
    format = Format.JSON if path == STANDARD else format_of(path)
    if format not in (Format.JSON, Format.BINPB):
        raise typer.BadParameter("is not called .json or .binpb", param_hint=path)
    with open_input(path) as source:
        (record,) = source.records(format)
    if record.error:
        raise record.error
    if format is Format.JSON:
        return record.data

    try:
        return wire_to_json(record.data, CreateChatCompletionRequest)
    except ChatpbError as error:
        raise ChatpbError(record.describe(error)) from None


def _show(answer: bytes, as_json: bool) -> None:
    if as_json:
        typer.echo(answer)
        return
    for choice in json.loads(answer).get("choices") or []:
        said = choice.get("message") or {}
        for text in (said.get("content"), said.get("refusal")):
            if text:
                typer.echo(text if isinstance(text, str) else json.dumps(text))
        _show_calls(said)


def _show_stream(stream: Any, as_json: bool) -> None:
    """Text as it comes; of several choices, the first's."""
    for chunk in stream:
        if as_json:
            typer.echo(chunk)
            sys.stdout.flush()
            continue
        for choice in json.loads(chunk).get("choices") or []:
            delta = choice.get("delta") or {}
            for text in (delta.get("content"), delta.get("refusal")):
                if isinstance(text, str) and not choice.get("index"):
                    typer.echo(text, nl=False)
                    sys.stdout.flush()
    if not as_json:
        typer.echo()
        for choice in json.loads(stream.completion()).get("choices") or []:
            _show_calls(choice.get("message") or {})


def _show_calls(said: dict[str, Any]) -> None:
    for each in said.get("tool_calls") or []:
        body = each.get("function") or each.get("custom") or {}
        typer.echo(f"{body.get('name', '')}({body.get('arguments', body.get('input', ''))})")
