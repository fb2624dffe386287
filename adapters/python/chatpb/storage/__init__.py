"""Storage of exchanges as records, from one file to a cluster. It needs the extra `storage`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import chatpb._contract.own_classes  # noqa: F401
from chatpb._extras import extra_for
from chatpb._records.parts import compact_record, expand_record, make_record, parts_of

with extra_for("chatpb.storage"):
    from chatpb.storage._background_recorder import BackgroundRecorder
    from chatpb.storage._batch_api import write_batch
    from chatpb.storage._conversations import CONVERSATIONS, write_conversations
    from chatpb.storage._copy import Copied, copy
    from chatpb.storage._forms import Form, form_of
    from chatpb.storage._lookup import get
    from chatpb.storage._open import Record, Records, open, write
    from chatpb.storage._openai_recording import record_openai
    from chatpb.storage._recorder import Recorder
    from chatpb.storage._recorder_file import RecorderError
    from chatpb.storage._recorder_reader import Damaged
    from chatpb.storage._times import time_of
    from chatpb.storage._verify import restore_first_page, verify

if TYPE_CHECKING:
    from chatpb.storage._query import Answer, Query, QueryError, answer_of
    from chatpb.storage._query import open_query as query
    from chatpb.storage._statistics import read_prices, stats, stats_of
    from chatpb.storage._stats_chart import draw_chart

__all__ = [
    "CONVERSATIONS",
    "Answer",
    "BackgroundRecorder",
    "Copied",
    "Damaged",
    "Form",
    "Query",
    "QueryError",
    "Record",
    "Recorder",
    "RecorderError",
    "Records",
    "answer_of",
    "compact_record",
    "copy",
    "draw_chart",
    "expand_record",
    "form_of",
    "get",
    "make_record",
    "open",
    "parts_of",
    "query",
    "read_prices",
    "record_openai",
    "restore_first_page",
    "stats",
    "stats_of",
    "time_of",
    "verify",
    "write",
    "write_batch",
    "write_conversations",
]

_LAZY: Final = {
    "Answer": ("_query", "Answer"),
    "Query": ("_query", "Query"),
    "QueryError": ("_query", "QueryError"),
    "answer_of": ("_query", "answer_of"),
    "draw_chart": ("_stats_chart", "draw_chart"),
    "query": ("_query", "open_query"),
    "read_prices": ("_statistics", "read_prices"),
    "stats": ("_statistics", "stats"),
    "stats_of": ("_statistics", "stats_of"),
}
"""What takes DuckDB or matplotlib, which recording does not load, with the module and the name there."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LAZY[name]
    with extra_for("chatpb.storage"):
        return getattr(import_module(f"chatpb.storage.{module}"), attribute)
