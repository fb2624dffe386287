"""`chatpb export --engine spark`: the work divided among the tasks of a Spark cluster."""

from __future__ import annotations

import os
import re
import sys
from functools import reduce

from google.protobuf.message import Message
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as sql

from chatpb import ChatpbError
from chatpb._detect import detect_json
from chatpb.cli._console import report
from chatpb.cli._transcode import SAMPLE_SIZE
from chatpb.storage.spark import RECORDS, SETTINGS, read_lines, to_lines

__all__ = ["export_by_spark"]


def export_by_spark(
    sources: list[str], target: str, message_type: type[Message] | None, master: str, quiet: bool
) -> None:
    """Write records to a folder. Raises ChatpbError, with what Spark reports, where that fails."""
    if master.startswith("local"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # Spark takes the first python3 of PATH otherwise
    as_lines = _are_lines(target)
    inputs = [(source, _are_lines(source)) for source in sources]
    shown = {"spark.ui.showConsoleProgress": str(sys.stderr.isatty() and not quiet).lower()}
    spark = SparkSession.builder.master(master).appName("chatpb export").config(map={**SETTINGS, **shown}).getOrCreate()
    spark.sparkContext.setLogLevel("FATAL")  # it would report every attempt of a task that fails
    counted = Observation()
    try:
        frame = reduce(DataFrame.unionByName, (_read(spark, *each, message_type) for each in inputs))
        frame = frame.observe(counted, sql.count(sql.lit(1)).alias("records"))
        if as_lines:
            to_lines(frame).write.text(target, compression="gzip" if target.rstrip("/").endswith(".gz") else None)
        else:
            frame.write.parquet(target)
        if not quiet:
            report(f"{counted.get['records']:,} records: {', '.join(sources)} to {target}")
    except PySparkException as error:
        raise ChatpbError(_reason(str(error))) from None
    finally:
        spark.stop()


def _are_lines(path: str) -> bool:
    """Return whether a name is one of JSON lines, rather than of Parquet. Raises ChatpbError if it is neither."""
    name = path.rstrip("/").lower()
    if name.endswith((".jsonl", ".jsonl.gz")):
        return True
    if name.endswith((".parquet", ".pq")):
        return False
    raise ChatpbError(f"{path}: the name implies no form that Spark reads or writes: use .jsonl, .jsonl.gz or .parquet")


def _read(spark: SparkSession, path: str, as_lines: bool, message_type: type[Message] | None) -> DataFrame:
    if not as_lines:
        return spark.read.parquet(path).select(RECORDS.names)
    first = spark.read.text(path, lineSep="\n").where(sql.col("value").rlike(r"\S")).take(SAMPLE_SIZE)
    try:
        return read_lines(spark, path, message_type or detect_json(row.value.encode() for row in first))
    except TypeError as error:
        raise ChatpbError(f"{path}: {error}") from None


def _reason(text: str) -> str:
    """Return the message of chatpb inside an error of Spark, or else the first line of the error."""
    message = re.search(r"ChatpbError: (.*)", text)
    return message[1] if message else text.splitlines()[0]
