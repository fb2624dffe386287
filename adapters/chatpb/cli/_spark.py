"""`chatpb export --engine spark`: the work divided among the tasks of a Spark cluster."""

from __future__ import annotations

import os
import re
import sys
from functools import reduce
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from chatpb._detect import detect_objects
from chatpb._errors import ChatpbError
from chatpb.cli._group import complain

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["export_by_spark"]

SAMPLE = 8
"""Lines that are looked at to tell what they are."""


def export_by_spark(
    sources: list[str], target: str, message_type: type[Message] | None, master: str, quiet: bool
) -> None:
    """Write records to a folder. Raises ChatpbError, with what Spark says, where that fails."""
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import DataFrame, Observation, SparkSession
        from pyspark.sql import functions as sql

        from chatpb.storage.spark import SETTINGS, to_lines
    except ModuleNotFoundError as error:
        raise ChatpbError(f"Spark needs {error.name}: pip install 'chatpb[spark]'") from None
    if master.startswith("local"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else it is the first python3 of the path
    as_lines = _are_lines(target)
    inputs = [(source, _are_lines(source)) for source in sources]
    shown = {"spark.ui.showConsoleProgress": str(sys.stderr.isatty() and not quiet).lower()}
    spark = SparkSession.builder.master(master).appName("chatpb export").config(map={**SETTINGS, **shown}).getOrCreate()
    spark.sparkContext.setLogLevel("FATAL")  # the tries of a task that fails would be told one by one
    counted = Observation()
    try:
        frame = reduce(DataFrame.unionByName, (_read(spark, *each, message_type) for each in inputs))
        frame = frame.observe(counted, sql.count(sql.lit(1)).alias("records"))
        if as_lines:
            to_lines(frame).write.text(target, compression="gzip" if target.rstrip("/").endswith(".gz") else None)
        else:
            frame.write.parquet(target)
        if not quiet:
            complain(f"{counted.get['records']:,} records: {', '.join(sources)} to {target}")
    except PySparkException as error:
        raise ChatpbError(_reason(str(error))) from None
    finally:
        spark.stop()


def _are_lines(path: str) -> bool:
    """Whether a name is one of lines; else it is one of Parquet. Raises ChatpbError."""
    name = path.rstrip("/").lower()
    if name.endswith((".jsonl", ".jsonl.gz")):
        return True
    if name.endswith((".parquet", ".pq")):
        return False
    raise ChatpbError(f"{path}: the name tells no form that Spark reads or writes: use .jsonl, .jsonl.gz or .parquet")


def _read(spark: SparkSession, path: str, as_lines: bool, message_type: type[Message] | None) -> DataFrame:
    from pyspark.sql import functions as sql

    from chatpb.storage.spark import RECORDS, read_lines

    if not as_lines:
        return spark.read.parquet(path).select(RECORDS.names)
    first = spark.read.text(path, lineSep="\n").where(sql.col("value").rlike(r"\S")).take(SAMPLE)
    try:
        return read_lines(spark, path, message_type or detect_objects(row.value.encode() for row in first))
    except TypeError as error:
        raise ChatpbError(f"{path}: {error}") from None


def _reason(text: str) -> str:
    """What chatpb said on a worker, which Spark wraps in its own words, or else the first line of those."""
    told = re.search(r"ChatpbError: (.*)", text)
    return told[1] if told else text.splitlines()[0]
