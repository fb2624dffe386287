"""Both engines, side by side: the same results and the same errors. `python -m tests.engine.differential` is the long form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import pytest

import chatpb
from chatcompletion.v1 import ChatCompletion
from chatpb import ContractError, JsonError, WireError
from chatpb._engine import reference
from chatpb._engine.codec import Codec
from chatpb._limits import MAX_DEPTH
from tests.engine import differential
from tests.support import ALL_VECTORS, JSON_VECTORS, RECORDINGS, THOROUGH, Vector, by_name, recording

try:
    from chatpb._engine import native as native_engine

    ENGINES = ["python", "native"]
except ImportError:
    ENGINES = ["python"]

needs_native = pytest.mark.skipif("native" not in ENGINES, reason="the native engine is not built here")


@pytest.fixture(params=ENGINES)
def codec(request: pytest.FixtureRequest) -> Codec:
    if request.param == "python":
        return reference.codec(ChatCompletion.DESCRIPTOR)
    return native_engine.codec(ChatCompletion.DESCRIPTOR)


def run(engine: str, code: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CHATPB_ENGINE": engine, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


@needs_native
@pytest.mark.parametrize("start", range(0, 3000, 500))
def test_generated_cases_agree(start: int) -> None:
    assert [found for seed in range(start, start + 500) if (found := differential.difference(seed))] == []


@needs_native
@by_name(ALL_VECTORS)
def test_vectors_cut_and_flipped_anywhere_agree(vector: Vector) -> None:
    engines = reference.codec(vector.type.DESCRIPTOR), native_engine.codec(vector.type.DESCRIPTOR)
    for data in cut_and_flipped(vector.wire):
        python, native = (differential.outcome(engine.wire_to_json, data, False, False, False) for engine in engines)
        assert python == native, data
        if isinstance(native, bytes):
            json.loads(native)
        python, native = (differential.outcome(engine.validate_wire, data, False) for engine in engines)
        assert python == native, data


def cut_and_flipped(data: bytes) -> Iterator[bytes]:
    """The bytes cut at every position, and with one bit of each flipped; with every bit, where tests are thorough."""
    for at, byte in enumerate(data):
        yield data[:at]
        for bit in range(8) if THOROUGH else (at * 3 % 8,):
            yield data[:at] + bytes([byte ^ 1 << bit]) + data[at + 1 :]


GROWING = """
import ctypes, json
from array import array
from chatcompletion.v1 import ChatCompletion
from chatpb._engine import native
from chatpb._wire.write import delimited, varint

codec = native.codec(ChatCompletion.DESCRIPTOR)

def checked(data):
    # Behind a bytes stands a zero, and then what the allocator watches, which it looks at when the memory is freed.
    assert ctypes.string_at(data, len(data) + 1) == data + bytes(1)
    return data

def rows(*items):
    return b"".join(items), array("q", [0, len(items[0]), len(items[0]) + len(items[1])]).tobytes()

for size in (0, 1, 2, 60, 85, 100, 127, 128, 170, 171, 200, 400, 1000, 3000, 20000):
    wire = delimited(bytes([10]), bytes([1]) * size)
    for text in (
        checked(codec.wire_to_json(wire, True, False, False)),
        json.dumps({"x": [0] * size, "choices": [{}] * size}).encode(),
        json.dumps({"id": "a" * size, "y": {"z": [[]] * size}, "usage": {"total_tokens": size}}).encode(),
    ):
        made = checked(codec.json_to_wire(text, False, False))
        assert checked(codec.dict_to_wire(json.loads(text), None, False, False)) == made
        assert json.loads(checked(codec.wire_to_json(made, False, False, False))) == json.loads(text)
        for threads in (1, 2):
            lines = checked(codec.json_lines_to_wire(text + bytes([10]) + text, False, False, threads))
            assert lines == (varint(len(made)) + made) * 2
            checked(codec.wire_to_json_lines(lines, True, False, False, threads))
            for data, offsets in (
                codec.json_to_wire_rows(*rows(text, text), False, threads),
                codec.wire_to_json_rows(*rows(made, made), True, False, threads),
            ):
                checked(data), checked(offsets)
        checked(codec.compact_stream([made, made]))
print("done")
"""


@needs_native
def test_results_that_grow_stay_in_their_memory() -> None:
    environment = {**os.environ, "PYTHONMALLOC": "debug", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", GROWING], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


@needs_native
@pytest.mark.parametrize(
    "escape", [r"\n", r"\"", r"\\", r"\"\n", r"\\\"", r"\u00e9", r"\ud83d\ude00", r"\u0001", "é", r"\n\n\n\n"]
)
def test_escapes_anywhere_in_a_string_agree(escape: str) -> None:
    python, native = reference.codec(ChatCompletion.DESCRIPTOR), native_engine.codec(ChatCompletion.DESCRIPTOR)
    for at in range(150):
        for after in ("", "y" * 31, "y" * 200):
            text = json.dumps({"id": "x" * at + json.loads(f'"{escape}"') + after, "z": 1}, separators=(",", ":"))
            spelled = text.replace(json.dumps(json.loads(f'"{escape}"'))[1:-1], escape)
            wire = native.json_to_wire(spelled, False, False)
            assert wire == python.json_to_wire(spelled, False, False)
            back = native.wire_to_json(wire, False, False, False)
            assert back == python.wire_to_json(wire, False, False, False)
            assert json.loads(back) == json.loads(spelled)


@needs_native
@pytest.mark.parametrize(
    ("before", "inside", "after"),
    [
        ('{"map_of_message":{"k":', "{}", "}}"),
        ('{"map_of_message":{"k":', '{"map_of_int32":{"k":1}}', "}}"),
        ('{"many_message":[', "{}", "]}"),
        ('{"one_message":', '{"x":[1]}', "}"),
    ],
)
def test_levels_around_the_limit_agree(before: str, inside: str, after: str) -> None:
    levels = MAX_DEPTH // (before.count("{") + before.count("["))
    made = [
        [
            differential.outcome(codec.json_to_wire, before * n + inside + after * n, False, False)
            for n in range(levels - 3, levels + 3)
        ]
        for codec in differential.codecs("Everything")
    ]
    assert made[0] == made[1]
    assert {type(each) for each in made[0]} == {bytes, tuple}


@needs_native
@by_name(JSON_VECTORS)
def test_texts_of_vectors_cut_anywhere_agree(vector: Vector) -> None:
    assert vector.input
    assert list(differential.truncations(vector.message, vector.input)) == []


@needs_native
@pytest.mark.parametrize("kind", RECORDINGS)
def test_recordings_cut_anywhere_agree(kind: str) -> None:
    # `python -m tests.engine.differential --truncate` cuts all of them.
    for text in [text for text in recording(kind) if len(text) < 1500][:3]:
        assert list(differential.truncations(RECORDINGS[kind], text)) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_the_environment_chooses_the_engine(engine: str) -> None:
    assert run(engine, "import chatpb; print(chatpb.engine)").stdout == f"{engine}\n"


def test_an_engine_that_is_not_built_cannot_be_forced() -> None:
    done = run("native", "import sys; sys.modules['chatpb._engine.native'] = None; import chatpb")
    assert "ImportError: CHATPB_ENGINE=native, but chatpb was installed without its native engine" in done.stderr


def test_an_unknown_engine_is_refused() -> None:
    done = run("rust", "import chatpb")
    assert "ImportError: CHATPB_ENGINE must be 'native' or 'python', not 'rust'" in done.stderr


def test_without_the_native_engine_the_python_one_runs() -> None:
    done = run("", "import sys; sys.modules['chatpb._engine.native'] = None; import chatpb; print(chatpb.engine)")
    assert done.stdout == "python\n"


@pytest.mark.parametrize("name", native_engine.native.instruction_sets() if "native" in ENGINES else [])
def test_the_environment_chooses_the_instruction_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATPB_SCAN", name)
    code = """
from chatpb._engine import description
from chatpb._limits import MAX_DEPTH
from tests.engine import differential
assert not [seed for seed in range(200) if differential.difference(seed)]
print(description())
"""
    assert run("native", code).stdout == f"native ({name})\n"


@needs_native
def test_an_instruction_set_that_the_machine_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATPB_SCAN", "z80")
    done = run("", "import chatpb; chatpb.engine")
    assert "ValueError: CHATPB_SCAN must be one of [" in done.stderr
    assert "on this machine, not 'z80'" in done.stderr


@pytest.mark.skipif(os.environ.get("CHATPB_ENGINE") != "native", reason="only where the native engine is asked for")
def test_the_native_engine_runs() -> None:
    assert chatpb.engine == "native"


# Batches.


def test_lines_become_messages_in_order(codec: Codec) -> None:
    wire = codec.json_lines_to_wire(b'{"id":"a"}\n \r\n\n{"id":"bc"}', False, False, 2)
    one, two = (codec.json_to_wire(text, False, False) for text in ('{"id":"a"}', '{"id":"bc"}'))
    assert wire == bytes([len(one)]) + one + bytes([len(two)]) + two
    assert codec.wire_to_json_lines(wire, False, False, False, 2) == b'{"id":"a"}\n{"id":"bc"}\n'


@pytest.mark.parametrize(
    "kind", [bytes, bytearray, memoryview, bytes.decode], ids=["bytes", "bytearray", "memoryview", "str"]
)
def test_an_error_in_a_line_counts_from_the_start(codec: Codec, kind: type) -> None:
    with pytest.raises(JsonError) as caught:
        codec.json_lines_to_wire(kind(b'{"id":"a"}\n\n{"id":"b"}\n{"id":tru}\n{'), False, False, 2)
    error = caught.value
    assert (error.path, error.line, error.column, error.offset) == ("/id", 4, 7, 29)


@pytest.mark.parametrize("threads", [1, 2])
def test_strict_lines_refuse_the_first_that_breaks_the_contract(codec: Codec, threads: int) -> None:
    good, bad = completion(), completion(id=5, choices=[{"index": "x"}])
    lines = [good, b" ", good, *([good] * 400), bad, good, completion(id=7)]
    with pytest.raises(ContractError) as alone:
        codec.json_to_wire(bad, False, False, True)
    with pytest.raises(ContractError) as caught:
        codec.json_lines_to_wire(b"\n".join(lines), False, False, threads, True)
    assert alone.value.violations
    assert caught.value.violations == tuple(replace(each, path=f"/402{each.path}") for each in alone.value.violations)
    kept = b"\n".join(lines[:-3])
    assert codec.json_lines_to_wire(kept, False, False, threads, True) == codec.json_lines_to_wire(
        kept, False, False, threads
    )


def completion(**members: Any) -> bytes:
    """Return a completion of 1.5 KB that keeps the contract, but for some members."""
    model = "m" * 1500
    whole = {"id": "1", "object": "chat.completion", "created": 1, "model": model, "choices": []}
    return json.dumps({**whole, **members}).encode()


def test_an_error_in_a_message_counts_from_the_start(codec: Codec) -> None:
    with pytest.raises(WireError, match="a field numbered 0 at byte 3"):
        codec.wire_to_json_lines(b"\x00\x00\x01\x00", False, False, False, 2)


@pytest.mark.parametrize("wire", [b"\x05\x0a", b"\x80", b"\x00\xff\xff"])
def test_a_stream_cut_short_is_refused(codec: Codec, wire: bytes) -> None:
    with pytest.raises(WireError, match="a message that runs past the end of the input"):
        codec.wire_to_json_lines(wire, False, False, False, 1)


def test_a_length_of_more_than_ten_bytes_is_refused(codec: Codec) -> None:
    with pytest.raises(WireError, match="a varint of more than ten bytes at byte 1"):
        codec.wire_to_json_lines(b"\x00" + b"\xff" * 11, False, False, False, 1)


def test_batches_of_any_message_type() -> None:
    wire = chatpb.json_lines_to_wire('{"error":{"message":"x"}}\n', chatpb.ErrorResponse, threads=1)
    assert chatpb.wire_to_json_lines(wire, chatpb.ErrorResponse) == b'{"error":{"message":"x"}}\n'


# Arguments.


@pytest.mark.parametrize(
    "kind", [bytes, bytearray, memoryview, bytes.decode], ids=["bytes", "bytearray", "memoryview", "str"]
)
def test_any_buffer_is_read(codec: Codec, kind: type) -> None:
    wire = codec.json_to_wire(kind('{"id":"é"}'.encode()), False, False)
    assert wire == codec.json_to_wire(b'{"id":"\xc3\xa9"}', False, False)
    if kind is not bytes.decode:
        assert codec.wire_to_json(kind(wire), False, False, False) == '{"id":"é"}'.encode()


@needs_native
@pytest.mark.parametrize(
    "kind",
    [
        *("bytes", "str", "view", "view of a view", "mapped", "view of mapped"),
        *("bytearray", "read-only bytearray", "read-only mapped bytearray"),
    ],
)
def test_inputs_are_read_without_the_gil(kind: str, tmp_path: Path) -> None:
    data = b'{"id":"' + b"x" * 1_000_000 + b'"}'
    (tmp_path / "document").write_bytes(data)
    written = mmap(-1, len(data))
    written[:] = data
    with open(tmp_path / "document", "rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
        given: Any = {
            "bytes": data,
            "str": data.decode(),
            "view": memoryview(data),
            "view of a view": memoryview(memoryview(data)[:]),
            "mapped": mapped,
            "view of mapped": memoryview(mapped),
            "bytearray": bytearray(data),
            "read-only bytearray": memoryview(bytearray(data)).toreadonly(),
            "read-only mapped bytearray": memoryview(written).toreadonly(),
        }[kind]
        assert is_read_without_the_gil(given)
        if isinstance(given, memoryview):
            given.release()


def is_read_without_the_gil(data: Any) -> bool:
    """Whether another thread gets to run while the engine reads, as soon as a busy machine has time for it."""
    codec = native_engine.codec(ChatCompletion.DESCRIPTOR)
    gate, ran = threading.Lock(), threading.Event()

    def run() -> None:
        with gate:
            ran.set()

    interval = sys.getswitchinterval()
    gate.acquire()
    other = threading.Thread(target=run)
    # From here on a thread runs until it lets go of the GIL by itself, so that the other one is at the gate when started.
    sys.setswitchinterval(1000)
    try:
        other.start()
        gate.release()
        until = time.monotonic() + 60
        while not ran.is_set() and time.monotonic() < until:
            codec.json_to_wire(data, False, False)
        return ran.is_set()
    finally:
        sys.setswitchinterval(interval)
        other.join()


@pytest.mark.parametrize("value", [None, 1, ["{}"]], ids=["none", "int", "list"])
def test_what_is_no_text_is_refused(codec: Codec, value: object) -> None:
    with pytest.raises(TypeError):
        codec.json_to_wire(value, False, False)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        codec.wire_to_json(value, False, False, False)  # type: ignore[arg-type]
