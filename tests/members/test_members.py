"""`chatpb.members`: a message as the JSON object that it stands for, read and edited in place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, MutableSequence
from typing import Any

import pytest
from google.protobuf.internal import api_implementation
from google.protobuf.message import Message
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import chatpb
from chatcompletion import v1
from chatpb._members import _Message
from chatpb._runtimes import generated_class, runtime_of
from chatpb._tree.read import wire_to_tree
from tests.engine.json_objects import any_objects, objects_of
from tests.runtimes.envelope import Envelope, EnvelopeRuntime, registered
from tests.support import (
    ALL_VECTORS,
    INSTALLED,
    JSON_VECTORS,
    RECORDINGS,
    ROOT,
    Vector,
    by_name,
    each_runtime,
    exactly_equal,
    recording,
)

TEXT = (
    '{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":null,"reasoning":"Hm.",'
    '"tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"eos"}],'
    '"usage":{"total_tokens":12},"metadata":{"a":"b"},"x":{"list":[1,{"deep":[true]}]},"seed":18446744073709551615}'
)


def read(value: Any) -> Any:
    """Return a JSON value that is read through views alone, one member and item at a time."""
    if isinstance(value, Mapping):
        assert len(value) == len(list(value))
        assert all(name in value for name in value)
        return {name: read(value[name]) for name in value}
    if isinstance(value, MutableSequence):
        return [read(value[index]) for index in range(len(value))]
    assert value is None or type(value) in (str, int, float, bool), type(value)
    return value


def wire_of(message: Any) -> bytes:
    """Return the bytes of a message, in an order that does not depend on what was read."""
    if isinstance(message, Message):
        return message.SerializeToString(deterministic=True)
    return runtime_of(type(message)).serialize(message)


def made(text: str | bytes, runtime: str = "google", message: str = "ChatCompletion") -> Any:
    return chatpb.from_json(text, generated_class(runtime, message))


@each_runtime
@by_name(JSON_VECTORS)
def test_all_reads_of_a_vector_equal_the_document(vector: Vector, runtime: str) -> None:
    assert vector.input is not None
    message = made(vector.input, runtime, vector.message)
    before = wire_of(message)
    view = chatpb.members(message)
    assert exactly_equal(read(view), json.loads(vector.input))
    assert same_order(json.loads(vector.input), view)
    assert view == json.loads(vector.input)
    assert wire_of(message) == before


@by_name([vector for vector in ALL_VECTORS if vector.input is None])
def test_all_reads_of_a_native_vector_equal_its_json(vector: Vector) -> None:
    message = vector.type.FromString(vector.wire)
    before = wire_of(message)
    assert exactly_equal(read(chatpb.members(message)), json.loads(vector.expected))
    assert wire_of(message) == before


@each_runtime
@pytest.mark.parametrize("kind", RECORDINGS)
def test_all_reads_of_recorded_traffic_equal_the_documents(kind: str, runtime: str) -> None:
    documents = recording(kind)
    for text in documents[:: max(1, len(documents) // 150)]:
        message = made(text, runtime, RECORDINGS[kind])
        before = wire_of(message)
        assert exactly_equal(read(chatpb.members(message)), json.loads(text))
        assert same_order(json.loads(text), chatpb.members(message))
        assert wire_of(message) == before


def plain(value: Any) -> Any:
    return value.copy() if isinstance(value, (chatpb.ObjectView, chatpb.ArrayView)) else value


def places(value: Any, view: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every object and array of a JSON value, with its view."""
    if isinstance(value, dict):
        yield value, view
        for name in value:
            yield from places(value[name], view[name])
    elif isinstance(value, list):
        yield value, view
        for index, item in enumerate(value):
            yield from places(item, view[index])


def names_inside(value: Any) -> Any:
    """Return the names in a JSON value, in their order."""
    if isinstance(value, dict):
        return [(name, names_inside(item)) for name, item in value.items()]
    return [names_inside(item) for item in value] if isinstance(value, list) else None


def same_order(value: dict[str, Any], view: chatpb.ObjectView) -> bool:
    """Return whether the members inside each open value are in the order of a dict: neither typed fields nor maps are."""
    assert isinstance(view, _Message)
    for name, item in value.items():
        inner, typed = view[name], view._typed(name)
        if isinstance(inner, _Message):
            same = same_order(item, inner)
        elif typed and typed[0].holds_messages:
            same = all(map(same_order, item, inner))
        else:
            same = bool(typed and typed[0].field.map_key) or names_inside(plain(inner)) == names_inside(item)
        if not same:
            return False
    return True


class Edits(RuleBasedStateMachine):
    """A message and a dict that are edited alike stay equal, and each member has the home that `from_json` gives it."""

    runtime = "google"
    values = any_objects().flatmap(lambda obj: st.sampled_from([obj, [obj], [], {}, None, *obj.values()]))
    objects = objects_of(v1.ChatCompletion.DESCRIPTOR) | objects_of(v1.CreateChatCompletionRequest.DESCRIPTOR)

    @initialize(
        start=st.sampled_from(["ChatCompletion", "CreateChatCompletionRequest", "ChatCompletionChunk"]).flatmap(
            lambda name: st.tuples(st.just(name), objects_of(getattr(v1, name).DESCRIPTOR))
        )
    )
    def begin(self, start: tuple[str, dict[str, Any]]) -> None:
        self.type = generated_class(self.runtime, start[0])
        self.model: dict[str, Any] = json.loads(json.dumps(start[1]))
        self.message = chatpb.from_dict(self.model, self.type)
        self.view = chatpb.members(self.message)

    def edit(self, change: Callable[[Any], object], data: st.DataObject, kind: type[Any]) -> None:
        found = [each for each in places(self.model, self.view) if type(each[0]) is kind]
        if not found:
            return
        value, view = found[data.draw(st.integers(0, len(found) - 1))]
        before = json.dumps(self.model)
        try:
            change(view)
        except chatpb.JsonError as error:
            # A name with a lone surrogate has no home in a message that is there already.
            assert "surrogate" in error.reason
            assert self.view == json.loads(before)
        else:
            change(value)

    @rule(data=st.data(), value=values)
    def set_a_member(self, data: st.DataObject, value: Any) -> None:
        names = sorted(self.type_names() | {"x", "id", ""})
        name = data.draw(st.sampled_from(names) | st.text(max_size=3))
        self.edit(lambda obj: obj.__setitem__(name, json.loads(json.dumps(value))), data, dict)

    @rule(data=st.data(), start=objects)
    def set_members_like_those_of_a_document(self, data: st.DataObject, start: dict[str, Any]) -> None:
        self.edit(lambda obj: obj.update(json.loads(json.dumps(start))), data, dict)

    @rule(data=st.data())
    def delete_a_member(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, 9))

        def delete(obj: dict[str, Any]) -> None:
            names = sorted(obj)
            if names:
                del obj[names[number % len(names)]]

        self.edit(delete, data, dict)

    @rule(data=st.data(), value=values, index=st.integers(-4, 4))
    def insert_an_item(self, data: st.DataObject, value: Any, index: int) -> None:
        self.edit(lambda items: items.insert(index, json.loads(json.dumps(value))), data, list)

    @rule(data=st.data(), value=values, index=st.integers(0, 9))
    def replace_an_item(self, data: st.DataObject, value: Any, index: int) -> None:
        def replace(items: list[Any]) -> None:
            if len(items):
                items[index % len(items)] = json.loads(json.dumps(value))

        self.edit(replace, data, list)

    @rule(data=st.data(), index=st.integers(-9, 9))
    def remove_an_item(self, data: st.DataObject, index: int) -> None:
        def remove(items: list[Any]) -> None:
            if len(items):
                items.pop(index % len(items))

        self.edit(remove, data, list)

    @rule(data=st.data())
    def double_and_reverse(self, data: st.DataObject) -> None:
        def change(items: list[Any]) -> None:
            if len(items) < 8:
                items.extend([json.loads(json.dumps(plain(item))) for item in items])
                items.reverse()

        self.edit(change, data, list)

    @rule(data=st.data(), kind=st.sampled_from([dict, list]))
    def empty_it(self, data: st.DataObject, kind: type[Any]) -> None:
        self.edit(lambda place: place.clear(), data, kind)

    def type_names(self) -> set[str]:
        return set(runtime_of(self.type).descriptor(self.type).fields_by_name)

    @invariant()
    def equal(self) -> None:
        assert exactly_equal(json.loads(chatpb.to_json(self.message)), self.model)
        assert exactly_equal(read(self.view), self.model)
        anew = chatpb.from_dict(self.model, self.type)
        # JSON text may have another order and other spellings of numbers. Each member is in the home that it should be in.
        ours, theirs = (runtime_of(self.type).serialize(each) for each in (self.message, anew))
        descriptor = runtime_of(self.type).descriptor(self.type)
        assert wire_to_tree(ours, descriptor).homes() == wire_to_tree(theirs, descriptor).homes()
        # No order is compared: what was typed and moves to an open value has the order of the contract, or of a map.
        if isinstance(self.message, v1.ChatCompletion):
            assert self.message.HasField("additional_properties") == anew.HasField("additional_properties")


class EditsOfBetterproto(Edits):
    runtime = "betterproto"


class EditsOfProtobufPy(Edits):
    runtime = "protobuf-py"


TestEdits = Edits.TestCase
TestEditsOfBetterproto = EditsOfBetterproto.TestCase
if "protobuf-py" in INSTALLED:
    TestEditsOfProtobufPy = EditsOfProtobufPy.TestCase
    TestEditsOfProtobufPy.settings = settings(max_examples=12, stateful_step_count=8)
TestEdits.settings = settings(max_examples=25, stateful_step_count=8)
TestEditsOfBetterproto.settings = settings(max_examples=12, stateful_step_count=8)


@each_runtime
def test_edits_elsewhere_keep_the_order_inside_open_values(runtime: str) -> None:
    value = {"x": {"b": 1, "a": {"d": 1, "c": [{"f": 1, "e": 2}]}}, "y": {"z": 2**64, "k": None}, "choices": []}
    edits: list[Callable[[Any], object]] = [
        lambda view: view.__setitem__("id", "c"),
        lambda view: view.__setitem__("usage", None),
        lambda view: view.__setitem__("choices", [{"index": 0}]),
        lambda view: view.__setitem__("w", {"q": 1, "p": 2}),
        lambda view: view.__setitem__("v", 2**64),
        lambda view: view.__delitem__("choices"),
        lambda view: view["x"]["a"].__setitem__("b", {"z": 1, "y": 2}),
        lambda view: view["y"].__delitem__("z"),
    ]
    for edit in edits:
        message, changed = made(json.dumps(value), runtime), json.loads(json.dumps(value))
        edit(chatpb.members(message))
        edit(changed)
        found = chatpb.to_dict(message)
        assert found == changed
        for name in {"x", "y", "w"} & changed.keys():
            assert json.dumps(found[name]) == json.dumps(changed[name])


@each_runtime
def test_a_name_with_a_lone_surrogate(runtime: str) -> None:
    """No message has such a name. A nested object with one is JSON text in the message around it."""
    message = made('{"choices":[{"index":0,"message":{"content":"x"}}]}', runtime)
    view = chatpb.members(message)
    before = wire_of(message)
    for inner, advice in (view, ""), (view["choices"][0]["message"], "; the member around this object can: assign it"):
        with pytest.raises(chatpb.JsonError, match=f"which protobuf cannot carry{advice}") as raised:
            inner["\ud800"] = 1
        assert ("assign" in raised.value.reason) == bool(advice)
    assert wire_of(message) == before
    view["choices"][0]["message"] = {**view["choices"][0]["message"], "\ud800": 1}
    assert chatpb.to_json(message) == rb'{"choices":[{"index":0,"message":{"content":"x","\ud800":1}}]}'


def test_a_cleared_field_that_was_null() -> None:
    message = made('{"content":null}', message="ChatCompletionMessage")
    message.ClearField("content")
    view = chatpb.members(message)
    assert view["content"] is None
    del view["content"]
    assert chatpb.to_json(message) == b"{}"
    assert message == v1.ChatCompletionMessage()


@each_runtime
def test_a_member_is_deleted_from_all_its_homes(runtime: str) -> None:
    message = made(TEXT, runtime)
    message.verbatim_properties["usage"] = "5"
    message.null_fields |= 1 << v1.ChatCompletion.USAGE_FIELD_NUMBER
    other = made('{"usage":[0]}', runtime)
    adapter = runtime_of(type(message))
    assert isinstance(adapter, chatpb.EditableRuntime)
    adapter.merge(message, other)
    view = chatpb.members(message)
    assert view["usage"] == {"total_tokens": 12}
    del view["usage"]
    assert "usage" not in view
    assert view.get("usage", 7) == 7
    assert "usage" not in chatpb.to_dict(message)
    with pytest.raises(KeyError, match="usage"):
        del view["usage"]


@each_runtime
def test_what_is_merged_keeps_deprecated_and_unknown_fields(runtime: str) -> None:
    call = b'{"choices":[{"delta":{"function_call":{"name":"f","arguments":"{}"}}}]}'
    wire = chatpb.json_to_wire(call, v1.ChatCompletionChunk)
    newer = wire + wire.replace(b"\x0a\x01f", b"\xf0\x3f\x07") + b"\xf8\x3f\x07"
    cls = generated_class(runtime, "ChatCompletionChunk")
    adapter = runtime_of(cls)
    assert isinstance(adapter, chatpb.EditableRuntime)
    message, other = cls(), adapter.parse(cls, newer)
    adapter.merge(message, other)
    assert adapter.serialize(message) == adapter.serialize(other)
    assert chatpb.to_json(message, unknown_fields="skip").startswith(call[:-2])


@each_runtime
def test_a_value_replaces_what_other_homes_hold(runtime: str) -> None:
    message = made('{"service_tier":"on_demand","created":"x","usage":null,"choices":[]}', runtime)
    view = chatpb.members(message)
    homes: list[tuple[str, Any]] = [
        ("service_tier", "auto"),
        ("service_tier", 2**64),
        ("service_tier", None),
        ("created", 5),
        ("created", "\ud83d"),
        ("usage", {"total_tokens": 1}),
        ("usage", {"total_tokens": None}),
        ("choices", [{"index": 0}]),
        ("choices", {}),
        ("choices", []),
    ]
    for name, value in homes:
        view[name] = value
        assert view[name] == value
        wire = runtime_of(type(message)).serialize(message)
        assert wire == chatpb.json_to_wire(json.dumps(view.copy()), type(message))
        assert not [each for each in chatpb.validate(message) if each.rule == "conflict"]


REFUSED: list[tuple[str, Any, type[Exception], str]] = [
    ("x", float("nan"), chatpb.JsonError, "NaN and Infinity"),
    ("usage", {"total_tokens": float("inf")}, chatpb.JsonError, "NaN and Infinity"),
    ("x", b"bytes", TypeError, "bytes is not a JSON value"),
    ("x", {1: 2}, TypeError, "strings for names"),
    ("x", {1, 2}, TypeError, "set is not a JSON value"),
    ("\ud800", 1, chatpb.JsonError, "lone surrogate"),
]


@each_runtime
@pytest.mark.parametrize(("name", "value", "error", "reason"), REFUSED)
def test_a_value_that_json_cannot_hold_changes_nothing(
    name: str, value: Any, error: type[Exception], reason: str, runtime: str
) -> None:
    message = made(TEXT, runtime)
    view = chatpb.members(message)
    for target in view, view["choices"][0], view["x"], view["metadata"]:
        if name == "\ud800" and target in (view["x"], view["metadata"]):
            continue
        with pytest.raises(error, match=reason):
            target[name] = value
    for items in (view["choices"], view["x"]["list"]) if name != "\ud800" else ():
        with pytest.raises(error, match=reason):
            items.append({"y": value})
        with pytest.raises(error, match=reason):
            items[0] = {"y": value}
    assert chatpb.to_dict(message) == json.loads(TEXT)


def nested(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


def test_the_depth_of_a_document_counts_from_the_first_view() -> None:
    message = made(TEXT)
    view = chatpb.members(message)
    view["y"] = nested(199)
    inner = view["choices"][0]["message"]
    inner["y"] = nested(196)
    places: list[tuple[Any, Any, int]] = [
        (view, "z", 200),
        (inner, "z", 197),
        (view["usage"], "z", 199),
        (view["y"], 0, 200),
    ]
    for place, key, levels in places:
        with pytest.raises(chatpb.JsonError, match="nesting deeper than 200 levels"):
            place[key] = nested(levels)
    del view["y"]
    assert read(view) == json.loads(chatpb.to_json(message))


@each_runtime
def test_views_behave_like_dicts_and_lists(runtime: str) -> None:
    message = made(TEXT, runtime)
    view, model = chatpb.members(message), json.loads(TEXT)
    assert list(view) == [*list(model)[:2], "usage", *list(view)[3:]]
    assert view["choices"][0]["message"]["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}
    for of in view, model:
        of["choices"][0]["message"]["content"] = "Yes."
        of["choices"].append({"index": 1, "message": {"content": ""}})
        of["choices"][-1]["message"].update(role="assistant", vendor=[2**70])
        of["choices"][1]["message"]["vendor"].append({"n": None})
        of["choices"] += [{"index": 2}, {"index": 3}]
        of["choices"].insert(-1, {"index": 9})
        del of["choices"][2:4]
        of["x"]["list"][1]["deep"][0] = {}
        of["x"]["list"].extend(of["x"]["list"])
        of["x"]["list"][0:1] = ["a", "b"]
        of["metadata"]["c"] = "d"
        assert of["metadata"].pop("a") == "b"
        assert of["x"].setdefault("y", {}) == {}
        of["x"]["y"]["z"] = of["usage"]
        assert of.pop("seed") == 2**64 - 1
        assert of.pop("seed", 0) == 0
        assert of["x"]["list"].count("a") == 1
        assert of["x"]["list"].index("b") == 1
        of["x"]["list"].remove("b")
        of["usage"].clear()
        assert of.popitem()[0] in ("x", "metadata")
        with pytest.raises(IndexError):
            of["choices"][7]
        with pytest.raises(KeyError):
            of["nothing"]
        of["sorted"] = [3, 1, 2]
        of["sorted"].sort(reverse=True)
    model.setdefault("metadata", view.get("metadata"))
    model["x"] = view.get("x") if "x" in view else model.get("x")
    assert view["choices"] == model["choices"]
    assert view["sorted"] == [3, 2, 1]
    assert repr(view["sorted"]) == "[3, 2, 1]"


def test_a_view_shows_what_the_message_holds_now() -> None:
    message = made(TEXT)
    view = chatpb.members(message)
    choice, vendor = view["choices"][0], view["x"]["list"]
    message.choices[0].index = 5
    assert choice["index"] == 5
    choice["message"]["content"] = "a"
    assert message.choices[0].message.content == "a"
    view["x"]["list"].append(7)
    assert vendor[-1] == 7
    view["x"] = 5
    with pytest.raises(LookupError, match="^/x/list is no list any longer$"):
        vendor.append(1)
    held = message.choices[0]
    view["choices"].insert(0, {"index": 8})
    held.index = 6
    assert view["choices"][1]["index"] == 6


def test_a_view_of_another_message_is_a_value() -> None:
    one, other = made(TEXT), made("{}", "betterproto")
    chatpb.members(other).update(chatpb.members(one))
    assert chatpb.to_dict(other) == chatpb.to_dict(one)


def test_members_that_only_a_number_stands_for() -> None:
    message = v1.ChatCompletionChoice(finish_reason=99)  # type: ignore[arg-type]
    assert chatpb.members(message)["finish_reason"] == 99
    assert "finish_reason" not in chatpb.members(v1.ChatCompletionChoice(finish_reason=0))  # type: ignore[arg-type]


def test_a_text_that_is_no_json_is_an_error_where_it_is_read() -> None:
    message = made("{}")
    message.verbatim_properties["x"] = "nonsense"
    view = chatpb.members(message)
    assert "x" in view
    with pytest.raises(chatpb.WireError, match="text that is not a JSON value"):
        view["x"]
    view["x"] = 2**60
    assert chatpb.to_json(message) == b'{"x":1152921504606846976}'


def test_what_has_no_members() -> None:
    with pytest.raises(TypeError, match="is not a message class"):
        chatpb.members({"a": 1})
    with registered(EnvelopeRuntime()), pytest.raises(TypeError, match="lacks the functions of chatpb.EditableRuntime"):
        chatpb.members(Envelope(b""))


# The oldest versions take twice as long for each level of a Struct: hours for the deepest vector.
@pytest.mark.newest
@pytest.mark.skipif(api_implementation.Type() == "python", reason="runs these tests itself")
def test_with_the_pure_python_implementation_of_google_protobuf() -> None:
    command = [sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(
        [*command, "-k", "google and (vector or homes or replaces or behave)"],
        cwd=ROOT,
        env={**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.parametrize("path", [(), ("choices",), ("choices", 0), ("x",), ("x", "y")], ids=str)
def test_json_names_the_public_class_and_takes_a_copy(path: tuple[Any, ...]) -> None:
    view: Any = chatpb.members(chatpb.from_dict({"choices": [{"index": 0}], "x": {"y": [1]}}))
    for key in path:
        view = view[key]
    public = "ArrayView" if isinstance(view, chatpb.ArrayView) else "ObjectView"
    with pytest.raises(TypeError, match=f"Object of type {public} is not JSON serializable"):
        json.dumps(view)
    assert json.loads(json.dumps(view.copy())) == view
