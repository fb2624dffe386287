"""The public functions are the same to a caller whether a built-in function of the native engine serves them or not."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from types import BuiltinFunctionType
from typing import Any

import pytest

import chatcompletion_betterproto
import chatpb
from chatpb import _api

NAMES = ("json_to_wire", "wire_to_json", "from_json", "to_json")
Function = Callable[..., Any]


@pytest.fixture(params=NAMES)
def function(request: pytest.FixtureRequest) -> Function:
    found: Function = getattr(chatpb, request.param)
    return found


@pytest.mark.skipif(chatpb.engine == "python", reason="shortcuts are the native engine's")
def test_plain_calls_are_built_in(function: Function) -> None:
    assert isinstance(function, BuiltinFunctionType)


def test_is_told_as_a_function_of_its_module(function: Function) -> None:
    assert function.__module__ == _api.__name__
    assert function.__doc__
    names = list(inspect.signature(function).parameters)
    assert names[0] in ("data", "wire", "message")
    assert "nonfinite" in names
    assert pickle.loads(pickle.dumps(function)) is function
    assert copy.deepcopy(function) is function


MESSAGE = chatpb.ChatCompletion(id="a")
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any], Any]] = [
    ("json_to_wire", (b'{"id":"a"}',), {}, b"\n\x01a"),
    ("json_to_wire", (), {"data": '{"id":"a"}'}, b"\n\x01a"),
    ("json_to_wire", (bytearray(b'{"id":"a"}'), chatpb.ChatCompletion), {}, b"\n\x01a"),
    ("json_to_wire", (memoryview(b'{"id":"a"}'),), {"message_type": chatpb.ChatCompletion}, b"\n\x01a"),
    ("json_to_wire", (b'{"id":"a"}', chatcompletion_betterproto.ChatCompletion), {"canonical": True}, b"\n\x01a"),
    ("wire_to_json", (b"\n\x01a",), {}, b'{"id":"a"}'),
    ("wire_to_json", (b"\n\x01a", chatpb.ChatCompletion), {"fill_required": True}, b'{"id":"a","choices":[]}'),
    ("from_json", (b'{"id":"a"}',), {}, MESSAGE),
    (
        "from_json",
        (b'{"id":"a"}', chatcompletion_betterproto.ChatCompletion),
        {},
        chatcompletion_betterproto.ChatCompletion(id="a"),
    ),
    ("to_json", (MESSAGE,), {}, b'{"id":"a"}'),
    ("to_json", (chatcompletion_betterproto.ChatCompletion(id="a"),), {}, b'{"id":"a"}'),
    ("to_json", (), {"message": MESSAGE}, b'{"id":"a"}'),
    ("to_json", (MESSAGE,), {"fill_required": True}, b'{"id":"a","choices":[]}'),
]


@pytest.mark.parametrize(("name", "args", "options", "result"), CALLS)
def test_calls(name: str, args: tuple[Any, ...], options: dict[str, Any], result: Any) -> None:
    assert getattr(chatpb, name)(*args, **options) == result


WRONG: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("from_json", (), {}, r"from_json\(\) missing 1 required positional argument: 'data'"),
    ("from_json", (b"{}", chatpb.ChatCompletion, True), {}, r"from_json\(\) takes from 1 to 2 positional arguments but 3 were given"),
    ("from_json", (b"{}",), {"data": b"{}"}, r"from_json\(\) got multiple values for argument 'data'"),
    ("from_json", (b"{}",), {"strikt": True}, r"from_json\(\) got an unexpected keyword argument 'strikt'"),
    ("from_json", (b"{}", int), {}, "<class 'int'> is not a message class of .*"),
    ("to_json", (5,), {}, "<class 'int'> is not a message class of .*"),
    ("to_json", (MESSAGE, chatpb.ChatCompletion), {}, r"to_json\(\) takes 1 positional argument but 2 were given"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "options", "message"), WRONG)
def test_wrong_calls(name: str, args: tuple[Any, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=f"^{message}$"):
        getattr(chatpb, name)(*args, **options)
