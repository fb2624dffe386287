"""Records in Spark: from lines, to lines, and their statistics. It needs the extra `spark`, on every worker too.

A frame of records has the columns of `chatpb.arrow.SCHEMA`; stored, it is a folder of Parquet like any other. Rows go
between Spark and chatpb in Arrow batches. Tasks keep nothing, so a task that is run again makes its rows anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
from google.protobuf.message import Message

from chatcompletion.v1 import ChatCompletionChunk, ChatCompletionRecord
from chatpb._errors import ChatpbError, JsonError
from chatpb._extras import extra_for
from chatpb.arrow import SCHEMA, expand_records, wire_column, with_columns
from chatpb.storage._known_column import known_json_column
from chatpb.storage._stats_sql import SPARK, statistics_sql
from chatpb.storage._wrap_documents import wrapped

with extra_for("chatpb.storage.spark"):
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql import functions as sql
    from pyspark.sql.pandas.types import from_arrow_schema
    from pyspark.sql.types import StructType

__all__ = ["RECORDS", "SETTINGS", "read_lines", "statistics", "to_lines"]

_MICROS: Final = pa.timestamp("us", "UTC")

_ARROW: Final = pa.schema(
    [field.with_type(_MICROS) if pa.types.is_timestamp(field.type) else field for field in SCHEMA]
)  # Spark has only timestamps in microseconds

RECORDS: Final[StructType] = from_arrow_schema(_ARROW)
"""The schema of a frame of records.

Examples:
    >>> from chatpb.storage.spark import RECORDS
    >>> RECORDS["time"].dataType
    TimestampType()

"""

SETTINGS: Final[dict[str, Any]] = {  # the type that pyspark's `config` takes
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "1000",
}
"""Settings to make a session with: days in UTC, Parquet as chatpb writes it, batches that fit in a worker's memory.

Examples:
    >>> from chatpb.storage.spark import SETTINGS
    >>> SETTINGS["spark.sql.session.timeZone"]
    'UTC'

"""

Batches = Iterator[pa.RecordBatch]


def read_lines(
    spark: SparkSession, path: str | list[str], message_type: type[Message] = ChatCompletionRecord
) -> DataFrame:
    """Return a frame of the records in JSON lines. Blank lines are skipped.

    Args:
        spark: the session.
        path: files, folders or patterns, as Spark takes them; `.gz` is decompressed.
        message_type: the type of the lines; completions, requests and errors become records with that part alone.

    Raises:
        TypeError: no record has documents of this type; or they are chunks, whose streams tasks must not divide.

    A line that cannot be read ends the job with a ChatpbError that names the file and the place in the line.

    Examples:
        >>> from pathlib import Path
        >>> from pyspark.sql import SparkSession
        >>> from chatpb.storage.spark import SETTINGS, read_lines
        >>> path = Path("traffic.jsonl").absolute()
        >>> size = path.write_text('{"response":{"model":"m"}}')
        >>> spark = SparkSession.builder.config(map=SETTINGS).getOrCreate()
        >>> read_lines(spark, str(path)).select("model").collect()
        [Row(model='m')]

    """
    if message_type is ChatCompletionChunk:
        raise TypeError("chunks need their order: make records of them first, with `chatpb export`")
    wrapped(
        pa.array([], pa.large_binary()), message_type
    )  # so that a wrong type is an error here rather than on the workers

    def convert(batches: Batches) -> Batches:
        for batch in batches:
            yield _records_of_lines(batch, message_type)

    lines = spark.read.text(path, lineSep="\n").where(sql.col("value").rlike(r"\S"))
    # As bytes, since Spark would replace bytes that are not UTF-8.
    return lines.select(sql.col("value").cast("binary"), "_metadata.file_path").mapInArrow(convert, RECORDS)


def to_lines(frame: DataFrame) -> DataFrame:
    """Return a frame with the JSON of a frame's records in its one column `value`; streams have whole chunks.

    `to_lines(frame).write.text(folder)` stores them. A damaged record ends the job with a ChatpbError.

    Examples:
        >>> from pathlib import Path
        >>> from pyspark.sql import SparkSession
        >>> from chatpb.storage.spark import SETTINGS, read_lines, to_lines
        >>> path = Path("traffic.jsonl").absolute()
        >>> size = path.write_text('{"response":{"model":"m"}}')
        >>> spark = SparkSession.builder.config(map=SETTINGS).getOrCreate()
        >>> to_lines(read_lines(spark, str(path))).collect()
        [Row(value='{"response":{"model":"m"}}')]

    """
    return frame.select("wire").mapInArrow(_lines_of_records, "value string")


def statistics(frame: DataFrame, *sets: Sequence[str]) -> DataFrame:
    """Return the counts, tokens, bytes and percentiles of latency of a frame of records, as `chatpb stats` does.

    Args:
        frame: the records.
        sets: what to group by, such as `("model",)`, `("day",)` or `("model", "day")`, which is the default. There is a
            row for each group of each set; `()` is one row for all. Days are those of the session's time zone.

    Examples:
        >>> from pathlib import Path
        >>> from pyspark.sql import SparkSession
        >>> from chatpb.storage.spark import SETTINGS, read_lines, statistics
        >>> path = Path("traffic.jsonl").absolute()
        >>> size = path.write_text('{"response":{"model":"m"}}')
        >>> spark = SparkSession.builder.config(map=SETTINGS).getOrCreate()
        >>> statistics(read_lines(spark, str(path)), ["model"]).select("model", "records").collect()
        [Row(model='m', records=1)]

    """
    query = statistics_sql(*(sets or [("model", "day")]), source="{records}", engine=SPARK)
    return frame.sparkSession.sql(query, records=frame)


def _records_of_lines(batch: pa.RecordBatch, message_type: type[Message]) -> pa.RecordBatch:
    lines, files = batch.columns
    try:
        documents = wire_column(lines, message_type)
    except JsonError as error:
        raise _line_error(error, files) from None
    records = wrapped(documents, message_type, threads=1)
    return with_columns(records).cast(_ARROW)


def _lines_of_records(batches: Batches) -> Batches:
    for batch in batches:
        whole = expand_records(batch.column(0), threads=1)
        yield pa.record_batch([known_json_column(whole, ChatCompletionRecord).cast(pa.string())], names=["value"])


def _line_error(error: JsonError, files: pa.Array) -> ChatpbError:
    """Return an error with the file and the place in the line, but with nothing of the line, which may be private."""
    _, row, *path = error.path.split("/")
    place = "/".join(["", *path])
    return ChatpbError(
        f"{files[int(row)]}: a line cannot be read, at its byte {error.offset}"
        f"{f', in {place}' if path else ''}; `chatpb check` on the file shows which and why"
    )
