"""Columns of members that a caller chooses, in Parquet and in queries."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from chatpb import ChatpbError, CreateChatCompletionRequest, storage
from chatpb.storage import QueryError, make_record
from tests.cli.command_line import run

RECORDS = [
    make_record(response={"id": "a", "model": "m", "choices": [], "x_groq": {"id": "q1", "n": 2**53 + 1, "list": [1, None]}}, labels={"team x": "é'\""}, start_time=1),
    make_record(stream={"chunks": [{"id": "b", "model": "m", "choices": [], "x": k} for k in range(3)]}),
    make_record(response={"id": "c", "model": "m", "choices": [], "x_groq": None}, start_time=86_400_000_000),
    make_record(request=CreateChatCompletionRequest(model="m", temperature=float("nan"))),
]  # fmt: skip
PATHS = {
    "groq": "$.response.x_groq.id",
    "number": "/response/x_groq/n",
    "list": "$.response.x_groq.list",
    'odd "name"': '$.labels."team x"',
    "third": "$.stream.chunks[2].x",
    "absent": "$.nothing",
}
EXPECTED = {
    "groq": ["q1", None, None, None],
    "number": ["9007199254740993", None, None, None],
    "list": ["[1,null]", None, None, None],
    'odd "name"': ["é'\"", None, None, None],
    "third": [None, "2", None, None],
    "absent": [None] * 4,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("columns", [None, [], ["model"]])
def test_a_member_is_a_column(columns: list[str] | None) -> None:
    storage.write("x.parquet", RECORDS, members=PATHS, columns=columns)
    table = pq.read_table("x.parquet")
    assert {name: table.column(name).to_pylist() for name in PATHS} == EXPECTED
    with storage.open("x.parquet") as records:
        assert [each.wire for each in records] == RECORDS
        assert records.query('SELECT groq, "odd ""name""", third, model FROM records').fetchall() == [
            ("q1", "é'\"", None, "m"), (None, None, "2", "m"), (None, None, None, "m"), (None, None, None, "m"),
        ]  # fmt: skip


def test_the_whole_record_is_a_column_of_json() -> None:
    storage.write("x.parquet", RECORDS[:3], members={"record": "$"})
    table = pq.read_table("x.parquet")
    texts = table.column("record").to_pylist()
    assert [json.loads(text) for text in texts] == [
        json.loads(storage.Record(wire).to_json()) for wire in RECORDS[:1]
    ] + [json.loads(text) for text in texts[1:]]
    assert [chunk["x"] for chunk in json.loads(texts[1])["stream"]["chunks"]] == [0, 1, 2]
    with storage.open("x.parquet") as records:
        assert records.query("SELECT record->>'$.response.x_groq.id' FROM records").fetchall() == [
            ("q1",),
            (None,),
            (None,),
        ]


@pytest.mark.parametrize("other", ["y.parquet", "y.db", "y.jsonl"])
def test_files_that_lack_a_column_have_it_in_queries(other: str) -> None:
    storage.write("x.parquet", RECORDS[:1], members={"groq": "$.response.x_groq.id"})
    storage.write(other, RECORDS[:1])
    storage.write("z.parquet", RECORDS[:1], members={"groq": "$.response.id"})
    with storage.open("x.parquet", other, "z.parquet") as records:
        assert records.query("SELECT groq FROM records").fetchall() == [("q1",)] * 3


def test_days_and_the_command() -> None:
    storage.write("x.db", RECORDS)
    assert (
        run(
            "export",
            "x.db",
            "days",
            "--partition",
            "day",
            "--column",
            "groq=$.response.x_groq.id",
            "--columns",
            "model",
        ).exit_code
        == 0
    )
    result = run("query", "days", "SELECT groq, count(*) AS n FROM records GROUP BY 1 ORDER BY 1", "-f", "csv")
    assert result.stdout.splitlines() == ["groq,n", "q1,1", ",3"]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"model": "$.x"}, "'model' cannot be the name"),
        ({"wire": "$.x"}, "'wire' cannot be the name"),
        ({"day": "$.x"}, "'day' cannot be the name"),
        ({"": "$.x"}, "'' cannot be the name"),
        ({"x": "response.id"}, r"'response.id' is no path of one member: write \$.response.id"),
        ({"x": ".id"}, r"write \$.id"),
        ({"x": "$.choices[*].x"}, "no path of one member"),
        ({"x": "$."}, "no path of one member"),
        ({"x": '$."\'); DROP TABLE records; --"'}, None),
    ],
)
def test_what_is_no_column(members: dict[str, str], said: str | None) -> None:
    if said is None:  # the name of a member, however odd
        storage.write("x.parquet", RECORDS[:1], members=members)
        assert pq.read_table("x.parquet").column("x").to_pylist() == [None]
        return
    with pytest.raises(ChatpbError, match=said):
        storage.write("x.parquet", RECORDS[:1], members=members)
    assert not Path("x.parquet").exists()


def test_other_forms_have_no_columns() -> None:
    result = run("export", "x.db", "x.jsonl", "--column", "a=$.b")
    assert result.exit_code != 0
    assert run("export", "x.db", "x.parquet", "--column", "a").stderr.splitlines()[0].endswith("'a' is not NAME=PATH")


@pytest.mark.parametrize("said", ["[]", "{", '{"model": "$.x"}', '{"a": 1}'])
def test_a_file_that_says_what_is_not_true(said: str) -> None:
    storage.write("x.parquet", RECORDS[:1])
    table = pq.read_table("x.parquet")
    pq.write_table(table.replace_schema_metadata({"chatpb.columns": said}), "y.parquet")
    with storage.open("y.parquet") as records, pytest.raises(QueryError, match=r"y\.parquet"):
        records.query("SELECT * FROM records")


def test_a_column_that_is_not_there_is_made() -> None:
    storage.write("x.parquet", RECORDS[:1])
    table = pq.read_table("x.parquet")
    pq.write_table(table.replace_schema_metadata({"chatpb.columns": '{"gone": "$.response.id"}'}), "y.parquet")
    with storage.open("y.parquet") as records:
        assert records.query("SELECT gone FROM records").fetchall() == [("a",)]
