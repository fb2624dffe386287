"""chatpb carries OpenAI-style chat completions in Protocol Buffers and back to JSON, losing nothing.

`from_json` and `to_json` convert between JSON text and messages, `from_dict` and `to_dict` between dicts and messages,
`json_to_wire` and `wire_to_json` between JSON text and wire bytes. `message_type` picks the message and its runtime:
a class of google.protobuf (package chatcompletion.v1) or of betterproto (package chatcompletion_betterproto).
Every error about data is a ChatpbError; wrong arguments raise TypeError or ValueError.
"""

try:
    from chatcompletion.v1 import (
        ChatCompletion,
        ChatCompletionChunk,
        ChatCompletionRecord,
        ChatCompletionStream,
        CreateChatCompletionRequest,
        ErrorResponse,
    )
except (ImportError, TypeError) as error:
    if isinstance(error, ImportError) and not (error.name or "").startswith("chatcompletion."):
        raise
    import chatcompletion

    raise ImportError(
        f"chatpb needs its own classes of chatcompletion.v1, and there are others ({error}). Python found the package "
        f"in {chatcompletion.__spec__.origin}. Give another name to a package `chatcompletion` of yours, and another "
        "package to a .proto file of yours that has `package chatcompletion.v1`."
    ) from error

from chatpb._contract.descriptor_set import descriptor_set
from chatpb._contract.proto_files import proto_path
from chatpb._contract.proto_gaps import ProtoGap, complete_proto, proto_gaps
from chatpb._convert import (
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
from chatpb._engine import engine
from chatpb._errors import ChatpbError, ContractError, JsonError, ProtoError, Violation, WireError
from chatpb._known_json import unknown_field_counts
from chatpb._members import ArrayView, ObjectView, members
from chatpb._openai_objects import from_openai, to_openai
from chatpb._runtimes import EditableRuntime, Runtime, register_runtime
from chatpb.streams.compact import compact_stream, expand_stream

__version__ = "0.1.0"
"""The version, which is also that of the distribution: pyproject.toml takes it from here."""

__all__ = [
    "ArrayView",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatCompletionRecord",
    "ChatCompletionStream",
    "ChatpbError",
    "ContractError",
    "CreateChatCompletionRequest",
    "EditableRuntime",
    "ErrorResponse",
    "JsonError",
    "ObjectView",
    "ProtoError",
    "ProtoGap",
    "Runtime",
    "Violation",
    "WireError",
    "__version__",
    "compact_stream",
    "complete_proto",
    "descriptor_set",
    "engine",
    "expand_stream",
    "from_dict",
    "from_json",
    "from_openai",
    "json_lines_to_wire",
    "json_to_wire",
    "members",
    "proto_gaps",
    "proto_path",
    "register_runtime",
    "to_dict",
    "to_json",
    "to_openai",
    "unknown_field_counts",
    "validate",
    "wire_to_json",
    "wire_to_json_lines",
]
