"""chatpb carries OpenAI-style chat completions in Protocol Buffers and back to JSON, losing nothing.

`from_json` and `to_json` convert between JSON text and messages, `from_dict` and `to_dict` between dicts and messages,
`json_to_wire` and `wire_to_json` between JSON text and wire bytes. `message_type` picks the message and its runtime:
a class of google.protobuf (package chatcompletion.v1) or of betterproto (package chatcompletion_betterproto).
Every error about data is a ChatpbError; wrong arguments raise TypeError or ValueError.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"
"""The version, which is also that of the distribution: pyproject.toml takes it from here.

Examples:
    >>> import chatpb
    >>> chatpb.__version__
    '0.1.0'

"""

if TYPE_CHECKING:
    from chatcompletion.v1 import (
        ChatCompletion,
        ChatCompletionChunk,
        ChatCompletionRecord,
        ChatCompletionStream,
        CreateChatCompletionRequest,
        ErrorResponse,
    )
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

_MODULES = {
    "chatcompletion.v1": (
        "ChatCompletion",
        "ChatCompletionChunk",
        "ChatCompletionRecord",
        "ChatCompletionStream",
        "CreateChatCompletionRequest",
        "ErrorResponse",
    ),
    "chatpb._contract.descriptor_set": ("descriptor_set",),
    "chatpb._contract.proto_files": ("proto_path",),
    "chatpb._contract.proto_gaps": ("ProtoGap", "complete_proto", "proto_gaps"),
    "chatpb._convert": (
        "from_dict",
        "from_json",
        "json_lines_to_wire",
        "json_to_wire",
        "to_dict",
        "to_json",
        "validate",
        "wire_to_json",
        "wire_to_json_lines",
    ),
    "chatpb._engine": ("engine",),
    "chatpb._errors": ("ChatpbError", "ContractError", "JsonError", "ProtoError", "Violation", "WireError"),
    "chatpb._known_json": ("unknown_field_counts",),
    "chatpb._members": ("ArrayView", "ObjectView", "members"),
    "chatpb._openai_objects": ("from_openai", "to_openai"),
    "chatpb._runtimes": ("EditableRuntime", "Runtime", "register_runtime"),
    "chatpb.streams.compact": ("compact_stream", "expand_stream"),
}
"""The public names by the module that has each, which is imported when one of them is first used."""

_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

if not TYPE_CHECKING:  # with a `__getattr__`, type checkers would take any name

    def __getattr__(name: str) -> object:
        if name == "streams":
            return import_module("chatpb.streams")
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import_module("chatpb._contract.own_classes")
        found = globals()[name] = getattr(import_module(_MODULE_OF[name]), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if os.environ.get("CHATPB_ENGINE"):
    import_module("chatpb._engine")  # who forces an engine is told at once where it is not
