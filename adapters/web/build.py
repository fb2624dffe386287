"""Build the page: one file that opens from any address, and from a disk.

    python adapters/web/build.py            write adapters/web/dist/index.html
    python adapters/web/build.py FOLDER     write FOLDER/index.html
    python adapters/web/build.py FOLDER URL     with a link to the documentation at URL

It needs chatpb for the contract, and npm for the packages of package.json, which it installs where they are missing.
"""

# ruff: noqa: S603  (this file itself makes every command)

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import chatpb
from chatpb._contract.documents import DOCUMENTS, RECORD_PARTS
from chatpb._contract.proto_source import read_proto
from chatpb._contract.schema import HOME_FIELDS, KINDS, Field, MessageSchema, schema_of

HERE = Path(__file__).resolve().parent
CONTRACT = HERE / "build" / "contract.json"


def main() -> None:
    build(Path(sys.argv[1] if len(sys.argv) > 1 else HERE / "dist"), *sys.argv[2:3])


def build(target: Path, documentation: str = "") -> None:
    """Write the page into a folder, with a link to the documentation where that has an address."""
    CONTRACT.parent.mkdir(exist_ok=True)
    CONTRACT.write_text(json.dumps(contract(), indent=1))
    npm, node = shutil.which("npm"), shutil.which("node")
    if not npm or not node:
        sys.exit("the page is built by Node: install it, with npm")
    installed = HERE / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (HERE / "package-lock.json").stat().st_mtime:
        subprocess.run([npm, "ci", "--silent"], cwd=HERE, check=True)
    subprocess.run([node, HERE / "bundle.mjs", target.resolve(), documentation], cwd=HERE, check=True)


def contract() -> dict[str, Any]:
    """Return what the page knows of the contract: its documents, and the members of each message."""
    roots = {name: message.DESCRIPTOR for name, message in DOCUMENTS.items()}
    parts = {name: part.DESCRIPTOR for name, part in RECORD_PARTS.items() if part.DESCRIPTOR not in roots.values()}
    found = [schema_of(descriptor) for descriptor in (*roots.values(), *parts.values())]
    for schema in found:
        for field in schema.fields():
            if (inner := _message_of(field)) and inner not in found:
                found.append(inner)
    return {
        "documents": {name: descriptor.full_name for name, descriptor in roots.items()},
        "parts": {name: descriptor.full_name for name, descriptor in parts.items()},
        "homes": HOME_FIELDS,
        "messages": {schema.full_name: _message(schema) for schema in found},
    }


def _message_of(field: Field) -> MessageSchema | None:
    held = field.map_value if field.map_key else field
    return held.schema if held.descriptor.message_type else None


def _message(schema: MessageSchema) -> dict[str, Any]:
    comments = _comments(schema.full_name)
    return {
        "hasHomes": schema.has_homes,
        "isList": schema.is_list,
        "members": {
            name: [_field(field) | {"comment": comments.get(field.name, "")} for field in member.alternatives]
            for name, member in schema.members.items()
        },
    }


def _field(field: Field) -> dict[str, Any]:
    inner = None if field.map_key else _message_of(field)
    about = {
        "name": field.name,
        "number": field.number,
        "kind": "map" if field.map_key else field.kind,
        "shown": KINDS[field.kind].shown_as,
        "wireType": field.wire_type,
        "isRepeated": field.repeated and not field.map_key,
        "isRequired": field.required,
        "isNullable": field.nullable,
        "enum": field.enum and {"name": field.enum.name, "numbers": field.enum.number_of},
        "message": inner and inner.full_name,
        "value": _field(field.map_value) if field.map_key else None,
    }
    return {key: value for key, value in about.items() if value is not None and value is not False}


def _comments(message: str) -> dict[str, str]:
    """Return the comments above the fields of a message, by the fields' names."""
    found: dict[str, str] = {}
    for path in sorted((chatpb.proto_path() / "chatcompletion").rglob("*.proto")):
        source = path.read_text(encoding="utf-8")
        for declared in read_proto(source).messages:
            if declared.name in (message, message.rpartition(".")[2]):
                for field in declared.fields:
                    lines: list[str] = []
                    for line in reversed(source[: field.start].splitlines()[:-1]):
                        if not line.strip().startswith("//"):
                            break
                        lines.insert(0, line.strip().removeprefix("//").strip())
                    found[field.name] = " ".join(lines)
    return found


if __name__ == "__main__":
    main()
