"""`chatpb demo`: built-in documents to protobuf and back, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer
from google.protobuf.message import Message
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from chatpb import json_to_wire, wire_to_json
from chatpb._contract.documents import DOCUMENTS
from chatpb._detect import descriptor_of
from chatpb._extras import MissingExtraError
from chatpb._files.formats import Format
from chatpb._files.read import Document
from chatpb._json.pointer import pointer
from chatpb._json.print import print_value
from chatpb._runtimes import RUNTIMES, generated_class
from chatpb._tree.message import MessageTree
from chatpb._tree.read import wire_to_tree
from chatpb.cli._console import report, stdout_console
from chatpb.cli._demo_documents import DEMO_DOCUMENTS
from chatpb.cli._exit_status import BAD_DATA
from chatpb.cli._round_trip import Counts, compact_json, count_documents, load_json
from chatpb.cli._tables import figures_table, shortened
from chatpb.cli.commands.inspect import show_message

if TYPE_CHECKING:
    from chatpb.service import Call

__all__ = ["demo"]

_MAX_BYTES: Final = 96
"""The most wire bytes that are shown of a document."""

_NEXT: Final = (
    ("chatpb check FILES...", "does the same to your own .json and .jsonl files"),
    ("chatpb inspect FILE", "shows each member of a message"),
    ("chatpb --help", "lists the other commands"),
)


def demo(
    show_all: Annotated[bool, typer.Option("--all", help="Show every sample in full, before the summary.")] = False,
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
    for name, text in DEMO_DOCUMENTS.items():
        document = Document(f"sample {name}", Format.JSON, 1, text.encode())
        for problem in count_documents([document], by_name[name], DOCUMENTS[name], runtimes):
            report(problem)
        total.add(by_name[name])
        if show_all:
            _show(console, name, text, DOCUMENTS[name], by_name[name])
    _tell(console, by_name["completion"])
    rows = [((name,), _figures(counts)) for name, counts in [*by_name.items(), ("all four", total)]]
    console.print(figures_table(console, {"sample": None}, ["JSON", "protobuf", "ratio", "lost"], rows, total=True))
    console.print()
    if not total.is_clean:
        raise SystemExit(BAD_DATA)
    through = ", ".join(runtimes)
    console.print(Text(f"Nothing was lost through wire bytes and objects of {through}.", style="bold green"))
    _show_grpc(console)
    console.print()
    for command, what in _NEXT:
        console.print(Text.assemble((f"{command:24}", "cyan"), what))


def _tell(console: Console, counts: Counts) -> None:
    """Tell what becomes of the members of the first sample."""
    compact = compact_json(load_json(DEMO_DOCUMENTS["completion"].encode())).decode()
    wire = json_to_wire(compact, DOCUMENTS["completion"])
    tree = wire_to_tree(wire, descriptor_of(DOCUMENTS["completion"]))
    others = list(_untyped(tree, ""))
    console.print(Text(f"An answer as a provider sent it, {counts.json_bytes:,} bytes of JSON:", style="bold"))
    for start in range(0, len(compact), console.width - 2):
        console.print(Text(f"  {compact[start : start + console.width - 2]}", style="dim"))
    console.print()
    typed = counts.homes["typed"]
    console.print(Text(f"In protobuf it takes {len(wire):,} bytes. {typed} members are typed fields.", style="bold"))
    console.print(Text(f"The other {len(others)} are what typed messages lose. Here each has a home:", style="bold"))
    for path, home, value in others:
        line = f"  {path:35} {home:11} {shortened(value, max(10, console.width - 50))}"
        console.print(Text(line))
    console.print()


def _untyped(message: MessageTree, path: str) -> Iterator[tuple[str, str, str]]:
    """Yield the path, the home and the JSON of each member that is no typed field."""
    for member in message.schema.members.values():
        here = path + pointer(member.name)
        for field in member.alternatives:
            value = message.values.get(field.number)
            items = enumerate(value) if isinstance(value, list) else [("", value)]
            for index, item in items:
                if isinstance(item, MessageTree):
                    yield from _untyped(item, here + (pointer(index) if field.repeated else ""))
        if message.null_fields & member.bits:
            yield here, "null bit", "null"
        if message.empty_fields & member.bits:
            yield here, "empty bit", member.empty_form
    for name, value in message.additional.items():
        yield path + pointer(name), "additional", print_value(value)
    for name, text in message.verbatim.items():
        yield path + pointer(name), "verbatim", text


def _figures(counts: Counts) -> list[str]:
    return [f"{counts.json_bytes:,} B", f"{counts.wire_bytes:,} B", f"{counts.ratio:.2f}", f"{counts.lost}"]


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
        except MissingExtraError:
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
