"""`chatpb demo`: the whole way on built-in documents, without a network."""

from __future__ import annotations

from typing import Annotated

import typer
from google.protobuf.message import Message
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from chatpb import json_to_wire, wire_to_json
from chatpb._detect import ROOTS
from chatpb._records import Format, Record
from chatpb.cli._group import BAD_DATA, complain, stdout
from chatpb.cli._hop import survives_grpc
from chatpb.cli._inspect import show_message
from chatpb.cli._samples import SAMPLES
from chatpb.cli._survey import RUNTIMES, Survey, compact, examine, load, runtime_class
from chatpb.cli._tables import print_surveys

__all__ = ["demo"]

_WIRE_SHOWN = 96


def demo(
    show_all: Annotated[bool, typer.Option("--all", help="Show every sample in full, not only the first.")] = False,
) -> None:
    """Send built-in samples from JSON to protobuf and back, and show what happens to them."""
    console = stdout()
    surveys = {name: Survey() for name in SAMPLES}
    runtimes = tuple(_installed())
    total = Survey()
    for index, (name, text) in enumerate(SAMPLES.items()):
        record = Record(f"sample {name}", Format.JSON, 1, text.encode())
        for problem in examine([record], surveys[name], ROOTS[name], runtimes):
            if problem:
                complain(problem)
        total.add(surveys[name])
        if show_all or index == 0:
            _show(console, name, text, ROOTS[name], surveys[name])
    console.print(Rule("All samples", align="left"))
    print_surveys(console, surveys, total, label="sample")
    console.print()
    if not total.is_clean:
        raise SystemExit(BAD_DATA)
    through = " and ".join(runtimes)
    console.print(Text(f"Nothing was lost, through wire bytes and through objects of {through}.", style="bold green"))
    _hop(console)
    console.print(Text("Next: chatpb check FILES... does the same to your own .json and .jsonl files."))


def _hop(console: Console) -> None:
    """The samples once more, through a gRPC server and a client."""
    request, answer = (json_to_wire(SAMPLES[name], ROOTS[name]) for name in ("request", "completion"))
    passed = survives_grpc(request, answer)
    if passed is None:
        console.print(Text("With gRPC: pip install 'chatpb[service]'.", style="dim"))
    elif passed:
        console.print(Text("A request and its answer went through a gRPC server, unchanged.", style="bold green"))
    else:
        complain("chatpb demo: gRPC changed a request or its answer")
        raise SystemExit(BAD_DATA)


def _installed() -> list[str]:
    """The runtimes whose packages can be imported."""
    found = []
    for name in RUNTIMES:
        try:
            runtime_class(name, ROOTS["completion"])
        except ModuleNotFoundError:
            continue
        found.append(name)
    return found


def _show(console: Console, name: str, text: str, message_type: type[Message], survey: Survey) -> None:
    """One sample: JSON, message, bytes, and JSON again."""
    wire = json_to_wire(text, message_type)
    again = wire_to_json(wire, message_type)
    console.print(Rule(f"{name}: JSON, {len(compact(load(text.encode()))):,} B without white space", align="left"))
    console.print(Text(text))
    console.print(Rule("the message: members with their homes, types and bytes on the wire", align="left"))
    show_message(console, wire, message_type)
    console.print(Rule(f"wire bytes: {len(wire):,} B, {survey.ratio:.2f} of the JSON", align="left"))
    dots = " ..." if len(wire) > _WIRE_SHOWN else ""
    console.print(Text(wire[:_WIRE_SHOWN].hex(" ") + dots, style="dim"))
    console.print(Rule("JSON again", align="left"))
    console.print(Text(again.decode()))
    equal = "equal to what went in" if not survey.lost else "NOT equal to what went in"
    console.print(Text(equal, style="bold green" if not survey.lost else "bold red"))
    console.print()
