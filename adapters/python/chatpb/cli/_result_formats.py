"""The forms in which `chatpb query` and `chatpb stats` write rows: a table, CSV, JSON, JSON lines and Parquet."""

from __future__ import annotations

import csv
import io
import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timezone
from decimal import Decimal
from functools import partial
from itertools import chain, islice
from math import isfinite
from typing import Any, BinaryIO, Final

import pyarrow as pa
from pyarrow import parquet
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chatpb.cli._console import table_bytes
from chatpb.cli._query_options import ResultFormat
from chatpb.storage import Answer

__all__ = ["write_results"]

_MAX_ROWS: Final = 1_000
"""The most rows that a table shows."""

_MAX_CHARACTERS: Final = 1_000
"""The most characters that a table shows of a value."""

_MIN_WIDTH: Final = 10
"""The fewest characters that a column gets while columns stand side by side."""

_NUMBERS: Final = ("INT", "DOUBLE", "FLOAT", "DECIMAL", "BIGNUM")
"""Parts of the names of DuckDB's numeric types."""

Row = tuple[Any, ...]


def write_results(output: BinaryIO, format: ResultFormat, answer: Answer, console: Console) -> None:
    """Write rows in a form, a table as a console shows it. Raises QueryError where the query fails meanwhile."""
    types, rows = answer.types, _rows(answer.batches)
    if format is ResultFormat.PARQUET:
        _write_parquet(output, answer)
    else:
        pieces: dict[ResultFormat, Callable[[Mapping[str, str], Iterable[Row]], Iterator[str]]] = {
            ResultFormat.TABLE: partial(_table, console),
            ResultFormat.CSV: _csv,
            ResultFormat.JSON: _json,
            ResultFormat.JSONL: _json_lines,
        }
        for piece in pieces[format](types, rows):
            output.write(table_bytes(piece) if format is ResultFormat.TABLE else piece.encode())


def _rows(batches: Iterable[pa.RecordBatch]) -> Iterator[Row]:
    for batch in batches:
        yield from zip(*map(_values, batch.columns), strict=True)


def _values(column: pa.Array) -> list[Any]:
    """Return the values of a column. Times that Python has no object for, beyond the year 9999, are text."""
    try:
        return column.to_pylist()  # type: ignore[no-any-return]
    except (OverflowError, ValueError):
        return column.cast(pa.string()).to_pylist()  # type: ignore[no-any-return]


def _table(console: Console, types: Mapping[str, str], rows: Iterable[Row]) -> Iterator[str]:
    rows = iter(rows)
    shown = [[Text(_shown(value)) for value in row] for row in islice(rows, _MAX_ROWS)]
    names = [Text(name) for name in types]
    if len(names) * _MIN_WIDTH <= console.width:
        table = Table()
        for name, kind in zip(names, types.values(), strict=True):
            table.add_column(name, justify="right" if _is_number(kind) else "left", overflow="fold")
        for row in shown:
            table.add_row(*row)
    else:
        # There are too many columns to stand side by side.
        table = Table(show_header=False)
        for row in shown:
            for name, value in zip(names, row, strict=True):
                table.add_row(name, value)
            table.add_section()
    if next(rows, None) is not None:
        table.caption = f"the first {_MAX_ROWS:,} rows; --format csv, json, jsonl and parquet write all"
    with console.capture() as capture:
        console.print(table)
    yield capture.get()


def _is_number(kind: str) -> bool:
    return not kind.endswith("]") and any(number in kind.partition("(")[0] for number in _NUMBERS)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    text = f"{value:,}" if isinstance(value, int | Decimal) and not isinstance(value, bool) else _text(value)
    text = text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + "…"
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def _csv(types: Mapping[str, str], rows: Iterable[Row]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    for row in chain([tuple(types)], rows):
        writer.writerow("" if value is None else _text(value) for value in row)
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _json(types: Mapping[str, str], rows: Iterable[Row]) -> Iterator[str]:
    first = True
    for line in _json_lines(types, rows):
        yield ("[\n" if first else ",\n") + line.rstrip("\n")
        first = False
    yield "[]\n" if first else "\n]\n"


def _json_lines(types: Mapping[str, str], rows: Iterable[Row]) -> Iterator[str]:
    names = [json.dumps(name, ensure_ascii=False) for name in types]
    # A value that is JSON already is written as it is, so that its numbers stay exact.
    raw = [kind == "JSON" for kind in types.values()]
    for row in rows:
        values = (
            value if is_raw and value is not None else _dump(value) for value, is_raw in zip(row, raw, strict=True)
        )
        yield "{" + ", ".join(f"{name}: {value}" for name, value in zip(names, values, strict=True)) + "}\n"


def _text(value: Any) -> str:
    """Return the text of a value in a cell: its JSON, without the quotes around a string."""
    return str(value) if isinstance(value, str | float) else _dump(value).strip('"')


def _dump(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: bytes in base64, times in ISO 8601, null for NaN and the infinities."""
    match value:
        case float() if not isfinite(value):
            return None
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case bytes():
            return b64encode(value).decode()
        case datetime() if value.tzinfo:
            return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case dict():
            return {str(name): _plain(member) for name, member in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return str(value)


def _write_parquet(output: BinaryIO, answer: Answer) -> None:
    with parquet.ParquetWriter(output, answer.schema, compression="zstd") as writer:
        for batch in answer.batches:
            writer.write_batch(batch)
