"""chatpb carries OpenAI-style chat completions in Protocol Buffers and back to JSON, losing nothing.

`from_json` and `to_json` convert between JSON text and messages, `from_dict` and `to_dict` between dicts and messages,
`json_to_wire` and `wire_to_json` between JSON text and wire bytes. `message_type` picks the message and its runtime:
a class of google.protobuf (package chatcompletion.v1) or of betterproto (package chatcompletion_betterproto).
"""

from chatcompletion.v1 import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRecord,
    ChatCompletionStream,
    CreateChatCompletionRequest,
    ErrorResponse,
)
from chatpb._api import (
    compact_stream,
    expand_stream,
    from_dict,
    from_json,
    json_lines_to_wire,
    json_to_wire,
    to_dict,
    to_json,
    validate,
    wire_to_json,
    wire_to_json_lines,
)
from chatpb._descriptors import descriptor_set
from chatpb._engine import engine
from chatpb._errors import ChatpbError, ContractError, JsonError, Violation, WireError
from chatpb._openai import from_openai, to_openai
from chatpb._runtimes import Runtime, register_runtime

__all__ = [
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatCompletionRecord",
    "ChatCompletionStream",
    "ChatpbError",
    "ContractError",
    "CreateChatCompletionRequest",
    "ErrorResponse",
    "JsonError",
    "Runtime",
    "Violation",
    "WireError",
    "compact_stream",
    "descriptor_set",
    "engine",
    "expand_stream",
    "from_dict",
    "from_json",
    "from_openai",
    "json_lines_to_wire",
    "json_to_wire",
    "register_runtime",
    "to_dict",
    "to_json",
    "to_openai",
    "validate",
    "wire_to_json",
    "wire_to_json_lines",
]
