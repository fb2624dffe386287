"""`chatpb contract`: what a .proto file lacks."""

from __future__ import annotations

from pathlib import Path

import chatpb
from tests.cli.command_line import run, write

SOURCE = """syntax = "proto3";

message Order {
  string id = 1;
  float weight = 2;
}
"""


def test_gaps_are_listed_with_their_places() -> None:
    name = write("order.proto", SOURCE)
    result = run("contract", name)
    assert result.stdout == "".join(f"{name}:{gap}\n" for gap in chatpb.proto_gaps(SOURCE))
    assert f"{name}:5:3: Order.weight: has the type float, " in result.stdout
    assert (result.stderr, result.exit_code) == ("4 missing, of which --fix adds 3\n", 1)
    assert Path(name).read_text() == SOURCE


def test_fix_writes_what_can_be_added_and_lists_the_rest() -> None:
    name, other = write("order.proto", SOURCE), write("line.proto", "message Line {}\r\n")
    result = run("contract", "--fix", name, other)
    assert Path(name).read_bytes() == chatpb.complete_proto(SOURCE).encode()
    assert Path(other).read_bytes() == chatpb.complete_proto("message Line {}\r\n").encode()
    assert [line.partition(" ")[2] for line in result.stdout.splitlines()] == [
        "Order.weight: has the type float, which the mapping does not know: use double"
    ]
    assert result.stderr == f"{name}: written\n{other}: written\n1 missing, to be added by hand\n"
    assert result.exit_code == 1
    assert (run("contract", other).output, run("contract", "--fix", other).output) == ("", "")


def test_an_envelope_may_lack_the_homes() -> None:
    name = write("request.proto", 'syntax = "proto3";\nmessage Request {}\n')
    assert run("contract", name).exit_code == 1
    result = run("contract", name, "--envelope", "Request")
    assert (result.output, result.exit_code) == ("", 0)


def test_what_is_no_source_is_refused() -> None:
    name = write("order.proto", "message {")
    result = run("contract", name)
    assert result.exit_code == 1
    assert result.stderr == f'chatpb: {name}: expected the name of a message, not "{{" at line 1, column 9\n'
    assert run("contract", write("bytes.proto", b"\xff")).exit_code == 1
    assert run("contract", "nothing.proto").exit_code == 2
