"""The rules that every message of the contract keeps, so that descriptors alone can drive the engines."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from google.api import field_behavior_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from chatcompletion.v1 import options_pb2
from chatpb._contract.schema import KINDS, FieldKind
from tests.contract.numbers import first_of_forks
from tests.contract.providers import LEAST, typed_for_providers
from tests.support import ROOT

PACKAGE = "chatcompletion.v1"
ROOTS = (
    "ChatCompletion",
    "ChatCompletionChunk",
    "CreateChatCompletionRequest",
    "ErrorResponse",
    "ChatCompletionRecord",
)

PARSER_LEVELS = 100
"""Levels of messages that most parsers accept."""
STRUCT_LEVELS = 76
"""Levels of messages in a Struct: 3 for each of its 24 levels of JSON, 3 for the Struct, its map entry and its Value,
and 1 to spare."""

F = FieldDescriptorProto
FIXED = {
    "member_order": (12, F.TYPE_BYTES, F.LABEL_OPTIONAL, ""),
    "empty_fields": (13, F.TYPE_UINT64, F.LABEL_OPTIONAL, ""),
    "null_fields": (14, F.TYPE_UINT64, F.LABEL_OPTIONAL, ""),
    "additional_properties": (15, F.TYPE_MESSAGE, F.LABEL_OPTIONAL, ".google.protobuf.Struct"),
    "verbatim_properties": (16, F.TYPE_MESSAGE, F.LABEL_REPEATED, "map<string, string>"),
}
SCALARS = {
    F.TYPE_INT32,
    F.TYPE_INT64,
    F.TYPE_UINT32,
    F.TYPE_UINT64,
    F.TYPE_DOUBLE,
    F.TYPE_BOOL,
    F.TYPE_STRING,
    F.TYPE_BYTES,
    F.TYPE_ENUM,
}


def _files() -> list[FileDescriptorProto]:
    found = []
    for source in sorted((ROOT / "proto" / "chatcompletion").rglob("*.proto")):
        module = source.relative_to(ROOT / "proto").with_suffix("").as_posix().replace("/", ".") + "_pb2"
        found.append(FileDescriptorProto.FromString(importlib.import_module(module).DESCRIPTOR.serialized_pb))
    return found


FILES = [file for file in _files() if not file.extension]
MESSAGES = {f".{PACKAGE}.{message.name}": message for file in FILES for message in file.message_type}
ENUMS = {f".{PACKAGE}.{enum.name}": enum for file in FILES for enum in file.enum_type}


def _is_wrapper(message: DescriptorProto) -> bool:
    return [field.name for field in message.field] == ["items"]


MIRRORS = [message for message in MESSAGES.values() if not _is_wrapper(message)]
WRAPPERS = [message for message in MESSAGES.values() if _is_wrapper(message)]

each_message = pytest.mark.parametrize("message", MESSAGES.values(), ids=lambda message: message.name)
each_mirror = pytest.mark.parametrize("message", MIRRORS, ids=lambda message: message.name)
each_wrapper = pytest.mark.parametrize("message", WRAPPERS, ids=lambda message: message.name)
each_enum = pytest.mark.parametrize("enum", ENUMS.values(), ids=lambda enum: enum.name)


def _option(described: Any, option: Any) -> Any:
    return described.options.Extensions[option]


def _required(field: FieldDescriptorProto) -> bool:
    return field_behavior_pb2.REQUIRED in _option(field, field_behavior_pb2.field_behavior)


def _unions(message: DescriptorProto) -> dict[str, list[FieldDescriptorProto]]:
    """Return the alternatives of each oneof that is a JSON union. A oneof that `optional` makes is none."""
    found: dict[str, list[FieldDescriptorProto]] = {}
    for field in message.field:
        if field.HasField("oneof_index") and not field.proto3_optional:
            found.setdefault(message.oneof_decl[field.oneof_index].name, []).append(field)
    return found


def _entry(message: DescriptorProto, field: FieldDescriptorProto) -> DescriptorProto | None:
    """Return the type of a map field's entries, or None for a field that is not a map."""
    for nested in message.nested_type:
        if nested.options.map_entry and field.type_name.endswith(f".{message.name}.{nested.name}"):
            return nested
    return None


def _typed(message: DescriptorProto) -> list[FieldDescriptorProto]:
    return [field for field in message.field if field.name not in FIXED]


def test_roots_exist() -> None:
    assert {f".{PACKAGE}.{name}" for name in ROOTS} <= MESSAGES.keys()


def test_nothing_is_declared_that_no_root_reaches() -> None:
    seen: set[str] = set()

    def walk(name: str) -> None:
        seen.add(name)
        for child in _children(MESSAGES[name]):
            walk(child)

    for name in ROOTS:
        walk(f".{PACKAGE}.{name}")
    assert seen == MESSAGES.keys()
    used = {field.type_name for message in MESSAGES.values() for field in _values(message) if field.type == F.TYPE_ENUM}
    assert used == ENUMS.keys()


@each_message
def test_nothing_is_nested_but_map_entries(message: DescriptorProto) -> None:
    assert not message.enum_type
    assert all(nested.options.map_entry for nested in message.nested_type)


@each_mirror
def test_home_fields(message: DescriptorProto) -> None:
    found = {}
    for field in message.field:
        if field.name in FIXED:
            assert not field.HasField("oneof_index"), field.name
            entry = _entry(message, field)
            if entry:
                assert [value.type for value in entry.field] == [F.TYPE_STRING, F.TYPE_STRING]
            kind = "map<string, string>" if entry else field.type_name
            found[field.name] = (field.number, field.type, field.label, kind)
    assert found == FIXED


@each_mirror
def test_field_numbers_ascend_and_keep_to_their_ranges(message: DescriptorProto) -> None:
    numbers = [field.number for field in message.field]
    assert numbers == sorted(numbers)
    end = first_of_forks(message.name)
    assert all(1 <= field.number <= 11 or 17 <= field.number < end for field in _typed(message))


@each_message
def test_field_types(message: DescriptorProto) -> None:
    for field in message.field:
        if field.name in FIXED:
            continue
        entry = _entry(message, field)
        if entry:
            key, value = entry.field
            assert key.type == F.TYPE_STRING, field.name
            assert value.type in SCALARS or value.type_name in MESSAGES, field.name
        elif field.type == F.TYPE_MESSAGE:
            assert field.type_name in MESSAGES, field.name
        else:
            assert field.type in SCALARS, field.name


@each_mirror
def test_singular_fields_have_presence(message: DescriptorProto) -> None:
    """Messages need it too: without `optional`, betterproto reads an absent one as empty, and drops an empty one."""
    alternatives = {field.name for fields in _unions(message).values() for field in fields}
    for field in _typed(message):
        if field.label != F.LABEL_REPEATED and field.name not in alternatives:
            assert field.proto3_optional, field.name


@each_mirror
def test_only_unions_and_maps_hold_wrappers(message: DescriptorProto) -> None:
    alternatives = {field.name for fields in _unions(message).values() for field in fields}
    wrappers = {f".{PACKAGE}.{wrapper.name}" for wrapper in WRAPPERS}
    for field in _typed(message):
        if field.name not in alternatives:
            assert field.type_name not in wrappers, field.name


@each_wrapper
def test_wrapper_is_one_list(message: DescriptorProto) -> None:
    (field,) = message.field
    assert (field.number, field.label) == (1, F.LABEL_REPEATED)
    assert _entry(message, field) is None
    assert field.type_name not in {f".{PACKAGE}.{wrapper.name}" for wrapper in WRAPPERS}


def _json_kind(field: FieldDescriptorProto) -> str:
    if field.type in (F.TYPE_STRING, F.TYPE_ENUM):
        return "string"
    if field.type == F.TYPE_MESSAGE:
        return "array" if _is_wrapper(MESSAGES[field.type_name]) else "object"
    return "number" if field.type in (F.TYPE_INT32, F.TYPE_INT64, F.TYPE_DOUBLE) else "boolean or bytes"


@each_mirror
def test_union_alternatives_differ_in_json_kind_and_follow_each_other(message: DescriptorProto) -> None:
    names = [field.name for field in message.field]
    unions = _unions(message)
    for name, fields in unions.items():
        assert name not in names
        assert len(fields) > 1
        kinds = [_json_kind(field) for field in fields]
        assert len(set(kinds)) == len(kinds), name
        assert set(kinds) <= {"string", "number", "object", "array"}, name
        start = fields[0].number
        assert [field.number for field in fields] == list(range(start, start + len(fields))), name
        assert not set(unions) & {field.name for field in fields}
        for field in fields[1:]:
            assert not _required(field), field.name
            assert not _option(field, options_pb2.nullable), field.name


def test_every_kind_of_field_has_its_row() -> None:
    assert tuple(KINDS) == get_args(FieldKind)
    assert {kind.form for kind in KINDS.values()} == set(options_pb2.JsonForm.values())


@each_message
def test_options_stand_where_they_mean_something(message: DescriptorProto) -> None:
    for field in message.field:
        form = _option(field, options_pb2.json_form)
        if form:
            assert (field.type, form) in {(kind.proto_type, kind.form) for kind in KINDS.values()}, field.name
            assert field.proto3_optional, field.name
        if field.name in FIXED or _is_wrapper(message):
            assert not _required(field), field.name
            assert not _option(field, options_pb2.nullable), field.name


@each_message
def test_names_survive_every_generator(message: DescriptorProto) -> None:
    """A generator may turn ImageURL into ImageUrl, which a look-up by name would not find."""
    assert re.fullmatch(r"([A-Z][a-z0-9]+)+", message.name)
    for field in message.field:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", field.name)


def _prefix(enum: EnumDescriptorProto) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper() + "_"


@each_enum
def test_enum_values(enum: EnumDescriptorProto) -> None:
    prefix = _prefix(enum)
    assert (enum.value[0].name, enum.value[0].number) == (f"{prefix}UNSPECIFIED", 0)
    numbers = [value.number for value in enum.value]
    # The string of a chunk's `object` has another number than that of a completion, so that their bytes differ.
    assert numbers == ([0, 2] if enum.name == "ChatCompletionChunkObject" else list(range(len(numbers))))
    strings = []
    for value in enum.value[1:]:
        rest = value.name.removeprefix(prefix)
        assert rest != value.name
        assert rest[0].isalpha(), value.name
        strings.append(_option(value, options_pb2.json_value) or rest.lower())
        assert _option(value, options_pb2.json_value) != rest.lower(), f"{value.name}: needless option"
    assert len(set(strings)) == len(strings) > 0
    assert not _option(enum.value[0], options_pb2.json_value)


def _values(message: DescriptorProto) -> Iterator[FieldDescriptorProto]:
    """Yield each field, or for a map the field of its values."""
    for field in message.field:
        entry = _entry(message, field)
        yield entry.field[1] if entry else field


def _children(message: DescriptorProto) -> list[str]:
    return [field.type_name for field in _values(message) if field.type_name in MESSAGES]


def _levels(name: str, above: tuple[str, ...] = ()) -> int:
    """Return the levels of messages from this one down, itself included. A map entry is a level, as on the wire."""
    assert name not in above, f"{name} contains itself"
    message = MESSAGES[name]
    deepest = 0
    for field in message.field:
        entry = _entry(message, field)
        child = entry.field[1].type_name if entry else field.type_name
        if child in MESSAGES:
            deepest = max(deepest, _levels(child, (*above, name)) + (1 if entry else 0))
    return 1 + deepest


@each_message
def test_no_message_contains_itself(message: DescriptorProto) -> None:
    assert _levels(f".{PACKAGE}.{message.name}")


def test_the_deepest_message_with_the_deepest_struct_still_parses() -> None:
    levels = {name: _levels(f".{PACKAGE}.{name}") for name in ROOTS}
    assert max(levels.values()) + STRUCT_LEVELS <= PARSER_LEVELS, levels


@pytest.fixture(scope="module")
def comments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the comment of each message, field, oneof, enum and enum value of the contract, by dotted name."""
    image = tmp_path_factory.mktemp("image") / "image.binpb"
    subprocess.run([sys.executable, str(ROOT / "gen" / "generate.py"), "--image", str(image)], check=True)
    found = {}
    for file in FileDescriptorSet.FromString(image.read_bytes()).file:
        if file.package == PACKAGE:
            names = _names_by_path(file)
            for location in file.source_code_info.location:
                if tuple(location.path) in names:
                    found[names[tuple(location.path)]] = " ".join(location.leading_comments.split())
    return found


def _names_by_path(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    """Return the name of what each source location is about. The numbers of its path are fields of descriptor.proto."""
    names: dict[tuple[int, ...], str] = {}
    for index, message in enumerate(file.message_type):
        names[4, index] = message.name
        for at, field in enumerate(message.field):
            names[4, index, 2, at] = f"{message.name}.{field.name}"
        for at, union in enumerate(message.oneof_decl):
            names[4, index, 8, at] = f"{message.name}.{union.name}"
    for index, enum in enumerate(file.enum_type):
        names[5, index] = enum.name
        for at, value in enumerate(enum.value):
            names[5, index, 2, at] = f"{enum.name}.{value.name}"
    return names


def test_every_comment_is_a_sentence(comments: dict[str, str]) -> None:
    expected = [*(message.name for message in MESSAGES.values()), *(enum.name for enum in ENUMS.values())]
    expected += [f"{message.name}.{field.name}" for message in MESSAGES.values() for field in message.field]
    expected += [f"{enum.name}.{value.name}" for enum in ENUMS.values() for value in enum.value]
    assert [name for name in expected if not comments[name].endswith(".")] == []


def test_every_member_says_what_its_absence_means(comments: dict[str, str]) -> None:
    """Required members need not: without one, a document breaks the contract, and no default takes its place."""
    unsaid = []
    for message in MESSAGES.values():
        unions = _unions(message)
        alternatives = {field.name for fields in unions.values() for field in fields}
        required = {field.name for field in message.field if _required(field)}
        required |= {name for name, fields in unions.items() if any(map(_required, fields))}
        for name in {*(field.name for field in message.field), *unions} - alternatives - required:
            word = "Zero: " if name in ("empty_fields", "null_fields") else "Absent: "
            if word.lower() not in comments[f"{message.name}.{name}"].lower():
                unsaid.append(f"{message.name}.{name}")
    assert unsaid == []


def test_no_comment_of_an_absence_says_nothing(comments: dict[str, str]) -> None:
    assert [name for name, comment in comments.items() if "not given" in comment] == []


def test_what_a_comment_calls_deprecated_is_marked(comments: dict[str, str]) -> None:
    """Not messages and enums: betterproto then warns whoever merely reads one."""
    said, marked = set(), set()
    for message in MESSAGES.values():
        unions = {field.name: name for name, fields in _unions(message).items() for field in fields}
        for field in message.field:
            name = f"{message.name}.{field.name}"
            if "Deprecated:" in comments[f"{message.name}.{unions.get(field.name, field.name)}"]:
                said.add(name)
            if field.options.deprecated:
                marked.add(name)
    for enum in ENUMS.values():
        for value in enum.value:
            name = f"{enum.name}.{value.name}"
            if "Deprecated:" in comments[name]:
                said.add(name)
            if value.options.deprecated:
                marked.add(name)
    assert marked == said != set()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_packages_of_other_languages(file: FileDescriptorProto) -> None:
    assert file.options.go_package == "chatcompletion/v1;chatcompletionv1"
    assert (file.options.java_package, file.options.java_multiple_files) == (PACKAGE, True)


def test_zero_enum_values_say_that_they_are_never_written(comments: dict[str, str]) -> None:
    for enum in ENUMS.values():
        for value in enum.value:
            said = comments[f"{enum.name}.{value.name}"] == "Never written; not a JSON value."
            assert said == (value.number == 0), value.name


def test_what_is_not_openais_is_marked_and_listed(comments: dict[str, str]) -> None:
    """docs/providers.md says of each member and value that OpenAI's API lacks who sends it."""
    marked = set()
    for name, comment in comments.items():
        if "Not OpenAI's" in comment:
            owner, member = name.split(".")
            union = next((union for union, fields in _unions_of(owner).items() if member in fields), member)
            marked.add(f"{owner}.{union}")
    assert marked == typed_for_providers().keys()
    assert [name for name, who in typed_for_providers().items() if len(set(who)) < LEAST] == []


def _unions_of(name: str) -> dict[str, list[str]]:
    message = MESSAGES.get(f".{PACKAGE}.{name}")
    return {union: [field.name for field in fields] for union, fields in _unions(message).items()} if message else {}
