"""Print what each route from JSON to an object and back loses: `python -m bench.losses [FOLDER] [--write]`.

Each case is a small completion with one member, or one habit of JSON, that providers send. A cell says what became of
it. The last rows count the documents of a folder that come back equal, the order of members aside: those of its
`completion.jsonl` and `chunk.jsonl`, which may end in `.gz`. `--write` puts the table into the README.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import betterproto
import orjson
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct
from openai.types import chat

import chatcompletion_betterproto
import chatpb
from bench import documents, measure
from chatcompletion import v1

ROOT: Final = Path(__file__).parents[1]
README: Final = ROOT / "README.md"
MARK: Final = "<!-- python -m bench.losses --write -->\n"
MESSAGES: Final = {"completion": "ChatCompletion", "chunk": "ChatCompletionChunk"}


@dataclass(frozen=True)
class Route:
    """A way from JSON to an object and back.

    Attributes:
        there_and_back: takes JSON and the name of a message of the contract, and returns JSON.
        typed: whether the object has the members of that message as fields.
        protobuf: whether the way goes through bytes of protobuf.

    """

    there_and_back: Callable[[bytes, str], bytes | str]
    typed: bool = True
    protobuf: bool = True


def _google(message: Any, data: bytes, *, lenient: bool = False) -> str:
    json_format.ParseDict(json.loads(data), message, ignore_unknown_fields=lenient)
    sent = type(message).FromString(message.SerializeToString())
    return json_format.MessageToJson(sent, preserving_proto_field_name=True, indent=None)


def _betterproto(data: bytes, name: str) -> str:
    message_type = getattr(chatcompletion_betterproto, name)
    sent = message_type().parse(bytes(message_type().from_dict(json.loads(data))))
    return str(sent.to_json(casing=betterproto.Casing.SNAKE))


def _openai(data: bytes, name: str) -> str:
    # As the package's client does, which does not validate what it receives.
    return str(getattr(chat, name).construct(**json.loads(data)).to_json(indent=None))


def _chatpb(data: bytes, name: str) -> bytes:
    message_type = getattr(v1, name)
    return chatpb.to_json(message_type.FromString(chatpb.from_json(data, message_type).SerializeToString()))


ROUTES: Final = {
    "**chatpb**": Route(_chatpb),  # where a phone shows it too
    "`ParseDict`": Route(lambda data, name: _google(getattr(v1, name)(), data)),
    "`ParseDict`, lenient": Route(lambda data, name: _google(getattr(v1, name)(), data, lenient=True)),
    "betterproto": Route(_betterproto),
    "`Struct`": Route(lambda data, _name: _google(Struct(), data), typed=False),
    "`openai` objects": Route(_openai, protobuf=False),
    "orjson": Route(lambda data, _name: orjson.dumps(orjson.loads(data)), typed=False, protobuf=False),
}


@dataclass(frozen=True)
class Case:
    """One member, or one habit of JSON.

    Attributes:
        label: the first cell of its row.
        text: the document.
        path: the names and indices that lead to the value that counts.
        form: what of that value counts.

    """

    label: str
    text: str
    path: tuple[str | int, ...]
    form: Callable[[Any], Any] = lambda value: value


def _names(value: Any) -> list[str]:
    return list(value)


class Spelled(float):
    """A number with a fraction or an exponent, which keeps its text."""

    def __new__(cls, text: str) -> Spelled:
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str


def _spelling(value: Any) -> Any:
    return getattr(value, "text", value)


class Repeated(dict[str, Any]):
    """An object whose text had a name more than once."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else Repeated(members)


def _choice(member: str) -> str:
    return f'{{"id":"c","choices":[{{"index":0,{member}}}]}}'


LETTERS: Final = ",".join(f'"{letter}":1' for letter in "jihgfedcba")
"""So many members that a map without an order does not come out as it was by chance."""
CHOICE: Final = ("choices", 0)
CASES: Final = (
    Case('a vendor\'s member: `"matched_stop": 2`', _choice('"matched_stop":2'), (*CHOICE, "matched_stop")),
    Case("`null`, which is not absent", _choice('"logprobs":null'), (*CHOICE, "logprobs")),
    Case("`[]`, which is not absent", _choice('"message":{"annotations":[]}'), (*CHOICE, "message", "annotations")),
    Case('an enum\'s value: `"stop"`', _choice('"finish_reason":"stop"'), (*CHOICE, "finish_reason")),
    Case('one that it lacks: `"eos"`', _choice('"finish_reason":"eos"'), (*CHOICE, "finish_reason")),
    Case("a 64-bit integer stays a number", '{"id":"c","created":1721075651}', ("created",)),
    Case("an object where a string belongs", '{"id":"c","model":{"name":"m"}}', ("model",)),
    Case("a vendor's integer above 2^53", '{"id":"c","x_seed":9007199254740993}', ("x_seed",)),
    Case("one above 2^64", '{"id":"c","x_seed":36893488147419103233}', ("x_seed",)),
    Case("the order in a vendor's JSON Schema", f'{{"id":"c","x_schema":{{{LETTERS}}}}}', ("x_schema",), _names),
    Case('half of an emoji: `"\\ud83d"`', '{"id":"\\ud83d"}', ("id",)),
    Case("a name twice in one object", '{"id":"a","id":"b"}', (), type),
    Case("the order of all members", f'{{{LETTERS},"model":"m","id":"c"}}', (), _names),
    Case("a number's spelling: `1.50`", '{"id":"c","x_cost":1.50}', ("x_cost",), _spelling),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.losses", description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "tests" / "corpus")
    parser.add_argument("--write", action="store_true", help="put the table into the README")
    arguments = parser.parse_args()
    found = table(arguments.folder)
    print(found, end="")
    if arguments.write:
        README.write_text(with_table(README.read_text(), found))


def with_table(page: str, table: str) -> str:
    """Return the page with this table behind the mark."""
    before, mark, after = page.partition(MARK)
    if not mark:
        raise ValueError(f"{README.name} lacks the line {MARK.strip()}")
    return before + mark + table + after[after.index("\n\n") + 1 :]


def table(folder: Path) -> str:
    """Return the table, in Markdown."""
    routes = ROUTES.values()
    rows = [["what the JSON has", *ROUTES], ["---", *[":---:" for _ in routes]]]
    rows.append(["typed fields", *("yes" if route.typed else "no" for route in routes)])
    rows.append(["bytes of protobuf", *("yes" if route.protobuf else "no" for route in routes)])
    found = documents.folder(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the `openai` package warns of what does not fit
        rows += [[case.label, *(_outcome(case, route) for route in routes)] for case in CASES]
        for kind, name in MESSAGES.items():
            if lines := found.get(kind):
                equal = (sum(_comes_back(line, route, name) for line in lines) for route in routes)
                rows.append([f"{kind}s that come back equal, of {len(lines):,}", *(f"{count:,}" for count in equal)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _outcome(case: Case, route: Route) -> str:
    try:
        text = route.there_and_back(case.text.encode(), "ChatCompletion")
    except Exception:  # routes raise errors of all kinds for what they refuse
        return "refused"
    given, came = _read(case.text), _read(text)
    for step in case.path:
        if isinstance(came, dict) and step not in came:
            return "dropped"
        given, came = given[step], came[step]
    return "✓" if case.form(given) == case.form(came) else "changed"


def _comes_back(line: bytes, route: Route, name: str) -> bool:
    try:
        return measure.same(route.there_and_back(line, name), line)
    except Exception:  # as above
        return False


def _read(text: bytes | str) -> Any:
    return json.loads(text, object_pairs_hook=_object, parse_float=Spelled)


if __name__ == "__main__":
    main()
