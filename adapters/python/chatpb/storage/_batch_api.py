"""Records as the lines of a batch API: requests to be answered, or their results.

Lines that were imported come back equal: what a record has no place for is in its member `batch_input` or `batch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from chatpb._convert import to_dict
from chatpb._errors import ChatpbError
from chatpb._files.refusals import Refusals
from chatpb._files.write import open_output
from chatpb.storage._conversations import json_text
from chatpb.storage._copy import Copied
from chatpb.storage._open import Record, Records

__all__ = ["BatchLayout", "write_batch"]

Obj = dict[str, Any]

BatchLayout = Literal["batch", "batch-output"]
"""Which lines are written: the requests of records, or their answers and errors."""

_ENDPOINT: Final = {"method": "POST", "url": "/v1/chat/completions"}

_STREAMING: Final = ("stream", "stream_options")
"""Members of a request that a batch refuses, since it does not stream."""


_RESPONSE: Final = {"status_code": "status", "request_id": "request_id"}
"""The members of a result's response, by the names that a record has for them."""


def write_batch(sources: Sequence[str], target: str, layout: BatchLayout, **options: Any) -> Copied:
    r"""Write records of any form as lines of a batch API, and return what was written and what was left out.

    The `custom_id` of a line is the label of that name, else the request's id, else the completion's, else the number
    of the record. A request is written without `stream` and `stream_options`, which a batch refuses. Records without
    what a line needs, a request or an answer, are left out.

    Args:
        sources: files, folders, patterns of files and URLs of stores.
        target: the file of JSON lines, also .gz or .zst; "-" is standard output.
        layout: "batch" for requests, the input of a batch; "batch-output" for answers and errors.
        options: `refusals`, and those of `open`.

    Raises:
        OSError: a file cannot be opened.

    Examples:
        >>> from pathlib import Path
        >>> from chatpb.storage import make_record, write, write_batch
        >>> copied = write("traffic.jsonl", [make_record(request={"model": "m", "messages": []}, request_id="r1")])
        >>> write_batch(["traffic.jsonl"], "batch.jsonl", "batch").written
        1
        >>> Path("batch.jsonl").read_text()
        '{"custom_id":"r1","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[]}}\n'

    """
    refusals = options.pop("refusals", None) or Refusals()
    make = _request_line if layout == "batch" else _result_line
    written = 0
    with Records(sources, **options) as records, open_output(target) as output:
        records.refusals = refusals
        for number, record in enumerate(records, 1):
            try:
                line = make(record, number)
            except ChatpbError as error:
                refusals(f"{record.place}: {error}")
                continue
            output.write(json_text(line).encode() + b"\n")
            written += 1
    return Copied(written, refusals.count, tuple(refusals.lines))


def _request_line(record: Record, number: int) -> Obj:
    if record.request is None:
        raise ChatpbError("it has no request")
    whole = to_dict(record.message)
    body = {name: value for name, value in whole["request"].items() if name not in _STREAMING}
    return {"custom_id": _custom_id(whole, number), **whole.get("batch_input", _ENDPOINT), "body": body}


def _result_line(record: Record, number: int) -> Obj:
    whole = to_dict(record.message)
    answer = record.completion if record.error is None else record.error
    if answer is None:
        raise ChatpbError("it has no answer")
    rest = whole.get("batch", {})
    line = {
        "id": f"batch_req_{number}",
        "custom_id": _custom_id(whole, number),
        "response": None,
        "error": None,
        **rest,
    }
    body = to_dict(answer)
    if record.error is not None and "response" in rest and rest["response"] is None:
        return {**line, "error": body["error"]}  # it never got an answer
    head = {name: whole[record_name] for name, record_name in _RESPONSE.items() if record_name in whole}
    return {**line, "response": {**head, "body": body, **(rest.get("response") or {})}}


def _custom_id(whole: Obj, number: int) -> str:
    labels, answer = whole.get("labels") or {}, whole.get("response") or {}
    candidates = (labels.get("custom_id"), whole.get("request_id"), answer.get("id"))
    return next((each for each in candidates if each and isinstance(each, str)), f"record-{number}")
