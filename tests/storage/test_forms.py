"""Records through every form and back: they are equal and in order, and errors name the file and the record."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from chatcompletion.v1 import ChatCompletion, ChatCompletionRecord
from chatpb import ChatCompletionChunk, ChatpbError, json_to_wire, storage, unknown_field_counts, wire_to_json
from chatpb._contract.documents import RECORD_DOCUMENTS
from chatpb._files.refusals import Refusals
from chatpb._records.parts import parts_of
from chatpb._wire.write import delimited, tag
from chatpb.arrow import SCHEMA, record_batch
from chatpb.cli._app import app
from chatpb.storage import Recorder, _parquet, make_record
from chatpb.storage import open as open_records
from chatpb.storage._batch import Batch, in_batches
from chatpb.storage._forms import open_source
from chatpb.storage._stores import is_remote
from chatpb.storage._streams import MAX_STREAM
from chatpb.storage._wrap_documents import DocumentWrapper, unwrap_documents
from tests.support import exactly_equal, recording

FORMS = [
    "x.db",
    "x.jsonl",
    "x.jsonl.gz",
    "x.jsonl.zst",
    "x.binpbs",
    "x.binpbs.gz",
    "x.binpbs.zst",
    "x.parquet",
    "folder.parquet",
    "memory://bucket/x.parquet",
    "memory://bucket/folder",
    "memory://bucket/x.jsonl",
    "memory://bucket/x.jsonl.gz",
    "memory://bucket/x.binpbs.zst",
]

CHUNKS = [
    {
        "id": stream,
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": str(n)}}],
    }
    for stream in ("a", "b", "a")
    for n in range(3)
]
RECORDS: list[dict[str, Any]] = [
    {"start_time": 1767225600000000, "end_time": 1767225601000000, "status": 200, "request": {"model": "m", "messages": [], "seed": 2**64},
     "response": {"id": "c", "choices": [], "usage": None, "x": [None, 1.5, {}]}, "labels": {"team": "a"}, "x_vendor": 2**53 + 1},
    {"start_time": 1767312000000000, "stream": {"chunks": CHUNKS[:3]}, "error": {"error": {"message": "broke off", "code": None}}},
    {},
    {"status": "odd", "response": {"id": 5, "choices": {}}},
]  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    fsspec.filesystem("memory").rm("/", recursive=True)
    return tmp_path


def run(*args: str) -> Any:
    return CliRunner().invoke(app, args, prog_name="chatpb")


def succeed(*args: str) -> str:
    result = run(*args)
    assert result.exit_code == 0, result.output
    return str(result.stderr)


def write_lines(name: str, objects: list[Any]) -> str:
    Path(name).write_text("".join(json.dumps(obj) + "\n" for obj in objects))
    return name


def lines(name: str) -> list[Any]:
    return [json.loads(line) for line in Path(name).read_text().splitlines()]


def wires(path: str) -> list[bytes]:
    refusals = Refusals()
    with open_source(path) as source:
        found = [wire for batch in source.batches(refusals) for wire in batch.wire.to_pylist()]
        assert source.fraction() == 1
    assert not refusals.count
    return found


def wrap(documents: list[bytes], message_type: type[Any]) -> list[bytes]:
    wrapper = DocumentWrapper()
    (batch,) = in_batches((str(n), wire) for n, wire in enumerate(documents))
    made = [*wrapper.wrap(batch, message_type), *wrapper.finish()]
    return [wire for each in made for wire in each.wire.to_pylist()]


def options(form: str) -> list[str]:
    return ["--partition", "day"] if "folder" in form else []


@pytest.mark.parametrize("name", ["x.db", "x.parquet", "x.jsonl", "x.binpbs"])
def test_how_much_of_a_file_has_been_read(name: str) -> None:
    text = "word " * (700_000)  # each record is a batch of its own
    storage.write(name, [storage.make_record(labels={"text": text}, start_time=n) for n in range(1, 4)])
    with open_source(name) as source:
        fractions = [source.fraction(), *(source.fraction() for _ in source.batches(Refusals()))]
    assert fractions[0] == 0
    assert 0 < fractions[1] < 1
    assert fractions == sorted(fractions)
    assert fractions[3] == 1


@pytest.mark.parametrize("limits", [{"start": 1}, {"end": 3}, {"start": 1, "end": 3}])
def test_within_limits_of_time_how_much_there_is_to_read_is_not_known(limits: dict[str, int]) -> None:
    storage.write("x.db", [storage.make_record(start_time=n) for n in range(1, 4)])
    with open_source("x.db", **limits) as source:  # type: ignore[arg-type]
        assert [source.fraction(), *(source.fraction() for _ in source.batches(Refusals()))] == [0, 0]


@pytest.mark.parametrize("middle", FORMS)
def test_records_through_every_form(middle: str) -> None:
    write_lines("in.jsonl", RECORDS)
    assert "4 records: in.jsonl to " in succeed("export", "in.jsonl", middle, *options(middle))
    succeed("export", middle, "out.jsonl")
    assert exactly_equal(lines("out.jsonl"), RECORDS)
    assert wires(middle) == wires("in.jsonl")


ODDLY_ORDERED = {"z": 1, "a": {"y": [{"d": 1, "b": 2}], "x": None}, "m": {}}
SCHEMA_OF_A_TOOL = {"type": "object", "properties": {"zeta": {"type": "string"}, "alpha": {"enum": [{"q": 1, "p": 2}]}}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": SCHEMA_OF_A_TOOL}}
ORDERED_REQUEST = {
    "model": "m",
    "messages": [{"role": "user", "content": "Hi", "x": ODDLY_ORDERED}],
    "tools": [TOOL],
    "guided_json": SCHEMA_OF_A_TOOL,
}
ORDERED_CHUNK: dict[str, Any] = {"id": "s", "model": "m", "choices": [], "x": ODDLY_ORDERED}
ORDERED: dict[str, dict[str, Any]] = {
    "record": {
        "request": ORDERED_REQUEST,
        "response": {"id": "c", "choices": [], "x": ODDLY_ORDERED},
        "x": ODDLY_ORDERED,
    },
    "stream": {"stream": {"chunks": [ORDERED_CHUNK, {**ORDERED_CHUNK, "y": SCHEMA_OF_A_TOOL}, ORDERED_CHUNK]}},
    "completion": {"id": "c", "object": "chat.completion", "model": "m", "choices": [], "x": ODDLY_ORDERED},
    "request": ORDERED_REQUEST,
    "batch_input": {"custom_id": "q", "method": "POST", "url": "/", "body": ORDERED_REQUEST, "x": ODDLY_ORDERED},
    "sft": {"messages": ORDERED_REQUEST["messages"], "tools": [TOOL]},
}


def open_values(value: Any) -> list[str]:
    """Return the text of each open value of those above, wherever it is, in which order counts."""
    if not isinstance(value, dict | list):
        return []
    if value in (ODDLY_ORDERED, SCHEMA_OF_A_TOOL):
        return [json.dumps(value)]
    return [text for each in (value.values() if isinstance(value, dict) else value) for text in open_values(each)]


@pytest.mark.parametrize("middle", FORMS)
@pytest.mark.parametrize("name", ["in.jsonl", "in.json"])
def test_the_order_inside_open_values_comes_through_every_form(middle: str, name: str) -> None:
    given = list(ORDERED.values())
    Path(name).write_text(
        json.dumps(given) if name == "in.json" else "".join(json.dumps(each) + "\n" for each in given)
    )
    succeed("export", name, middle, *options(middle))
    succeed("export", middle, "out.jsonl")
    found = [sorted(open_values(each)) for each in lines("out.jsonl")]
    assert sorted(found) == sorted(sorted(open_values(each)) for each in given)
    assert {text for texts in found for text in texts} == {json.dumps(ODDLY_ORDERED), json.dumps(SCHEMA_OF_A_TOOL)}


def test_the_order_inside_open_values_comes_through_what_joins_and_divides() -> None:
    results = [
        {
            "id": "b",
            "custom_id": "q",
            "response": {"status_code": 200, "request_id": "r", "body": ORDERED["completion"]},
            "error": None,
        }
    ]
    write_lines("in.jsonl", [ORDERED["batch_input"], *results])
    succeed("export", "in.jsonl", "x.db")
    succeed("export", "x.db", "batch.jsonl", "--to", "batch")
    assert [sorted(open_values(each)) for each in lines("batch.jsonl")] == [sorted(open_values(ORDERED["batch_input"]))]
    succeed("export", "x.db", "results.jsonl", "--to", "batch-output")
    assert [open_values(each) for each in lines("results.jsonl")] == [open_values(results)]
    succeed("export", "x.db", "x.parquet", "--column", "x=$.batch_input.x", "--column", "tools=$.request.tools")
    assert pq.read_table("x.parquet").select(["x", "tools"]).to_pylist() == [
        {"x": json.dumps(ODDLY_ORDERED, separators=(",", ":")), "tools": json.dumps([TOOL], separators=(",", ":"))}
    ]
    for document in ("request", "response"):
        succeed("export", "x.db", "one.jsonl", "--only", document)
        assert open_values(lines("one.jsonl")) == open_values(
            ORDERED_REQUEST if document == "request" else ORDERED["completion"]
        )


@pytest.mark.parametrize("middle", FORMS)
@pytest.mark.parametrize(("kind", "name"), [("completion", "response"), ("chunk", "chunk"), ("request", "request")])
def test_recorded_traffic_through_every_form(middle: str, kind: str, name: str) -> None:
    texts = recording(kind)
    with gzip.open("in.jsonl.gz", "wb") as file:
        file.writelines(texts)
    succeed("export", "in.jsonl.gz", middle, *options(middle))
    succeed("export", middle, "out.jsonl", "--only", name)
    found, expected = lines("out.jsonl"), [json.loads(text) for text in texts]
    kept, given = wires(middle), wires("in.jsonl.gz")
    if options(middle):
        # A folder with days gives one day after the other; only within a day do records keep their order.
        found, expected = (sorted(side, key=lambda obj: json.dumps(obj, sort_keys=True)) for side in (found, expected))
        kept, given = sorted(kept), sorted(given)
    assert exactly_equal(found, expected)
    assert kept == given


NEWER = delimited(tag(1000, 2), b"of a newer contract")
OLDER = ChatCompletionRecord(response=ChatCompletion(id="c")).SerializeToString()


@pytest.mark.parametrize("only", [[], ["--only", "response"]], ids=["records", "answers"])
@pytest.mark.parametrize("count", [1, 3])
def test_records_of_a_newer_contract(count: int, only: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes keep their fields; lines lack them and each is counted, or records that have them are refused by name."""
    monkeypatch.setattr("chatpb._known_json._counts", Counter())
    completion = ChatCompletion(id="c").SerializeToString() + NEWER
    record = ChatCompletionRecord(response=ChatCompletion.FromString(completion)).SerializeToString()
    Path("in.binpbs").write_bytes(b"".join(delimited(b"", each) for each in [record] * count + [OLDER]))
    succeed("export", "in.binpbs", "x.db")
    assert wires("x.db") == [record] * count + [OLDER]
    assert unknown_field_counts() == {}
    answer = {"id": "c"} if only else {"response": {"id": "c"}}
    succeed("export", "x.db", "out.jsonl", *only)
    assert lines("out.jsonl") == [answer] * (count + 1)
    assert unknown_field_counts() == {("chatcompletion.v1.ChatCompletion", 1000): count}
    result = run("export", "x.db", "some.jsonl", *only, "--unknown-fields", "error")
    assert (result.exit_code, lines("some.jsonl")) == (1, [answer])
    assert result.stderr.count("field 1000") == count


@pytest.mark.parametrize(
    ("chosen", "names"),
    [("wire", ["wire"]), ("model,id", ["wire", "id", "model"]), ("wire, time", ["wire", "time"])],
)
@pytest.mark.parametrize("target", ["x.parquet", "folder.parquet", "memory://bucket/folder"])
def test_parquet_with_some_columns_has_the_same_records(target: str, chosen: str, names: list[str]) -> None:
    write_lines("in.jsonl", RECORDS)
    succeed("export", "in.jsonl", target, "--columns", chosen, *options(target))
    if not is_remote(target):
        assert pq.read_schema(next(Path(target).rglob("*.parquet"), target)).names == names
    assert wires(target) == wires("in.jsonl")


def test_parquet_has_typed_columns() -> None:
    write_lines("in.jsonl", RECORDS)
    succeed("export", "in.jsonl", "x.parquet", "--level", "3")
    table = pq.read_table("x.parquet")
    assert table.cast(SCHEMA).schema.equals(SCHEMA)
    assert table.schema.names == SCHEMA.names
    assert table.column("id").to_pylist() == ["c", "a", None, None]
    assert table.column("latency_us").to_pylist() == [1_000_000, None, None, None]


def test_days() -> None:
    write_lines("in.jsonl", RECORDS)
    succeed("export", "in.jsonl", "days.parquet", "--partition", "day")
    assert sorted(path.name for path in Path("days.parquet").iterdir()) == [
        "day=2026-01-01",
        "day=2026-01-02",
        "day=unknown",
    ]
    result = run("export", "in.jsonl", "days.parquet", "--partition", "day")
    assert (result.exit_code, result.stderr) == (1, "chatpb: days.parquet: there is one already; name another folder\n")


def test_days_in_turns_need_few_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_parquet, "MAX_OPEN_FILES", 1)
    monkeypatch.setattr(_parquet, "GROUP_ROWS", 1)
    records = [{"start_time": 1767225600000000 + n % 3 * 86_400_000_000, "status": n} for n in range(9)]
    succeed("export", write_lines("in.jsonl", records), "days.parquet", "--partition", "day")
    succeed("export", "days.parquet", "out.jsonl")
    assert lines("out.jsonl") == sorted(records, key=lambda record: (record["start_time"], record["status"]))
    assert sorted(path.name for path in Path("days.parquet/day=2026-01-02").iterdir()) == [
        f"part-{n}.parquet" for n in range(3)
    ]


def test_row_groups_are_bounded_by_rows_and_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    def groups(batches: list[list[bytes]]) -> list[int]:
        given = (Batch(pa.array(wires, pa.large_binary()), str) for wires in batches)
        _parquet.write_file("x.parquet", given, None, {}, None, 1)
        metadata = pq.read_metadata("x.parquet")
        return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]

    small, bytes_of = [make_record(status=n) for n in range(20)], record_batch([make_record(status=0)]).nbytes
    monkeypatch.setattr(_parquet, "GROUP_ROWS", 50)
    assert groups([small] * 6) == [40, 40, 40]
    assert groups([small * 2, small[:10], small[:1]]) == [50, 1]
    assert groups([small * 6]) == [50, 50, 20]
    # Each batch has one row, and so many bytes.
    one = [make_record(status=0)]
    for fit in (8, 9):
        monkeypatch.setattr(_parquet, "GROUP_BYTES", bytes_of * fit)
        assert groups([one] * 20) == [fit, fit, 20 - 2 * fit]
    monkeypatch.setattr(_parquet, "GROUP_BYTES", bytes_of * 9 - 1)
    assert groups([one] * 20) == [8, 8, 4]
    # A large one, of more than a quarter of that, ends its group.
    monkeypatch.setattr(_parquet, "GROUP_BYTES", bytes_of * 4)
    assert groups([one] * 5) == [4, 1]
    monkeypatch.setattr(_parquet, "GROUP_BYTES", bytes_of * 4 - 1)
    assert groups([one] * 5) == [1] * 5


def test_import_appends() -> None:
    write_lines("in.jsonl", RECORDS)
    succeed("import", "in.jsonl", "x.db")
    succeed("import", "in.jsonl", "x.db", "--quiet")
    with Recorder("x.db", read_only=True) as recorder:
        assert len(recorder) == 8
    result = run("import", "in.jsonl", "x.parquet")
    assert (result.exit_code, "use export for other forms" in result.stderr) == (2, True)


def test_inputs_are_read_in_their_order() -> None:
    write_lines("a.jsonl", CHUNKS)
    write_lines("b.jsonl", RECORDS)
    succeed("export", "a.jsonl", "b.jsonl", "x.parquet")
    succeed("export", "x.parquet", "out.jsonl", "--only", "chunk")
    assert lines("out.jsonl") == [*CHUNKS[:3], *CHUNKS[6:], *CHUNKS[3:6], *CHUNKS[:3]]


def chunk(id: str | None, text: str = "", finish: str | None = None, **members: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return {"id": id, "object": "chat.completion.chunk", "model": "m", "choices": [choice], **members}


LEADER = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": []}
ANNOTATION = {"id": "", "object": "", "created": 0, "choices": [{"index": 0, "content_filter_offsets": {}}]}
AZURE = [LEADER, {**LEADER, "id": "a", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}}]}]


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{json.dumps(each)}\n" for each in AZURE),
        "".join(f"data: {json.dumps(each)}\n\n" for each in AZURE) + "data: [DONE]\n\n",
        json.dumps(AZURE),
    ],
    ids=["lines", "events", "array"],
)
def test_the_first_chunk_of_a_file_needs_no_type(text: str) -> None:
    """It could be a completion too, and has neither an id nor a time."""
    Path("in.jsonl").write_text(text)
    assert "1 record" in succeed("export", "in.jsonl", "x.db")
    (record,) = open_records("x.db")
    assert [chunk.id for chunk in record.chunks] == ["", "a"]


BEGIN = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}


@pytest.mark.parametrize(
    ("chunks", "streams"),
    [
        (CHUNKS, [[0, 1, 2, 6, 7, 8], [3, 4, 5]]),
        ([chunk(f"c{n % 50}", str(n)) for n in range(200)], [[n, n + 50, n + 100, n + 150] for n in range(50)]),
        ([LEADER, chunk("a"), chunk("a", finish="stop"), LEADER, chunk("b")], [[0, 1, 2], [3, 4]]),
        (
            [LEADER, chunk("a"), ANNOTATION, chunk("a", finish="stop"), ANNOTATION, LEADER, chunk("b")],
            [[0, 1, 2, 3, 4], [5, 6]],
        ),
        ([chunk("a"), chunk("a", finish="stop"), chunk("a", choices=[], usage={"total_tokens": 1})], [[0, 1, 2]]),
        ([BEGIN, chunk(None), chunk(None, finish="stop"), BEGIN, chunk(None)], [[0, 1, 2], [3, 4]]),
        (
            [BEGIN, chunk(None, finish="stop"), chunk(None, choices=[], usage={"total_tokens": 1}), BEGIN],
            [[0, 1, 2], [3]],
        ),
        ([chunk(None), chunk(None)], [[0, 1]]),
        ([LEADER, chunk("a"), LEADER, chunk("b"), chunk("b")], [[0, 1], [2, 3, 4]]),
    ],
    ids=[
        "interleaved",
        "many",
        "azure",
        "annotated",
        "usage",
        "nameless",
        "nameless-usage",
        "nameless-open",
        "azure-cut",
    ],
)
@pytest.mark.parametrize("form", ["in.jsonl", "in.binpbs"])
def test_chunks_become_streams(chunks: list[Any], streams: list[list[int]], form: str) -> None:
    write_lines("in.jsonl", chunks)
    if form == "in.binpbs":
        assert run("convert", "in.jsonl", form, "--type", "chunk").exit_code == 0
    assert f"{len(streams)} record" in succeed("export", form, "x.db", "--type", "chunk")
    found = [
        [json.loads(wire_to_json(each, ChatCompletionChunk)) for each in unwrap_documents([wire], "chunk")]
        for wire in wires("x.db")
    ]
    assert found == [[chunks[number] for number in stream] for stream in streams]


def test_an_endless_stream_becomes_several(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_STREAM == 64 << 20
    monkeypatch.setattr("chatpb.storage._wrap_documents.MAX_STREAM", 200)
    chunks = [json_to_wire(json.dumps(CHUNKS[0]), ChatCompletionChunk)] * 50
    records = wrap(chunks, ChatCompletionChunk)
    assert len(records) > 5
    assert list(unwrap_documents(records, "chunk")) == chunks


@pytest.mark.parametrize(("bound", "by_bytes"), [("_wrap_documents.MAX_STREAM", True), ("_streams.MAX_OPEN", False)])
@pytest.mark.parametrize("more", [0, -1])
def test_streams_are_held_up_to_a_bound(bound: str, by_bytes: bool, more: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three streams in turns, the oldest ends early if the bound is one below what they need."""
    texts = {id: f'{{"id": "{id}", "choices": [{{"index": 0, "delta": {{"content": "a"}}}}]}}' for id in "abc"}
    chunks = [json_to_wire(texts[id], ChatCompletionChunk) for id in "abcabcba"]
    needed = 7 * len(chunks[0]) if by_bytes else 3  # the eighth ends its own stream
    monkeypatch.setattr(f"chatpb.storage.{bound}", needed + more)
    records = wrap(chunks, ChatCompletionChunk)
    found = [len(list(unwrap_documents([record], "chunk"))) for record in records]
    assert sum(found) == 8
    assert (found == [3, 3, 2]) == (more == 0)


@pytest.mark.parametrize("name", RECORD_DOCUMENTS)
def test_wrapped_documents_come_back(name: str) -> None:
    wire = b"" if name == "chunk" else json_to_wire('{"x":1}', RECORD_DOCUMENTS[name])
    records = wrap([wire, wire], RECORD_DOCUMENTS[name])
    assert list(unwrap_documents(records, name)) == [wire, wire]
    assert all(len(parts_of(record)) == 1 for record in records)


def test_bad_lines_are_reported_and_left_out() -> None:
    Path("in.jsonl").write_text('{"status":1}\n{"status":}\n\n{"status":3}\n')
    result = run("export", "in.jsonl", "x.parquet", "--type", "record")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0].startswith("in.jsonl:2:11: ")
    assert result.stderr.splitlines()[-1] == "2 records, 1 left out: in.jsonl to x.parquet"
    assert len(wires("x.parquet")) == 2


def damaged_groups() -> Iterator[bytearray]:
    write_lines("in.jsonl", [{"status": n, "peer": "p" * 40, "request_id": f"{n:040}"} for n in range(200)])
    succeed("export", "in.jsonl", "x.parquet")
    whole = Path("x.parquet").read_bytes()
    column = pq.ParquetFile("x.parquet").metadata.row_group(0).column(0)
    for at in range(column.data_page_offset + 40, column.data_page_offset + column.total_compressed_size, 97):
        data = bytearray(whole)
        data[at] ^= 1
        yield data


def test_damaged_parquet_is_reported() -> None:
    for data in damaged_groups():
        Path("x.parquet").write_bytes(data)
        result = run("export", "x.parquet", "out.jsonl")
        assert result.exit_code == 1
        assert "x.parquet: row group 0, 200 records: " in result.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["in.jsonl", "x.txt"], "x.txt: the name implies no form of records: use .db, .jsonl, .binpbs (each also .gz, .zst) or .parquet, or give the form of what is read by --from jsonl "),
        (["in.jsonl", "x.parquet", "--only", "chunk"], "x.parquet: only lines and messages can be documents other than records"),
        (["in.jsonl", "x.db", "--partition", "day"], "x.db: only Parquet can be partitioned"),
        (["in.jsonl", "x.db", "--columns", "id"], "x.db: only Parquet has columns"),
        (["in.jsonl", "x.parquet", "--columns", "id,ids"], "there is no column 'ids' of records, only wire, request_id, id, "),
        (["in.jsonl", "days.parquet", "--columns", "", "--partition", "day"], "there is no column '' of records, only "),
        (["in.jsonl", "memory://bucket/x.db"], "memory://bucket/x.db: a recorder's file cannot be on a store; "),
        (["memory://bucket/x.jsonl", "x.parquet"], "memory://bucket/x.jsonl: not found: "),
        (["none.jsonl", "x.db"], "none.jsonl: No such file or directory"),
        (["none.parquet", "x.db"], "none.parquet: No such file or directory"),
        (["bad.parquet", "x.db"], "bad.parquet: no Parquet that can be read: "),
        (["other.parquet", "x.db"], "other.parquet: a Parquet file without the column 'wire' holds no records"),
    ],
)  # fmt: skip
def test_errors(args: list[str], message: str) -> None:
    write_lines("in.jsonl", RECORDS)
    Path("bad.parquet").write_text("PAR1")
    pq.write_table(pa.table({"a": [1]}), "other.parquet")
    result = run("export", *args)
    assert result.exit_code == (2 if "No such file" in message else 1)
    assert result.stderr.startswith(f"chatpb: {message}")
    assert not Path("x.parquet").exists()
    assert not Path("days.parquet").exists()


def test_an_output_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: DocumentWrapper) -> None:
        raise ChatpbError("it broke off")

    monkeypatch.setattr(DocumentWrapper, "finish", fail)
    write_lines("in.jsonl", RECORDS)
    for form in ("x.parquet", "x.jsonl", "folder.parquet"):
        result = run("export", "in.jsonl", form, *options(form))
        assert (result.exit_code, result.stderr) == (1, "chatpb: it broke off\n")
        assert sorted(path.name for path in Path().iterdir()) == ["in.jsonl"]
