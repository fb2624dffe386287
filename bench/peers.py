"""The libraries to compare. Each turns JSON bytes into an object of its own, and that object into JSON bytes."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Peer:
    """One library. A function is None if the library does not have it."""

    name: str
    package: str
    parse: Callable[[bytes], Any] | None
    print: Callable[[Any], bytes | str] | None
    typed: bool
    """Whether the object has the document's type; otherwise it represents any JSON."""

    @property
    def version(self) -> str:
        try:
            return version(self.package)
        except PackageNotFoundError:
            return "from source"


def peers(message: str) -> list[Peer]:
    """Return every installed peer, for a message of the contract."""
    found = []
    for make in (_chatpb, _google, _betterproto, _betterproto2, _protobuf_py, _openai, _msgspec, _limits):
        try:
            found += make(message)
        except ImportError as error:
            print(f"left out: {make.__name__.strip('_')}: {error}", file=sys.stderr)
    return found


def _chatpb(message: str) -> list[Peer]:
    import chatpb
    from chatcompletion import v1
    from chatpb._engine import reference

    cls = getattr(v1, message)
    slow = reference.codec(cls.DESCRIPTOR)
    parse = cls.FromString

    def slow_print(obj: Any) -> bytes:
        return slow.wire_to_json(obj.SerializeToString(), False, False, False)

    name = f"chatpb ({chatpb.engine})"

    def of(function: Callable[..., Any]) -> Callable[[Any], Any]:
        # Callers give no class for a completion, which is the default.
        return function if message == "ChatCompletion" else lambda data: function(data, cls)

    rows = [
        Peer(f"{name}: json_to_wire, wire_to_json", "chatpb", of(chatpb.json_to_wire), of(chatpb.wire_to_json), True),
        Peer(f"{name}: from_json, to_json", "chatpb", of(chatpb.from_json), chatpb.to_json, True),
        Peer("chatpb (python)", "chatpb", lambda data: parse(slow.json_to_wire(data, False, False)), slow_print, True),
    ]
    return rows if chatpb.engine == "native" else rows[1:]


def _google(message: str) -> list[Peer]:
    from google.protobuf import json_format

    from chatcompletion import v1

    cls = getattr(v1, message)
    return [
        Peer(
            "protobuf json_format",
            "protobuf",
            lambda data: json_format.Parse(data, cls(), ignore_unknown_fields=True),
            lambda obj: json_format.MessageToJson(obj, preserving_proto_field_name=True, indent=None),
            True,
        )
    ]


def _betterproto(message: str) -> list[Peer]:
    import betterproto

    import chatcompletion_betterproto

    cls = getattr(chatcompletion_betterproto, message)
    to_json = lambda obj: obj.to_json(casing=betterproto.Casing.SNAKE)  # noqa: E731
    return [Peer("betterproto", "betterproto", lambda data: cls().from_json(data), to_json, True)]


@cache
def _generate(plugin: str) -> Path:
    """Generate the contract's classes with a protoc plugin; return their folder, a package named after the plugin."""
    from grpc_tools import protoc

    folder = Path(tempfile.mkdtemp(prefix="bench-"), f"bench_{plugin}")
    folder.mkdir()
    include = [ROOT / "proto", Path(protoc.__file__).parent / "_proto"]
    files = [str(path) for path in sorted((ROOT / "proto").rglob("*.proto")) if "service" not in path.name]
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        *(f"-I{path}" for path in include),
        f"--{plugin}_out={folder}",
    ]
    done = subprocess.run(  # noqa: S603 - protoc on the contract's own files
        [*command, *files], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ImportError(done.stderr.strip().splitlines()[-1])
    sys.path.insert(0, str(folder.parent))
    return folder


def _betterproto2(message: str) -> list[Peer]:
    import betterproto2

    folder = _generate("python_betterproto2")
    cls = getattr(importlib.import_module(f"{folder.name}.chatcompletion.v1"), message)
    return [
        Peer(
            "betterproto2",
            "betterproto2",
            lambda data: cls.from_json(data, ignore_unknown_fields=True),
            lambda obj: obj.to_json(casing=betterproto2.Casing.SNAKE),
            True,
        )
    ]


def _protobuf_py(message: str) -> list[Peer]:
    import protobuf  # noqa: F401

    folder = _generate("py")
    for file in folder.rglob("*_pb.py"):
        if f"class {message}(" in file.read_text():
            module = importlib.import_module(".".join(file.relative_to(folder.parent).with_suffix("").parts))
            break
    else:
        raise ImportError(f"no class of protobuf-py named {message}")
    cls = getattr(module, message)
    return [
        Peer(
            "protobuf-py",
            "protobuf-py",
            lambda data: cls.from_json(data, ignore_unknown_fields=True),
            lambda obj: obj.to_json(),
            True,
        )
    ]


def _openai(message: str) -> list[Peer]:
    from openai.types import chat

    cls = getattr(chat, message, None)
    if cls is None:
        return []
    validate, construct = cls.model_validate_json, cls.construct
    return [
        Peer("openai, validated", "openai", validate, lambda obj: obj.model_dump_json(exclude_unset=True), True),
        Peer(
            "openai, as its client",
            "openai",
            lambda data: construct(**json.loads(data)),
            lambda obj: obj.to_json(indent=None),
            True,
        ),
    ]


def _msgspec(message: str) -> list[Peer]:
    import msgspec

    from chatcompletion import v1
    from chatpb._contract.schema import schema_of

    struct = _struct(schema_of(getattr(v1, message).DESCRIPTOR))
    decode, encode = msgspec.json.Decoder(struct).decode, msgspec.json.Encoder().encode
    return [
        Peer("msgspec, typed", "msgspec", decode, encode, True),
        Peer("msgspec, any JSON", "msgspec", msgspec.json.decode, encode, False),
    ]


@cache
def _struct(schema: Any) -> Any:
    import msgspec

    fields = []
    for member in schema.members.values():
        kinds = [_annotation(field) for field in member.alternatives]
        kind = kinds[0] if len(kinds) == 1 else Any
        fields.append((member.name, kind | None | msgspec.UnsetType if kind is not Any else Any, msgspec.UNSET))
    return msgspec.defstruct(schema.name, fields)


def _annotation(field: Any) -> Any:
    if field.map_key:
        return dict[str, _annotation(field.map_value)]  # type: ignore[misc]
    scalars = {
        "string": str,
        "enum": str,
        "bytes": bytes,
        "bool": bool,
        "double": float,
        "byte_array": list[int],
        "text": Any,
    }
    kind = (
        _struct(field.schema)
        if field.kind == "message"
        else Any
        if field.kind == "list"
        else scalars.get(field.kind, int)
    )
    return list[kind] if field.repeated else kind  # type: ignore[valid-type]


def _limits(message: str) -> list[Peer]:
    import orjson
    import simdjson

    rows = [Peer("orjson, any JSON", "orjson", orjson.loads, orjson.dumps, False)]
    parser = simdjson.Parser()
    return [*rows, Peer("simdjson, DOM", "pysimdjson", parser.parse, None, False)]
