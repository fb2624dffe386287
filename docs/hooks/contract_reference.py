"""Write a page of the reference for each file of the contract, from its descriptors and its comments.

The generated classes have no comments: `buf build` gives them. No name of the contract is written here.
"""

from __future__ import annotations

import posixpath
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import chatpb
from chatpb._contract.schema import KINDS, Field, MessageSchema, schema_of

ROOT = Path(__file__).resolve().parents[2]
PLACE = "reference/contract/"
"""Where the pages are. The navigation names each: strictly, a file of the contract that it lacks is an error."""
PACKAGE = chatpb.ChatCompletion.DESCRIPTOR.file.package
HOMES = "And the five [fields that hold other members](../../mapping.md#a-message)."
NO_HOMES = "It has no field for other members: it is an [envelope](../../mapping.md#a-message)."
AN_ARRAY = "It stands for a JSON array."


def on_files(files: Files, config: MkDocsConfig) -> Files:
    buf = Path(sys.executable).with_name("buf")
    command: list[str | Path] = [buf, "build", "--as-file-descriptor-set", "--output", "-"]
    built = FileDescriptorSet.FromString(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    contract = [file for file in built.file if file.package == PACKAGE]
    messages = {each.name: _place(file) for file in contract for each in file.message_type}
    places = messages | {each.name: _place(file) for file in contract for each in file.enum_type}
    fields = [field for name in messages for field in _schema(name).fields()]
    strings = {field.enum.name: field.enum.string_of for field in fields if field.enum}
    for file in contract:
        text = "\n\n".join(_FilePage(file, places, strings).parts())
        files.append(File.generated(config, PLACE + _place(file), content=text))
    return files


def _schema(name: str) -> MessageSchema:
    return schema_of(Default().FindMessageTypeByName(f"{PACKAGE}.{name}"))


def _place(file: FileDescriptorProto) -> str:
    return posixpath.basename(file.name).replace(".proto", ".md")


class _FilePage:
    """The page of one file, given the pages of all types and, by enum, the JSON strings of its values."""

    def __init__(self, file: FileDescriptorProto, places: dict[str, str], strings: dict[str, dict[int, str]]) -> None:
        self._file, self._places, self._strings = file, places, strings
        self._comments = {tuple(each.path): each.leading_comments for each in file.source_code_info.location}

    def parts(self) -> Iterator[str]:
        """Yield the parts of the page in Markdown, a blank line between any two."""
        file = self._file
        yield f"# {posixpath.basename(file.name)}"
        head = (ROOT / "proto" / file.name).read_text().partition("\n\n")[0]
        yield _prose(re.sub(r"^// ?", "", head, flags=re.MULTILINE))
        for number, service in enumerate(file.service):
            yield from (f"## {service.name}", self._comment("service", number))
            for place, method in enumerate(service.method):
                stream = "a stream of " if method.server_streaming else ""
                yield f"### {method.name}"
                yield f"Takes {self._type(method.input_type)}, returns {stream}{self._type(method.output_type)}."
                yield self._comment("service", number, "method", place)
        for number, message in enumerate(file.message_type):
            yield from (f"## {message.name}", self._comment("message_type", number))
            yield _options(message.options)
            yield from self._message(_schema(message.name), number)
        for number, enum in enumerate(file.enum_type):
            yield from (f"## {enum.name}", self._comment("enum_type", number))
            yield from self._values(enum.name, number)
        for number, option in enumerate(file.extension):
            yield from (f"## {option.name}", self._comment("extension", number))
            kind = option.type_name or option.Type.Name(option.type).removeprefix("TYPE_").lower()
            repeated = "repeated " if option.label == option.LABEL_REPEATED else ""
            yield f"Option {option.number} of `{option.extendee[1:]}`: {repeated}{self._type(kind)}."

    def _message(self, schema: MessageSchema, number: int) -> Iterator[str]:
        for member in schema.members.values():
            for field in member.alternatives:
                about = []
                if field.oneof and field is member.first:
                    index = schema.descriptor.oneofs_by_name[field.oneof].index
                    about.append(self._comment("message_type", number, "oneof_decl", index))
                about.append(self._comment("message_type", number, "field", field.descriptor.index))
                name = "" if schema.is_list else f"`{member.name}`: "
                about.append(f"JSON: {name}{_json_kind(field)}.")
                about.append(_options(field.descriptor.GetOptions()))
                yield _definition(f"`{field.name}` = {field.number}, {self._field(field)}", about)
        yield HOMES if schema.has_homes else AN_ARRAY if schema.is_list else NO_HOMES

    def _field(self, field: Field) -> str:
        """Return the presence and the type of a field."""
        if field.map_key:
            return f"map of {self._value(field.map_key)} to {self._value(field.map_value)}"
        if field.oneof:
            return f"one of `{field.oneof}`: {self._value(field)}"
        presence = "repeated " if field.repeated else "optional " if field.descriptor.has_presence else ""
        return presence + self._value(field)

    def _value(self, field: Field) -> str:
        named = field.descriptor.message_type or field.descriptor.enum_type
        return self._type(named.full_name) if named else KINDS[field.kind].shown_as

    def _values(self, name: str, number: int) -> Iterator[str]:
        strings = self._strings.get(name, {})
        for value in Default().FindEnumTypeByName(f"{PACKAGE}.{name}").values:
            about = [self._comment("enum_type", number, "value", value.index)]
            about.append(f'JSON: `"{strings[value.number]}"`.' if value.number in strings else "")
            about.append(_options(value.GetOptions()))
            yield _definition(f"`{value.name}` = {value.number}", about)

    def _type(self, full_name: str) -> str:
        """Return the name of a type, which links to its place if the contract has it."""
        name = full_name.removeprefix(".")
        short = name.removeprefix(f"{PACKAGE}.")
        return f"[{short}]({self._places[short]}#{short.lower()})" if short in self._places else f"`{name}`"

    def _comment(self, *path: str | int) -> str:
        """Return the comment of what a path leads to in the descriptor: names of fields, and places in them."""
        numbers: list[int] = []
        descriptor: Descriptor | None = FileDescriptorProto.DESCRIPTOR
        for step in path:
            if isinstance(step, str):
                assert descriptor
                field = descriptor.fields_by_name[step]
                descriptor = field.message_type
            numbers.append(step if isinstance(step, int) else field.number)
        return _prose(self._comments.get(tuple(numbers), ""))


def _json_kind(field: Field) -> str:
    """Return what the JSON value of a field is."""
    if field.map_key:
        return f"an object whose values are each {KINDS[field.map_value.kind].noun}"
    if field.kind == "list":
        return f"an array, each item {KINDS[field.item.kind].noun}"
    noun = KINDS[field.kind].noun
    return f"an array, each item {noun}" if field.repeated else noun


def _options(options: Message) -> str:
    """Return the options that are set, whatever they are, as Markdown."""
    shown = []
    for option, value in options.ListFields():
        values = value if isinstance(value, Iterable) and not isinstance(value, str) else [value]
        enum = option.enum_type
        texts = [enum.values_by_number[each].name if enum else str(each) for each in values]
        shown.append(f"`{option.name}`" if texts == ["True"] else f"`{option.name} = {', '.join(texts)}`")
    return f"Options: {', '.join(shown)}." if shown else ""


def _definition(term: str, about: list[str]) -> str:
    return f"{term}\n:   " + "<br>".join(re.sub(r"\s+", " ", each) for each in about if each)


def _prose(comment: str) -> str:
    """Return a comment as Markdown that shows each character of it: only its code stays markup."""
    return re.sub(r"[\\*_<>\[\]](?=(?:[^`]*`[^`]*`)*[^`]*$)", r"\\\g<0>", comment.strip())
