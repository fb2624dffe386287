"""Spark's own reader of wire bytes, `from_protobuf`, reads all that is in them.

This needs Java, and the package spark-protobuf of PySpark's version, which Spark fetches. It runs where
CHATPB_SPARK_PROTOBUF=1 is set.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.message import Message

import chatpb
from chatpb import ChatCompletionRecord, storage
from tests.support import ALL_VECTORS, DOCUMENTS, RECORDINGS, ROOT, google_type, programs_of, recording

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(os.environ.get("CHATPB_SPARK_PROTOBUF") != "1", reason="CHATPB_SPARK_PROTOBUF=1 is not set"),
    # Warnings about Spark's own code: old versions import what typing and NumPy dropped, and none closes its sockets.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pyspark"),
    pytest.mark.filterwarnings("ignore:typing.io is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

DOCS = ROOT / "docs" / "spark.md"
DEPTH = "2"
REFUSED = "encoding-other-wire-type"
"""The one vector that Spark does not read: it refuses a field of another wire type, which other readers skip."""


@pytest.fixture(scope="session", autouse=True)
def package() -> Iterator[None]:
    """Run workers in this Python, and have Spark fetch the package."""
    import pyspark

    scala = "2.12" if pyspark.__version__ < "4" else "2.13"
    name = f"org.apache.spark:spark-protobuf_{scala}:{pyspark.__version__}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("PYSPARK_SUBMIT_ARGS", f"--packages {name} pyspark-shell")
        yield


@pytest.fixture(scope="session")
def spark(package: None) -> Iterator[SparkSession]:
    from pyspark.sql import SparkSession

    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    session.sparkContext.setLogLevel("FATAL")
    yield session
    session.stop()


def in_frame(spark: SparkSession, wires: list[bytes]) -> Any:
    return spark.createDataFrame([(bytearray(wire),) for wire in wires], "wire binary")


def read(spark: SparkSession, frame: Any, name: str, folder: Path) -> list[Any]:
    """Return the messages in the column `wire` as rows."""
    from pyspark.sql.protobuf.functions import from_protobuf

    file = folder / "contract.binpb"
    file.write_bytes(chatpb.descriptor_set())
    message = from_protobuf("wire", f"chatcompletion.v1.{name}", str(file), {"recursive.fields.max.depth": DEPTH})
    return [row.message for row in frame.select(message.alias("message")).collect()]


def assert_same(message: Message, row: Any) -> None:
    """Assert that a row has the fields of a message, except JSON values nested deeper than DEPTH."""
    for field in message.DESCRIPTOR.fields:
        if field.name not in row:
            assert message.DESCRIPTOR.file.name == "google/protobuf/struct.proto", field.full_name
            continue
        value, found = getattr(message, field.name), row[field.name]
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            assert found.keys() == value.keys()
            for key in value:
                assert_value(field.message_type.fields_by_name["value"], value[key], found[key])
        elif field.is_repeated:
            assert len(found) == len(value)
            for one, other in zip(value, found, strict=True):
                assert_value(field, one, other)
        elif field.has_presence and not message.HasField(field.name):
            assert found is None, field.full_name
        elif field.has_presence or value != field.default_value:
            assert_value(field, value, found)
        else:
            assert found is None, field.full_name


def assert_value(field: Any, value: Any, found: Any) -> None:
    if field.message_type is not None:
        assert found is not None, field.full_name
        assert_same(value, found)
    elif field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        assert found == (known.name if known else f"UNKNOWN_ENUM_VALUE_{field.enum_type.name}_{value}")
    elif field.cpp_type == field.CPPTYPE_UINT64:
        assert found % 2**64 == value, field.full_name  # Spark has only signed integers
    elif isinstance(value, float) and math.isnan(value):
        assert math.isnan(found)
    else:
        assert found == value, field.full_name


@pytest.mark.parametrize("name", DOCUMENTS)
def test_vectors(spark: SparkSession, tmp_path: Path, name: str) -> None:
    wires = [vector.wire for vector in ALL_VECTORS if vector.message == name and vector.name != REFUSED]
    rows = read(spark, in_frame(spark, wires), name, tmp_path)
    assert len(rows) == len(wires) > 0
    for wire, row in zip(wires, rows, strict=True):
        assert_same(google_type(name).FromString(wire), row)


def test_another_wire_type_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    (vector,) = (vector for vector in ALL_VECTORS if vector.name == REFUSED)
    with pytest.raises(Exception, match="PROTOBUF_FIELD_TYPE_MISMATCH"):
        read(spark, in_frame(spark, [vector.wire]), vector.message, tmp_path)


@pytest.mark.parametrize("kind", RECORDINGS)
def test_recorded_traffic_in_parquet(spark: SparkSession, tmp_path: Path, kind: str) -> None:
    message_type = google_type(RECORDINGS[kind])
    (tmp_path / "x.jsonl").write_bytes(b"".join(recording(kind)))
    storage.copy([str(tmp_path / "x.jsonl")], str(tmp_path / "x.parquet"), message_type=message_type)
    with storage.open(tmp_path / "x.parquet") as opened:
        records = [record.wire for record in opened]
    rows = read(spark, spark.read.parquet(str(tmp_path / "x.parquet")), "ChatCompletionRecord", tmp_path)
    assert len(rows) == len(records) > 0
    for record, row in zip(records, rows, strict=True):
        assert_same(ChatCompletionRecord.FromString(record), row)


def test_the_page(tmp_path: Path) -> None:
    """The second program of docs/spark.md (spark.md) runs unchanged."""
    wire = chatpb.json_to_wire(b'{"response":{"id":"a","model":"m","x":1}}', ChatCompletionRecord)
    storage.write(tmp_path / "records.parquet", [wire])
    _, code = programs_of(DOCS)
    line = [sys.executable, "-c", code]
    result = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode, "|m" in result.stdout) == (0, True), result.stderr
