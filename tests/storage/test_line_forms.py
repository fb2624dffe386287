"""Files that people have: each line becomes the record that it is, whole, or is refused with what was found."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from chatpb import ChatCompletionRecord, ChatpbError, storage, wire_to_json
from chatpb.storage._line_forms import FOREIGN_FORMS
from tests.cli.command_line import run

USER = {"role": "user", "content": "Hi"}
SYSTEM = {"role": "system", "content": "Be brief."}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "2"}
ANSWER = {"role": "assistant", "content": "Ho", "weight": 1}
COMPLETION = {
    "id": "c",
    "object": "chat.completion",
    "created": 1750000000,
    "model": "m-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Ho"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    "x_big": 2**63,
}
CHUNK = {
    "id": "s",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "delta": {"content": "a"}}],
}
REQUEST = {"model": "m", "messages": [SYSTEM, USER], "seed": 2**63}
ERROR = {"error": {"message": "no", "type": "t", "code": None, "param": None}}

BATCH_INPUT = {"custom_id": "q-1", "method": "POST", "url": "/v1/chat/completions", "body": REQUEST}
BATCH_OUTPUT = {
    "id": "batch_req_1",
    "custom_id": "q-1",
    "response": {"status_code": 200, "request_id": "r", "body": COMPLETION},
    "error": None,
}
BATCH_FAILED = {
    "id": "batch_req_2",
    "custom_id": "q-2",
    "response": {"status_code": 400, "request_id": "r2", "body": ERROR},
    "error": None,
}
BATCH_EXPIRED = {
    "id": "batch_req_3",
    "custom_id": "q-3",
    "response": None,
    "error": {"code": "batch_expired", "message": "late"},
}

LITELLM = {
    "id": "lite-1", "call_type": "acompletion", "response_cost": 0.25, "status": "success", "startTime": 1750000000.5, "endTime": 1750000002.25,
    "completionStartTime": 1750000001, "stream": True, "model": "m", "model_parameters": {"temperature": 0.5}, "messages": [USER],
    "response": COMPLETION, "request_tags": ["a"],
}  # fmt: skip

SPAN = {
    "traceId": "t", "name": "chat m", "startTimeUnixNano": "1750000000000001000", "endTimeUnixNano": "1750000001000000000",
    "attributes": [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "gen_ai.request.model", "value": {"stringValue": "m"}},
        {"key": "gen_ai.response.model", "value": {"stringValue": "m-1"}},
        {"key": "gen_ai.response.id", "value": {"stringValue": "c"}},
        {"key": "gen_ai.response.finish_reasons", "value": {"arrayValue": {"values": [{"stringValue": "stop"}]}}},
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "5"}},
        {"key": "gen_ai.usage.output_tokens", "value": {"intValue": 7}},
        {"key": "gen_ai.input.messages", "value": {"stringValue": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}])}},
        {"key": "gen_ai.output.messages", "value": {"stringValue": json.dumps([{"role": "assistant", "parts": [
            {"type": "tool_call", "id": "call_1", "name": "f", "arguments": {"a": 1}}]}])}},
    ],
}  # fmt: skip

HAR = {"log": {"version": "1.2", "entries": [
    {"startedDateTime": "2025-06-15T15:06:40.000Z", "time": 1500.5, "request": {"url": "https://x/v1/chat/completions", "postData": {"text": json.dumps(REQUEST)}},
     "response": {"status": 200, "content": {"text": json.dumps(COMPLETION)}}},
    {"startedDateTime": "2025-06-15T15:06:41Z", "time": 5, "request": {"url": "https://x/", "method": "GET"}, "response": {"status": 200, "content": {"text": "<html>"}}},
    {"startedDateTime": "2025-06-15T15:06:42+00:00", "time": 1, "request": {"postData": {"text": json.dumps(REQUEST)}},
     "response": {"status": 200, "content": {"text": f"data: {json.dumps(CHUNK)}\n\ndata: [DONE]\n\n"}}},
]}}  # fmt: skip

START = 1_750_000_000_000_000


def choice(message: dict[str, Any]) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message}]}


CASES: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "batch_input": (BATCH_INPUT, [{"request": REQUEST, "labels": {"custom_id": "q-1"}, "batch_input": {"method": "POST", "url": "/v1/chat/completions"}}]),
    "batch": (BATCH_OUTPUT, [{"status": 200, "request_id": "r", "response": COMPLETION, "labels": {"custom_id": "q-1"},
                              "batch": {"id": "batch_req_1", "response": {}, "error": None}}]),
    "batch-failed": (BATCH_FAILED, [{"status": 400, "request_id": "r2", "error": ERROR, "labels": {"custom_id": "q-2"},
                                     "batch": {"id": "batch_req_2", "response": {}, "error": None}}]),
    "batch-expired": (BATCH_EXPIRED, [{"error": {"error": {"code": "batch_expired", "message": "late"}}, "labels": {"custom_id": "q-3"},
                                       "batch": {"id": "batch_req_3", "response": None}}]),
    "litellm": (LITELLM, [{
        "start_time": START + 500_000, "first_token_time": START + 1_000_000, "end_time": START + 2_250_000, "status": 200, "request_id": "lite-1",
        "request": {"model": "m", "messages": [USER], "temperature": 0.5},
        "response": {**COMPLETION, "usage": {**COMPLETION["usage"], "cost": 0.25}},  # type: ignore[dict-item]
        "litellm": {name: value for name, value in LITELLM.items() if name not in ("messages", "startTime", "endTime", "response")}}]),
    "litellm-failed": ({**LITELLM, "status": "failure", "response": {}, "error_str": "it broke", "error_information": {"error_code": "429", "error_class": "RateLimit"}, "stream": False},
        [{"start_time": START + 500_000, "end_time": START + 2_250_000, "status": 429, "request_id": "lite-1",
          "request": {"model": "m", "messages": [USER], "temperature": 0.5}, "error": {"error": {"message": "it broke", "type": "RateLimit"}}}]),
    "sft": ({"messages": [SYSTEM, USER, CALLS, RESULT, ANSWER], "tools": [{"type": "function", "function": {"name": "f"}}], "parallel_tool_calls": False},
        [{"request": {"messages": [SYSTEM, USER, CALLS, RESULT], "tools": [{"type": "function", "function": {"name": "f"}}], "parallel_tool_calls": False},
          "response": choice(ANSWER)}]),
    "sft-open": ({"messages": [SYSTEM, USER]}, [{"request": {"messages": [SYSTEM, USER]}}]),
    "preference": ({"input": {"messages": [USER], "tools": []}, "preferred_output": [ANSWER], "non_preferred_output": [CALLS]},
        [{"request": {"messages": [USER], "tools": []}, "response": choice(ANSWER), "preference": {"non_preferred_output": [CALLS]}}]),
    "sharegpt": ({"id": "g1", "conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho", "weight": 1}]},
        [{"request": {"messages": [SYSTEM, USER]}, "response": choice(ANSWER), "sharegpt": {"id": "g1"}}]),
    "langfuse": ({"id": "o1", "type": "GENERATION", "traceId": "t", "model": "m", "input": [USER], "output": {"role": "assistant", "content": "Ho"},
                  "startTime": "2025-06-15T15:06:40.000Z", "endTime": "2025-06-15T15:06:41Z", "calculatedTotalCost": 0.5},
        [{"start_time": START, "end_time": START + 1_000_000, "request": {"model": "m", "messages": [USER]},
          "response": {"model": "m", **choice({"role": "assistant", "content": "Ho"})},
          "langfuse": {"id": "o1", "type": "GENERATION", "traceId": "t", "model": "m", "startTime": "2025-06-15T15:06:40.000Z", "endTime": "2025-06-15T15:06:41Z", "calculatedTotalCost": 0.5}}]),
    "langsmith": ({"id": "u", "run_type": "llm", "inputs": REQUEST, "outputs": COMPLETION, "start_time": "2025-06-15T15:06:40", "end_time": "2025-06-15T15:06:41", "error": None},
        [{"start_time": START, "end_time": START + 1_000_000, "request": REQUEST, "response": COMPLETION,
          "langsmith": {"id": "u", "run_type": "llm", "start_time": "2025-06-15T15:06:40", "end_time": "2025-06-15T15:06:41", "error": None}}]),
    "otel": ({"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": [SPAN, {"name": "GET /", "attributes": []}]}]}]},
        [{"start_time": START + 1, "end_time": START + 1_000_000, "request": {"model": "m", "messages": [USER]},
          "response": {"id": "c", "model": "m-1", "choices": [{"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": [CALL]}, "finish_reason": "stop"}],
                       "usage": {"prompt_tokens": 5, "completion_tokens": 7}},
          "otel": SPAN, "otel_resource": {"resource": {}}}]),
    "har": (HAR, [
        {"start_time": START, "end_time": START + 1_500_500, "status": 200, "request": REQUEST, "response": COMPLETION,
         "har": {"startedDateTime": "2025-06-15T15:06:40.000Z", "time": 1500.5, "request": {"url": "https://x/v1/chat/completions", "postData": {}},
                 "response": {"status": 200, "content": {}}}},
        {"start_time": START + 2_000_000, "end_time": START + 2_001_000, "status": 200, "request": REQUEST, "stream": {"chunks": [CHUNK]},
         "har": {"startedDateTime": "2025-06-15T15:06:42+00:00", "time": 1, "request": {"postData": {}}, "response": {"status": 200, "content": {}}}}]),
    "list": ({"object": "list", "data": [COMPLETION, {**COMPLETION, "id": "d"}], "first_id": "c"}, [{"response": COMPLETION, "list": {"first_id": "c"}}, {"response": {**COMPLETION, "id": "d"}}]),
    "completion": (COMPLETION, [{"response": COMPLETION}]),
    "request": (REQUEST, [{"request": REQUEST}]),
    "error": (ERROR, [{"error": ERROR}]),
    "error-text": ({"error": "Unauthorized"}, [{"error": {"error": "Unauthorized"}}]),
    "chunk": (CHUNK, [{"stream": {"chunks": [CHUNK]}}]),
    "record": ({"status": 5, "response": COMPLETION, "x": 1}, [{"status": 5, "response": COMPLETION, "x": 1}]),
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_lines(name: str, *objects: Any) -> str:
    Path(name).write_text("".join(json.dumps(obj) + "\n" for obj in objects))
    return name


def records_of(*names: str) -> list[Any]:
    with storage.open(*names) as records:
        found = [json.loads(wire_to_json(storage.expand_record(each.wire), ChatCompletionRecord)) for each in records]
        assert records.refusals.lines == []
    return found


def test_every_form_has_a_case() -> None:
    assert {form.name for form in FOREIGN_FORMS} <= CASES.keys()


@pytest.mark.parametrize("case", CASES)
def test_a_line_becomes_the_records_that_it_is(case: str) -> None:
    line, expected = CASES[case]
    found = records_of(write_lines("in.jsonl", line))
    if case == "litellm-failed":
        (rest,) = (each.pop("litellm") for each in found)
        assert rest["error_information"] == {"error_code": "429", "error_class": "RateLimit"}
    assert found == expected


def with_large_strings(value: Any) -> Any:
    """Return JSON whose texts are so long that they are taken out before Python's parser reads it."""
    if isinstance(value, dict):
        return {name: with_large_strings(each) for name, each in value.items()}
    if isinstance(value, list):
        return [with_large_strings(each) for each in value]
    return value.replace("H", "Hé" * 300_000) if isinstance(value, str) else value


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("case", CASES)
def test_a_large_line_becomes_the_same_records(case: str, indent: int | None) -> None:
    expected = with_large_strings(records_of(write_lines("in.jsonl", CASES[case][0])))
    Path("large.jsonl").write_text(json.dumps(with_large_strings(CASES[case][0]), indent=indent))
    assert records_of("large.jsonl") == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{{"messages": [{{"content": "{0}\\x"}}]}}', "in.jsonl:1: not a JSON escape, in /request/messages/0/content"),
        ('{{"custom_id": "{0}", "body": {{}}, "body": {{}}}}', "in.jsonl:1:1500031: a second member of this name"),
        (
            '[\n{{"conversations": [{{"from": "narrator", "value": "{0}"}}]}}\n]',
            "in.jsonl:2: a turn that is from none of",
        ),
        ('[\n{{"object": "chat.completion", "id": "{0}\udcff"}}\n]', "in.jsonl:2:1500038: invalid UTF-8"),
    ],
)
def test_a_large_line_that_cannot_be_read_is_named(text: str, said: str) -> None:
    Path("in.jsonl").write_bytes(text.format("a" * 1_500_000).encode(errors="surrogateescape"))
    result = run("export", "in.jsonl", "out.jsonl")
    assert (result.exit_code, result.stderr[: len(said)]) == (1, said)


@pytest.mark.parametrize(("size", "is_read"), [(1 << 20, True), ((1 << 20) + 2, False)])
def test_json_over_many_lines_is_read_up_to_the_limit(size: int, is_read: bool) -> None:
    text = json.dumps([COMPLETION] * 2_000, indent=1)
    Path("in.json").write_text(text + " " * (size - len(text)))
    result = run("export", "in.json", "out.jsonl", "--max-record", "1")
    assert result.exit_code == (not is_read)
    if not is_read:
        said = "chatpb: in.json: JSON that is not one object a line is read whole, up to 1 MiB"
        assert result.stderr.splitlines()[0] == said


@pytest.mark.parametrize(("size", "is_read"), [(99_999, True), (100_000, True), (100_001, False)])
def test_the_limit_of_json_over_many_lines_leaves_the_last_line_its_end(size: int, is_read: bool) -> None:
    text = json.dumps([COMPLETION] * 100, indent=1)
    Path("in.json").write_text(text + " " * (size - len(text)))
    if is_read:
        assert storage.copy(["in.json"], "out.jsonl", max_record=99_999).written == 100
    else:
        with pytest.raises(ChatpbError, match="is read whole"):
            storage.copy(["in.json"], "out.jsonl", max_record=99_999)


@pytest.mark.parametrize(
    ("content", "part", "rest"),
    [
        ({"text": "<html>Bad gateway</html>", "size": 5}, {}, {"text": "<html>Bad gateway</html>", "size": 5}),
        ({"text": 'data: {"id": "s"}\n\ndata: cut sho'}, {}, {"text": 'data: {"id": "s"}\n\ndata: cut sho'}),
        ({"text": '{"choices": "x"', "mimeType": "m"}, {}, {"text": '{"choices": "x"', "mimeType": "m"}),
        ({"text": '{"else": 1}'}, {}, {"text": '{"else": 1}'}),
        ({"text": json.dumps(ERROR), "size": 5}, {"error": ERROR}, {"size": 5}),
        (
            {"text": base64.b64encode(json.dumps(COMPLETION).encode()).decode(), "encoding": "base64"},
            {"response": COMPLETION},
            {"encoding": "base64"},
        ),
        ({"text": "not base64!", "encoding": "base64"}, {}, {"text": "not base64!", "encoding": "base64"}),
        ({"size": 0}, {}, {"size": 0}),
    ],
)
def test_what_har_has_beside_the_exchange_stays(content: Any, part: Any, rest: Any) -> None:
    """An answer that is no completion, error or stream is kept as it is, and so is all else of the entry."""
    headers = [{"name": "x-request-id", "value": "r"}]
    asked = {
        "method": "POST",
        "url": "u",
        "headers": headers,
        "postData": {"mimeType": "j", "text": json.dumps(REQUEST)},
    }
    entry = {
        "pageref": "p",
        "time": "?",
        "request": asked,
        "response": {"status": 502, "content": content},
        "timings": {},
    }
    (record,) = records_of(write_lines("in.jsonl", {"log": {"entries": [entry]}}))
    assert record == {
        "status": 502,
        "request": REQUEST,
        **part,
        "har": {
            **entry,
            "request": {**asked, "postData": {"mimeType": "j"}},
            "response": {"status": 502, "content": rest},
        },
    }


def test_what_stands_around_spans_stays_with_each() -> None:
    resource = {"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]}, "schemaUrl": "u"}
    scope = {"scope": {"name": "openai", "version": "1"}}
    spans = {"scopeSpans": [{**scope, "spans": [SPAN, SPAN]}, {"spans": [SPAN]}]}
    found = records_of(write_lines("in.jsonl", {"resourceSpans": [{**resource, **spans}]}))
    assert [(each["otel"], each["otel_resource"], each.get("otel_scope")) for each in found] == [
        (SPAN, resource, scope),
        (SPAN, resource, scope),
        (SPAN, resource, None),
    ]


@pytest.mark.parametrize("value", ["yesterday", None, True, -1, 1e11, [], {"at": 1}])
def test_a_time_that_is_none_stays_as_it_is(value: Any) -> None:
    (record,) = records_of(write_lines("in.jsonl", {**LITELLM, "startTime": value}))
    assert "start_time" not in record
    assert record["litellm"]["startTime"] == value
    assert "endTime" not in record["litellm"]


@pytest.mark.parametrize("kind", ["blob", "reasoning", "uri", "zzz"])
def test_parts_of_other_kinds_are_no_answers_of_tools(kind: str) -> None:
    """The span keeps them."""
    parts = [{"type": kind, "id": "p", "response": "r"}, {"type": "text", "content": "Hi"}]
    value = {"stringValue": json.dumps([{"role": "user", "parts": parts}])}
    span = {"name": "chat", "attributes": [{"key": "gen_ai.input.messages", "value": value}]}
    Path("in.jsonl").write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}) + "\n")
    (record,) = records_of("in.jsonl")
    assert record["request"]["messages"] == [{"role": "user", "content": "Hi"}]
    assert record["otel"] == span


def test_all_forms_in_one_file_in_any_order() -> None:
    names = (
        ["error"] * 8
        + [name for name in CASES if name not in ("litellm-failed", "list")]
        + ["completion"] * 20
        + ["batch", "record", "sft"]
    )
    expected = [record for name in names for record in CASES[name][1]]
    found = records_of(write_lines("in.jsonl", *(CASES[name][0] for name in names)))
    key = {"sort_keys": True}
    assert sorted(json.dumps(each, **key) for each in found) == sorted(json.dumps(each, **key) for each in expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("first", ["completion", "record", "request", "chunk", "error"])
@pytest.mark.parametrize("odd", [name for name in CASES if name not in ("litellm-failed", "list")])
def test_a_line_of_another_form_far_into_a_file_is_what_it_is(first: str, odd: str) -> None:
    """Blocks of lines of one type are converted at once, and this line must not be taken for that type."""
    (expected,) = CASES[first][1]
    lines = [CASES[first][0]] * 3
    many = write_lines("in.jsonl", *lines, *[{"pad": "x" * 1_000_000, **CASES[first][0]}] * 3, CASES[odd][0], *lines)
    found = records_of(many)
    for record in CASES[odd][1]:
        if "stream" not in record:
            assert record in found
    if first != "chunk" and odd != first:
        assert found.count(expected) == 6


FOREIGN = [
    {"level": "info", "msg": "ok", "ts": 1},
    {"object": "list", "data": [{"object": "embedding"}]},
    {"object": "text_completion", "choices": [{"text": "a"}]},
    {"type": "message", "role": "assistant", "content": [], "id": "msg_1", "usage": {}},
    {"request": {"method": "POST", "url": "/"}, "response": {"code": 5}, "status": 200},
    {"conversations": [{"from": "narrator", "value": "x"}]},
    {"run_type": "llm", "inputs": {"prompt": "x"}},
    {"type": "GENERATION", "input": "x", "output": "y"},
    {"custom_id": 5, "body": {"model": "m"}},
    {"resourceSpans": [5]},
    {"log": {"entries": [5]}, "x": 1},
    {},
]


@pytest.mark.parametrize("obj", FOREIGN, ids=lambda obj: "-".join(obj)[:20])
def test_anything_else_is_refused_with_what_was_found(obj: Any) -> None:
    write_lines("in.jsonl", COMPLETION, obj) if obj else write_lines("in.jsonl", obj)
    result = run("export", "in.jsonl", "out.db")
    if obj == {"log": {"entries": [5]}, "x": 1}:
        assert result.exit_code == 0  # an entry that is no exchange is none of the records
        return
    assert result.exit_code == 1
    line = result.stderr.splitlines()[0]
    assert line.startswith(f"in.jsonl:{2 if obj else 1}: ")
    expected = "expected a completion, chunk, request, error, record (--type says which), or a line of"
    assert (expected in line) == ("found" in line)


@pytest.mark.parametrize("text", ['{"custom_id":"a","body":{"model":"m","model":"n"}}', '{"conversations":[],"x":NaN}'])
def test_foreign_lines_are_read_as_exactly_as_others(text: str) -> None:
    Path("in.jsonl").write_text(text + "\n")
    result = run("export", "in.jsonl", "out.db")
    assert (result.exit_code, result.stderr.startswith("in.jsonl:1:")) == (1, True)


@pytest.mark.parametrize("order", ["input first", "output first"])
def test_batches_are_joined(order: str) -> None:
    write_lines("in.jsonl", BATCH_INPUT, {**BATCH_INPUT, "custom_id": "q-2"}, {**BATCH_INPUT, "custom_id": "q-9"})
    write_lines("out.jsonl", BATCH_FAILED, BATCH_OUTPUT)
    names = ["in.jsonl", "out.jsonl"] if order == "input first" else ["out.jsonl", "in.jsonl"]
    result = run("import", *names, "x.db")
    assert result.exit_code == 0, result.output
    found = {record["labels"]["custom_id"]: record for record in records_of("x.db")}
    if order == "output first":
        assert result.stderr.startswith("5 records")
        return
    assert result.stderr.startswith("3 records")
    assert found["q-1"] == {**CASES["batch_input"][1][0], **CASES["batch"][1][0]}
    assert found["q-2"]["request"] == REQUEST
    assert found["q-2"]["error"] == ERROR
    assert found["q-9"] == {**CASES["batch_input"][1][0], "labels": {"custom_id": "q-9"}}


SSE = f"""event: message
data: {json.dumps(CHUNK)}

: comment
data: {json.dumps({**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})}

data: [DONE]

data: {json.dumps({**CHUNK, "id": "t"})}
data: [DONE]
"""


@pytest.mark.parametrize("name", ["in.sse", "in.jsonl", "in.sse.gz"])
def test_captured_event_streams(name: str) -> None:
    import gzip

    Path(name).write_bytes(gzip.compress(SSE.encode()) if name.endswith(".gz") else SSE.encode())
    found = records_of(name)
    assert [len(record["stream"]["chunks"]) for record in found] == [2, 1]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["in.json", "in.jsonl"])
def test_arrays_and_pretty_printed_json(name: str, indent: int | None) -> None:
    objects = [COMPLETION, BATCH_OUTPUT, ERROR]
    expected = [CASES[each][1][0] for each in ("completion", "batch", "error")]
    Path(name).write_text(json.dumps(objects, indent=indent))
    assert records_of(name) == expected
    Path(name).write_text("\n".join(json.dumps(obj, indent=indent) for obj in objects))
    assert records_of(name) == expected
    Path(name).write_text("\ufeff" + json.dumps(objects, indent=indent))
    assert records_of(name) == expected


def test_an_array_that_is_cut_is_told() -> None:
    text = json.dumps([COMPLETION] * 3, indent=1)
    for end in (len(text) - 1, len(text) - 3, len(text) // 2):
        Path("in.json").write_text(text[:end])
        result = run("export", "in.json", "out.db")
        assert result.exit_code == 1
        assert "in.json: the array has no end: the file is cut short" in result.stderr
    Path("in.json").write_text(json.dumps([COMPLETION, 5, COMPLETION]))
    result = run("export", "in.json", "out.jsonl")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (1, "2 records, 1 left out: in.json to out.jsonl")


def test_a_bad_item_costs_no_other() -> None:
    good = json.dumps(COMPLETION)
    bad = ["{nonsense: 1}", '{"id": }', '{"a": [1 2]}', "nonsense", "{'id': 1}", "[1e]", '{"id": "c", "id": "d"}']
    Path("in.json").write_text("[\n" + ",\n".join([good, *(each for item in bad for each in (item, good))]) + "\n]")
    result = run("export", "in.json", "out.jsonl")
    assert result.exit_code == 1
    assert len(records_of("out.jsonl")) == len(bad) + 1
    named = [line.split(":")[:2] for line in result.stderr.splitlines()[:-1]]
    assert named == [["in.json", f"{3 + 2 * place}"] for place in range(len(bad))]


def test_numbers_that_python_takes_for_infinite() -> None:
    """A number that no double holds is kept as it is, also in a line of a foreign form."""
    body = '{"model": "m", "messages": [], "big": 1e400, "small": -2.50E+999}'
    Path("in.jsonl").write_text(f'{{"custom_id": "q", "method": "POST", "url": "u", "body": {body}}}\n')
    result = run("export", "in.jsonl", "out.jsonl")
    assert result.exit_code == 0, result.stderr
    text = Path("out.jsonl").read_text()
    assert '"big":1e400' in text
    assert '"small":-2.50E+999' in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[{0},\n]\n{0}\n", "in.jsonl:3: JSON goes on after the end of the array; it is read too"),
        ("[\n{0}\n],\n\n{0}", "in.jsonl:5: JSON goes on after the end of the array; it is read too"),
        ("[{0}]\n[{0}\n", "in.jsonl: the array has no end: the file is cut short"),
        ("[{0}]\n[{0}]\n", None),
        ("[{0},\n{0},\n]\n", None),
    ],
)
def test_what_follows_an_array(text: str, said: str | None) -> None:
    Path("in.jsonl").write_text(text.replace("{0}", json.dumps(COMPLETION)))
    result = run("export", "in.jsonl", "out.jsonl")
    assert (result.exit_code, result.stderr.splitlines()[:-1]) == ((1, [said]) if said else (0, []))
    assert len(records_of("out.jsonl")) == 2


def test_a_folder_of_one_file_a_call() -> None:
    Path("calls/day").mkdir(parents=True)
    for n in range(3):
        Path(f"calls/day/{n}.json").write_text(json.dumps({"status": n, "response": COMPLETION}, indent=1))
    Path("calls/notes.txt").write_text("not a call")
    assert [record["status"] for record in records_of("calls")] == [0, 1, 2]


def test_lines_after_a_byte_order_mark() -> None:
    Path("in.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(COMPLETION).encode() + b"\n")
    assert records_of("in.jsonl") == [{"response": COMPLETION}]
