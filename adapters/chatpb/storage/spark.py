"""Records in Spark: lines in, lines out, and statistics. It needs the extra `spark`, on every worker too.

A frame of records has the columns of `chatpb.arrow.SCHEMA`; stored, it is a folder of Parquet like any other. Rows go
between Spark and chatpb in Arrow batches. A task that is tried again makes its rows anew: nothing is kept between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import pyarrow as pa
from google.protobuf.message import Message
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sql
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from chatcompletion.v1 import ChatCompletionChunk, ChatCompletionRecord
from chatpb._errors import ChatpbError, JsonError, WireError
from chatpb.arrow import SCHEMA, expand_records, json_column, wire_column, with_columns
from chatpb.storage._documents import Wrapper
from chatpb.storage._stats import statement

__all__ = ["RECORDS", "SETTINGS", "read_lines", "statistics", "to_lines"]

_MICROS: Final = pa.timestamp("us", "UTC")

_ARROW: Final = pa.schema(
    [field.with_type(_MICROS) if pa.types.is_timestamp(field.type) else field for field in SCHEMA]
)  # Spark has no other timestamps

RECORDS: Final[StructType] = from_arrow_schema(_ARROW)
"""The schema of a frame of records."""

SETTINGS: Final[Mapping[str, str]] = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "1000",
}
"""What a session is best made with: days of UTC, Parquet as chatpb writes it, batches that fit in a worker's memory."""

Batches = Iterator[pa.RecordBatch]


def read_lines(
    spark: SparkSession, path: str | list[str], message_type: type[Message] = ChatCompletionRecord
) -> DataFrame:
    """A frame of records, of JSON lines. Blank lines are skipped.

    Args:
        spark: the session.
        path: files, folders or patterns, as Spark takes them; `.gz` is decompressed.
        message_type: what the lines are; completions, requests and errors become records with that part alone.

    Raises:
        TypeError: a record has no such documents; or they are chunks, whose streams may not be divided among tasks.

    A line that cannot be read ends the job with a ChatpbError that names the file, and the place in the line.

    """
    if message_type is ChatCompletionChunk:
        raise TypeError("chunks need their order: make records of them first, with `chatpb export`")
    Wrapper(message_type)  # tells a wrong type here rather than on the workers

    def convert(batches: Batches) -> Batches:
        for batch in batches:
            yield _records(batch, message_type)

    lines = spark.read.text(path, lineSep="\n").where(sql.col("value").rlike(r"\S"))
    # Bytes, so that Spark does not mend what is not UTF-8.
    return lines.select(sql.col("value").cast("binary"), "_metadata.file_path").mapInArrow(convert, RECORDS)


def to_lines(frame: DataFrame) -> DataFrame:
    """The records of a frame as JSON, in its one column `value`; streams are written with whole chunks.

    `to_lines(frame).write.text(folder)` stores them. A record that is damaged ends the job with a ChatpbError.
    """
    return frame.select("wire").mapInArrow(_lines, "value string")


def statistics(frame: DataFrame, *sets: Sequence[str]) -> DataFrame:
    """Counts, tokens, bytes and percentiles of latency of a frame of records, as `chatpb stats` gives them.

    Args:
        frame: the records.
        sets: what to group by, a row for each group of each set: `("model",)`, `("day",)`, `("model", "day")`; `()` is
            one row for all. Model and day together unless given. Days are those of the session's time zone.

    """
    query = statement(*(sets or [("model", "day")]), source="{records}", quantile="approx_percentile")
    return frame.sparkSession.sql(query, records=frame)


def _records(batch: pa.RecordBatch, message_type: type[Message]) -> pa.RecordBatch:
    lines, files = batch.columns
    wires = _told(lambda: wire_column(lines, message_type), files)
    records = Wrapper(message_type, threads=1).records(wires)
    return with_columns(records).cast(_ARROW)


def _lines(batches: Batches) -> Batches:
    for batch in batches:
        whole = expand_records(batch.column(0), threads=1)
        yield pa.record_batch([json_column(whole, ChatCompletionRecord).cast(pa.string())], names=["value"])


def _told(convert: Callable[[], pa.Array], files: pa.Array) -> pa.Array:
    """What `convert` makes. Its error tells the place but nothing of the line, which may be anyone's words."""
    try:
        return convert()
    except (JsonError, WireError) as error:
        _, row, *path = error.path.split("/")
        place = "/".join(["", *path])
        raise ChatpbError(
            f"{files[int(row)]}: a line cannot be read, at its byte {error.offset}"
            f"{f', in {place}' if path else ''}; `chatpb check` on the file tells which and why"
        ) from None
