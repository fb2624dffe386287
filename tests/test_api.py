"""The public functions beyond the mapping itself: dicts, options, errors, the `openai` package's objects."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tracemalloc
from collections import OrderedDict
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

import chatpb
from chatcompletion import v1
from chatpb import ContractError, JsonError, Violation, WireError

COMPLETION = {
    "id": "c",
    "object": "chat.completion",
    "created": "not a number",
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": [1], "reasoning": "x"}, "finish_reason": ""}],
    "usage": None,
    "vendor": {"seed": 18446744073709551615},
}


def test_dicts() -> None:
    message = chatpb.from_dict(COMPLETION)
    assert isinstance(message, v1.ChatCompletion)
    assert chatpb.to_dict(message) == COMPLETION


def test_other_mappings_and_tuples_are_json_too() -> None:
    assert chatpb.from_dict(OrderedDict(choices=({"index": 0},))) == chatpb.from_dict({"choices": [{"index": 0}]})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1: "a"}, "a JSON object has strings for names, not int"),
        ({"v": [{None: 1}]}, "a JSON object has strings for names, not NoneType"),
        ({"v": {1, 2}}, "set is not a JSON value"),
        ({"v": b"x"}, "bytes is not a JSON value"),
    ],
)
def test_what_is_no_json_value(value: dict[Any, Any], message: str) -> None:
    with pytest.raises(TypeError, match=f"^{message}$"):
        chatpb.from_dict(value)


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="^nonfinite must be 'error' or 'allow', not 'yes'$"):
        chatpb.json_to_wire("{}", nonfinite="yes")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="^unknown_fields must be 'skip' or 'error', not 'ignore'$"):
        chatpb.wire_to_json(b"", unknown_fields="ignore")  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [5, None, ["{}"], {"id": "a"}])
def test_input_of_other_types(data: Any) -> None:
    with pytest.raises(TypeError):
        chatpb.json_to_wire(data)
    with pytest.raises(TypeError):
        chatpb.wire_to_json(data)


def test_wire_bytes_in_any_buffer() -> None:
    wire = chatpb.json_to_wire('{"id":"c"}')
    assert {chatpb.wire_to_json(buffer(wire)) for buffer in (bytes, bytearray, memoryview)} == {b'{"id":"c"}'}


@pytest.mark.parametrize(
    "error",
    [JsonError("/a", 1, 2, 3, "r"), WireError("/a", 3, "r"), ContractError([Violation("/a", "rule", "m")])],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_pickling(error: chatpb.ChatpbError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
    assert isinstance(copy, ValueError)


def test_the_engine_has_a_name() -> None:
    assert chatpb.engine in ("python", "native")


def test_a_response_of_the_openai_package() -> None:
    response = ChatCompletion.construct(**COMPLETION)  # type: ignore[arg-type]
    message = chatpb.from_openai(response)
    assert isinstance(message, v1.ChatCompletion)
    assert chatpb.to_dict(message) == COMPLETION
    back = chatpb.to_openai(message)
    assert isinstance(back, ChatCompletion)
    assert back.to_dict(mode="python", warnings=False) == COMPLETION
    assert back.choices[0].message.reasoning == "x"  # type: ignore[attr-defined]


def test_a_chunk_of_the_openai_package() -> None:
    values = {"id": "c", "choices": [{"index": 0, "delta": {"content": "a", "x": 1}, "finish_reason": None}]}
    back = chatpb.to_openai(chatpb.from_openai(ChatCompletionChunk.construct(**values)))  # type: ignore[arg-type]
    assert isinstance(back, ChatCompletionChunk)
    assert back.to_dict() == values


def test_request_arguments_of_the_openai_package() -> None:
    answer = ChatCompletion.construct(**COMPLETION).choices[0].message  # type: ignore[arg-type]
    request = {
        "model": "m",
        "messages": iter([{"role": "user", "content": "hi"}, answer]),
        "tools": [openai.pydantic_function_tool(openai.BaseModel, name="f")],
        "extra": 2**64,
    }
    message = chatpb.from_openai(request)
    assert isinstance(message, v1.CreateChatCompletionRequest)
    back = chatpb.to_openai(message)
    assert back["messages"] == [{"role": "user", "content": "hi"}, COMPLETION["choices"][0]["message"]]  # type: ignore[index]
    assert back["extra"] == 2**64
    assert message.tools[0].function.name == "f"


def test_part_of_a_response() -> None:
    usage = chatpb.from_openai(openai.types.CompletionUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3))
    assert usage == v1.CompletionUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    assert isinstance(chatpb.to_openai(usage), openai.types.CompletionUsage)


def test_what_the_openai_package_does_not_have() -> None:
    with pytest.raises(TypeError, match="^Model has no message of its name in the contract"):
        chatpb.from_openai(openai.types.Model(id="m", created=1, object="model", owned_by="o"))
    error = chatpb.from_dict({"error": {"message": "m", "code": None}}, v1.ErrorResponse)
    assert chatpb.to_openai(error) == {"error": {"message": "m", "code": None}}


def test_json_is_compact_utf8() -> None:
    assert chatpb.to_json(chatpb.from_json('{ "id" : "\\u00e9" }')) == '{"id":"é"}'.encode()
    assert json.loads(chatpb.to_json(v1.ChatCompletion())) == {}


def test_documents_of_megabytes() -> None:
    choice = {"index": 1, "message": {"role": "assistant", "content": "words " * 2000, "refusal": None}}
    text = json.dumps({"id": "a", "choices": [choice] * 500}, separators=(",", ":")).encode()
    wire = chatpb.json_to_wire(text)
    assert len(wire) > 5 << 20
    for given in (wire, memoryview(wire), bytearray(wire)):
        assert chatpb.wire_to_json(given) == text
    back = chatpb.wire_to_json(wire)
    assert (back + b"x", hash(back)) == (text + b"x", hash(text))
    with pytest.raises(WireError):
        chatpb.wire_to_json(wire[:-1])


@pytest.mark.skipif(chatpb.engine == "python", reason="takes the Python engine half a minute")
def test_text_of_many_times_its_wire() -> None:
    choice = b'{"index":null,"message":null,"finish_reason":null,"logprobs":null}'
    wire = chatpb.json_to_wire(b'{"choices":[' + choice + b"]}") * (5 << 18)
    assert len(wire) > 4 << 20
    assert chatpb.wire_to_json(wire) == b'{"choices":[' + b",".join([choice] * (5 << 18)) + b"]}"


@pytest.mark.skipif(chatpb.engine == "python", reason="takes the Python engine half a minute")
def test_wire_of_many_times_its_text() -> None:
    text = b'{"x":[' + b",".join([b"0"] * (1 << 20)) + b"]}"
    wire = chatpb.json_to_wire(text)
    assert len(wire) > 5 * len(text)
    assert chatpb.wire_to_json(wire) == text


@pytest.mark.skipif(chatpb.engine == "python", reason="the Python engine keeps strings that it has read")
@pytest.mark.parametrize("size", [20_000, 5_000_000])
def test_results_have_just_the_memory_that_they_need(size: int) -> None:
    text = b'{"id":"' + b"x" * size + b'"}'
    tracemalloc.start()
    try:
        wire = chatpb.json_to_wire(text)
        assert tracemalloc.get_traced_memory()[0] < len(wire) + 2000
        back = chatpb.wire_to_json(wire)
        assert tracemalloc.get_traced_memory()[0] < len(wire) + len(back) + 2000
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory that the system keeps")
@pytest.mark.parametrize("direction", ["json_to_wire", "wire_to_json"])
def test_too_little_memory_is_an_error(direction: str) -> None:
    code = f"""
import chatpb, resource
text = b'{{"id":"' + b"x" * (64 << 20) + b'"}}'
given = text if "{direction}" == "json_to_wire" else chatpb.json_to_wire(text)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (32 << 20),) * 2)
try:
    chatpb.{direction}(given)
except MemoryError:
    print(chatpb.to_json(chatpb.from_json(b'{{"id":"a"}}')))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == 'b\'{"id":"a"}\'\n', done.stderr
