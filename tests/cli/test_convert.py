"""`chatpb convert`: formats, bad records, wrong arguments, and the files that remain after signals."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk
from chatpb import json_to_wire
from chatpb._files import read
from chatpb._files.formats import Format
from chatpb.cli import _transcode
from chatpb.cli._demo_documents import DEMO_DOCUMENTS
from tests.cli.command_line import run, write
from tests.support import exactly_equal

CHUNK = json.dumps(json.loads(DEMO_DOCUMENTS["chunk"]))
ERROR = json.dumps({"error": {"message": "x", "param": None, "code": None, "type": "t"}})


def lines(name: str) -> list[Any]:
    return [json.loads(line) for line in Path(name).read_bytes().splitlines()]


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize("name", DEMO_DOCUMENTS)
def test_there_and_back(name: str, format: Format) -> None:
    write("in.json", DEMO_DOCUMENTS[name])
    there = run("convert", "in.json", f"there.{format.value}", "--quiet")
    back = run("convert", f"there.{format.value}", "out.json", "--quiet", "--type", name)
    assert (there.exit_code, there.output, back.exit_code, back.output) == (0, "", 0, "")
    assert exactly_equal(json.loads(Path("out.json").read_text()), json.loads(DEMO_DOCUMENTS[name]))


@pytest.mark.parametrize("format", [Format.JSONL, Format.BINPBS])
@pytest.mark.parametrize(("ending", "magic"), [("", b""), (".gz", b"\x1f\x8b"), (".zst", b"\x28\xb5\x2f\xfd")])
def test_streams_there_and_back(format: Format, ending: str, magic: bytes) -> None:
    texts = [CHUNK.replace("Hello", f"word {number}") for number in range(300)]
    write("in.jsonl", "\n".join(texts))
    result = run("convert", "in.jsonl", f"there.{format.value}{ending}")
    assert result.stderr == f"300 records of ChatCompletionChunk: in.jsonl to there.{format.value}{ending}\n"
    assert Path(f"there.{format.value}{ending}").read_bytes().startswith(magic)
    assert run("convert", f"there.{format.value}{ending}", "out.jsonl", "--type", "chunk").exit_code == 0
    assert lines("out.jsonl") == [json.loads(text) for text in texts]


def test_binpbs_is_the_delimited_stream_of_protobuf() -> None:
    from google.protobuf.proto import parse_length_prefixed

    texts = [CHUNK, CHUNK.replace("Hello", "word " * 100)]
    run("convert", write("in.jsonl", "\n".join(texts)), "out.binpbs")
    stream = BytesIO(Path("out.binpbs").read_bytes())
    messages = [parse_length_prefixed(ChatCompletionChunk, stream) for _ in texts]
    assert not stream.read()
    assert [m and m.SerializeToString() for m in messages] == [json_to_wire(t, ChatCompletionChunk) for t in texts]


def test_binpb_is_the_message() -> None:
    run("convert", write("in.json", DEMO_DOCUMENTS["completion"]), "out.binpb")
    assert Path("out.binpb").read_bytes() == json_to_wire(DEMO_DOCUMENTS["completion"])


def test_txtpb_names_its_type() -> None:
    run("convert", write("in.json", DEMO_DOCUMENTS["error"]), "out.txtpb")
    text = Path("out.txtpb").read_text()
    assert text.startswith("# proto-file: chatcompletion/v1/error.proto\n# proto-message: chatcompletion.v1.ErrorRes")
    body = text.split("\n\n", 1)[1]
    run("convert", write("bare.txtpb", body), "out.json")
    assert json.loads(Path("out.json").read_text()) == json.loads(DEMO_DOCUMENTS["error"])


def test_standard_input_and_output() -> None:
    result = run("convert", "-", "-", "--from", "jsonl", "--to", "binpbs", input=f"\n{CHUNK}\r\n\n{CHUNK}".encode())
    assert result.exit_code == 0
    wire = json_to_wire(CHUNK, ChatCompletionChunk)
    assert result.stdout_bytes == (bytes([len(wire)]) + wire) * 2
    assert result.stderr == "2 records of ChatCompletionChunk: stdin to stdout\n"


def test_nothing_in_nothing_out() -> None:
    result = run("convert", write("in.jsonl", "\n\n"), "out.binpbs")
    assert (result.exit_code, Path("out.binpbs").read_bytes()) == (0, b"")


def test_type_that_is_given() -> None:
    result = run(
        "convert", write("in.json", '{"role": "user", "x": 1}'), "out.txtpb", "--type", "ChatCompletionMessage"
    )
    assert result.stderr == "1 record of ChatCompletionMessage: in.json to out.txtpb\n"
    assert "role: CHAT_COMPLETION_ROLE_USER" in Path("out.txtpb").read_text()


@pytest.mark.parametrize(
    ("source", "options", "expected"),
    [
        ('{"x": NaN}', ["--nonfinite", "allow"], '{"x":NaN}'),
        (
            '{"choices": [{"message": {"role": "assistant"}}], "object": "chat.completion"}',
            ["--fill-required"],
            '{"choices":[{"logprobs":null,"message":{"content":null,"refusal":null,"role":"assistant"}}],'
            '"object":"chat.completion"}',
        ),
    ],
    ids=["nonfinite", "fill-required"],
)
def test_options(source: str, options: list[str], expected: str) -> None:
    result = run("convert", write("in.json", source), "out.json", *options, "--type", "completion")
    assert result.exit_code == 0
    assert exactly_equal(lines("out.json"), [json.loads(expected)])


def test_canonical_sorts_what_json_leaves_unordered() -> None:
    run("convert", write("in.json", '{"z": 1, "a": 2, "id": "i"}'), "out.json", "--canonical")
    assert Path("out.json").read_text() == '{"id":"i","a":2,"z":1}\n'


def test_canonical_binary_to_binary() -> None:
    wire = json_to_wire('{"z": 1, "a": 2}')
    run("convert", write("in.binpb", wire), "out.binpb", "--canonical", "--type", "completion")
    expected = ChatCompletion.FromString(wire).SerializeToString(deterministic=True)
    assert Path("out.binpb").read_bytes() == expected != wire


UNKNOWN = b"\xd8\x3e\x01"  # field 1003, which the contract does not have


@pytest.mark.parametrize(
    ("name", "data", "options", "message"),
    [
        ("in.json", '{\n  "id": 1,\n}', [], "in.json:3:1: expected the name of a member, in double quotes"),
        ("in.json", '{"a": [{"b": tru}]}', [], "in.json:1:14: expected a value, in /a/0/b"),
        ("in.json", "[]", [], "in.json:1:1: a document is a JSON object; this is something else"),
        ("in.json", '{"x": NaN}', [], "in.json:1:7: NaN and Infinity are not JSON; --nonfinite allow accepts them, in /x"),
        ("in.json", b'{"x": "\xff"}', [], "in.json:1:8: invalid UTF-8"),
        ("in.binpb", b"\x2a\x05ab", [], "in.binpb: a field that runs past the end of its message at byte 0"),
        ("in.binpb", json_to_wire('{"id": "i", "model": "m"}'), [],
            "chatpb: these bytes are ChatCompletion and ChatCompletionChunk alike; give the type with --type"),
        ("in.binpb", UNKNOWN, [], "in.binpb: field 1003, which chatcompletion.v1.ChatCompletion"
            " does not have in this form; --unknown-fields skip leaves it out at byte 0"),
        ("in.txtpb", "id: 3", [], "in.txtpb: not the text of a ChatCompletion: 1:5 : 'id: 3': Expected string but found: '3'"),
        ("in.txtpb", b"\xff", [], "in.txtpb: invalid UTF-8"),
        ("in.txtpb", "# proto-message: a.B\n", [], "chatpb: no message is called 'a.B': use completion, chunk, request, "
            "error, record, or the name of a message of the contract; give the type with --type"),
        ("in.json", '{"error": {"message": 1, "param": null, "code": null, "type": "t"}}', ["--strict"],
            "in.json: 1 violation of the contract: /error/message: message is not a string [type]"),
        ("in.binpbs", b"\xff\xff\xff\xff\xff\x01", [],
            "in.binpbs: record 1: the length before a message is cut short or no length; reading stops here"),
        ("in.binpbs", b"\x80", [],
            "in.binpbs: record 1: the length before a message is cut short or no length; reading stops here"),
        ("in.binpbs", b"\x05abc", [], "in.binpbs: record 1: a message of 5 bytes, cut short after 3; reading stops here"),
        ("in.binpbs", b"\xff\xff\xff\x7fabc", ["--max-record", "1"],
            "in.binpbs: record 1: a length of 268435455 bytes, above the limit of 1048576; reading stops here"),
        ("in.json", b"{" + b" " * (1 << 20), ["--max-record", "1"],
            "in.json: a record of more than 1048576 bytes, the limit"),
        ("in.json.gz", b"\x1f\x8b\x08\x00", [], "in.json.gz: the gzip data is damaged or cut short; reading stops here"),
        ("in.json.zst", b"\x28\xb5\x2f\xfd\x00", [],
            "in.json.zst: the zstd data is damaged or cut short; reading stops here"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("in.") and value.count(" ") == 0 else "",
)  # fmt: skip
def test_bad_record(name: str, data: str | bytes, options: list[str], message: str) -> None:
    result = run("convert", write(name, data), "out.jsonl", *options)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0] == message
    assert result.stderr.splitlines()[1:] in ([], ["chatpb: there is no good record to write; nothing is written"])
    assert os.listdir() == [name]


BAD_LINES = f'{CHUNK}\n{{"id": 1,}}\n\n{CHUNK[:60]}\n{" " * (1 << 20)}{CHUNK}\n{CHUNK}\n'


@pytest.mark.parametrize("block", [100, 1000, 1 << 20])
def test_bad_lines_are_left_out(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "_BLOCK", block)
    result = run("convert", write("in.jsonl", BAD_LINES), "out.jsonl", "--max-record", "1")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "in.jsonl:2:10: expected the name of a member, in double quotes",
        "in.jsonl:4:61: unexpected end of the text",
        "in.jsonl:5: a record of more than 1048576 bytes, the limit",
        "2 records of ChatCompletionChunk, 3 left out: in.jsonl to out.jsonl",
    ]
    assert lines("out.jsonl") == [json.loads(CHUNK)] * 2


@pytest.mark.parametrize("block", [100, 1000, 1 << 20])
@pytest.mark.parametrize("target", [Format.JSONL, Format.BINPBS])
@pytest.mark.parametrize("options", [[], ["--canonical"], ["--nonfinite", "allow"], ["--strict"]], ids=" ".join)
def test_blocks_are_converted_like_single_records(
    target: Format, options: list[str], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "_BLOCK", block)
    texts = [CHUNK, CHUNK.replace("{", '{"z": 1, "a": -0.0, ', 1), CHUNK.replace("{", '{"x": NaN, ', 1), " ", "{}"] * 9
    run("convert", write("in.jsonl", "\n".join(texts)), f"all.{target.value}", "--type", "chunk", *options)
    single = dict.fromkeys(texts, b"")
    for text in single:
        if run("convert", write("one.jsonl", text), f"one.{target.value}", "--type", "chunk", *options).exit_code == 0:
            single[text] = Path(f"one.{target.value}").read_bytes()
    assert Path(f"all.{target.value}").read_bytes() == b"".join(single[text] for text in texts)


@pytest.mark.parametrize(
    ("source", "target"),
    [(Format.JSONL, Format.JSONL), (Format.JSONL, Format.BINPBS), (Format.BINPBS, Format.JSONL)],
)
def test_strict_leaves_out_what_breaks_the_contract(
    source: Format, target: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = ERROR, ERROR.replace('"x"', "5")
    write("all.jsonl", "\n".join([good, bad, good]))
    write("good.jsonl", "\n".join([good, good]))
    for name in ("all", "good"):
        run("convert", f"{name}.jsonl", f"{name}.{source.value}", "--type", "error")
    result = run("convert", f"all.{source.value}", f"out.{target.value}", "--type", "error", "--strict")
    assert (result.exit_code, result.stderr.count("/error/message")) == (1, 1)
    # Blocks without violations are converted whole.
    monkeypatch.setattr(_transcode, "to_wire", None)
    run("convert", f"good.{source.value}", f"good-out.{target.value}", "--type", "error", "--strict")
    assert Path(f"out.{target.value}").read_bytes() == Path(f"good-out.{target.value}").read_bytes() != b""


def test_fail_fast_leaves_what_was_there() -> None:
    write("out.jsonl", "before")
    result = run("convert", write("in.jsonl", BAD_LINES), "out.jsonl", "--fail-fast")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "in.jsonl:2:10: expected the name of a member, in double quotes",
        "chatpb: stopped at the first bad record; nothing is written",
    ]
    assert sorted(os.listdir()) == ["in.jsonl", "out.jsonl"]
    assert Path("out.jsonl").read_text() == "before"


def test_many_records_do_not_fit_one_document() -> None:
    result = run("convert", write("in.jsonl", f"{CHUNK}\n{CHUNK}"), "out.binpb")
    message = "chatpb: in.jsonl has more than one record, and .binpb holds one; nothing is written\n"
    assert (result.exit_code, result.stderr, os.listdir()) == (1, message, ["in.jsonl"])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["in.json", "out.x"], "chatpb convert: Invalid value for --to: the name 'out.x' implies no format; give one of "
            "json, jsonl, binpb, binpbs, txtpb"),
        (["-", "out.json"], "chatpb convert: Invalid value for --from: the name '-' implies no format; give one of "
            "json, jsonl, binpb, binpbs, txtpb"),
        (["in.json", "out.json", "--type", "x"], "chatpb convert: Invalid value for --type: no message is called 'x': use "
            "completion, chunk, request, error, record, or the name of a message of the contract"),
        (["in.json", "out.binpb", "--fill-required"],
            "chatpb convert: Invalid value for --fill-required: only JSON can be filled, not binpb"),
        (["none.json", "out.json"], "chatpb: none.json: No such file or directory"),
        (["in.json", "none/out.json"], "chatpb: none/out.json: No such file or directory"),
        (["in.json"], "chatpb convert: Missing argument 'OUT'."),
    ],
    ids=["to", "from", "type", "fill", "in", "out", "missing"],
)  # fmt: skip
def test_usage(args: list[str], message: str) -> None:
    write("in.json", "{}")
    result = run("convert", *args)
    assert (result.exit_code, result.stderr.splitlines()[0], os.listdir()) == (2, message, ["in.json"])


def test_file_keeps_its_mode_and_a_link_its_place() -> None:
    write("real.json", "")
    os.chmod("real.json", 0o640)
    os.symlink("real.json", "link.json")
    assert run("convert", write("in.json", "{}"), "link.json").exit_code == 0
    assert os.path.islink("link.json")
    assert Path("real.json").read_text() == "{}\n"
    assert os.stat("real.json").st_mode & 0o777 == 0o640


def test_file_onto_itself() -> None:
    write("in.jsonl", f"{CHUNK}\n" * 1000)
    assert run("convert", "in.jsonl", "in.jsonl").exit_code == 0
    assert lines("in.jsonl") == [json.loads(CHUNK)] * 1000


def spawn(*args: str, **options: Any) -> subprocess.Popen[bytes]:
    def heed_interrupts() -> None:
        # A process that a shell runs in the background ignores interrupts, and its children inherit that.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    return subprocess.Popen([sys.executable, "-m", "chatpb", *args], preexec_fn=heed_interrupts, **options)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_closed_pipe_ends_quietly(unbuffered: str) -> None:
    write("in.jsonl", f"{CHUNK}\n" * 3000)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with spawn("convert", "in.jsonl", "-", "--to", "jsonl", stdout=-1, stderr=-1, env=environment) as process:
        assert process.stdout
        assert process.stderr
        assert json.loads(process.stdout.readline()) == json.loads(CHUNK)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
WRITERS = {
    "convert": ("convert", "-", "out.jsonl", "--from", "jsonl"),
    "export": ("export", "-", "out.parquet", "--from", "jsonl"),
}


@pytest.mark.parametrize("command", WRITERS)
@pytest.mark.parametrize(("number", "status"), SIGNALS)
def test_signals_leave_no_file(number: signal.Signals, status: int, command: str) -> None:
    with spawn(*WRITERS[command], stdin=-1, stderr=-1) as process:
        assert process.stdin
        assert process.stderr
        while not any(name.endswith(".part") for name in os.listdir()):
            process.stdin.write(f"{CHUNK}\n".encode() * 1000)  # which waits until it is read
            process.stdin.flush()
        process.send_signal(number)
        process.stdin.close()  # export waits for the end of a read
        stderr = process.stderr.read()
    assert (process.returncode, os.listdir()) == (status, [])
    assert stderr == (b"chatpb: interrupted\n" if number == signal.SIGINT else b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_slow_pipe_gets_all(unbuffered: str) -> None:
    write("in.jsonl", f"{CHUNK}\n" * 3000)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with spawn("convert", "in.jsonl", "-", "--to", "jsonl", "-q", stdout=-1, env=environment) as process:
        assert process.stdout
        assert [json.loads(line) for line in process.stdout] == [json.loads(CHUNK)] * 3000


def test_gzip_on_standard_input() -> None:
    with spawn("convert", "-", "-", "--from", "json", "--to", "json", "-q", stdin=-1, stdout=-1) as process:
        out, _ = process.communicate(gzip.compress(DEMO_DOCUMENTS["error"].encode()))
    assert json.loads(out) == json.loads(DEMO_DOCUMENTS["error"])
