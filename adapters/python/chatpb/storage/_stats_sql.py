"""Statistics of records, by model, time, caller and label: one statement for every SQL engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = [
    "BYTES",
    "DUCKDB",
    "GROUPS",
    "LABEL",
    "MEASURES",
    "PERCENTILES",
    "SPARK",
    "TIMES",
    "Engine",
    "statistics_sql",
]

GROUPS: Final[Mapping[str, str]] = {
    "model": "coalesce(requested_model, model)",
    "day": "CAST(time AS DATE)",
    "hour": "date_trunc('hour', time)",
    "peer": "peer",
}
"""The SQL of what records are grouped by; null is unknown. The model is the one that was asked for, if that is known,
so that errors and answers of a model are together. Times are those of the engine's time zone, best UTC."""

_SHOWN: Final[Mapping[str, str]] = {"hour": "substring(CAST({} AS STRING), 1, 16)"}
"""How a group's value becomes text, where it is not as it stands. Each group is shown once, and not each record."""

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


@dataclass(frozen=True)
class Engine:
    """What SQL engines spell in their own ways.

    Attributes:
        quantiles: the list of estimates of a column's quantiles, at given shares.
        item: an item of a list, at a place that counts from 1.

    """

    quantiles: str
    item: str


DUCKDB: Final = Engine("approx_quantile({column}, [{shares}])", "{list}[{place}]")
SPARK: Final = Engine("approx_percentile({column}, array({shares}))", "element_at({list}, {place})")


def _group_sql(name: str) -> str:
    """Return the SQL of what a name groups records by. Raises ValueError if it is none of GROUPS and no label."""
    if name in GROUPS:
        return GROUPS[name]
    if name.startswith(LABEL) and len(name) > len(LABEL):
        path = name.removeprefix(LABEL).replace("\\", "\\\\").replace('"', '\\"').replace("'", "''")
        return f"""wire_to_json(wire)->>'$.labels."{path}"'"""
    raise ValueError(f"records are grouped by {', '.join(GROUPS)} or {LABEL}NAME, not by {name!r}")


def statistics_sql(*sets: Sequence[str], source: str = "records", engine: Engine = DUCKDB, sizes: bool = False) -> str:
    """Return the SQL that makes the statistics of a table of records in one scan.

    The columns of its rows are what any set groups by, "" where that is unknown, null where the row's own set does not
    group by it; the MEASURES; and for each of TIMES its PERCENTILES, such as `latency_us_p50`, in microseconds, null
    where nothing was timed. Percentiles are estimates, in bounded memory.

    Args:
        sets: what to group by, each a set of names: those of GROUPS, and labels. There is a row for each group of each
            set; the empty set is one row for all records.
        source: the name of the table, or a query in brackets.
        engine: what is to run it.
        sizes: whether to count BYTES too.

    """
    names = list(dict.fromkeys(name for names in sets for name in names))
    measures = {**MEASURES, **(BYTES if sizes else {})}
    shares = ", ".join(str(percentile / 100) for percentile in PERCENTILES)
    keys = [f"{_group_sql(name)} AS group_{place}" for place, name in enumerate(names)]
    grouped = [
        *(f"group_{place}, grouping(group_{place}) AS without_{place}" for place in range(len(names))),
        *(f"{sql} AS {name}" for name, sql in measures.items()),
        *(f"{engine.quantiles.format(column=column, shares=shares)} AS {column}" for column in TIMES),
    ]
    shown = [
        *(f"{_shown_sql(name, place)} AS {_quoted(name)}" for place, name in enumerate(names)),
        *measures,
        *(
            f"CAST({engine.item.format(list=column, place=place)} AS BIGINT) AS {column}_p{percentile}"
            for column in TIMES
            for place, percentile in enumerate(PERCENTILES, 1)
        ),
    ]
    grouping = ", ".join(f"({', '.join(f'group_{names.index(name)}' for name in given)})" for given in sets)
    order = f" ORDER BY {', '.join(str(place + 1) for place in range(len(names)))}" if names else ""
    return (
        f"SELECT {', '.join(shown)} FROM (SELECT {', '.join(grouped)} FROM "  # noqa: S608
        f"(SELECT {', '.join(['*', *keys])} FROM {source} AS given) AS keyed "
        f"GROUP BY GROUPING SETS ({grouping})) AS grouped{order}"
    )


def _shown_sql(name: str, place: int) -> str:
    """Return the SQL of a group's value as text: "" where it is unknown, null for a set that does not group by it."""
    text = _SHOWN.get(name, "CAST({} AS STRING)").format(f"group_{place}")
    return f"CASE WHEN without_{place} = 0 THEN coalesce({text}, '') END"


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""')) if name not in GROUPS else name
