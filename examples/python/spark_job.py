"""A Spark job over recorded exchanges: the members that providers add to answers, and how often each model has them.

python spark_job.py traffic.jsonl.gz members
"""

import sys
from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import SparkSession

from chatpb import ChatCompletion, ChatCompletionChunk, ChatCompletionRecord
from chatpb.storage.spark import SETTINGS, read_lines

ROWS = pa.schema([("model", pa.string()), ("member", pa.string())])


def vendor_members(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield a row for each member of an answer that the contract does not name. This runs on the workers."""
    for batch in batches:
        rows = []
        for model, wire in zip(batch["model"].to_pylist(), batch["wire"].to_pylist(), strict=True):
            record = ChatCompletionRecord.FromString(wire)
            parts: list[ChatCompletion | ChatCompletionChunk] = [record.response, record.stream.common]
            names = set()
            for document in (*parts, *record.stream.chunks):
                # What a Struct would change is in the second map, as JSON text.
                names |= {*document.additional_properties.fields, *document.verbatim_properties}
            rows += [{"model": model, "member": name} for name in names]
        yield pa.RecordBatch.from_pylist(rows, schema=ROWS)


def main(source: str, target: str) -> None:
    spark = SparkSession.builder.appName("vendor members").config(map=SETTINGS).getOrCreate()
    records = read_lines(spark, source).select("model", "wire")
    members = records.mapInArrow(vendor_members, "model string, member string")
    members.groupBy("model", "member").count().coalesce(1).orderBy("model", "member").write.csv(target, header=True)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
