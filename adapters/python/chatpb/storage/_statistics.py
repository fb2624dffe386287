"""What records cost, how often they failed and how fast they were, from files of any form."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pyarrow as pa

from chatpb._errors import ChatpbError
from chatpb.storage._query import Query, open_query
from chatpb.storage._stats_sql import statistics_sql

__all__ = ["Prices", "read_prices", "stats", "stats_of"]

Prices = Mapping[str, Mapping[str, float]]
"""By model, the price of a million tokens of each kind: `prompt`, `cached`, `completion` and `reasoning`."""

_KINDS: Final = ("prompt", "cached", "completion", "reasoning")

_PRICE: Final = {kind: f"coalesce(answered.{kind}, asked.{kind})" for kind in _KINDS}
_CACHED: Final = "coalesce(cached_tokens, 0)"
_REASONING: Final = "coalesce(reasoning_tokens, 0)"
_COST: Final = (
    f"((coalesce(prompt_tokens, 0) - {_CACHED}) * {_PRICE['prompt']} + {_CACHED} * {_PRICE['cached']}"
    f" + (coalesce(completion_tokens, 0) - {_REASONING}) * {_PRICE['completion']}"
    f" + {_REASONING} * {_PRICE['reasoning']}) / 1e6"
)
_PRICED: Final = (
    "(SELECT records.* REPLACE (coalesce(records.cost, "  # noqa: S608
    f"CASE WHEN coalesce(prompt_tokens, completion_tokens) IS NOT NULL THEN {_COST} END) AS cost) FROM records "
    "LEFT JOIN prices AS answered ON answered.name = records.model "
    "LEFT JOIN prices AS asked ON asked.name = records.requested_model)"
)
"""The price is that of the model that answered, else that of the model that was asked for."""

_PER_TOKEN: Final = {
    "input_cost_per_token": "prompt",
    "cache_read_input_token_cost": "cached",
    "output_cost_per_token": "completion",
    "output_cost_per_reasoning_token": "reasoning",
}
"""The names that LiteLLM's list of prices has for the price of one token."""


def stats(
    *paths: str | os.PathLike[str],
    by: Sequence[str] = ("model", "day"),
    prices: Prices | None = None,
    sizes: bool = False,
    **options: Any,
) -> pa.Table:
    """Return counts, errors, tokens, cost and percentiles of latency of records of any form, a row for each group.

    Args:
        paths: files, folders, patterns of files and URLs of stores.
        by: what to group by: "model" (the requested one), "day", "hour", "peer" or "label:NAME". () is one row for all.
        prices: what tokens cost, for records without a `usage.cost` of their own; `read_prices` reads a file of them.
        sizes: whether to count the bytes of the records, which takes reading all of them.
        options: `since`, `until`, `memory`, `threads` and `refusals`, as in `chatpb.storage.query`.

    Raises:
        QueryError: a file is not one of records.
        ValueError: `by` has another name.

    Examples:
        >>> from chatpb.storage import make_record, stats, write
        >>> record = make_record(response={"model": "m", "usage": {"completion_tokens": 4}})
        >>> copied = write("traffic.jsonl", [record, record])
        >>> stats("traffic.jsonl", by=["model"]).select(["model", "records", "completion_tokens"]).to_pylist()
        [{'model': 'm', 'records': 2, 'completion_tokens': 8}]

    """
    with open_query([os.fspath(path) for path in paths], **options) as query:
        (table,) = stats_of(query, [by], prices=prices, sizes=sizes)
    return table


def stats_of(
    query: Query, sets: Sequence[Sequence[str]], *, prices: Prices | None = None, sizes: bool = False
) -> list[pa.Table]:
    """Return the statistics of an open query, a table for each set of groups, from one scan of the records.

    Examples:
        >>> from chatpb.storage import make_record, query, stats_of, write
        >>> copied = write("traffic.jsonl", [make_record(response={"model": "m"})])
        >>> with query(["traffic.jsonl"]) as records:
        ...     by_model, all_in_all = stats_of(records, [["model"], []])
        ...
        >>> all_in_all.num_rows
        1

    """
    with _prices_as_table(query, prices) as source:
        answer = query.run(statistics_sql(*sets, source=source, sizes=sizes))
        rows = [row for batch in answer.batches for row in batch.to_pylist()]
    groups = {name for names in sets for name in names}
    tables = []
    for names in sets:
        of_set = [row for row in rows if all((row[name] is not None) == (name in names) for name in groups)]
        columns = [name for name in answer.schema.names if name not in groups or name in names]
        tables.append(pa.Table.from_pylist(of_set, answer.schema).select(columns))
    return tables


def read_prices(path: str | os.PathLike[str]) -> Prices:
    """Read prices from a JSON file: an object by model of prices of a million tokens, or LiteLLM's list of prices.

    Raises ChatpbError for another file, OSError where there is none.

    Examples:
        >>> import json
        >>> from pathlib import Path
        >>> from chatpb.storage import read_prices
        >>> size = Path("prices.json").write_text(json.dumps({"m": {"prompt": 0.5, "completion": 1.5}}))
        >>> prices = read_prices("prices.json")
        >>> prices["m"]["completion"]
        1.5

    """
    with open(path, encoding="utf-8") as file:
        try:
            found = json.load(file)
        except ValueError as error:
            raise ChatpbError(f"{os.fspath(path)}: not JSON: {error}") from None
    prices: dict[str, dict[str, float]] = {}
    for model, given in found.items() if isinstance(found, dict) else ():
        if not isinstance(given, dict):
            break
        numbers = {name: value for name, value in given.items() if type(value) in (int, float)}
        per_token = {kind: numbers[name] * 1e6 for name, kind in _PER_TOKEN.items() if name in numbers}
        if price := per_token or {kind: float(numbers[kind]) for kind in _KINDS if kind in numbers}:
            prices[model] = price
    if not prices:
        kinds = ", ".join(f'"{kind}": 1.5' for kind in _KINDS)
        raise ChatpbError(f'{os.fspath(path)}: no prices; expected {{"MODEL": {{{kinds}}}}}, each of a million tokens')
    return prices


@contextmanager
def _prices_as_table(query: Query, prices: Prices | None) -> Iterator[str]:
    """Give the table of records, or SQL of them in which those without a cost have the one of their tokens."""
    if not prices:
        yield "records"
        return
    columns = {kind: pa.array([_price(price, kind) for price in prices.values()], pa.float64()) for kind in _KINDS}
    # A table, since a thousand of them in the SQL take longer to parse than a million records to add up.
    query.connection.register("prices", pa.table({"name": pa.array(list(prices), pa.string()), **columns}))
    try:
        yield _PRICED
    finally:
        query.connection.unregister("prices")


def _price(price: Mapping[str, float], kind: str) -> float:
    """Return the price of a kind of tokens; a part without a price of its own costs what the whole does."""
    whole = {"cached": "prompt", "reasoning": "completion"}.get(kind, kind)
    return float(price.get(kind, price.get(whole, 0.0)))
