"""Statistics of records, by model, time, caller and label: one statement for every SQL engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["BYTES", "GROUPS", "LABEL", "MEASURES", "PERCENTILES", "TIMES", "group_sql", "statistics_sql"]

GROUPS: Final[Mapping[str, str]] = {
    "model": "coalesce(requested_model, model, '')",
    "day": "coalesce(CAST(CAST(time AS DATE) AS STRING), '')",
    "hour": "coalesce(substring(CAST(date_trunc('hour', time) AS STRING), 1, 16), '')",
    "peer": "coalesce(peer, '')",
}
"""The SQL of what records are grouped by; "" is unknown. The model is the one that was asked for, if that is known, so
that errors and answers of a model are together. Times are those of the engine's time zone, best UTC."""

LABEL: Final = "label:"
"""What stands before a label's name to group by it. Only DuckDB can."""

MEASURES: Final[Mapping[str, str]] = {
    "records": "CAST(count(*) AS BIGINT)",
    "errors": "CAST(count(*) FILTER (WHERE error IS NOT NULL OR status >= 400) AS BIGINT)",
    "error_rate": "count(*) FILTER (WHERE error IS NOT NULL OR status >= 400) / CAST(count(*) AS DOUBLE)",
    "prompt_tokens": "CAST(coalesce(sum(prompt_tokens), 0) AS BIGINT)",
    "cached_tokens": "CAST(coalesce(sum(cached_tokens), 0) AS BIGINT)",
    "completion_tokens": "CAST(coalesce(sum(completion_tokens), 0) AS BIGINT)",
    "reasoning_tokens": "CAST(coalesce(sum(reasoning_tokens), 0) AS BIGINT)",
    "total_tokens": "CAST(coalesce(sum(total_tokens), 0) AS BIGINT)",
    "cost": "CAST(sum(cost) AS DOUBLE)",
}
"""The SQL of what is counted. `cost` is null where no record has one."""

BYTES: Final[Mapping[str, str]] = {"bytes": "CAST(coalesce(sum(octet_length(wire)), 0) AS BIGINT)"}
"""The SQL of the bytes of records, which takes reading all of them."""

TIMES: Final = ("latency_us", "first_token_us")
"""The columns whose PERCENTILES are estimated."""

PERCENTILES: Final = (50, 95, 99)


def group_sql(name: str) -> str:
    """Return the SQL of what a name groups records by. Raises ValueError if it is none of GROUPS and no label."""
    if name in GROUPS:
        return GROUPS[name]
    if name.startswith(LABEL) and len(name) > len(LABEL):
        path = name.removeprefix(LABEL).replace("\\", "\\\\").replace('"', '\\"').replace("'", "''")
        return f"""coalesce(wire_to_json(wire)->>'$.labels."{path}"', '')"""
    raise ValueError(f"records are grouped by {', '.join(GROUPS)} or {LABEL}NAME, not by {name!r}")


def statistics_sql(
    *sets: Sequence[str], source: str = "records", quantile: str = "approx_quantile", sizes: bool = False
) -> str:
    """Return the SQL that makes the statistics of a table of records in one scan.

    The columns of its rows are what any set groups by, null where the row's own set does not; the MEASURES; and for
    each of TIMES its PERCENTILES, such as `latency_us_p50`, in microseconds, null where nothing was timed. Percentiles
    are estimates, in bounded memory.

    Args:
        sets: what to group by, each a set of names as `group_sql` takes them. There is a row for each group of each
            set; the empty set is one row for all records.
        source: the name of the table, or a query in brackets.
        quantile: the engine's function that estimates a percentile.
        sizes: whether to count BYTES too.

    """
    times = {
        f"{column}_p{percentile}": f"CAST({quantile}({column}, {percentile / 100}) AS BIGINT)"
        for column in TIMES
        for percentile in PERCENTILES
    }
    measures = ", ".join(f"{sql} AS {name}" for name, sql in {**MEASURES, **(BYTES if sizes else {}), **times}.items())
    names = list(dict.fromkeys(name for names in sets for name in names))
    groups = "".join(f", {group_sql(name)} AS group_{place}" for place, name in enumerate(names))
    named = "".join(f"group_{place} AS {_quoted(name)}, " for place, name in enumerate(names))
    grouping = ", ".join(f"({', '.join(f'group_{names.index(name)}' for name in given)})" for given in sets)
    order = f" ORDER BY {', '.join(str(place + 1) for place in range(len(names)))}" if names else ""
    return (
        f"SELECT {named}{measures} FROM (SELECT *{groups} FROM {source} AS given) AS grouped "  # noqa: S608
        f"GROUP BY GROUPING SETS ({grouping}){order}"
    )


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""')) if name not in GROUPS else name
