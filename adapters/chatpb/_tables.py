"""The schema of a message type as the tables that the native engine compiles.

The form is a text of lines, described in adapters/native/core/src/schema.rs. `python -m chatpb._tables` writes that of
ChatCompletion, for tests of the native core without Python.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chatpb._python.project import Leaf
from chatpb._schema import EnumTable, Field, Schema

__all__ = ["leaf_table", "tables"]

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n"})


def tables(schema: Schema) -> str:
    """The tables of a message type and of all that it contains."""
    places: dict[Schema, int] = {schema: 0}
    enums: dict[int, tuple[int, EnumTable]] = {}
    lines: list[str] = []
    queue = [schema]
    for each in queue:
        lines.append(_line("message", each.full_name, "list" if each.is_list else "object"))
        for field in each.fields():
            value = field.map_value if field.map_key else field
            refers: object = ""
            if value.enum:
                # One table is made of each enum.
                refers = enums.setdefault(id(value.enum), (len(enums), value.enum))[0]
            elif value.kind in ("message", "list"):
                if value.schema not in places:
                    places[value.schema] = len(places)
                    queue.append(value.schema)
                refers = places[value.schema]
            lines.append(_line("field", *_cells(field, value.kind), refers))
    for _, enum in enums.values():
        lines.append("enum")
        lines.extend(_line("value", number, string) for number, string in enum.string_of.items())
    return "\n".join(lines) + "\n"


def leaf_table(types: Sequence[str], leaves: Sequence[Leaf]) -> str:
    """The columns to read from messages: adapters/native/core/src/project.rs describes the form."""
    lines = [_line("columns", *types)]
    for leaf in leaves:
        strings = (cell for item in leaf.strings.items() for cell in item)
        above = " ".join(map(str, leaf.above))
        lines.append(_line(leaf.column, leaf.rank, leaf.kind, above, leaf.tag, leaf.name, *strings))
    return "\n".join(lines) + "\n"


def _cells(field: Field, kind: str) -> Iterator[object]:
    yield field.number
    yield kind
    yield "map" if field.map_key else "many" if field.repeated else "one"
    yield int(field.required)
    yield int(field.nullable)
    yield field.name
    yield field.oneof or ""


def _line(*cells: object) -> str:
    return "\t".join(str(cell).translate(_ESCAPES) for cell in cells)


if __name__ == "__main__":
    from chatcompletion.v1 import ChatCompletion
    from chatpb._schema import schema_of

    print(tables(schema_of(ChatCompletion.DESCRIPTOR)), end="")
