"""Statistics of records, by model and by day: one statement for every SQL engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["GROUPS", "MEASURES", "PERCENTILES", "TIMES", "statement"]

GROUPS: Final[Mapping[str, str]] = {
    "model": "coalesce(model, '')",
    "day": "coalesce(CAST(CAST(time AS DATE) AS STRING), '')",
}
"""What records are grouped by. Empty: not known. Days are of UTC, where that is the engine's time zone."""

MEASURES: Final[Mapping[str, str]] = {
    "records": "count(*)",
    "errors": "count(*) FILTER (WHERE error IS NOT NULL OR status >= 400)",
    "prompt_tokens": "coalesce(sum(prompt_tokens), 0)",
    "completion_tokens": "coalesce(sum(completion_tokens), 0)",
    "total_tokens": "coalesce(sum(total_tokens), 0)",
    "bytes": "coalesce(sum(octet_length(wire)), 0)",
}
"""What is counted, with the SQL that counts it."""

TIMES: Final = ("latency_us", "first_token_us")
PERCENTILES: Final = (50, 95, 99)


def statement(*sets: Sequence[str], source: str = "records", quantile: str = "approx_quantile") -> str:
    """SQL that gives the statistics of a table of records, in one scan.

    Columns: the GROUPS, null in a row for all of them; the MEASURES; `latency_us_p50` and so on, in microseconds from
    start to end, and `first_token_us_p50` and so on, from start to the first token of a stream, null where nothing was
    timed. Percentiles are estimates, in bounded memory.

    Args:
        sets: keys of GROUPS, a row for each group of each set. The empty set is one row for all.
        source: name of the table.
        quantile: the engine's function that estimates a percentile.

    """
    times = {
        f"{column}_p{percentile}": f"{quantile}({column}, {percentile / 100})"
        for column in TIMES
        for percentile in PERCENTILES
    }
    measures = ", ".join(f"CAST({sql} AS BIGINT) AS {name}" for name, sql in {**MEASURES, **times}.items())
    groups = ", ".join(f"{sql} AS {name}_" for name, sql in GROUPS.items())
    grouped = {name for names in sets for name in names}
    named = ", ".join(f"{f'{name}_' if name in grouped else 'CAST(NULL AS STRING)'} AS {name}" for name in GROUPS)
    grouping = ", ".join(f"({', '.join(f'{name}_' for name in names)})" for names in sets)
    return (
        f"SELECT {named}, {measures} FROM (SELECT *, {groups} FROM {source}) AS grouped "  # noqa: S608
        f"GROUP BY GROUPING SETS ({grouping}) ORDER BY 1, 2"
    )
