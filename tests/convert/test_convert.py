"""The public functions beyond the mapping: errors, objects of the `openai` package, memory, the version."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tracemalloc
from importlib.metadata import version
from types import ModuleType

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

import chatpb
from chatcompletion import v1
from chatpb import ContractError, JsonError, Violation, WireError, arrow, service, storage
from chatpb.streams import sse
from tests.support import ODD_COMPLETION


@pytest.mark.parametrize(
    "error",
    [JsonError("/a", 1, 2, 3, "r"), WireError("/a", 3, "r"), ContractError([Violation("/a", "rule", "m")])],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_pickling(error: chatpb.ChatpbError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
    assert isinstance(copy, ValueError)


@pytest.mark.parametrize(
    "module", [chatpb, chatpb.streams, sse, arrow, storage, service], ids=lambda each: each.__name__
)
def test_public_errors_have_one_base(module: ModuleType) -> None:
    public = [getattr(module, name) for name in module.__all__]
    errors = [each for each in public if isinstance(each, type) and issubclass(each, Exception)]
    assert [each for each in errors if not issubclass(each, chatpb.ChatpbError)] == []


def test_the_engine_has_a_name() -> None:
    assert chatpb.engine in ("python", "native")


def test_the_version_is_that_of_the_distribution() -> None:
    assert chatpb.__version__ == version("chatpb")


def test_a_response_of_the_openai_package() -> None:
    response = ChatCompletion.construct(**ODD_COMPLETION)
    message = chatpb.from_openai(response)
    assert isinstance(message, v1.ChatCompletion)
    assert chatpb.to_dict(message) == ODD_COMPLETION
    back = chatpb.to_openai(message)
    assert isinstance(back, ChatCompletion)
    assert back.to_dict(mode="python", warnings=False) == ODD_COMPLETION
    assert back.choices[0].message.reasoning == "x"  # type: ignore[attr-defined]


def test_a_chunk_of_the_openai_package() -> None:
    values = {"id": "c", "choices": [{"index": 0, "delta": {"content": "a", "x": 1}, "finish_reason": None}]}
    back = chatpb.to_openai(chatpb.from_openai(ChatCompletionChunk.construct(**values)))  # type: ignore[arg-type]
    assert isinstance(back, ChatCompletionChunk)
    assert back.to_dict() == values


def test_request_arguments_of_the_openai_package() -> None:
    answer = ChatCompletion.construct(**ODD_COMPLETION).choices[0].message
    request = {
        "model": "m",
        "messages": iter([{"role": "user", "content": "hi"}, answer]),
        "tools": [openai.pydantic_function_tool(openai.BaseModel, name="f")],
        "extra": 2**64,
    }
    message = chatpb.from_openai(request)
    assert isinstance(message, v1.CreateChatCompletionRequest)
    back = chatpb.to_openai(message)
    assert back["messages"] == [{"role": "user", "content": "hi"}, ODD_COMPLETION["choices"][0]["message"]]
    assert back["extra"] == 2**64
    assert message.tools[0].function.name == "f"


def test_part_of_a_response() -> None:
    usage = chatpb.from_openai(openai.types.CompletionUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3))
    assert usage == v1.CompletionUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    assert isinstance(chatpb.to_openai(usage), openai.types.CompletionUsage)


def test_messages_without_a_model_in_the_openai_package() -> None:
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


@pytest.mark.skipif(chatpb.engine == "python", reason="the reference engine takes half a minute")
def test_text_much_larger_than_its_wire_bytes() -> None:
    choice = b'{"index":null,"message":null,"logprobs":null,"finish_reason":null}'
    wire = chatpb.json_to_wire(b'{"choices":[' + choice + b"]}") * (5 << 18)
    assert len(wire) > 4 << 20
    assert chatpb.wire_to_json(wire) == b'{"choices":[' + b",".join([choice] * (5 << 18)) + b"]}"


@pytest.mark.skipif(chatpb.engine == "python", reason="the reference engine takes half a minute")
def test_wire_bytes_much_larger_than_their_text() -> None:
    text = b'{"x":[' + b",".join([b"0"] * (1 << 20)) + b"]}"
    wire = chatpb.json_to_wire(text)
    assert len(wire) > 5 * len(text)
    assert chatpb.wire_to_json(wire) == text


@pytest.mark.skipif(chatpb.engine == "python", reason="the reference engine keeps strings that it has read")
@pytest.mark.parametrize("size", [20_000, 5_000_000])
def test_results_take_no_more_memory_than_they_need(size: int) -> None:
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
