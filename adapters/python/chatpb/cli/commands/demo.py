"""`chatpb demo`: built-in documents to protobuf and back, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Final

import typer
from google.protobuf.message import Message
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from chatpb import json_to_wire, wire_to_json
from chatpb._contract.documents import DOCUMENTS
from chatpb._extras import MissingExtraError
from chatpb._files.formats import Format
from chatpb._files.read import Document
from chatpb._runtimes import RUNTIMES, generated_class
from chatpb.cli._console import report, stdout_console
from chatpb.cli._demo_documents import DEMO_DOCUMENTS
from chatpb.cli._exit_status import BAD_DATA
from chatpb.cli._round_trip import Counts, compact_json, count_documents, load_json
from chatpb.cli._round_trip_tables import print_counts
from chatpb.cli.commands.inspect import show_message

if TYPE_CHECKING:
    from chatpb.service import Call

__all__ = ["demo"]

_MAX_BYTES: Final = 96
"""The most wire bytes that are shown of a document."""


def demo(
    show_all: Annotated[bool, typer.Option("--all", help="Show every sample in full, not only the first.")] = False,
) -> None:
    """Send built-in samples to protobuf and back.

    Examples:
        chatpb demo
        chatpb demo --all

    """
    console = stdout_console()
    by_name = {name: Counts() for name in DEMO_DOCUMENTS}
    runtimes = tuple(_installed())
    total = Counts()
    for index, (name, text) in enumerate(DEMO_DOCUMENTS.items()):
        document = Document(f"sample {name}", Format.JSON, 1, text.encode())
        for problem in count_documents([document], by_name[name], DOCUMENTS[name], runtimes):
            report(problem)
        total.add(by_name[name])
        if show_all or index == 0:
            _show(console, name, text, DOCUMENTS[name], by_name[name])
    console.print(Rule("All samples", align="left"))
    print_counts(console, by_name, total, label="sample")
    console.print()
    if not total.is_clean:
        raise SystemExit(BAD_DATA)
    through = " and ".join(runtimes)
    console.print(Text(f"Nothing was lost, through wire bytes and through objects of {through}.", style="bold green"))
    _show_grpc(console)
    console.print(Text("Next: chatpb check FILES... does the same to your own .json and .jsonl files."))


def _show_grpc(console: Console) -> None:
    """Send a request and its answer through gRPC, and show whether they come through unchanged."""
    request, answer = (json_to_wire(DEMO_DOCUMENTS[name], DOCUMENTS[name]) for name in ("request", "completion"))
    try:
        is_unchanged = asyncio.run(_survives_grpc(request, answer))
    except MissingExtraError as error:
        console.print(Text(f"{error}.", style="dim"))
        return
    if not is_unchanged:
        report("chatpb demo: gRPC changed a request or its answer")
        raise SystemExit(BAD_DATA)
    console.print(Text("A request and its answer went through a gRPC server, unchanged.", style="bold green"))


async def _survives_grpc(request: bytes, answer: bytes) -> bool:
    """Return whether a server in this process gets the request, and a client the answer, byte for byte."""
    from chatpb.service import Call, GrpcBackend, Server

    backend = _OneAnswer(answer)
    async with Server(backend, listen="127.0.0.1:0", reflection=False) as server:
        client = GrpcBackend(f"127.0.0.1:{server.port}")
        received = await client.create(request, Call())
        await client.close()
    return received == answer and backend.requests == [request]


class _OneAnswer:
    """A backend that gives one answer to every request, and keeps the requests."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.requests: list[bytes] = []

    async def create(self, request: bytes, call: Call) -> bytes:
        self.requests.append(request)
        return self.answer

    async def stream(self, request: bytes, call: Call) -> AsyncIterator[bytes]:
        yield await self.create(request, call)

    async def close(self) -> None:
        pass


def _installed() -> list[str]:
    """Return the runtimes whose packages are installed."""
    found = []
    for name in RUNTIMES:
        try:
            generated_class(name, "ChatCompletion")
        except ModuleNotFoundError:
            continue
        found.append(name)
    return found


def _show(console: Console, name: str, text: str, message_type: type[Message], counts: Counts) -> None:
    """Show one document: its JSON, message and bytes, and the JSON again."""
    wire = json_to_wire(text, message_type)
    again = wire_to_json(wire, message_type)
    size = len(compact_json(load_json(text.encode())))
    console.print(Rule(f"{name}: JSON, {size:,} B without white space", align="left"))
    console.print(Text(text))
    console.print(Rule("the message: members with their homes, types and bytes on the wire", align="left"))
    show_message(console, wire, message_type)
    console.print(Rule(f"wire bytes: {len(wire):,} B, {counts.ratio:.2f} of the JSON", align="left"))
    dots = " ..." if len(wire) > _MAX_BYTES else ""
    console.print(Text(wire[:_MAX_BYTES].hex(" ") + dots, style="dim"))
    console.print(Rule("JSON again", align="left"))
    console.print(Text(again.decode()))
    equal = "equal to what went in" if not counts.lost else "NOT equal to what went in"
    console.print(Text(equal, style="bold green" if not counts.lost else "bold red"))
    console.print()
