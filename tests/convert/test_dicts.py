"""Dicts: what counts as JSON, in which spelling, and what is refused in which words. Each case runs in each engine."""

from __future__ import annotations

import enum
import gc
import json
import subprocess
import sys
import threading
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, namedtuple
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chatpb
from chatcompletion import v1
from chatpb import JsonError
from chatpb._engine.codec import Codec
from tests.engine.engines import ENGINES
from tests.support import ODD_COMPLETION

DESCRIPTOR: Final = v1.ChatCompletion.DESCRIPTOR


@pytest.fixture(params=ENGINES)
def codec(request: pytest.FixtureRequest) -> Codec:
    made: Codec = ENGINES[request.param].codec(DESCRIPTOR)
    return made


def wire_of(codec: Codec, obj: Any, default: Callable[[Any], Any] | None = None, nonfinite: bool = False) -> bytes:
    return codec.dict_to_wire(obj, default, False, nonfinite)


def test_there_and_back() -> None:
    message = chatpb.from_dict(ODD_COMPLETION)
    assert isinstance(message, v1.ChatCompletion)
    assert chatpb.to_dict(message) == ODD_COMPLETION


# What counts as JSON.


class Text(str):
    """Its methods do not return what it holds."""

    def __str__(self) -> str:
        return "other"

    def encode(self, *args: Any) -> bytes:
        return b"other"


class Unequal(Text):
    """Equal to nothing, so that a dict may have two of one text."""

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return id(self)


class Whole(int):
    def __repr__(self) -> str:
        return "other"

    __str__ = __repr__

    def __index__(self) -> int:
        raise ValueError("not asked")


class Real(float):
    def __repr__(self) -> str:
        return "other"

    def __float__(self) -> float:
        raise ValueError("not asked")


class Number(enum.IntEnum):
    TWO = 2


class Word(str, enum.Enum):
    A = "a"


class Model:
    def model_dump(self) -> dict[str, Any]:
        return {}


class Reversed(dict[str, Any]):
    """Its members are others than those that a dict has."""

    def items(self) -> Any:
        return [(name, value) for name, value in reversed(list(super().items()))]


class Doubled(list[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter([item for item in super().__iter__() for _ in range(2)])


class Lazy(Mapping[str, Any]):
    """A mapping that makes its values anew each time."""

    def __init__(self, depth: int) -> None:
        self.depth = depth

    def __getitem__(self, name: str) -> Any:
        return Lazy(self.depth - 1) if self.depth else 1

    def __iter__(self) -> Iterator[str]:
        return iter(["x"])

    def __len__(self) -> int:
        return 1


Point = namedtuple("Point", "x y")
MOVED: Final = OrderedDict(a=1, b=2)
MOVED.move_to_end("a")

VALUES: Final[dict[str, tuple[Any, str | None]]] = {
    "str of a subclass": (Text("ab\n"), '"ab\\n"'),
    "surrogates in a subclass": (Text("\ud83d"), '"\\ud83d"'),
    "enum of str": (Word.A, '"a"'),
    "enum of int": (Number.TWO, "2"),
    "int of a subclass": (Whole(-5), "-5"),
    "long int of a subclass": (Whole(2**70), str(2**70)),
    "float of a subclass": (Real(1.5), "1.5"),
    "bools": ([True, False], "[true,false]"),
    "tuple": ((1, (2,), ()), "[1,[2],[]]"),
    "named tuple": (Point(1, [2]), "[1,[2]]"),
    "list of a subclass": (Doubled([1]), "[1,1]"),
    "dict of a subclass": (Reversed(a=1, b=2), '{"b":2,"a":1}'),
    "ordered dict": (MOVED, '{"b":2,"a":1}'),
    "default dict": (defaultdict(list, a=[1]), '{"a":[1]}'),
    "counter": (Counter("aab"), '{"a":2,"b":1}'),
    "user dict": (UserDict(a={}), '{"a":{}}'),
    "chain map": (ChainMap({"a": 1}, {"b": 2}), '{"b":2,"a":1}'),
    "proxy": (MappingProxyType({"a": None}), '{"a":null}'),
    "mapping": (Lazy(2), '{"x":{"x":{"x":1}}}'),
    "names of a subclass": ({Text("n"): 1}, '{"n":1}'),
    "integers": ([0, -1, 2**63 - 1, -(2**63), 2**63, 2**64, -(2**64)], None),
    "surrogates that make a pair": (["\ud83d\ude00"], '["\U0001f600"]'),
    "escapes": (["\"\\/\b\f\n\r\t\x00\x1f\x7f\u2028\U0001f600", "é" * 40, "x" * 31 + '"', '"' + "x" * 40], None),
    "long names": ({"n" * 100: 1, "\n" * 20: 2, "": 3}, None),
}  # fmt: skip


@pytest.mark.parametrize(("value", "text"), VALUES.values(), ids=VALUES)
def test_values(codec: Codec, value: Any, text: str | None) -> None:
    """A value gives what its JSON text gives. Where no text is listed, that is what Python's own encoder writes."""
    text = json.dumps(value, ensure_ascii=False) if text is None else text
    # A name with a number kept as text shows the spelling too.
    for document, wanted in (({"v": value}, f'{{"v":{text}}}'), ({"v": [value, 1e400]}, f'{{"v":[{text},1e400]}}')):
        if "1e400" in wanted:
            document, wanted = {"v": [value, 10**30]}, wanted.replace("1e400", str(10**30))
        assert wire_of(codec, document) == codec.json_to_wire(wanted, False, False)


@given(st.floats() | st.floats(1e-7, 1e-3) | st.floats(1e14, 1e18) | st.sampled_from([1e16, 1e15, 1e-4, 1e-5, 5e-324]))
def test_floats_are_spelled_as_python_spells_them(value: float) -> None:
    text = json.dumps({"parameters": {"v": [value, -value]}})
    descriptor = v1.FunctionDefinition.DESCRIPTOR  # its parameters are kept as text
    for engine in ENGINES.values():
        made = engine.codec(descriptor)
        wire = made.dict_to_wire({"parameters": {"v": [value, -value]}}, None, False, True)
        assert wire == made.json_to_wire(text, False, True)


def test_strings_of_every_length(codec: Codec) -> None:
    for special in ("", '"', "\n", "é", "\ud83d"):
        for size in range(70):
            for at in {0, size // 2, size}:
                text = "a" * at + special + "b" * (size - at)
                document = {"v": text, "n" + text.replace("\ud83d", ""): {text: text}}
                assert wire_of(codec, document) == codec.json_to_wire(json.dumps(document), False, False)
                wire = wire_of(codec, document)
                assert codec.wire_to_dict(wire, False, False, False) == document


def test_names_that_were_met_before(codec: Codec) -> None:
    """More names than are kept, each met several times, some of them freed between."""
    for _ in range(3):
        for start in range(0, 3000, 7):
            document = {f"name {number}": number for number in range(start, start + 7)}
            for _ in range(3):
                wire = wire_of(codec, document)
                assert codec.wire_to_dict(wire, False, False, False) == document


# What is refused.


def depth_of(levels: int, kind: str = "dict") -> dict[str, Any]:
    inner: Any = {} if kind == "dict" else []
    for level in range(levels - 2):
        inner = {"a": inner} if kind == "dict" or level % 2 else [inner]
    return {"v": inner}


def cyclic_dict() -> dict[str, Any]:
    made: dict[str, Any] = {"a": [1, 2]}
    made["b"] = {"c/d": made}
    return made


def cyclic_list() -> dict[str, Any]:
    made: list[Any] = [[], 1]
    made[0].append(made)
    return {"v": made}


def cyclic_mapping() -> dict[str, Any]:
    made: UserDict[str, Any] = UserDict()
    made["x"] = made
    return {"v": made}


def shared() -> dict[str, Any]:
    part = {"a": [1]}
    return {"v": [part, part, {"b": part}], "w": part}


LIMIT: Final = 4300
LONG: Final = 10**5000
DIGITS: Final = "an integer of more than 4300 digits, the most that Python converts: see sys.set_int_max_str_digits"
CYCLE: Final = "an array or object that contains itself"
DEEP: Final = "nesting deeper than 200 levels"
NONFINITE: Final = "NaN and Infinity are not JSON; nonfinite='allow' accepts them"
TWICE: Final = "a second member of this name; JSON objects here have each name once"

REFUSED: Final[dict[str, tuple[Any, type[Exception], str]]] = {
    "name that is an int": ({1: "a"}, TypeError, "a JSON object has strings for names, not int"),
    "name that is None": ({"v": [{None: 1}]}, TypeError, "a JSON object has strings for names, not NoneType, in /v/0"),
    "name of a mapping": ({"v": UserDict({b"": 1})}, TypeError, "a JSON object has strings for names, not bytes, in /v"),
    "set": ({"v": {1, 2}}, TypeError, "set is not a JSON value, in /v"),
    "bytes": ({"a": 1, "v/w": [0, b"x"]}, TypeError, "bytes is not a JSON value, in /v~1w/1"),
    "object": (object(), TypeError, "object is not a JSON value"),
    "model": ({"v": [Model()]}, TypeError, "Model is not a JSON value, in /v/0; from_openai takes such objects"),
    "complex": ({"v": ({"\ud800": 1j},)}, TypeError, "complex is not a JSON value, in /v/0/\ufffd"),
    "text": ("text", JsonError, "a document is a JSON object; this is something else at line 1, column 1 (byte 0)"),
    "list": ([1], JsonError, "a document is a JSON object; this is something else at line 1, column 1 (byte 0)"),
    "nan": ({"a": float("nan")}, JsonError, f"{NONFINITE} at line 1, column 6 (byte 5), in /a"),
    "infinity": ({"é": [-float("inf")]}, JsonError, f"{NONFINITE} at line 1, column 7 (byte 7), in /é/0"),
    "nan before a set": ({"a": float("nan"), "v": {1}}, JsonError, f"{NONFINITE} at line 1, column 6 (byte 5), in /a"),
    "name twice": ({Unequal("a"): 1, "b": 2, Unequal("a"): 3}, JsonError, f"{TWICE} at line 1, column 14 (byte 13), in /a"),
    "name twice before a set": ({"v": {Unequal("a"): 1, "a": {1}}}, JsonError, f"{TWICE} at line 1, column 13 (byte 12), in /v/a"),
    "surrogate in a name": ({"\ud83d": 1}, JsonError, "a lone surrogate in the name of a member, which protobuf cannot carry at line 1, column 2 (byte 1), in /\ufffd"),
    "long integer": ({"seed": [LONG]}, JsonError, f"{DIGITS} at line 1, column 10 (byte 9), in /seed/0"),
    "long negative integer": ({"v": Whole(-LONG)}, JsonError, f"{DIGITS} at line 1, column 6 (byte 5), in /v"),
    "deep": (depth_of(201), JsonError, f"{DEEP} at line 1, column {5 * 200 + 1} (byte {5 * 200}), in /v" + "/a" * 199),
    "very deep": (depth_of(100_000), JsonError, f"{DEEP} at line 1, column {5 * 200 + 1} (byte {5 * 200}), in /v" + "/a" * 199),
    "deep mapping": (Lazy(10**9), JsonError, f"{DEEP} at line 1, column {5 * 200 + 1} (byte {5 * 200}), in " + "/x" * 200),
    "cyclic dict": (cyclic_dict(), JsonError, f"{CYCLE} at line 1, column 23 (byte 22), in /b/c~1d"),
    "cyclic list": (cyclic_list(), JsonError, f"{CYCLE} at line 1, column 8 (byte 7), in /v/0/0"),
    "cyclic mapping": (cyclic_mapping(), JsonError, f"{CYCLE} at line 1, column 11 (byte 10), in /v/x"),
}  # fmt: skip


@pytest.mark.parametrize(("value", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(codec: Codec, value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        wire_of(codec, value)
    assert (type(caught.value), str(caught.value)) == (error, message)


@pytest.mark.parametrize("levels", [199, 200])
@pytest.mark.parametrize("kind", ["dict", "list"])
def test_as_deep_as_a_document_may_be(codec: Codec, levels: int, kind: str) -> None:
    document = depth_of(levels, kind)
    assert codec.wire_to_dict(wire_of(codec, document), False, False, False) == document


def test_shared_values_are_no_cycle(codec: Codec) -> None:
    assert codec.wire_to_dict(wire_of(codec, shared()), False, False, False) == shared()


def test_nonfinite_numbers_where_they_are_allowed(codec: Codec) -> None:
    wire = wire_of(codec, {"v": [float("inf"), -float("inf"), float("nan")]}, nonfinite=True)
    first, second, third = codec.wire_to_dict(wire, False, False, True)["v"]
    assert (first, second) == (float("inf"), -float("inf"))
    assert third != third


@pytest.mark.parametrize("depth", [100, 150, 199, 5000])
@pytest.mark.parametrize("limit", [130, 400, 20_000])
def test_depth_at_any_recursion_limit(codec: Codec, depth: int, limit: int) -> None:
    """Deep dicts convert, or raise an error of chatpb, wherever Python's own limit is."""
    document = depth_of(depth)
    found: list[Any] = []

    def convert() -> None:
        try:
            found.append(codec.wire_to_dict(wire_of(codec, document), False, False, False))
        except chatpb.ChatpbError as error:
            found.append(error)
        except RecursionError as error:
            found.append(f"RecursionError: {error}")

    before = sys.getrecursionlimit()
    thread = threading.Thread(target=convert)  # with a stack of its own, which is almost empty
    try:
        sys.setrecursionlimit(limit)
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(before)
    assert found == [document] or isinstance(found[0], chatpb.ChatpbError)
    if depth == 5000:
        assert DEEP in str(found[0])


# Integers of many digits.


@pytest.mark.parametrize("limit", [0, 640, 4300, 6000])
@pytest.mark.parametrize("digits", [18, 19, 20, 640, 641, 4300, 4301, 5000])
def test_integers_arrive_exactly_or_the_limit_is_named(codec: Codec, limit: int, digits: int) -> None:
    values = [10 ** (digits - 1), 10**digits - 1, -(10**digits - 1)]
    wire = codec.json_to_wire('{"v":%s}' % ("9" * digits), False, False)
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(limit)
    try:
        if not limit or digits <= limit:
            for value in values:
                assert codec.wire_to_dict(wire_of(codec, {"v": value}), False, False, False) == {"v": value}
            return
        for value in values:
            with pytest.raises(JsonError, match=f"^an integer of more than {limit} digits, .* in /v$"):
                wire_of(codec, {"v": value})
        with pytest.raises(JsonError, match=f"^an integer of more than {limit} digits, .*column 6 .byte 5., in /v$"):
            codec.wire_to_dict(wire, False, False, False)
    finally:
        sys.set_int_max_str_digits(before)


def test_where_a_long_integer_stands(codec: Codec) -> None:
    ones = "1" * 5000
    wire = codec.json_to_wire(f'{{"id":"\\"{ones}","x":[1.5,{{"y":-{ones}}}]}}', False, False)
    with pytest.raises(JsonError) as caught:
        codec.wire_to_dict(wire, False, False, False)
    assert (caught.value.path, caught.value.reason, caught.value.line) == ("/x/1/y", DIGITS, 1)
    assert caught.value.offset == len('{"id":"\\"","x":[1.5,{"y":') + 5000


# Code that runs while a dict is read.


class Grows(dict[str, Any]):
    """Adds a member to another dict when its own are asked for."""

    def __init__(self, other: Any, change: Callable[[Any], Any]) -> None:
        super().__init__(a=1)
        self.other, self.change = other, change

    def items(self) -> Any:
        self.change(self.other)
        return super().items()


def changing(change: Callable[[Any], Any], make: Callable[[], Any] = dict) -> Any:
    outer = make()
    inner = Grows(outer, change)
    if isinstance(outer, dict):
        outer.update({"first": inner, "second": [2], "third": 3})
    else:
        outer.extend([inner, [2], 3])
    return outer


def replace(outer: dict[str, Any]) -> None:
    del outer["second"]
    outer["fourth"] = ["x" * 1000]


def clear(outer: Any) -> None:
    outer.clear()
    gc.collect()


CHANGES: Final[dict[str, tuple[Callable[[], Any], Any]]] = {
    "dict grows": (lambda: changing(lambda outer: outer.update(new=1)), RuntimeError),
    "dict shrinks": (lambda: changing(lambda outer: outer.pop("second")), RuntimeError),
    "dict is emptied": (lambda: changing(clear), RuntimeError),
    "another name": (lambda: changing(replace), None),
    "another value": (lambda: changing(lambda outer: outer.update(second="new")), {"first": {"a": 1}, "second": "new", "third": 3}),
    "list grows": (lambda: {"v": changing(lambda outer: outer.append(4), list)}, {"v": [{"a": 1}, [2], 3, 4]}),
    "list is emptied": (lambda: {"v": changing(clear, list)}, {"v": [{"a": 1}]}),
    "list shrinks": (lambda: {"v": changing(lambda outer: outer.pop(), list)}, {"v": [{"a": 1}, [2]]}),
}  # fmt: skip


@pytest.mark.parametrize(("make", "wanted"), CHANGES.values(), ids=CHANGES)
def test_containers_that_change_while_they_are_read(make: Callable[[], Any], wanted: Any) -> None:
    results = []
    for engine in ENGINES.values():
        codec = engine.codec(DESCRIPTOR)
        try:
            results.append(codec.wire_to_dict(wire_of(codec, make()), False, False, False))
        except RuntimeError as error:
            results.append((RuntimeError, str(error)))
    assert all(each == results[0] for each in results)
    if wanted is RuntimeError:
        assert results[0][0] is RuntimeError
    elif wanted is not None:
        assert results[0] == wanted


DROPS = """
import gc, sys
import chatpb
from tests.engine.engines import ENGINES

class Drops:
    '''Empties what it is in when it is asked for its class, and so loses its last reference.'''

    def __init__(self, container):
        self.container = container

    @property
    def __class__(self):
        self.container.clear()
        gc.collect()
        return Drops

for engine in ENGINES.values():
    codec = engine.codec(chatpb.ChatCompletion.DESCRIPTOR)
    for make in (dict, list):
        for default in (None, lambda value: [type(value).__name__]):
            container = make()
            if make is dict:
                container["a"] = Drops(container)
            else:
                container.append(Drops(container))
            try:
                print(codec.dict_to_wire({"v": container}, default, False, False))
            except Exception as error:
                print(type(error).__name__, error)
"""


def test_objects_that_are_dropped_while_they_are_looked_at() -> None:
    """The debug allocator overwrites what is freed, so that to use it after that fails."""
    environment = {"PYTHONMALLOC": "debug", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", DROPS], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines == lines[:4] * len(ENGINES)
    assert lines[0] == "TypeError Drops is not a JSON value, in /v/a"
    assert lines[1] == "RuntimeError dictionary changed size during iteration"


class Fails(Mapping[str, Any]):
    """A mapping whose function fails, once it is asked."""

    def __init__(self, error: Exception, at: str) -> None:
        self.error, self.at, self.asked = error, at, 0

    def fail(self, at: str) -> None:
        if at == self.at:
            self.asked += 1
            raise self.error

    def __getitem__(self, name: str) -> Any:
        self.fail("value")

    def __iter__(self) -> Iterator[str]:
        self.fail("name")
        return iter(["a"])

    def __len__(self) -> int:
        raise AssertionError("not asked")

    def items(self) -> Any:
        self.fail("items")
        return super().items()


ERRORS: Final = [ValueError("v"), RecursionError("r"), KeyError("k"), JsonError("/p", 1, 2, 3, "r"), TypeError("t")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("at", ["items", "name", "value"])
def test_errors_of_python_code_pass_unchanged(codec: Codec, error: Exception, at: str) -> None:
    mapping = Fails(error, at)
    with pytest.raises(type(error)) as caught:
        wire_of(codec, {"a": [mapping]})
    assert caught.value is error
    assert mapping.asked == 1


@pytest.mark.parametrize("entry", [(), ("a",), ("a", 1, 2), 5, "abc", None], ids=repr)
def test_items_that_are_no_pairs(entry: Any) -> None:
    class Odd(UserDict[str, Any]):
        def items(self) -> Any:
            return [entry]

    results = []
    for engine in ENGINES.values():
        with pytest.raises((TypeError, ValueError)) as caught:
            wire_of(engine.codec(DESCRIPTOR), {"a": Odd()})
        results.append((type(caught.value), str(caught.value)))
    assert all(each == results[0] for each in results)
    assert "unpack" in results[0][1]


def test_items_that_are_pairs_of_other_kinds(codec: Codec) -> None:
    class Odd(UserDict[str, Any]):
        def items(self) -> Any:
            return iter([["a", 1], "bc", Point("d", 2)])

    assert wire_of(codec, {"v": Odd()}) == wire_of(codec, {"v": {"a": 1, "b": "c", "d": 2}})


def test_a_default_makes_json_of_other_objects(codec: Codec) -> None:
    document = {"a": {1}, "b": [b"x", object]}
    assert wire_of(codec, document, lambda value: [type(value).__name__]) == wire_of(
        codec, {"a": ["set"], "b": [["bytes"], ["type"]]}
    )
    with pytest.raises(TypeError, match="^set is not a JSON value, in /a$"):
        wire_of(codec, document, lambda value: value)
    with pytest.raises(JsonError, match=f"^{DEEP} "):
        wire_of(codec, document, lambda value: [value])
    with pytest.raises(ZeroDivisionError):
        wire_of(codec, document, lambda value: 1 / 0)


def test_calls_inside_a_call(codec: Codec) -> None:
    """Code that runs while a dict is read converts other dicts, there and back."""

    def inner(value: Any) -> Any:
        wire = wire_of(codec, {"inner": [len(str(value))], "x": {"names": 1}})
        return codec.wire_to_dict(wire, False, False, False)

    wire = wire_of(codec, {"a": 1, "v": [object, {"names": object}], "b": {"c": 2}}, inner)
    made = {"inner": [len(str(object))], "x": {"names": 1}}
    assert codec.wire_to_dict(wire, False, False, False) == {"a": 1, "v": [made, {"names": made}], "b": {"c": 2}}


def test_threads_share_names(codec: Codec) -> None:
    documents = [{f"n{at}": [{"shared": at, "x" * at: None}]} for at in range(30)]
    failed: list[BaseException] = []

    def convert() -> None:
        try:
            for document in documents * 20:
                assert codec.wire_to_dict(wire_of(codec, document), False, False, False) == document
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=convert) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


# Results.


def test_members_come_as_in_the_text(codec: Codec) -> None:
    wire = wire_of(codec, {"z": 1, "usage": {"total_tokens": 1, "b": 2, "a": {}}, "id": "é", "choices": []})
    text = codec.wire_to_json(wire, False, False, False)
    assert json.dumps(codec.wire_to_dict(wire, False, False, False)) == json.dumps(json.loads(text))


def test_values_that_were_spelled_in_other_ways(codec: Codec) -> None:
    text = '{"v":[1e400,1E5,1.50,-0,-0.0,123456789012345678901234567890,1e-400],"w":"\\ud83d","big":1.5e300}'
    wire = codec.json_to_wire(text, False, False)
    found, wanted = codec.wire_to_dict(wire, False, False, False), json.loads(text)
    assert found == json.loads(codec.wire_to_json(wire, False, False, False))
    assert (repr(found["v"]), found["w"]) == (repr(wanted["v"]), wanted["w"])


def test_dicts_are_new_each_time(codec: Codec) -> None:
    wire = wire_of(codec, {"a": {"b": []}})
    first = codec.wire_to_dict(wire, False, False, False)
    first["a"]["b"].append(1)
    assert codec.wire_to_dict(wire, False, False, False) == {"a": {"b": []}}


def test_long_documents(codec: Codec) -> None:
    document = {
        "id": "x",
        "choices": [{"index": n, "message": {"content": "words " * 50, "e": n / 7}} for n in range(500)],
    }
    wire = wire_of(codec, document)
    assert wire == codec.json_to_wire(json.dumps(document), False, False)
    assert codec.wire_to_dict(wire, False, False, False) == document
    with pytest.raises(chatpb.WireError):
        codec.wire_to_dict(wire[:-1], False, False, False)


LEAKS = """
import gc, sys
import chatpb
from chatpb._runtimes import message_class
codec = message_class(chatpb.ChatCompletion).codec

class Odd(dict):
    pass

cyclic = {}
cyclic["c"] = [cyclic]
deep = {}
for _ in range(300):
    deep = {"d": deep}

def once(at):
    shared = ["x" * 50, at + 0.5, 2**70 + at]
    document = {"id": f"id {at}", "name %d" % (at % 5000): {"v": shared, "\\n" * 3: Odd(a=(1, shared))}, "e": "\\ud83d"}
    wire = codec.dict_to_wire(document, None, False, False)
    assert codec.wire_to_dict(wire, False, False, False)["id"] == document["id"]
    for wrong in (cyclic, deep, {"a": {at}}, {at: 1}, {"v": 10**4400}, {"v": float("nan")}, {"v": [Odd(x=object())]}):
        try:
            codec.dict_to_wire(wrong, None, False, False)
        except (TypeError, ValueError):
            pass
        else:
            raise AssertionError(wrong)
    return shared

counts = []
for _ in range(4):
    for at in range(CALLS):
        shared = once(at)
    gc.collect()
    counts.append((sys.getallocatedblocks(), sys.getrefcount(None), sys.getrefcount(shared), sys.getrefcount(codec)))
first, last = counts[1], counts[-1]
print(all(b - a < 300 for a, b in zip(first, last)), counts)
"""


def test_nothing_is_leaked() -> None:
    """The debug allocator finds memory that is freed twice, used when it is freed, or written past its end."""
    code = LEAKS.replace("CALLS", "300")
    command = [sys.executable, "-X", "dev", "-c", code]
    environment = {"PYTHONMALLOC": "debug", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("True "), (done.stdout, done.stderr)
