"""The forms of JSON that people keep exchanges in: how each is detected, and the records that it becomes.

A line of a file, or an item of an array, is a document of the contract or one of the foreign forms below. Each is
detected by itself, so a file may hold several. What a foreign form has and a record has not stays in the record, as a
member with the form's name. What is none of these is refused, with what it is and what was expected.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message

from chatcompletion.v1 import ChatCompletionRecord
from chatpb._contract.documents import DOCUMENTS, RECORD_PARTS
from chatpb._contract.schema import schema_of
from chatpb._detect import detect_object
from chatpb._errors import ChatpbError
from chatpb.storage._times import iso_time

__all__ = ["FOREIGN_FORMS", "MARKER", "ForeignForm", "document_type_of", "foreign_form_of"]

Obj = dict[str, Any]


@dataclass(frozen=True)
class ForeignForm:
    """A form that is not of the contract.

    Attributes:
        name: its name, and that of the member that keeps what a record has no place for.
        members: the names of members that each object of this form has.
        read: yields the records of an object, as JSON objects. Raises ChatpbError.
        fits: returns whether an object with these members is of this form.
        reads_strings: whether `read` looks into strings that may be long, such as JSON in a string. It then takes a
            function that returns such a string, given what stands for it in the object.

    """

    name: str
    members: tuple[str, ...]
    read: Callable[..., Iterator[Obj]]
    fits: Callable[[Obj], bool] = lambda obj: True
    reads_strings: bool = False


def foreign_form_of(obj: Obj) -> ForeignForm | None:
    """Return the foreign form of a JSON object; None if it has none of them."""
    return next((form for form in FOREIGN_FORMS if all(name in obj for name in form.members) and form.fits(obj)), None)


def document_type_of(obj: Obj, before: type[Message] | None) -> type[Message]:
    """Return the document of the contract that a JSON object is; `before` is the one before it.

    Raises ChatpbError, with what was found and what was expected, if it is none.
    """
    if not obj and before:
        return before
    best = detect_object(obj, before)
    for candidate in (best, *DOCUMENTS.values()):
        if _is_document(obj, candidate):
            return candidate
    names = ", ".join(repr(name if len(name) <= 40 else f"{name[:40]}...") for name in list(obj)[:8])
    found = f"an object with {names}{', ...' if len(obj) > 8 else ''}" if obj else "an empty object"
    foreign = ", ".join(form.name for form in FOREIGN_FORMS)
    raise ChatpbError(f"found {found}; expected a {', '.join(DOCUMENTS)} (--type says which), or a line of {foreign}")


def _is_document(obj: Obj, candidate: type[Message]) -> bool:
    """Return whether an object has what makes a document: one of the messages that each such document has.

    A record has no required member: each of its parts must have a member that is known, or there is no part and more is
    known than not.
    """
    schema = schema_of(candidate.DESCRIPTOR)
    if candidate is ChatCompletionRecord:
        parts = {name: part for name in RECORD_PARTS if isinstance(part := obj.get(name), dict) and part}
        if parts:
            return all(
                part.keys() & schema_of(RECORD_PARTS[name].DESCRIPTOR).members.keys() for name, part in parts.items()
            )
        no_part = {name for name in RECORD_PARTS if obj.get(name) is not None}
        known = obj.keys() & schema.members.keys() - no_part
        return bool(known) and 2 * len(known) >= len(obj)
    if (name := obj.get("object")) and isinstance(name, str) and "object" in schema.members:
        # Providers have names of their own too, such as "chat.completion.done"; "text_completion" is another document.
        if name.startswith("chat.completion"):
            return True
        choices = obj.get("choices")
        return isinstance(choices, list) and any(
            isinstance(c, dict) and c.keys() & {"delta", "message"} for c in choices
        )
    made_of = (name for name in schema.required if schema.members[name].first.kind == "message")
    return any(obj.get(name) is not None for name in made_of)


def _without(obj: Obj, *names: str) -> Obj:
    return {name: value for name, value in obj.items() if name not in names}


def _rest(form: str, obj: Obj, *used: str) -> Obj:
    """Return the members that a record has no place for, as the one member that keeps them."""
    rest = _without(obj, *used)
    return {form: rest} if rest else {}


def _record(**members: Any) -> Obj:
    return {name: value for name, value in members.items() if value is not None}


def _completion(message: Obj, **members: Any) -> Obj:
    return {**_record(**members), "choices": [{"index": 0, "message": message}]}


def _answer(obj: Any) -> Obj:
    """Return the part of a record that an answer's body is: a completion or an error."""
    if isinstance(obj, dict) and obj.get("error") is not None and "choices" not in obj:
        return {"error": obj}
    if isinstance(obj, dict) and "choices" in obj:
        return {"response": obj}
    return {}


def _micros(value: Any) -> int | None:
    """Return a time in microseconds since the epoch, given seconds, or text in ISO 8601; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e11:
        return round(value * 1e6)
    if isinstance(value, str):
        try:
            return round(iso_time(value).timestamp() * 1e6)
        except ValueError:
            return None
    return None


def _custom_id(obj: Obj) -> Obj:
    """Return the label that joins a batch's requests and results. Raises ChatpbError if there is none."""
    if not isinstance(obj["custom_id"], str):
        raise ChatpbError("the custom_id of a batch is a string, in /custom_id")
    return {"labels": {"custom_id": obj["custom_id"]}}


def _batch_request(obj: Obj) -> Iterator[Obj]:
    yield {"request": obj["body"], **_custom_id(obj), **_rest("batch_input", obj, "body", "custom_id")}


def _batch_result(obj: Obj) -> Iterator[Obj]:
    outcome = obj["response"] if isinstance(obj["response"], dict) else {}
    answer = _answer(outcome.get("body")) or ({"error": {"error": obj["error"]}} if obj["error"] else {})
    used = ["custom_id"] + (["error"] if answer and obj["error"] else [])
    rest = dict(obj)
    if "body" in outcome and answer:
        rest["response"] = {
            name: each for name, each in outcome.items() if name not in ("body", "status_code", "request_id")
        }
    yield {
        **_record(status=outcome.get("status_code"), request_id=outcome.get("request_id")),
        **answer,
        **_custom_id(obj),
        **_rest("batch", rest, *used),
    }


def _supervised(obj: Obj) -> Iterator[Obj]:
    *before, last = obj["messages"] or [None]
    if isinstance(last, dict) and last.get("role") == "assistant":
        yield {"request": {**obj, "messages": before}, "response": _completion(last)}
    else:
        yield {"request": obj}


def _preference(obj: Obj) -> Iterator[Obj]:
    preferred = obj["preferred_output"]
    answer = {"response": _completion(preferred[0])} if isinstance(preferred, list) and len(preferred) == 1 else {}
    used = ["input", "preferred_output"] if answer else ["input"]
    yield {"request": obj["input"], **answer, **_rest("preference", obj, *used)}


_ROLES: Final = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
    "tool": "tool",
}


def _sharegpt(obj: Obj) -> Iterator[Obj]:
    messages = []
    for place, turn in enumerate(obj["conversations"]):
        role = _ROLES.get(str(turn.get("from"))) if isinstance(turn, dict) else None
        if role is None:
            names = ", ".join(_ROLES)
            raise ChatpbError(f"a turn that is from none of {names}, in /conversations/{place}")
        rest = {name: each for name, each in turn.items() if name not in ("from", "value")}
        messages.append({"role": role, "content": turn.get("value"), **rest})
    for record in _supervised({"messages": messages}):
        yield {**record, **_rest("sharegpt", obj, "conversations")}


def _litellm(obj: Obj) -> Iterator[Obj]:
    request = _record(model=obj.get("model"), messages=obj.get("messages"))
    if isinstance(parameters := obj.get("model_parameters"), dict):
        request |= {name: value for name, value in parameters.items() if name not in request}
    answer = _answer(obj.get("response"))
    failure = obj.get("error_information") or {}
    if obj.get("status") == "failure" and "error" not in answer:
        text = obj.get("error_str") or failure.get("error_message") or "failed"
        answer["error"] = {"error": _record(message=text, type=failure.get("error_class"))}
    code = str(failure.get("error_code") or "")
    status = 200 if obj.get("status") == "success" else int(code) if code.isdecimal() else None
    cost = obj.get("response_cost")
    usage = answer.get("response", {}).get("usage")
    if isinstance(cost, int | float) and isinstance(usage, dict) and "cost" not in usage:
        answer["response"] = {**answer["response"], "usage": {**usage, "cost": cost}}
    first = _micros(obj.get("completionStartTime"))
    used = ["messages", *(name for name in ("startTime", "endTime") if _micros(obj.get(name)) is not None)]
    yield {
        **_record(
            start_time=_micros(obj.get("startTime")),
            end_time=_micros(obj.get("endTime")),
            first_token_time=first if obj.get("stream") else None,
            status=status,
            request_id=obj.get("id") if isinstance(obj.get("id"), str) else None,
        ),
        "request": request,
        **answer,
        **_rest("litellm", obj, *used, *(["response"] if "response" in answer else [])),
    }


def _langfuse(obj: Obj) -> Iterator[Obj]:
    given, output = obj["input"], obj["output"]
    messages = given.get("messages") if isinstance(given, dict) else given
    if not _are_messages(messages):
        raise ChatpbError("a generation whose input has no messages, in /input")
    answer = _answer(output)
    if not answer and isinstance(output, dict) and "role" in output:
        answer = {"response": _completion(output, model=obj.get("model"))}
    elif not answer and isinstance(output, str):
        answer = {"response": _completion({"role": "assistant", "content": output}, model=obj.get("model"))}
    request = {"model": obj.get("model"), **(given if isinstance(given, dict) else {"messages": given})}
    yield {
        **_record(start_time=_micros(obj.get("startTime")), end_time=_micros(obj.get("endTime"))),
        "request": request,
        **answer,
        **_rest("langfuse", obj, "input", *(["output"] if answer else [])),
    }


def _langsmith(obj: Obj) -> Iterator[Obj]:
    given, output = obj["inputs"], obj.get("outputs")
    if not isinstance(given, dict) or not _are_messages(given.get("messages")):
        raise ChatpbError("a run whose inputs have no messages, in /inputs")
    answer = _answer(output)
    if not answer and isinstance(obj.get("error"), str):
        answer = {"error": {"error": {"message": obj["error"]}}}
    yield {
        **_record(start_time=_micros(obj.get("start_time")), end_time=_micros(obj.get("end_time"))),
        "request": given,
        **answer,
        **_rest("langsmith", obj, "inputs", *(["outputs"] if "response" in answer else [])),
    }


def _are_messages(messages: Any) -> bool:
    return isinstance(messages, list) and all(isinstance(each, dict) and "role" in each for each in messages)


def _list(obj: Obj) -> Iterator[Obj]:
    for place, each in enumerate(obj["data"]):
        if not isinstance(each, dict) or not _answer(each):
            raise ChatpbError(f"expected a completion, in /data/{place}")
        yield {**_answer(each), **(_rest("list", obj, "data", "object") if place == 0 else {})}


def _har(obj: Obj, whole: Callable[[Any], Any]) -> Iterator[Obj]:
    for entry in obj["log"]["entries"]:
        try:
            asked = entry["request"]["postData"]["text"]
        except (KeyError, TypeError):
            continue
        asked = whole(asked)
        try:
            request = json.loads(asked)
        except (TypeError, ValueError):
            continue
        if not isinstance(request, dict) or not isinstance(request.get("messages"), list):
            continue
        answer = entry.get("response") or {}
        content = answer.get("content") or {}
        body = _body(_content_text(content, whole))
        rest = {**entry, "request": {**entry["request"], "postData": _without(entry["request"]["postData"], "text")}}
        if body:
            rest["response"] = {**answer, "content": _without(content, "text")}
        start = _micros(entry.get("startedDateTime"))
        took = entry.get("time")
        yield {
            **_record(start_time=start, status=answer.get("status")),
            **({"end_time": start + round(took * 1000)} if start and isinstance(took, int | float) else {}),
            "request": request,
            **body,
            "har": rest,
        }


def _content_text(content: Obj, whole: Callable[[Any], Any]) -> str:
    """Return the text of an answer in HAR, which browsers may write in base64."""
    text = whole(content.get("text")) or ""
    if content.get("encoding") == "base64":
        with suppress(ValueError):
            return b64decode(text, validate=True).decode()
    return str(text)


def _body(text: str) -> Obj:
    """Return the part of a record that the text of an HTTP body is: a completion, an error, or a stream of events."""
    try:
        return _answer(json.loads(text))
    except ValueError:
        pass
    chunks = []
    for line in text.splitlines():
        if line.startswith("data:") and line[5:].strip() != "[DONE]":
            try:
                chunks.append(json.loads(line[5:]))
            except ValueError:
                return {}
    return {"stream": {"chunks": chunks}} if chunks else {}


def _otel(obj: Obj, whole: Callable[[Any], Any]) -> Iterator[Obj]:
    for resource in obj["resourceSpans"]:
        for scope in resource.get("scopeSpans") or []:
            around = {**_rest("otel_resource", resource, "scopeSpans"), **_rest("otel_scope", scope, "spans")}
            for span in scope.get("spans") or []:
                values = {each["key"]: _otel_value(each.get("value") or {}) for each in span.get("attributes") or []}
                if any(name.startswith("gen_ai.") for name in values):
                    yield {**_span(span, values, whole), **around}


def _otel_value(value: Obj) -> Any:
    match next(iter(value.items()), None):
        case ("intValue", number):
            return int(number)
        case ("arrayValue", array):
            return [_otel_value(each) for each in array.get("values") or []]
        case (_, found):
            return found
    return None


def _span(span: Obj, values: Obj, whole: Callable[[Any], Any]) -> Obj:
    messages, outputs = (_otel_messages(whole(values.get(f"gen_ai.{side}.messages"))) for side in ("input", "output"))
    usage = _record(
        prompt_tokens=values.get("gen_ai.usage.input_tokens"),
        completion_tokens=values.get("gen_ai.usage.output_tokens"),
    )
    reasons = values.get("gen_ai.response.finish_reasons") or []
    choices = [
        {"index": index, "message": message, **({"finish_reason": reasons[index]} if index < len(reasons) else {})}
        for index, message in enumerate(outputs or [])
    ]
    response = _record(
        id=values.get("gen_ai.response.id"),
        model=values.get("gen_ai.response.model"),
        choices=choices,
        usage=usage or None,
    )
    times = {
        name: int(span[key]) // 1000
        for name, key in (("start_time", "startTimeUnixNano"), ("end_time", "endTimeUnixNano"))
        if str(span.get(key) or "").isdecimal()
    }
    failed = values.get("error.type")
    return {
        **times,
        "request": _record(model=values.get("gen_ai.request.model"), messages=messages),
        **({"error": {"error": {"message": str(failed), "type": failed}}} if failed else {"response": response}),
        "otel": span,
    }


def _otel_messages(text: Any) -> list[Obj] | None:
    """Return the messages that an attribute of a span holds as JSON; their texts are parts."""
    try:
        found = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return None
    if not isinstance(found, list):
        return None
    return [_otel_message(each) for each in found if isinstance(each, dict)]


def _otel_message(message: Obj) -> Obj:
    texts, calls, rest = [], [], {}
    for part in message.get("parts") or []:
        if part.get("type") == "text":
            texts.append(str(part.get("content") or ""))
        elif part.get("type") == "tool_call":
            arguments = part.get("arguments")
            text = arguments if isinstance(arguments, str) else json.dumps(arguments)
            function = {"name": part.get("name"), "arguments": text}
            calls.append({"id": part.get("id"), "type": "function", "function": function})
        elif part.get("type") == "tool_call_response":
            rest = {"tool_call_id": part.get("id")}
            answer = part.get("response", part.get("result"))
            texts.append(answer if isinstance(answer, str) else json.dumps(answer))
    content = message.get("content") if "parts" not in message else "".join(texts) if texts else None
    return {"role": message.get("role"), "content": content, **rest, **({"tool_calls": calls} if calls else {})}


def _is_list(name: str) -> Callable[[Obj], bool]:
    return lambda obj: isinstance(obj[name], list)


def _is_object(name: str) -> Callable[[Obj], bool]:
    return lambda obj: isinstance(obj[name], dict)


FOREIGN_FORMS: Final = (
    ForeignForm("batch_input", ("custom_id", "body"), _batch_request, _is_object("body")),
    ForeignForm("batch", ("custom_id", "response", "error"), _batch_result),
    ForeignForm("litellm", ("call_type", "messages", "response"), _litellm),
    ForeignForm("preference", ("input", "preferred_output"), _preference, _is_object("input")),
    ForeignForm("sharegpt", ("conversations",), _sharegpt, _is_list("conversations")),
    ForeignForm("langfuse", ("type", "input", "output"), _langfuse, lambda obj: obj["type"] == "GENERATION"),
    ForeignForm("langsmith", ("run_type", "inputs"), _langsmith, lambda obj: obj["run_type"] == "llm"),
    ForeignForm("otel", ("resourceSpans",), _otel, _is_list("resourceSpans"), reads_strings=True),
    ForeignForm(
        "har",
        ("log",),
        _har,
        lambda obj: isinstance(obj["log"], dict) and "entries" in obj["log"],
        reads_strings=True,
    ),
    ForeignForm("list", ("object", "data"), _list, lambda obj: obj["object"] == "list"),
    ForeignForm(
        "sft",
        ("messages",),
        _supervised,
        lambda obj: isinstance(obj["messages"], list) and not obj.keys() & {"model", "choices", "response"},
    ),
)
"""The foreign forms; the first that fits counts."""

MARKER: Final = b"\x0a\x09call_type"
"""What the wire bytes of LiteLLM's lines have, the only foreign ones that could be taken for records or requests: the
name of a vendor member, with its tag and length."""
