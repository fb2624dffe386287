"""The documents of the contract, by their short names."""

from __future__ import annotations

from typing import Final

from google.protobuf.message import Message

from chatcompletion import v1
from chatcompletion.v1 import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRecord,
    ChatCompletionStream,
    CreateChatCompletionRequest,
    ErrorResponse,
)
from chatpb._contract.schema import schema_of

DOCUMENTS: Final[dict[str, type[Message]]] = {
    "completion": ChatCompletion,
    "chunk": ChatCompletionChunk,
    "request": CreateChatCompletionRequest,
    "error": ErrorResponse,
    "record": ChatCompletionRecord,
}
"""The root documents by short name. Where several fit unnamed data equally well, the first is taken."""

RECORD_PARTS: Final[dict[str, type[Message]]] = {
    field.name: getattr(v1, field.message_type.name)
    for field in ChatCompletionRecord.DESCRIPTOR.fields
    if field.message_type and hasattr(v1, field.message_type.name)
}
"""The parts of a record by the name of their field: the fields that hold a message of the contract."""

RECORD_DOCUMENTS: Final[dict[str, type[Message]]] = {
    name: part for name, part in RECORD_PARTS.items() if part is not ChatCompletionStream
} | {"chunk": ChatCompletionChunk}
"""The documents in a record by name: its parts, with the chunks of the stream in place of the stream."""


def message_type(name: str) -> type[Message]:
    """Return the message class of a short name ("chunk") or of a message's own name ("ChatCompletionChunk").

    Raises ValueError for a name that no message has.
    """
    if name in DOCUMENTS:
        return DOCUMENTS[name]
    found = getattr(v1, name.removeprefix("chatcompletion.v1."), None)
    if isinstance(found, type) and issubclass(found, Message) and not schema_of(found.DESCRIPTOR).is_list:
        return found
    names = ", ".join(DOCUMENTS)
    raise ValueError(f"no message is called {name!r}: use {names}, or the name of a message of the contract")
