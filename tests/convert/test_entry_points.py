"""Entry points: every one takes text, wire bytes, messages and options alike, and refuses them in the same words.

The last test runs this file with the reference engine, so that both engines are held to the same table.
"""

from __future__ import annotations

import copy
import inspect
import os
import pickle
import pydoc
import subprocess
import sys
import typing
import weakref
from array import array
from collections.abc import Callable, Iterable
from contextlib import suppress
from mmap import mmap
from typing import Any, Final

import pyarrow as pa
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

import chatcompletion_betterproto
import chatpb
from chatcompletion import v1
from chatpb import _convert, arrow
from chatpb._wire.write import delimited
from chatpb.streams import Accumulator, split, split_wire
from chatpb.streams.sse import ChunkReader, write_chunk
from tests.runtimes.envelope import Envelope, EnvelopeRuntime, registered

Function = Callable[..., Any]


def padded(make: Callable[[str], bytes]) -> bytes:
    """Return what is made of an id that is long enough for whole items of 4 bytes."""
    return next(data for size in range(1, 5) if len(data := make("a" * size)) % 4 == 0)


def added(add: str, chunk: Any) -> bytes:
    accumulator = Accumulator()
    getattr(accumulator, add)(chunk)
    return accumulator.to_json()


# The entry points of one argument, with what they take.

TEXT: Final = padded(lambda name: b'{"id":"%b"}' % name.encode())
WIRE: Final = padded(lambda name: v1.ChatCompletion(id=name).SerializeToString())
BATCH: Final = padded(lambda name: delimited(b"", v1.ChatCompletion(id=name).SerializeToString()))
STREAM: Final = padded(
    lambda name: v1.ChatCompletionStream(chunks=[v1.ChatCompletionChunk(id=name)]).SerializeToString()
)

TAKE_TEXT: Final[dict[str, Function]] = {
    "json_to_wire": chatpb.json_to_wire,
    "from_json": chatpb.from_json,
    "json_lines_to_wire": chatpb.json_lines_to_wire,
    "Accumulator.add_json": lambda text: added("add_json", text),
}
TAKE_WIRE: Final[dict[str, tuple[Function, bytes]]] = {
    "wire_to_json": (chatpb.wire_to_json, WIRE),
    "wire_to_json_lines": (chatpb.wire_to_json_lines, BATCH),
    "Accumulator.add_wire": (lambda wire: added("add_wire", wire), WIRE),
    "split_wire": (lambda wire: list(split_wire(wire)), WIRE),
    "from_messages": (arrow.from_messages, BATCH),
}
TAKE_EITHER: Final[dict[str, tuple[Function, bytes, str]]] = {
    "validate": (chatpb.validate, WIRE, "ChatCompletion"),
    "compact_stream": (lambda chunk: chatpb.compact_stream([chunk]), WIRE, "ChatCompletionChunk"),
    "expand_stream": (chatpb.expand_stream, STREAM, "ChatCompletionStream"),
    "write_chunk": (write_chunk, WIRE, "ChatCompletionChunk"),
}
TAKE_MESSAGES: Final[dict[str, Function]] = {
    "to_json": chatpb.to_json,
    "to_dict": chatpb.to_dict,
    "to_openai": chatpb.to_openai,
    "Accumulator.add": lambda chunk: added("add", chunk),
    "split": lambda completion: list(split(completion)),
}

ON_BUFFERS: Final = (
    [(name, call, TEXT) for name, call in TAKE_TEXT.items()]
    + [(name, *each) for name, each in TAKE_WIRE.items()]
    + [(name, call, wire) for name, (call, wire, _) in TAKE_EITHER.items()]
)


# What callers give.


def every_second_byte(data: bytes) -> memoryview:
    return memoryview(b"".join(bytes([byte, 0]) for byte in data))[::2]


def mapped(data: bytes) -> mmap:
    made = mmap(-1, len(data))
    made[:] = data
    return made


class Bytes(bytes):
    """Its methods do not return what it holds."""

    def __len__(self) -> int:
        return 0

    def __bytes__(self) -> bytes:
        return b"{}"

    def __getitem__(self, place: Any) -> Any:
        return 0


BUFFERS: Final[dict[str, Callable[[bytes], Any]]] = {
    "subclass of bytes": Bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "view of a bytearray": lambda data: memoryview(bytearray(data)),
    "view of every second byte": every_second_byte,
    "view of items of 4 bytes": lambda data: memoryview(data).cast("I"),
    "view of rows": lambda data: memoryview(data).cast("B", [2, len(data) // 2]),
    "array": lambda data: array("B", data),
    "array of items of 4 bytes": lambda data: array("I", data),
    "mmap": mapped,
}
try:
    import numpy as np
except ImportError:
    pass
else:
    BUFFERS.update(
        {
            "numpy": lambda data: np.frombuffer(data, np.uint8),
            "numpy, every second byte": lambda data: np.asarray(every_second_byte(data)),
            "numpy, other byte order": lambda data: np.frombuffer(data, ">u4"),
            "numpy, by column": lambda data: np.asfortranarray(np.frombuffer(data, np.uint8).reshape(2, -1)),
        }
    )

OTHERS: Final[list[Any]] = [5, None, [b"{}"], object()]
"""Neither text nor a buffer nor a message."""


def refusal(call: Function, *args: Any, **options: Any) -> str:
    """Return the error of a wrong call."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call(*args, **options)
    assert not isinstance(caught.value, chatpb.ChatpbError)
    return f"{type(caught.value).__name__}: {caught.value}"


def by_name(cases: Iterable[tuple[Any, ...]]) -> Any:
    """Parametrize a test by cases that start with their name."""
    rows = list(cases)
    return {"argvalues": [row[1:] for row in rows], "ids": [str(row[0]) for row in rows]}


@pytest.mark.parametrize("kind", BUFFERS)
@pytest.mark.parametrize(("call", "data"), **by_name(ON_BUFFERS))
def test_any_buffer_is_read(call: Function, data: bytes, kind: str) -> None:
    assert call(BUFFERS[kind](data)) == call(data)


@pytest.mark.parametrize("call", TAKE_TEXT.values(), ids=TAKE_TEXT)
def test_text_is_a_str_or_a_buffer(call: Function) -> None:
    assert call(TEXT.decode()) == call(TEXT)
    wanted = "TypeError: JSON text is a str or UTF-8 bytes in any buffer, not "
    for other in (*OTHERS, v1.ChatCompletion()):
        assert refusal(call, other) == wanted + type(other).__name__
    assert refusal(call, {"id": "a"}) == f"{wanted}dict; from_dict takes a dict"


@pytest.mark.parametrize("call", TAKE_TEXT.values(), ids=TAKE_TEXT)
def test_text_is_what_a_str_holds(call: Function) -> None:
    """A subclass may have other methods. A lone surrogate, which UTF-8 lacks, is encoded in a way of its own."""

    class Text(str):
        def encode(self, *_: Any) -> bytes:
            return b"{}"

    assert call(Text(TEXT.decode())) == call(TEXT)
    with pytest.raises(chatpb.JsonError, match="^a lone surrogate, which UTF-8 cannot encode at line 1, column 8 "):
        call(Text('{"id":"\ud800"}'))


@pytest.mark.parametrize(("call", "wire"), **by_name((name, *each) for name, each in TAKE_WIRE.items()))
def test_wire_bytes_are_a_buffer(call: Function, wire: bytes) -> None:
    wanted = "TypeError: wire bytes are bytes in any buffer, not "
    for other in (*OTHERS, v1.ChatCompletion()):
        assert refusal(call, other) == wanted + type(other).__name__
    assert refusal(call, "text") == f"{wanted}str; from_json takes JSON text"


@pytest.mark.parametrize(("call", "wire", "name"), **by_name((name, *each) for name, each in TAKE_EITHER.items()))
def test_a_message_of_any_runtime_counts_as_its_wire_bytes(call: Function, wire: bytes, name: str) -> None:
    for message in (
        getattr(v1, name).FromString(wire),
        getattr(chatcompletion_betterproto, name)().parse(wire),
        Envelope(wire),
    ):
        with registered(EnvelopeRuntime()):
            assert call(message) == call(wire)
    for other in (*OTHERS, "text"):
        assert refusal(call, other) == f"TypeError: {NO_MESSAGE.format(type(other))}"


NO_MESSAGE: Final = (
    "{!r} is not a message class of google.protobuf, betterproto, protobuf-py or a registered runtime; "
    "chatpb.register_runtime adds one"
)
WIRE_CLASS: Final = "{!r} is not a message class but one of wire bytes, which wire_to_json takes"
STREAM_OF_WIRE: Final = "{name} is neither a message nor a dict nor an object of the openai package; add_wire and split_wire take wire bytes"
NO_CLASS: Final = "an instance of {} is not a message class; message_type takes a class, such as chatpb.ChatCompletion"


@pytest.mark.parametrize("call", TAKE_MESSAGES.values(), ids=TAKE_MESSAGES)
def test_messages_are_not_wire_bytes(call: Function) -> None:
    messages = (
        v1.ChatCompletion.FromString(WIRE),
        chatcompletion_betterproto.ChatCompletion().parse(WIRE),
        *([] if call is chatpb.to_openai else [Envelope(WIRE)]),
    )
    with registered(EnvelopeRuntime()):
        results = [call(message) for message in messages]
    assert all(result == results[0] for result in results)
    for other in (*OTHERS, "text"):
        assert refusal(call, other) == f"TypeError: {NO_MESSAGE.format(type(other))}"
    refused = STREAM_OF_WIRE if call in (TAKE_MESSAGES["Accumulator.add"], TAKE_MESSAGES["split"]) else WIRE_CLASS
    for other in (b"", bytearray(), memoryview(b"")):
        assert refusal(call, other) == f"TypeError: {refused.format(type(other), name=type(other).__name__)}"


def wires(*each: bytes) -> pa.Array:
    return pa.array(each, pa.binary())


def texts(*each: str) -> pa.Array:
    return pa.array(each, pa.string())


TAKE_CLASS: Final[dict[str, Function]] = {
    "json_to_wire": lambda kind: chatpb.json_to_wire(TEXT, kind),
    "wire_to_json": lambda kind: chatpb.wire_to_json(WIRE, message_type=kind),
    "from_json": lambda kind: chatpb.from_json(TEXT, kind),
    "from_dict": lambda kind: chatpb.from_dict({}, kind),
    "from_openai": lambda kind: chatpb.from_openai({}, kind),
    "json_lines_to_wire": lambda kind: chatpb.json_lines_to_wire(TEXT, kind),
    "wire_to_json_lines": lambda kind: chatpb.wire_to_json_lines(BATCH, kind),
    "validate": lambda kind: chatpb.validate(WIRE, kind),
    "Accumulator.message": lambda kind: Accumulator().message(kind),
    "split": lambda kind: list(split(v1.ChatCompletion(), kind)),
    "ChunkReader": ChunkReader,
    "json_column": lambda kind: arrow.json_column(wires(WIRE), kind),
    "wire_column": lambda kind: arrow.wire_column(texts("{}"), kind),
}


class UnhashableType(type):
    __hash__ = None  # type: ignore[assignment]


class Unhashable(metaclass=UnhashableType):
    pass


class EqualType(type):
    def __eq__(cls, other: object) -> bool:
        return True

    def __hash__(cls) -> int:
        return hash(v1.ChatCompletion)


class EqualToAll(metaclass=EqualType):
    pass


@pytest.mark.parametrize("call", TAKE_CLASS.values(), ids=TAKE_CLASS)
def test_a_message_type_is_a_message_class(call: Function) -> None:
    for other in (v1.ChatCompletion(), [1], "ChatCompletion"):
        assert refusal(call, other) == f"TypeError: {NO_CLASS.format(type(other).__name__)}"
    assert (
        refusal(call, chatcompletion_betterproto.ChatCompletion()) == f"TypeError: {NO_CLASS.format('ChatCompletion')}"
    )
    for wrong in (int, Unhashable, EqualToAll):
        assert refusal(call, wrong) == f"TypeError: {NO_MESSAGE.format(wrong)}"
    assert refusal(call, Message) == f"TypeError: {Message!r} has no descriptor, so it is not the class of a message"
    assert refusal(call, Timestamp).startswith("TypeError: google.protobuf.Timestamp cannot be mapped without loss: ")
    assert refusal(call, bytes) == f"TypeError: {WIRE_CLASS.format(bytes)}"


def test_a_message_is_validated_as_what_it_is() -> None:
    error = v1.ErrorResponse()
    found = chatpb.validate(b"", v1.ErrorResponse)
    assert chatpb.validate(error) == chatpb.validate(error, v1.ChatCompletion) == found
    assert found != chatpb.validate(b"")


def test_validate_of_bytes_that_cannot_be_read() -> None:
    with pytest.raises(chatpb.WireError, match="^a varint of more than ten bytes at byte 0$"):
        chatpb.validate(b"\xff" * 11)


# Options.

MESSAGE: Final = v1.ChatCompletion(id="a")
ON_NONFINITE: Final[dict[str, Function]] = {
    "json_to_wire": lambda value: chatpb.json_to_wire(TEXT, nonfinite=value),
    "wire_to_json": lambda value: chatpb.wire_to_json(WIRE, nonfinite=value),
    "from_json": lambda value: chatpb.from_json(TEXT, nonfinite=value),
    "to_json": lambda value: chatpb.to_json(MESSAGE, nonfinite=value),
    "from_dict": lambda value: chatpb.from_dict({"id": "a"}, nonfinite=value),
    "to_dict": lambda value: chatpb.to_dict(MESSAGE, nonfinite=value),
    "from_openai": lambda value: chatpb.from_openai({"model": "a"}, nonfinite=value),
    "Accumulator": lambda value: Accumulator(nonfinite=value).to_dict(),
    "split": lambda value: list(split({}, nonfinite=value)),
    "split_wire": lambda value: list(split_wire(WIRE, nonfinite=value)),
    "to_openai": lambda value: chatpb.to_openai(MESSAGE, nonfinite=value),
    "json_lines_to_wire": lambda value: chatpb.json_lines_to_wire(TEXT, nonfinite=value),
    "wire_to_json_lines": lambda value: chatpb.wire_to_json_lines(BATCH, nonfinite=value),
    "json_column": lambda value: arrow.json_column(wires(WIRE), nonfinite=value),
    "wire_column": lambda value: arrow.wire_column(texts("{}"), nonfinite=value),
}
ON_UNKNOWN_FIELDS: Final[dict[str, Function]] = {
    "wire_to_json": lambda value: chatpb.wire_to_json(WIRE, unknown_fields=value),
    "to_json": lambda value: chatpb.to_json(MESSAGE, unknown_fields=value),
    "to_dict": lambda value: chatpb.to_dict(MESSAGE, unknown_fields=value),
    "wire_to_json_lines": lambda value: chatpb.wire_to_json_lines(BATCH, unknown_fields=value),
    "Accumulator": lambda value: Accumulator(unknown_fields=value).to_dict(),
    "split": lambda value: list(split({}, unknown_fields=value)),
    "split_wire": lambda value: list(split_wire(WIRE, unknown_fields=value)),
    "to_openai": lambda value: chatpb.to_openai(MESSAGE, unknown_fields=value),
    "json_column": lambda value: arrow.json_column(wires(WIRE), unknown_fields=value),
    "write_chunk": lambda value: write_chunk(WIRE, unknown_fields=value),
}
ON_THREADS: Final[dict[str, Function]] = {
    "json_lines_to_wire": lambda value: chatpb.json_lines_to_wire(TEXT, threads=value),
    "wire_to_json_lines": lambda value: chatpb.wire_to_json_lines(BATCH, threads=value),
    "json_column": lambda value: arrow.json_column(wires(WIRE), threads=value),
    "wire_column": lambda value: arrow.wire_column(texts("{}"), threads=value),
    "record_batch": lambda value: arrow.record_batch([b""], threads=value),
    "with_columns": lambda value: arrow.with_columns(wires(b""), threads=value),
    "compact_records": lambda value: arrow.compact_records(wires(b""), threads=value),
    "expand_records": lambda value: arrow.expand_records(wires(b""), threads=value),
}


class Text(str):
    pass


def test_every_entry_point_is_here() -> None:
    """A function that takes one of the options is in its table."""
    functions = {
        name: inspect.signature(getattr(module, name)).parameters
        for module in (chatpb, arrow)
        for name in module.__all__
        if inspect.isroutine(getattr(module, name))
    }
    for option, known in (("nonfinite", ON_NONFINITE), ("unknown_fields", ON_UNKNOWN_FIELDS), ("threads", ON_THREADS)):
        assert {name for name, parameters in functions.items() if option in parameters} - known.keys() == set()
    assert {name for name, parameters in functions.items() if "message_type" in parameters} - TAKE_CLASS.keys() == set()


@pytest.mark.parametrize(
    ("call", "option", "no", "yes"),
    **by_name(
        [(f"{name}-nonfinite", call, "nonfinite", "error", "allow") for name, call in ON_NONFINITE.items()]
        + [(f"{name}-unknown", call, "unknown_fields", "error", "skip") for name, call in ON_UNKNOWN_FIELDS.items()]
    ),
)
def test_options_of_two_values(call: Function, option: str, no: str, yes: str) -> None:
    assert call(no) == call(Text(no)) == call(yes) == call(Text(yes))
    others: list[Any] = ["bogus", b"error", None, True, [], EqualToAll]
    for other in others:
        assert refusal(call, other) == f"ValueError: {option} must be {no!r} or {yes!r}, not {other!r}"


@pytest.mark.parametrize("call", ON_THREADS.values(), ids=ON_THREADS)
def test_threads(call: Function) -> None:
    assert call(1) == call(None) == call(2**70)
    for count in (0, -1):
        assert refusal(call, count) == f"ValueError: threads must be at least 1, not {count}"
    for other in (1.5, "2"):
        wanted = f"TypeError: '{type(other).__name__}' object cannot be interpreted as an integer"
        assert refusal(call, other) == wanted


@pytest.mark.parametrize("size", [0, -1])
def test_the_size_of_pieces(size: int) -> None:
    assert refusal(lambda: list(split(MESSAGE, size=size))) == f"ValueError: size must be at least 1, not {size}"


class NeitherTrueNorFalse:
    def __bool__(self) -> bool:
        raise ValueError("neither true nor false")


WRONG_OPTIONS: Final[list[tuple[str, dict[str, Any], str]]] = [
    ("flag", {"canonical": NeitherTrueNorFalse(), "fill_required": NeitherTrueNorFalse()}, "neither true nor false"),
    ("nonfinite", {"nonfinite": "bogus"}, "nonfinite must be 'error' or 'allow', not 'bogus'"),
    ("threads", {"threads": 0}, "threads must be at least 1, not 0"),
]


@pytest.mark.parametrize(("options", "words"), **by_name(WRONG_OPTIONS))
@pytest.mark.parametrize(
    "call",
    [
        chatpb.json_to_wire,
        chatpb.from_json,
        chatpb.wire_to_json,
        chatpb.json_lines_to_wire,
        chatpb.wire_to_json_lines,
        arrow.json_column,
        arrow.wire_column,
    ],
)
def test_the_class_comes_first_then_the_options_then_the_input(
    call: Function, options: dict[str, Any], words: str
) -> None:
    options = {name: value for name, value in options.items() if name in inspect.signature(call).parameters}
    assert refusal(call, 5, int, **options) == f"TypeError: {NO_MESSAGE.format(int)}"
    if options:
        assert refusal(call, 5, **options) == f"ValueError: {words}"


@pytest.mark.parametrize("value", [True, 1, "no", [0]])
def test_flags_are_true_or_false_as_elsewhere_in_python(value: Any) -> None:
    with pytest.raises(chatpb.ContractError):
        chatpb.json_to_wire("{}", strict=value)
    with pytest.raises(chatpb.ContractError):
        chatpb.from_json("{}", strict=value)
    with pytest.raises(chatpb.ContractError):
        chatpb.from_dict({}, strict=value)
    ordered = b'{"x":1,"y":2}'
    assert chatpb.json_to_wire(b'{"y":2,"x":1}', canonical=value) == chatpb.json_to_wire(ordered, canonical=True)
    assert chatpb.wire_to_json(b"", fill_required=value) == chatpb.wire_to_json(b"", fill_required=True)
    assert chatpb.to_json(v1.ChatCompletion(), fill_required=value) == chatpb.wire_to_json(b"", fill_required=True)


@pytest.mark.parametrize("value", [False, 0, None, ""])
def test_flags_that_are_false(value: Any) -> None:
    assert chatpb.from_json("{}", strict=value, canonical=value) == v1.ChatCompletion()
    assert chatpb.to_json(v1.ChatCompletion(), fill_required=value) == b"{}"


# Native functions are functions to a caller.


@pytest.fixture(params=["json_to_wire", "wire_to_json", "from_json", "to_json", "from_dict", "to_dict", "validate"])
def function(request: pytest.FixtureRequest) -> Function:
    found: Function = getattr(chatpb, request.param)
    return found


FAILURES: Final[dict[str, Callable[[], Any]]] = {
    "text": lambda: chatpb.json_to_wire(b"{"),
    "long text": lambda: chatpb.from_json(b'{"id":"' + b"x" * 20_000),
    "surrogate": lambda: chatpb.json_to_wire(SURROGATE),
    "wire bytes": lambda: chatpb.wire_to_json(b"\xff"),
    "no text": lambda: chatpb.json_to_wire(EqualToAll),  # type: ignore[arg-type]
    "no wire bytes": lambda: chatpb.wire_to_json(EqualToAll),  # type: ignore[arg-type]
    "dict": lambda: chatpb.from_dict({"id": [EqualToAll]}),
    "name": lambda: chatpb.from_dict({EqualToAll: MESSAGE}),  # type: ignore[dict-item]
    "nan": lambda: chatpb.from_dict({"id": SURROGATE, "x": float("nan")}),
    "no dict": lambda: chatpb.to_dict(EqualToAll),
    "violations": lambda: chatpb.json_to_wire(b"{}", strict=True),
    "bad wire bytes": lambda: chatpb.validate(b"\xff"),
    "no message": lambda: chatpb.validate(EqualToAll),
    "option": lambda: chatpb.to_json(MESSAGE, nonfinite=EqualToAll),  # type: ignore[arg-type]
    "keyword": lambda: chatpb.from_json(TEXT, strikt=EqualToAll),  # type: ignore[call-overload]
}
SURROGATE: Final = '{"id":"\ud800"}'


@pytest.mark.parametrize("fail", FAILURES.values(), ids=FAILURES)
def test_errors_are_freed(fail: Callable[[], Any]) -> None:
    """No call but the failing ones comes in between, which might free what they left behind."""
    known = (chatpb.JsonError, chatpb.WireError, chatpb.ContractError, chatpb.Violation, EqualToAll, SURROGATE, MESSAGE)
    counts = []
    for _ in range(2):
        for _ in range(100):
            with suppress(TypeError, ValueError):
                fail()
        counts.append([sys.getrefcount(each) for each in known])
    assert all(later - first < 50 for first, later in zip(*counts, strict=True))


@pytest.mark.skipif(chatpb.engine == "python", reason="the reference engine has no native functions")
def test_calls_go_to_the_native_engine(function: Function) -> None:
    assert repr(function) == f"<native function {function.__name__}>"
    made: Any = type(function)
    with pytest.raises(TypeError, match="^cannot create"):
        made()


def test_a_function_describes_itself(function: Function) -> None:
    python = inspect.unwrap(function)
    assert (function.__module__, function.__name__) == (_convert.__name__, function.__qualname__)
    assert inspect.signature(function) == inspect.signature(python)
    assert typing.get_type_hints(function) == typing.get_type_hints(python)
    assert typing.get_type_hints(function).keys() == {*inspect.signature(function).parameters, "return"}
    described = pydoc.plain(pydoc.render_doc(function)).splitlines()[2:]
    assert described == pydoc.plain(pydoc.render_doc(python)).splitlines()[2:]
    assert described[0].startswith(f"{function.__name__}(")
    assert inspect.isroutine(function)


def test_a_function_is_found_by_its_name(function: Function) -> None:
    for same in (pickle.loads(pickle.dumps(function)), copy.copy(function), copy.deepcopy(function)):
        assert same is function


def test_a_function_can_be_referred_to_weakly(function: Function) -> None:
    assert weakref.ref(function)() is function


def test_a_function_binds_as_a_method() -> None:
    class Document(str):
        wire = chatpb.json_to_wire

    assert Document("{}").wire(canonical=True) == b""
    assert Document.wire is chatpb.json_to_wire


NO_ERROR: Final = [chatpb.Violation("/error", "required", "error is missing")]
CALLS: Final[list[tuple[str, tuple[Any, ...], dict[str, Any], Any]]] = [
    ("json_to_wire", (b'{"id":"a"}',), {}, b"\n\x01a"),
    ("json_to_wire", (), {"data": '{"id":"a"}'}, b"\n\x01a"),
    ("json_to_wire", (b'{"id":"a"}', v1.ChatCompletion), {}, b"\n\x01a"),
    ("json_to_wire", (b'{"id":"a"}',), {"message_type": v1.ChatCompletion}, b"\n\x01a"),
    ("json_to_wire", (b'{"id":"a"}', chatcompletion_betterproto.ChatCompletion), {"canonical": True}, b"\n\x01a"),
    ("wire_to_json", (b"\n\x01a",), {}, b'{"id":"a"}'),
    ("wire_to_json", (), {"message_type": v1.ChatCompletion, "wire": b"\n\x01a"}, b'{"id":"a"}'),
    ("wire_to_json", (b"\n\x01a", v1.ChatCompletion), {"fill_required": True}, b'{"id":"a","choices":[]}'),
    ("from_json", (b'{"id":"a"}',), {}, MESSAGE),
    ("from_json", (b'{"id":"a"}',), {"nonfinite": "allow", "canonical": True}, MESSAGE),
    (
        "from_json",
        (b'{"id":"a"}', chatcompletion_betterproto.ChatCompletion),
        {},
        chatcompletion_betterproto.ChatCompletion(id="a"),
    ),
    ("to_json", (MESSAGE,), {}, b'{"id":"a"}'),
    ("to_json", (chatcompletion_betterproto.ChatCompletion(id="a"),), {}, b'{"id":"a"}'),
    ("to_json", (), {"message": MESSAGE}, b'{"id":"a"}'),
    ("to_json", (MESSAGE,), {"fill_required": True, "unknown_fields": "error"}, b'{"id":"a","choices":[]}'),
    ("from_dict", ({"id": "a"},), {}, MESSAGE),
    ("from_dict", (), {"canonical": True, "obj": {"id": "a"}, "nonfinite": "allow"}, MESSAGE),
    ("from_dict", ({}, v1.ErrorResponse), {"strict": False}, v1.ErrorResponse()),
    (
        "from_dict",
        ({"id": "a"},),
        {"message_type": chatcompletion_betterproto.ChatCompletion},
        chatcompletion_betterproto.ChatCompletion(id="a"),
    ),
    ("to_dict", (MESSAGE,), {}, {"id": "a"}),
    ("to_dict", (chatcompletion_betterproto.ChatCompletion(id="a"),), {}, {"id": "a"}),
    ("to_dict", (), {"message": MESSAGE, "fill_required": True}, {"id": "a", "choices": []}),
    ("validate", (v1.ErrorResponse(),), {}, NO_ERROR),
    ("validate", (b"", v1.ErrorResponse), {}, NO_ERROR),
    ("validate", (bytearray(),), {"message_type": v1.ErrorResponse}, NO_ERROR),
    ("validate", (array("B"),), {"message_type": v1.ErrorResponse}, NO_ERROR),
    ("validate", (), {"message_type": v1.ChatCompletion, "message_or_wire": v1.ErrorResponse()}, NO_ERROR),
    ("validate", (chatcompletion_betterproto.ErrorResponse(),), {}, NO_ERROR),
]


@pytest.mark.parametrize(("name", "args", "options", "result"), CALLS)
def test_calls(name: str, args: tuple[Any, ...], options: dict[str, Any], result: Any) -> None:
    function = getattr(chatpb, name)
    # A name that is made as the program runs is another object than that in the signature.
    other_names = {"".join(list(option)): value for option, value in options.items()}
    assert function(*args, **options) == function(*args, **other_names) == result
    assert type(function).__call__(function, *args, **options) == result


WRONG_CALLS: Final[list[tuple[str, tuple[Any, ...], dict[str, Any], str]]] = [
    ("from_json", (), {}, "missing 1 required positional argument: 'data'"),
    ("from_json", (), {"message_type": v1.ChatCompletion}, "missing 1 required positional argument: 'data'"),
    ("from_json", (b"{}", v1.ChatCompletion, True), {}, "takes from 1 to 2 positional arguments but 3 were given"),
    ("from_json", (b"{}",), {"data": b"{}"}, "got multiple values for argument 'data'"),
    ("from_json", (b"{}",), {"strikt": True}, "got an unexpected keyword argument 'strikt'"),
    ("from_dict", (), {}, "missing 1 required positional argument: 'obj'"),
    ("from_dict", ({}, v1.ChatCompletion, True), {}, "takes from 1 to 2 positional arguments but 3 were given"),
    ("to_dict", (MESSAGE,), {"strict": True}, "got an unexpected keyword argument 'strict'"),
    ("to_json", (MESSAGE, v1.ChatCompletion), {}, "takes 1 positional argument but 2 were given"),
    ("to_json", (MESSAGE,), {"": True}, "got an unexpected keyword argument ''"),
]


@pytest.mark.parametrize(("name", "args", "options", "words"), WRONG_CALLS)
def test_wrong_calls(name: str, args: tuple[Any, ...], options: dict[str, Any], words: str) -> None:
    function = getattr(chatpb, name)
    found = refusal(function, *args, **options)
    assert found == refusal(inspect.unwrap(function), *args, **options)
    assert found.startswith(f"TypeError: {name}() {words}")


@pytest.mark.skipif(chatpb.engine == "python", reason="this is the reference engine")
def test_the_reference_engine_does_the_same() -> None:
    environment = {**os.environ, "CHATPB_ENGINE": "python", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "pytest", "-n0", "-q", __file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
