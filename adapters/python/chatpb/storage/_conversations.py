"""Records as conversations, for training and evaluation: JSON lines for fine-tuning, or a table of uniform types.

A conversation is what a request's messages and the first choice of its answer say. Of an answer that was streamed, the
message is put together. Importing a file of lines and exporting it again gives equal lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from chatpb._errors import ChatpbError
from chatpb._files.refusals import Refusals
from chatpb._files.write import open_output
from chatpb._json import SURROGATE
from chatpb._json.dicts import json_to_dict
from chatpb._known_json import known_json
from chatpb.storage._copy import Copied
from chatpb.storage._open import Record, Records

__all__ = ["CONVERSATIONS", "Layout", "json_text", "write_conversations"]

Layout = Literal["sft", "dataset"]
"""How conversations are written: lines for fine-tuning, or a table whose columns have one type each."""

CONVERSATIONS: Final = pa.schema(
    [
        ("id", pa.string()),
        ("model", pa.string()),
        ("finish_reason", pa.string()),
        (
            "messages",
            pa.list_(
                pa.struct(
                    [
                        ("role", pa.string()),
                        ("content", pa.string()),
                        ("name", pa.string()),
                        ("tool_call_id", pa.string()),
                        (
                            "tool_calls",
                            pa.list_(
                                pa.struct([("id", pa.string()), ("name", pa.string()), ("arguments", pa.string())])
                            ),
                        ),
                        ("json", pa.string()),
                    ]
                )
            ),
        ),
        ("tools", pa.string()),
    ]
)
"""The columns of a table of conversations. `content` is the text of a message, its parts of text joined; `json` is the
whole message as it was, and `tools` the JSON of the request's tools.

Examples:
    >>> from chatpb.storage import CONVERSATIONS
    >>> CONVERSATIONS.names
    ['id', 'model', 'finish_reason', 'messages', 'tools']

"""

_ROWS_AT_ONCE: Final = 500

_LINE_MEMBERS: Final = ("tools", "functions", "parallel_tool_calls", "tool_choice", "function_call")
"""The members of a request that a line for fine-tuning has besides the messages."""


@dataclass(frozen=True)
class _Conversation:
    request: dict[str, Any]
    answer: dict[str, Any]

    @property
    def messages(self) -> list[Any]:
        choices = self.answer.get("choices") or [{}]
        message = choices[0].get("message") if isinstance(choices[0], dict) else None
        return [*(self.request.get("messages") or []), *([message] if message else [])]

    @property
    def _is_line(self) -> bool:
        """Whether this was a line for fine-tuning before, of which nothing is left out: a request without a model."""
        return bool(self.request) and "model" not in self.request

    def lacks(self, layout: Layout) -> str | None:
        """Return what a record must have for a layout, and this one has not."""
        messages = self.messages
        if not messages:
            return "messages"
        if layout == "sft" and not self._is_line:
            asked = len(self.request.get("messages") or [])
            return "prompt" if not asked else "answer" if len(messages) == asked else None
        return None

    def line(self) -> dict[str, Any]:
        names = [name for name in self.request if name != "messages"] if self._is_line else _LINE_MEMBERS
        return {"messages": self.messages, **{name: self.request[name] for name in names if name in self.request}}

    def row(self) -> dict[str, Any]:
        choices = self.answer.get("choices") or [{}]
        reason = choices[0].get("finish_reason") if isinstance(choices[0], dict) else None
        tools = self.request.get("tools")
        return {
            "id": _text(self.answer.get("id")),
            "model": _text(self.answer.get("model") or self.request.get("model")),
            "finish_reason": _text(reason),
            "messages": [_message(each) for each in self.messages if isinstance(each, dict)],
            "tools": None if tools is None else json_text(tools),
        }


def write_conversations(sources: Sequence[str], target: str, layout: Layout, **options: Any) -> Copied:
    r"""Write the conversations of records of any form, and return what was written and what was left out.

    Records without messages are left out, and of lines for fine-tuning those without a prompt or an answer.

    Args:
        sources: files, folders, patterns of files and URLs of stores.
        target: the file: JSON lines (also .gz, .zst) for both layouts, or .parquet for a dataset.
        layout: "sft" for lines as fine-tuning takes them; "dataset" for rows with the columns of CONVERSATIONS, which
            `datasets`, pandas and polars load without guessing types.
        options: `refusals`, and those of `open`.

    Raises:
        ChatpbError: the target is not of a form that the layout has.
        OSError: a file cannot be opened.

    Examples:
        >>> from pathlib import Path
        >>> from chatpb.storage import make_record, write, write_conversations
        >>> request = {"messages": [{"role": "user", "content": "Hello"}]}
        >>> response = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}]}
        >>> copied = write("traffic.jsonl", [make_record(request=request, response=response)])
        >>> write_conversations(["traffic.jsonl"], "lines.jsonl", "sft").written
        1
        >>> Path("lines.jsonl").read_text()
        '{"messages":[{"role":"user","content":"Hello"},{"role":"assistant","content":"Hi"}]}\n'

    """
    refusals = options.pop("refusals", None) or Refusals()
    as_parquet = target.lower().endswith((".parquet", ".pq"))
    if as_parquet and layout == "sft":
        raise ChatpbError(f"{target}: lines for fine-tuning are JSON lines; a dataset may be Parquet")
    written = 0
    with Records(sources, **options) as records, open_output(target) as output:
        records.refusals = refusals
        found = _conversations(records, layout, refusals)
        if as_parquet:
            with pq.ParquetWriter(output, CONVERSATIONS, compression="zstd") as writer:
                while rows := [each.row() for _, each in zip(range(_ROWS_AT_ONCE), found, strict=False)]:
                    writer.write_table(pa.Table.from_pylist(rows, CONVERSATIONS))
                    written += len(rows)
        else:
            for each in found:
                output.write(json_text(each.line() if layout == "sft" else each.row()).encode() + b"\n")
                written += 1
    return Copied(written, refusals.count, tuple(refusals.lines))


def _conversations(records: Records, layout: Layout, refusals: Refusals) -> Iterator[_Conversation]:
    for record in records:
        try:
            found = _Conversation(*_parts(record))
        except ChatpbError as error:
            refusals(f"{record.place}: {error}")
            continue
        if lack := found.lacks(layout):
            refusals(f"{record.place}: it has no {lack}")
        else:
            yield found


def _parts(record: Record) -> tuple[dict[str, Any], dict[str, Any]]:
    request, answer = (
        {} if part is None else json_to_dict(known_json(part.SerializeToString(), type(part)))
        for part in (record.request, record.completion)
    )
    return request, answer


def _message(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(text for text in texts if isinstance(text, str))
    calls = [
        {name: _text(each.get(name)) for name, each in (("id", call), ("name", function), ("arguments", function))}
        for call in message.get("tool_calls") or []
        if isinstance(call, dict) and isinstance(function := call.get("function") or {}, dict)
    ]
    return {
        "role": _text(message.get("role")),
        "content": _text(content),
        "name": _text(message.get("name")),
        "tool_call_id": _text(message.get("tool_call_id")),
        "tool_calls": calls,
        "json": json_text(message),
    }


def _text(value: Any) -> str | None:
    """Return a value as text: a string as it is, anything else as JSON. A column has no lone surrogates."""
    if value is None:
        return None
    return (value if isinstance(value, str) else json_text(value)).encode(errors="replace").decode()


def json_text(value: Any) -> str:
    """Return a value as JSON on one line."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # JSON can only escape a lone surrogate.
    return json.dumps(value, separators=(",", ":")) if SURROGATE.search(text) else text
