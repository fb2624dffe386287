"""The C interface: installed as users do, compiled against in C and C++, and called with everything that goes wrong.

It takes minutes to build, so it is tested only where CHATPB_ABI=1 is set.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import chatpb
from chatcompletion.v1 import ChatCompletion, ChatCompletionChunk
from chatpb import ContractError, JsonError, WireError
from chatpb.streams import Accumulator, split_wire
from chatpb.streams.compact import compact_stream, expand_stream
from tests.support import ALL_VECTORS, JSON_VECTORS, ROOT, Vector, by_name, recording

pytestmark = pytest.mark.skipif("CHATPB_ABI" not in os.environ, reason="CHATPB_ABI=1 builds and tests it")

OK, JSON, WIRE, DESCRIPTOR, SCHEMA, ARGUMENT, BUSY, INTERNAL, CONTRACT, END = range(10)
CANONICAL, NONFINITE, FILL_REQUIRED, SKIP_UNKNOWN, STRICT, WITHOUT_USAGE = 1, 2, 4, 8, 16, 32

UNKNOWN = b"\x0a\x01m\xa0\x06\x01"
"""A completion, and a chunk, with a field that the contract does not have."""

PROGRAM = ROOT / "tests/abi/program.c"
WARNINGS = ["-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


class Result(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint64) for name in ("data", "size", "path", "path_size", "reason", "reason_size")),
        *((name, ctypes.c_uint64) for name in ("line", "column", "offset")),
        ("code", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
    )

    def bytes(self) -> bytes:
        return ctypes.string_at(self.data, self.size)

    def error(self) -> tuple[int, str, int, int, int, str]:
        path = ctypes.string_at(self.path, self.path_size).decode()
        reason = ctypes.string_at(self.reason, self.reason_size).decode()
        return self.code, path, self.line, self.column, self.offset, reason


@pytest.fixture(scope="session")
def library(prefix: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(next(prefix.glob("lib/libchatpb.[sd]*"))))
    size, pointer, result = ctypes.c_size_t, ctypes.c_void_p, ctypes.POINTER(Result)
    conversion: list[Any] = [pointer, pointer, size, ctypes.c_uint32]
    library.chatpb_schema_new.argtypes = [pointer, size, pointer, size, result]
    library.chatpb_schema_new.restype = pointer
    library.chatpb_schema_free.argtypes = library.chatpb_codec_free.argtypes = [pointer]
    library.chatpb_schema_free.restype = library.chatpb_codec_free.restype = None
    library.chatpb_codec_new.argtypes = [pointer]
    library.chatpb_codec_new.restype = pointer
    for name in ("json_to_wire", "wire_to_json", "validate", "compact_stream", "expand_stream", "accumulator_add"):
        getattr(library, f"chatpb_{name}").argtypes = [*conversion, result]
    library.chatpb_json_lines_to_wire.argtypes = [*conversion, ctypes.c_uint32, result]
    library.chatpb_wire_to_json_lines.argtypes = [*conversion, ctypes.c_uint32, result]
    library.chatpb_accumulator_new.argtypes = [pointer]
    library.chatpb_splitter_new.argtypes = [pointer, pointer, pointer, size, size, ctypes.c_uint32, result]
    library.chatpb_accumulator_new.restype = library.chatpb_splitter_new.restype = pointer
    library.chatpb_accumulator_free.argtypes = library.chatpb_splitter_free.argtypes = [pointer]
    library.chatpb_accumulator_free.restype = library.chatpb_splitter_free.restype = None
    library.chatpb_accumulator_json.argtypes = library.chatpb_splitter_next.argtypes = [pointer, result]
    return library


def schema_of(library: ctypes.CDLL, name: str) -> int:
    encoded, result = name.encode(), Result()
    schema: int = library.chatpb_schema_new(None, 0, encoded, len(encoded), result)
    assert schema, result.error()
    return schema


class Codec:
    """A codec of a message type, with its schema already freed."""

    def __init__(self, library: ctypes.CDLL, name: str = ChatCompletion.DESCRIPTOR.full_name) -> None:
        self.library = library
        self.result = Result()
        schema = schema_of(library, name)
        self.codec = library.chatpb_codec_new(schema)
        library.chatpb_schema_free(schema)

    def __call__(self, function: str, data: bytes, options: int = 0, *threads: int) -> Result:
        call = getattr(self.library, f"chatpb_{function}")
        assert call(self.codec, data, len(data), options, *threads, self.result) == self.result.code
        return self.result

    def free(self) -> None:
        self.library.chatpb_codec_free(self.codec)


@pytest.fixture
def codec(library: ctypes.CDLL) -> Iterator[Codec]:
    codec = Codec(library)
    yield codec
    codec.free()


@pytest.fixture(scope="session")
def codecs(library: ctypes.CDLL) -> dict[str, Codec]:
    return {name: Codec(library, name) for name in {vector.type.DESCRIPTOR.full_name for vector in ALL_VECTORS}}


@by_name(JSON_VECTORS)
def test_json_gives_the_wire_bytes(vector: Vector, codecs: dict[str, Codec]) -> None:
    assert vector.input is not None
    result = codecs[vector.type.DESCRIPTOR.full_name]("json_to_wire", vector.input)
    assert (result.code, result.bytes()) == (OK, vector.wire)


@by_name(ALL_VECTORS)
def test_wire_bytes_give_the_json(vector: Vector, codecs: dict[str, Codec]) -> None:
    result = codecs[vector.type.DESCRIPTOR.full_name]("wire_to_json", vector.wire, SKIP_UNKNOWN)
    assert (result.code, result.bytes()) == (OK, vector.expected)


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{", b'{"id":"1"', b'{"choices":[{"index":01}]}', b'{\n "x": "\xff"}', b'{"a":1,"a":2}', b"{} {}"],
)
def test_errors_in_a_text(text: bytes, codec: Codec) -> None:
    with pytest.raises(JsonError) as caught:
        chatpb.json_to_wire(text, ChatCompletion)
    want = caught.value
    place = (want.path, want.line, want.column, want.offset, want.reason)
    assert codec("json_to_wire", text).error() == (JSON, *place)


@pytest.mark.parametrize("wire", [b"\xff", b"\x0a\x05m", b"\x0a\x01\xff", b"\x32\x02\x0a\x09", b"\x00\x01"])
def test_errors_in_wire_bytes(wire: bytes, codec: Codec) -> None:
    with pytest.raises(WireError) as caught:
        chatpb.wire_to_json(wire, ChatCompletion)
    want = caught.value
    assert codec("wire_to_json", wire).error() == (WIRE, want.path, 0, 0, want.offset, want.reason)


@pytest.mark.parametrize(
    ("function", "options", "keywords", "data"),
    [
        ("json_to_wire", CANONICAL, {"canonical": True}, b'{"z":1,"y":{"b":[],"a":{}}}'),
        ("json_to_wire", NONFINITE, {"nonfinite": "allow"}, b'{"created":NaN}'),
        ("wire_to_json", FILL_REQUIRED, {"fill_required": True}, b""),
        ("wire_to_json", SKIP_UNKNOWN, {"unknown_fields": "skip"}, UNKNOWN),
        ("wire_to_json", NONFINITE, {"nonfinite": "allow"}, chatpb.json_to_wire(b'{"x":NaN}', nonfinite="allow")),
    ],
)
def test_options(function: str, options: int, keywords: dict[str, Any], data: bytes, codec: Codec) -> None:
    result = codec(function, data, options)
    assert (result.code, result.bytes()) == (OK, getattr(chatpb, function)(data, ChatCompletion, **keywords))


def test_unknown_fields_are_refused_unless_skipped(codec: Codec, library: ctypes.CDLL) -> None:
    with pytest.raises(WireError) as caught:
        chatpb.wire_to_json(UNKNOWN, ChatCompletion)
    want = (WIRE, caught.value.path, 0, 0, caught.value.offset, caught.value.reason)
    assert codec("wire_to_json", UNKNOWN).error() == want
    row = bytes([len(UNKNOWN)]) + UNKNOWN
    assert codec("wire_to_json_lines", row, 0, 1).error()[0] == WIRE
    assert codec("wire_to_json_lines", row, SKIP_UNKNOWN, 1).bytes() == b'{"id":"m"}\n'
    completion, chunk = schema_of(library, ChatCompletion.DESCRIPTOR.full_name), schema_of(library, CHUNK)
    stream, result = library.chatpb_accumulator_new(chunk), Result()
    assert library.chatpb_accumulator_add(stream, UNKNOWN, len(UNKNOWN), 0, result) == WIRE
    assert library.chatpb_accumulator_add(stream, UNKNOWN, len(UNKNOWN), SKIP_UNKNOWN, result) == OK
    assert library.chatpb_accumulator_json(stream, result) == OK
    assert result.bytes() == b'{"id":"m"}'
    library.chatpb_accumulator_free(stream)
    assert library.chatpb_splitter_new(completion, chunk, UNKNOWN, len(UNKNOWN), 0, 0, result) is None
    assert result.error() == want
    splitter = library.chatpb_splitter_new(completion, chunk, UNKNOWN, len(UNKNOWN), 0, SKIP_UNKNOWN, result)
    chunks = []
    while library.chatpb_splitter_next(splitter, result) == OK:
        chunks.append(result.bytes())
    assert chunks == list(split_wire(UNKNOWN, unknown_fields="skip"))
    library.chatpb_splitter_free(splitter)
    library.chatpb_schema_free(completion)
    library.chatpb_schema_free(chunk)


@pytest.mark.parametrize(
    "text",
    [
        b'{"choices":[{"message":{"role":"nobody","content":5}},7],"created":"x"}',
        b'{"id":null,"choices":[{"index":1}],"object":"\\u0001\\"\\\\"}',
        b'{"service_tier":"on_demand"}',
        b"{}",
    ],
)
def test_violations(text: bytes, codec: Codec) -> None:
    wire = chatpb.json_to_wire(text, ChatCompletion)
    found = chatpb.validate(wire, ChatCompletion)
    result = codec("validate", wire)
    assert (result.code, json.loads(result.bytes())) == (OK, [dataclasses.asdict(each) for each in found])
    with pytest.raises(ContractError) as caught:
        chatpb.json_to_wire(text, ChatCompletion, strict=True)
    refused = [dataclasses.asdict(each) for each in caught.value.violations]
    result = codec("json_to_wire", text, STRICT)
    assert (result.code, json.loads(result.bytes())) == (CONTRACT, refused)
    assert json.loads(codec("validate", wire, STRICT).bytes()) == refused
    assert codec("json_to_wire", text).bytes() == wire


def test_a_document_without_violations(codec: Codec) -> None:
    message = b'{"role":"assistant","content":"a"}'
    choice = b'{"index":0,"finish_reason":"stop","message":' + message + b"}"
    text = b'{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[' + choice + b"]}"
    wire = codec("json_to_wire", text, STRICT).bytes()
    assert (codec.result.code, wire) == (OK, chatpb.json_to_wire(text, ChatCompletion, strict=True))
    assert codec("validate", wire, STRICT).bytes() == b"[]"
    assert codec("validate", b"\xff").error()[0] == WIRE


@pytest.mark.parametrize("threads", [0, 1, 3, 2**32 - 1])
def test_lines(threads: int, codec: Codec) -> None:
    lines = b'{"id":"1"}\n\n{"id":"\\u00e4","x":[1.5]}\n' * 20_000
    result = codec("json_lines_to_wire", lines, 0, threads)
    wire = result.bytes()
    assert (result.code, wire) == (OK, chatpb.json_lines_to_wire(lines, ChatCompletion))
    result = codec("wire_to_json_lines", wire, 0, threads)
    assert (result.code, result.bytes()) == (OK, chatpb.wire_to_json_lines(wire, ChatCompletion))
    with pytest.raises(JsonError) as caught:
        chatpb.json_lines_to_wire(lines + b"{]", ChatCompletion)
    error = codec("json_lines_to_wire", lines + b"{]", 0, threads).error()
    assert error[:5] == (JSON, caught.value.path, caught.value.line, caught.value.column, caught.value.offset)
    assert codec("wire_to_json_lines", wire[:-1], 0, threads).error()[0] == WIRE


@pytest.mark.parametrize(
    ("set_", "name", "code"),
    [
        (None, b"", DESCRIPTOR),
        (None, b"no.Such", DESCRIPTOR),
        (None, b"\xff", ARGUMENT),
        (b"\xff", b"a.B", DESCRIPTOR),
        (b"", b"a.B", DESCRIPTOR),
        (None, b"chatcompletion.v1.ChatCompletion.ChoicesEntry", DESCRIPTOR),
    ],
)
def test_schemas_that_cannot_be_made(set_: bytes | None, name: bytes, code: int, library: ctypes.CDLL) -> None:
    result = Result()
    assert library.chatpb_schema_new(set_, len(set_ or b""), name, len(name), result) is None
    assert result.error()[0] == code
    assert result.reason_size
    # Nobody has to look at the result.
    assert library.chatpb_schema_new(set_, len(set_ or b""), name, len(name), None) is None


def test_nothing_is_done_with_null_and_wrong_sizes(library: ctypes.CDLL, codec: Codec) -> None:
    library.chatpb_schema_free(None)
    library.chatpb_codec_free(None)
    assert library.chatpb_codec_new(None) is None
    result, long = Result(), ctypes.c_size_t(-1).value
    for name, more in {
        "json_to_wire": (),
        "wire_to_json": (),
        "validate": (),
        "json_lines_to_wire": (1,),
        "wire_to_json_lines": (1,),
        "compact_stream": (),
        "expand_stream": (),
    }.items():
        call = getattr(library, f"chatpb_{name}")
        assert call(None, b"{}", 2, 0, *more, result) == ARGUMENT
        assert call(codec.codec, None, 2, 0, *more, result) == ARGUMENT
        assert call(codec.codec, b"{}", long, 0, *more, result) == ARGUMENT
        assert call(codec.codec, b"{}", 2, 64, *more, result) == ARGUMENT
        assert b"0x40" in ctypes.string_at(result.reason, result.reason_size)
        assert call(codec.codec, None, 0, 0, *more, result) == (JSON if name == "json_to_wire" else OK)
        assert call(codec.codec, b"", 0, 0, *more, None) == (JSON if name == "json_to_wire" else OK)
        assert call(None, None, 0, 0, *more, None) == ARGUMENT
    assert library.chatpb_schema_new(None, 1, b"a", 1, result) is None
    assert library.chatpb_schema_new(None, 0, None, 1, result) is None
    assert result.code == ARGUMENT


CHUNK = ChatCompletionChunk.DESCRIPTOR.full_name
ONE_STREAM = [
    b'{"id":"1","choices":[{"index":0,"delta":{"role":"assistant","content":"He"}}],"x":NaN}',
    b'{"id":"1","choices":[{"index":0,"delta":{"content":"llo \\ud83d\\ude00"}}]}',
    b'{"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
    b'{"id":"1","choices":[],"usage":{"prompt_tokens":1}}',
]


def streams() -> list[list[bytes]]:
    """Return the chunks of streams, as wire bytes: recorded ones by their ids, and one with NaN."""
    recorded: dict[Any, list[bytes]] = {}
    for line in recording("chunk"):
        recorded.setdefault(json.loads(line).get("id"), []).append(chatpb.json_to_wire(line, ChatCompletionChunk))
    return [
        *recorded.values(),
        [chatpb.json_to_wire(each, ChatCompletionChunk, nonfinite="allow") for each in ONE_STREAM],
    ]


def delimited(chunks: list[bytes]) -> bytes:
    return chatpb.json_lines_to_wire(
        b"\n".join(chatpb.wire_to_json(each, ChatCompletionChunk) for each in chunks), ChatCompletionChunk
    )


def test_streams_accumulate(library: ctypes.CDLL) -> None:
    schema, result = schema_of(library, CHUNK), Result()
    for chunks in streams():
        stream, python = library.chatpb_accumulator_new(schema), Accumulator(nonfinite="allow")
        assert library.chatpb_accumulator_json(stream, result) == OK
        assert result.bytes() == b"{}"
        for chunk in chunks:
            assert library.chatpb_accumulator_add(stream, b"\xff", 1, 0, result) == WIRE
            assert library.chatpb_accumulator_add(stream, chunk, len(chunk), NONFINITE, result) == OK
            assert (result.data != 0, result.size) == (True, 0)
            python.add_wire(chunk)
            assert library.chatpb_accumulator_json(stream, result) == OK
            assert (
                list(json.loads(result.bytes()).items()) == list(python.to_dict().items()) or b"NaN" in result.bytes()
            )
        assert chatpb.json_to_wire(result.bytes(), nonfinite="allow") == python.to_wire()
        library.chatpb_accumulator_free(stream)
    library.chatpb_schema_free(schema)


@pytest.mark.parametrize("characters", [0, 1, 7, 2**64 - 1])
@pytest.mark.parametrize("options", [0, WITHOUT_USAGE])
def test_completions_are_split(characters: int, options: int, library: ctypes.CDLL) -> None:
    completion, chunk, result = (
        schema_of(library, ChatCompletion.DESCRIPTOR.full_name),
        schema_of(library, CHUNK),
        Result(),
    )
    for text in [*recording("completion"), b"{}", b'{"choices":[],"usage":{}}']:
        wire = chatpb.json_to_wire(text)
        splitter = library.chatpb_splitter_new(completion, chunk, wire, len(wire), characters, options, result)
        chunks = []
        while library.chatpb_splitter_next(splitter, result) == OK:
            chunks.append(result.bytes())
        assert [result.code, library.chatpb_splitter_next(splitter, result)] == [END, END]
        library.chatpb_splitter_free(splitter)
        size = min(characters, sys.maxsize) or None
        assert chunks == list(split_wire(wire, size=size, usage=not options))
    library.chatpb_schema_free(completion)
    library.chatpb_schema_free(chunk)


def test_streams_are_compacted_and_expanded(library: ctypes.CDLL) -> None:
    codec = Codec(library, CHUNK)
    for chunks in streams()[:-1]:
        stream = codec("compact_stream", delimited(chunks)).bytes()
        assert (codec.result.code, stream) == (OK, compact_stream(chunks))
        expanded = codec("expand_stream", stream).bytes()
        assert (codec.result.code, expanded) == (OK, delimited(expand_stream(stream)))
    assert codec("compact_stream", b"\x02\x0a").error()[:2] == (WIRE, "")
    assert codec("compact_stream", b"\x00\x02\x0a\x09").error()[:2] == (WIRE, "/1")
    assert codec("expand_stream", b"\x12\x02\x0a\x09").error()[:2] == (WIRE, "/chunks/0")
    # 2 MB that stand for more than 256 MiB.
    common = b"\x0a\xff\xff\x3f" + b"m" * 0xFFFFF
    bomb = b"\x0a\x83\x80\x40" + common + b"\x12\x00" * 1000
    assert codec("expand_stream", bomb).error()[0] == WIRE
    codec.free()


def test_streams_with_null_and_wrong_sizes(library: ctypes.CDLL) -> None:
    chunk, result, long = schema_of(library, CHUNK), Result(), ctypes.c_size_t(-1).value
    library.chatpb_accumulator_free(None)
    library.chatpb_splitter_free(None)
    assert library.chatpb_accumulator_new(None) is None
    assert library.chatpb_accumulator_json(None, result) == ARGUMENT
    assert library.chatpb_splitter_next(None, result) == ARGUMENT
    stream = library.chatpb_accumulator_new(chunk)
    for handle, data, size, options in [
        (None, b"", 0, 0),
        (stream, None, 1, 0),
        (stream, b"", long, 0),
        (stream, b"", 0, 1),
    ]:
        assert library.chatpb_accumulator_add(handle, data, size, options, result) == ARGUMENT
    assert library.chatpb_accumulator_json(stream, None) == OK
    for first, second, data, size, options, code in [
        (None, chunk, b"", 0, 0, ARGUMENT),
        (chunk, None, b"", 0, 0, ARGUMENT),
        (chunk, chunk, None, 1, 0, ARGUMENT),
        (chunk, chunk, b"", long, 0, ARGUMENT),
        (chunk, chunk, b"", 0, STRICT, ARGUMENT),
        (chunk, chunk, b"\xff", 1, 0, WIRE),
    ]:
        assert library.chatpb_splitter_new(first, second, data, size, 0, options, result) is None
        assert result.error()[0] == code
    library.chatpb_accumulator_free(stream)
    library.chatpb_schema_free(chunk)


def test_one_codec_in_two_threads(library: ctypes.CDLL, codec: Codec) -> None:
    """A call that would disturb another one is refused; a codec for each thread disturbs none."""
    lines = b'{"id":"1"}\n' * 200_000
    want = chatpb.json_lines_to_wire(lines, ChatCompletion)

    def shared(_: int) -> int:
        return int(library.chatpb_json_lines_to_wire(codec.codec, lines, len(lines), 0, 1, Result()))

    def own(_: int) -> bool:
        mine = Codec(library)
        same = mine("json_lines_to_wire", lines, 0, 1).bytes() == want
        mine.free()
        return same

    with ThreadPoolExecutor(8) as pool:
        codes = set(pool.map(shared, range(16)))
        assert OK in codes
        assert codes <= {OK, BUSY}
        assert all(pool.map(own, range(8)))
    assert codec("json_lines_to_wire", lines, 0, 1).bytes() == want


@pytest.mark.parametrize("compiler", [["cc", "-std=c11"], ["c++", "-x", "c++", "-std=c++17"]], ids=["C11", "C++17"])
@pytest.mark.parametrize("linked", ["shared", "static"])
def test_programs(compiler: list[str], linked: str, prefix: Path, tmp_path: Path) -> None:
    """A program finds the library by pkg-config, and gives what Python gives."""
    environment = {**os.environ, "PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig")}
    flags = ["--cflags", "--libs", *(["--static"] if linked == "static" else [])]
    asked = subprocess.run(
        ["pkg-config", *flags, "chatpb"], env=environment, check=True, capture_output=True, text=True
    ).stdout.split()
    if linked == "static":
        asked = [str(prefix / "lib/libchatpb.a") if flag == "-lchatpb" else flag for flag in asked]
    program = tmp_path / "program"
    libraries = [flag for flag in asked if not flag.startswith("-I")]
    headers = [flag for flag in asked if flag.startswith("-I")]
    subprocess.run([*compiler, *WARNINGS, *headers, PROGRAM, "-o", program, "-x", "none", *libraries], check=True)
    run(program, prefix)


def test_a_project_of_cmake(prefix: Path, tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\n"
        "project(program C)\n"
        "find_package(chatpb 0.1 REQUIRED)\n"
        + "".join(
            f"add_executable({name} {PROGRAM})\ntarget_link_libraries({name} chatpb::{target})\n"
            for name, target in {"program": "chatpb", "alone": "static"}.items()
        )
    )
    build = tmp_path / "build"
    subprocess.run(["cmake", "-S", tmp_path, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}"], check=True)
    subprocess.run(["cmake", "--build", build], check=True)
    run(build / "program", prefix)
    run(build / "alone", prefix)


def run(program: Path, prefix: Path) -> None:
    where = "DYLD_LIBRARY_PATH" if sys.platform == "darwin" else "LD_LIBRARY_PATH"
    environment = {**os.environ, where: str(prefix / "lib")}
    for vector in JSON_VECTORS:
        if vector.type is ChatCompletion:
            done = subprocess.run([program], env=environment, input=vector.input, capture_output=True, check=False)
            want = chatpb.wire_to_json(chatpb.json_to_wire(vector.input or b"", canonical=True))
            assert (done.returncode, done.stdout) == (0, want), done.stderr
    done = subprocess.run([program], env=environment, input=b'{"id": tru}', capture_output=True, check=False)
    assert (done.returncode, done.stderr.decode().split(": ")[0]) == (1, "1:/id:1:8:7")
