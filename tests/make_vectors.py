"""Write tests/vectors/ from the tables below. The files are golden: a change in them is a change of the mapping.

    python -m tests.make_vectors

A case is a folder with `case.json` (the message type, and the rule that the case shows), `input.json`, `wire.binpb` (its
wire bytes), `message.txtpb` (the message as protobuf text, for people) and `expected.json` (the bytes printed again).
A case without `input.json` is an encoding that no JSON input gives, but other writers may.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from google.protobuf import text_format
from google.protobuf.struct_pb2 import Struct

import chatpb
from chatcompletion import v1
from chatpb._wire import VARINT
from chatpb._wire.write import tag
from tests.wire.contract_fields import deep_struct, delimited_field, number_of, varint_field

FOLDER = Path(__file__).parent / "vectors"

C, K, R, E = "ChatCompletion", "ChatCompletionChunk", "CreateChatCompletionRequest", "ErrorResponse"
RECORD, STREAM = "ChatCompletionRecord", "ChatCompletionStream"


def _nested(levels: int) -> str:
    return '{"vendor":' + '{"a":' * (levels - 1) + "{}" + "}" * levels


# fmt: off
# name, message type, rule, JSON input
FROM_JSON: list[tuple[str, str, str, str]] = [
    # Presence: absent, null, empty and zero are four things.
    ("presence-empty-object", C, "no member, no bytes", "{}"),
    ("presence-null-nullable", C, "null of a nullable field is a bit", '{"usage":null}'),
    ("presence-null-required", C, "null where the contract forbids it is a bit all the same", '{"id":null,"choices":null}'),
    ("presence-null-message", K, "null in place of an object is a bit", '{"choices":[{"index":0,"delta":null}]}'),
    ("presence-empty-array", C, "[] of a repeated field is a bit", '{"choices":[]}'),
    ("presence-empty-map", C, "{} of a map field is a bit", '{"metadata":{}}'),
    ("presence-empty-message", K, "{} of a message field is an empty message", '{"choices":[{"delta":{},"index":0}]}'),
    ("presence-empty-string", K, "an empty string is set", '{"choices":[{"delta":{"content":""},"index":0}]}'),
    ("presence-zero", C, "a zero is set", '{"created":0,"usage":{"prompt_tokens":0}}'),
    ("presence-false", R, "false is set", '{"stream":false,"messages":[]}'),
    ("presence-two-empties", C, "[] and null in one object", '{"choices":[{"message":{"annotations":[],"tool_calls":null}}]}'),
    ("presence-null-in-oneof", R, "null of a union is the bit of its first alternative", '{"stop":null,"tool_choice":null}'),
    ("presence-empty-array-in-oneof", R, "[] of a union that has an array form is an empty list message", '{"stop":[]}'),
    ("presence-high-bit", R, "bits of field numbers above 31", '{"prompt_cache_key":null,"user":null,"thinking":null}'),
    # Numbers.
    ("number-int64-limits", R, "the whole int64 range is exact", '{"seed":-9223372036854775808,"max_tokens":9223372036854775807}'),
    ("number-above-int64", R, "2^63 does not fit an int64 field and is kept as text", '{"seed":9223372036854775808}'),
    ("number-uint64-seed", C, "a vendor's unsigned 64-bit seed is kept as text", '{"x_groq":{"seed":18446744073709551615}}'),
    ("number-2-to-53", C, "2^53 is the largest integer kept as a double", '{"v":9007199254740992,"w":-9007199254740992}'),
    ("number-2-to-53-plus-1", C, "2^53+1 has no double and is kept as text", '{"v":9007199254740993}'),
    ("number-2-to-60", C, "an integer above 2^53 stays an integer, double or not", '{"v":1152921504606846976}'),
    ("number-int32-overflow", K, "an integer out of the field's range is an additional property", '{"choices":[{"index":2147483648}]}'),
    ("number-integral-double-in-integer", C, "1.0 fits an integer field", '{"created":1.0}'),
    ("number-exponent-in-integer", C, "1e3 fits an integer field", '{"created":1e3}'),
    ("number-fraction-in-integer", C, "1.5 does not fit an integer field", '{"created":1.5}'),
    ("number-minus-zero-in-integer", C, "-0.0 is no integer", '{"created":-0.0}'),
    ("number-minus-zero-integer", C, "-0 is the integer 0", '{"created":-0,"v":-0}'),
    ("number-integer-in-double", R, "an integer fits a double field", '{"temperature":1}'),
    ("number-big-integer-in-double", R, "an integer above 2^53 does not fit a double field", '{"temperature":9007199254740993}'),
    ("number-double-forms", C, "doubles print in the fewest digits", '{"v":[0.1,1e-5,1.5e-5,1e-6,123456789012345.6,1e15,1e16,1.5e300,5e-324,-2.5,1e22,9007199254740994.0]}'),
    ("number-double-typed-forms", R, "typed doubles print like open ones", '{"temperature":1e-7,"top_p":1e16,"presence_penalty":-0.0}'),
    ("number-underflow", C, "digits below the range of doubles read as 0", '{"v":1e-400}'),
    ("number-overflow", C, "a number above the range of doubles is kept as text", '{"v":1e400,"w":[-1e400]}'),
    ("number-overflow-in-double", R, "an overflowing number does not fit a double field", '{"temperature":1e400}'),
    ("number-many-digits", C, "an integer of any length is kept", '{"v":123456789012345678901234567890}'),
    ("number-string-created", C, "a number written as a string stays a string", '{"created":"1721075651"}'),
    ("number-bool-in-integer", C, "true is no number", '{"created":true}'),
    # Strings.
    ("string-unicode", C, "any Unicode text, unescaped", '{"id":"h\\u00e9 \\ud83d\\ude00 \\u2028 \\u0000 \\u007f"}'),
    ("string-escapes", C, "as few escapes as JSON allows", '{"id":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u001f"}'),
    ("string-lone-surrogate", C, "a lone surrogate is kept as text", '{"choices":[{"message":{"content":"cut \\ud83d"}}]}'),
    ("string-lone-low-surrogate", C, "a low surrogate alone is kept as text, in lower case", '{"v":"\\uDE00"}'),
    ("string-lone-surrogate-name", C, "a lone surrogate in a nested name moves the whole member to text", '{"choices":[{"\\ud800":1}]}'),
    ("string-escaped-name", C, "a name is compared after its escapes", '{"\\u0069d":"a"}'),
    ("string-empty-name", C, "the empty name is a name", '{"":1}'),
    # Enums.
    ("enum-known", C, "a known string is an enum value", '{"object":"chat.completion","service_tier":"flex"}'),
    ("enum-unknown", C, "an unknown string is an additional property", '{"service_tier":"on_demand"}'),
    ("enum-empty-string", C, "an empty string is no enum value", '{"choices":[{"finish_reason":""}]}'),
    ("enum-unspecified", C, "the zero value has no string", '{"service_tier":"unspecified"}'),
    ("enum-number", C, "a number is no enum value", '{"service_tier":1}'),
    ("enum-case", C, "strings are compared exactly", '{"choices":[{"finish_reason":"STOP"}]}'),
    ("enum-repeated", R, "an array of known strings", '{"modalities":["text","audio"]}'),
    ("enum-repeated-unknown", R, "one unknown string moves the whole array", '{"modalities":["text","video"]}'),
    # Unions.
    ("union-string", R, "a string picks the string alternative", '{"messages":[{"role":"user","content":"hi"}],"stop":"END"}'),
    ("union-array", R, "an array picks the list alternative", '{"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],"stop":["a","b"]}'),
    ("union-object", R, "an object picks the message alternative", '{"tool_choice":{"type":"function","function":{"name":"f"}}}'),
    ("union-enum", R, "a known string picks the enum alternative", '{"tool_choice":"auto","function_call":"none"}'),
    ("union-enum-unknown", R, "a string that no alternative holds", '{"tool_choice":"any"}'),
    ("union-misfit-item", R, "an array with an item that does not fit", '{"stop":["a",1]}'),
    ("union-other-kind", R, "a kind that no alternative has", '{"stop":5}'),
    ("union-alternative-name", R, "an alternative's own name is not a member", '{"stop_text":"END","tool_choice_mode":"auto"}'),
    # Names that are not the contract's.
    ("name-camel-case", C, "lowerCamelCase is not a contract name", '{"systemFingerprint":"fp","serviceTier":"auto"}'),
    ("name-home-fields", C, "the home fields cannot be named from JSON", '{"member_order":"AQ==","null_fields":3,"empty_fields":1,"additional_properties":{"a":1},"verbatim_properties":{"b":"2"}}'),
    # Open members.
    ("open-values", C, "values of every kind", '{"v":{"s":"x","n":1.5,"i":2,"t":true,"f":false,"z":null,"a":[],"o":{},"l":[1,"a",null,[{}]]}}'),
    ("open-order", C, "members keep their order", '{"zz":1,"a":2,"m":{"y":1,"b":2,"yy":3}}'),
    ("order-sorted", R, "sorted members need no order", '{"x_schema":{"properties":{"answer":{},"reasoning":{}},"type":"object"}}'),
    ("order-unsorted", R, "members that are not sorted have their order in a field", '{"x_schema":{"properties":{"reasoning":{},"answer":{}}}}'),
    ("order-every-object", C, "each object before those inside it, then verbatim members", '{"z":[{"a":1,"b":{"d":1,"c":2}},[{"f":1,"e":{}}]],"h":{"k":{},"j":{"n":1,"l":2,"m":3}},"g":18446744073709551615,"f":18446744073709551615}'),
    ("order-every-message", C, "each message has the order of its own", '{"choices":[{"y":1,"x":2,"message":{"w":1,"v":2}}],"u":1,"t":2}'),
    ("order-many", C, "a place takes as many bits as the highest", '{"v":{"q":1,"p":1,"o":1,"n":1,"m":1,"l":1,"k":1,"j":1,"i":1,"h":1,"g":1,"f":1,"e":1,"d":1,"c":1,"b":1,"a":1}}'),
    ("order-names", C, "names are sorted by their bytes, a prefix first", '{"v":{"\\uffff":1,"\\ud800\\udc00":2},"w":{"":1,"a":2,"a ":3,"ab":4,"b":5}}'),
    ("open-null", C, "a vendor's null is a Struct null", '{"usage_breakdown":null}'),
    ("open-depth-24", C, "24 levels fit a Struct", _nested(24)),
    ("open-depth-25", C, "25 levels are kept as text", _nested(25)),
    ("open-depth-199", C, "the deepest that a document may nest", _nested(199)),
    ("open-every-level", K, "vendor members at every level", '{"x_groq":{"id":"req"},"choices":[{"index":0,"delta":{"thinking":"hm"},"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}],"usage":{"queue_time":0.025,"prompt_tokens":1}}'),
    ("verbatim-spelling", C, "text kept: whitespace goes, order and spelling of numbers stay, escapes are the fewest", '{"v":{ "b" : 1.50, "a":[18446744073709551615 , 1E5],"\\u0065":"\\u00e9\\/"}}'),
    # Arrays.
    ("array-null-item", C, "one null item moves the whole array", '{"choices":[{"index":0},null]}'),
    ("array-scalar-for-object", C, "an object where an array belongs", '{"choices":{"index":0}}'),
    ("array-instead-of-string", C, "content as an array of parts", '{"choices":[{"message":{"role":"assistant","content":[{"type":"text","text":"a"}]}}]}'),
    ("array-order", C, "items keep their order", '{"choices":[{"index":1},{"index":0},{}]}'),
    # Bytes.
    ("bytes-base64", C, "standard base64 is bytes", '{"choices":[{"message":{"audio":{"id":"a","data":"AAEC/w==","expires_at":1,"transcript":""}}}]}'),
    ("bytes-not-base64", C, "any other text is an additional property", '{"choices":[{"message":{"audio":{"data":"AAE"}}}]}'),
    ("bytes-other-base64", C, "base64 that would print otherwise is an additional property", '{"choices":[{"message":{"audio":{"data":"AAF="}}}]}'),
    ("bytes-integers", C, "logprobs bytes are integers", '{"choices":[{"logprobs":{"content":[{"token":"hi","logprob":-0.5,"bytes":[104,105],"top_logprobs":[]}]}}]}'),
    ("bytes-integers-empty", C, "an empty array of bytes is set", '{"choices":[{"logprobs":{"content":[{"bytes":[]}]}}]}'),
    ("bytes-integers-null", C, "bytes as null", '{"choices":[{"logprobs":{"content":[{"bytes":null}],"refusal":null}}]}'),
    ("bytes-integers-misfit", C, "an integer above 255 is no byte", '{"choices":[{"logprobs":{"content":[{"bytes":[256]}]}}]}'),
    # Maps.
    ("map-strings", C, "a map of strings", '{"metadata":{"b":"1","a":"2"}}'),
    ("map-misfit", C, "one misfit moves the whole map", '{"metadata":{"a":"1","b":2}}'),
    ("map-integers", R, "a map of integers", '{"logit_bias":{"50256":-100,"7":0}}'),
    ("map-arrays", C, "a map of arrays", '{"moderation":{"input":{"type":"moderation_results","model":"m","results":[{"type":"moderation_result","model":"m","flagged":false,"categories":{"hate":false},"category_scores":{"hate":0.25},"category_applied_input_types":{"hate":["text"],"harm":[]}}]}}}'),
    ("map-key-prefix", C, "canonical order puts a longer key before its prefix", '{"cost":1,"cost_details":2,"co":3}'),
    # JSON text.
    ("text-schema", R, "a JSON Schema keeps its member order", '{"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"number"}},"required":["z","a"]}}}]}'),
    ("text-spelling", R, "JSON text: whitespace goes, spelling of numbers stays", '{"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{ "minimum" : 1.0, "maximum":1e2 , "const":18446744073709551615}}}}'),
    ("text-null", R, "null is the null bit", '{"tools":[{"function":{"parameters":null}}]}'),
    ("text-scalar", R, "any other JSON value", '{"tools":[{"function":{"parameters":true}},{"function":{"parameters":"s"}},{"function":{"parameters":[]}}]}'),
    ("text-lone-surrogate", R, "a lone surrogate stays an escape", '{"tools":[{"function":{"parameters":{"d":"\\uD83D"}}}]}'),
    # Whitespace.
    ("space-everywhere", C, "insignificant whitespace", ' \t\r\n{ "id" : "a" , "choices" : [ { "index" : 0 } , { } ] , "v" : [ ] } \n'),
    ("space-bom", C, "a byte order mark is skipped", '\ufeff{"id":"a"}'),
    # Whole documents, after what providers send.
    ("document-completion", C, "a completion with a tool call", '{"id":"chatcmpl-1","object":"chat.completion","created":1721075651,"model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":null,"annotations":[],"tool_calls":[{"id":"call_1","type":"function","function":{"name":"get_weather","arguments":"{\\"city\\": \\"Oslo\\"}"}}]},"logprobs":null,"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_1"}'),
    ("document-chunk", K, "a chunk with nulls and obfuscation", '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1721075651,"model":"gpt-4o-mini","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"x7"}'),
    ("document-chunk-usage", K, "the last chunk, with usage alone", '{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}'),
    ("document-chunk-tool-call", K, "a piece of a tool call", '{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":null,"type":null,"function":{"name":null,"arguments":"{\\"a"}}]}}]}'),
    ("document-chunk-filter", K, "a chunk of a content filter", '{"choices":[{"content_filter_offsets":{"check_offset":44},"content_filter_results":{},"finish_reason":null,"index":0}],"created":0,"id":"","model":"","object":""}'),
    ("document-request", R, "a request with parts and tools", '{"model":"gpt-4o","messages":[{"role":"developer","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA==","detail":"low"}},{"type":"input_audio","input_audio":{"data":"AAEC","format":"wav"}}]},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c1","content":"42"}],"temperature":0.2,"stream":true,"stream_options":{"include_usage":true},"top_k":40}'),
    ("document-error", E, "an error body", '{"error":{"message":"Rate limit reached","type":"requests","param":null,"code":"rate_limit_exceeded"}}'),
    ("union-number", E, "a union of a string and a number takes an integer", '{"error":{"message":"m","code":429}}'),
    ("union-number-misfit", E, "a number that the alternative cannot hold is open", '{"error":{"message":"m","code":429.5}}'),
    ("text-tool-forms", R, "each home of a JSON Schema keeps its order", '{"tools":[{"type":"function","name":"f","parameters":{"z":1,"a":2}},{"name":"g","input_schema":{"z":1,"a":2}}],"response_format":{"type":"json_object","schema":{"z":1,"a":2}},"chat_template_kwargs":{"z":1,"a":2},"guided_json":{"z":1,"a":2}}'),
    ("text-or-string", R, "a schema may also be given as its text", '{"guided_json":"{\\"type\\": \\"object\\"}"}'),
    ("document-error-number", E, "an error body with a number for its code", '{"error":{"message":"overloaded","code":529},"request_id":"r"}'),
    # Exchanges kept.
    ("record-completion", RECORD, "an exchange with its request, labels and vendor members", '{"start_time":1721075651000001,"end_time":1721075651250000,"status":200,"request_id":"req_1","request":{"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}],"top_k":40},"response":{"id":"chatcmpl-1","object":"chat.completion","created":1721075651,"model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"Hello","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2},"x_groq":{"id":"req_1"}},"peer":"ipv4:127.0.0.1:5000","labels":{"team":"search","trace":""},"region":"eu","cost":18446744073709551615}'),
    ("record-stream", RECORD, "a streamed exchange, its chunks whole", '{"start_time":1721075651000001,"first_token_time":1721075651100000,"end_time":1721075651250000,"status":200,"request":{"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}],"top_k":40,"stream":true},"stream":{"chunks":[{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1721075651,"model":"gpt-4o","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null},{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1721075651,"model":"gpt-4o","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}],"usage":null},{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1721075651,"model":"gpt-4o","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}]}}'),
    ("record-error", RECORD, "a stream that an error broke off", '{"start_time":1721075651000001,"first_token_time":1721075651100000,"end_time":1721075651250000,"status":502,"stream":{"common":{"id":"chatcmpl-1","model":"gpt-4o"},"chunks":[{"choices":[{"index":0,"delta":{"content":"Hel"}}]},{"choices":[{"index":0,"delta":{"content":"lo"}}]}]},"error":{"error":{"message":"The upstream closed the stream.","type":"server_error","param":null,"code":"upstream_error"}}}'),
    ("stream-common", STREAM, "what repeats is in common; a chunk replaces a scalar, the null bits as one", '{"common":{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1721075651,"model":"gpt-4o","usage":null,"system_fingerprint":null,"x_groq":{"id":"req_1"}},"chunks":[{"choices":[{"index":0,"delta":{"content":"Hel"}}]},{"choices":[{"index":0,"delta":{"content":"lo"}}],"model":"gpt-4o-2024-08-06"},{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]},{"choices":[],"usage":{"total_tokens":2},"system_fingerprint":null}]}'),
]
# fmt: on


def _struct(**members: str | int) -> bytes:
    struct = Struct()
    struct.update(members)
    return struct.SerializeToString(deterministic=True)


def _flags(names: str) -> bytes:
    """Return a Struct with an entry for each letter, in that order, each true."""
    return b"".join(b"\x0a\x07\x0a\x01" + name.encode() + b"\x12\x02\x20\x01" for name in names)


def _ordered(names: str, *orders: bytes) -> bytes:
    """Return a completion with open members for letters, their entries in that order, and some values of member_order."""
    fields = [delimited_field(C, "member_order", order) for order in orders]
    return b"".join([*fields, delimited_field(C, "additional_properties", _flags(names))])


def _usage(field: str, count: int) -> bytes:
    return varint_field("CompletionUsage", field, count)


# fmt: off
# name, message type, rule, wire bytes
FROM_WIRE: list[tuple[str, str, str, bytes]] = [
    # Any valid encoding is read.
    ("encoding-reversed", C, "fields in any order", delimited_field(C, "model", b"m") + varint_field(C, "created", 5) + delimited_field(C, "id", b"a")),
    ("encoding-submessage-split", C, "pieces of a message are merged", delimited_field(C, "usage", _usage("prompt_tokens", 1)) + delimited_field(C, "id", b"a") + delimited_field(C, "usage", _usage("total_tokens", 3))),
    ("encoding-unpacked", R, "repeated scalars one by one", varint_field(R, "modalities", 1) + varint_field(R, "modalities", 2)),
    ("encoding-packed-split", R, "packed pieces are joined, with single ones", delimited_field(R, "modalities", b"\x01") + varint_field(R, "modalities", 2) + delimited_field(R, "modalities", b"\x01\x02")),
    ("encoding-singular-twice", C, "the last of a singular field counts", delimited_field(C, "id", b"first") + delimited_field(C, "id", b"last")),
    ("encoding-oneof-twice", R, "the last alternative counts", delimited_field(R, "stop_text", b"END") + delimited_field(R, "stop_list", b"\x0a\x01a")),
    ("encoding-oneof-merged", R, "pieces of one alternative are merged", delimited_field(R, "stop_list", b"\x0a\x01a") + delimited_field(R, "stop_list", b"\x0a\x01b")),
    ("encoding-map-key-twice", C, "the last entry of a key counts", delimited_field(C, "metadata", b"\x0a\x01k\x12\x011") + delimited_field(C, "metadata", b"\x12\x012\x0a\x01k")),
    ("encoding-map-defaults", C, "an entry without key or value", delimited_field(C, "metadata", b"")),
    ("encoding-struct-split", C, "pieces of a Struct are merged", delimited_field(C, "additional_properties", _struct(a=1)) + delimited_field(C, "additional_properties", _struct(b=2, a="3"))),
    ("encoding-value-without-kind", C, "a member that is a Value of no kind is none", delimited_field(C, "additional_properties", b"\x0a\x05\x0a\x01v\x12\x00" + _struct(w=1))),
    ("encoding-value-without-kind-inside", C, "at any depth", delimited_field(C, "choices", delimited_field("ChatCompletionChoice", "additional_properties", b"\x0a\x12\x0a\x01v\x12\x0d\x2a\x0b\x0a\x05\x0a\x01w\x12\x00\x0a\x02\x0a\x00"))),
    ("encoding-item-without-kind", C, "an item that is a Value of no kind is null", delimited_field(C, "additional_properties", b"\x0a\x09\x0a\x01v\x12\x04\x32\x02\x0a\x00")),
    ("encoding-empty-text", C, "a verbatim member whose text is empty is none", delimited_field(C, "verbatim_properties", b"\x0a\x01v\x12\x00") + delimited_field(C, "verbatim_properties", b"\x0a\x01w\x12\x011")),
    ("encoding-empty-homes", C, "a home that holds nothing leaves the member to the next", delimited_field(C, "additional_properties", b"\x0a\x06\x0a\x02id\x12\x00") + delimited_field(C, "verbatim_properties", b"\x0a\x02id\x12\x015")),
    ("encoding-bits-twice", C, "the last null_fields counts", varint_field(C, "null_fields", 1 << number_of(C, "usage")) + varint_field(C, "null_fields", 1 << number_of(C, "service_tier"))),
    ("encoding-long-varint", C, "a varint longer than it need be", tag(number_of(C, "created"), VARINT) + b"\x85\x80\x00"),
    ("encoding-unknown-field", C, "a field that the contract does not have is skipped", delimited_field(C, "id", b"a") + b"\xfa\x3f\x03abc"),
    ("encoding-unknown-group", C, "a group is skipped", b"\xfb\x3f\x08\x01\xfc\x3f" + delimited_field(C, "id", b"a")),
    ("encoding-other-wire-type", C, "a field of another wire type is unknown", varint_field(C, "id", 5) + delimited_field(C, "model", b"m")),
    ("encoding-int32-cut", C, "a varint is cut to the field's width", delimited_field(C, "choices", varint_field("ChatCompletionChoice", "index", 2**32 + 7))),
    ("encoding-struct-depth", C, "a Struct may nest deeper than JSON input makes it", delimited_field(C, "additional_properties", deep_struct(30))),
    ("encoding-verbatim-space", C, "verbatim text is printed anew", delimited_field(C, "verbatim_properties", b'\x0a\x01v\x12\x0b{ "a" : 1 }')),
    # The order of open members.
    ("order-absent", C, "without an order, members print sorted, however their entries are", _ordered("bca")),
    ("order-of-entries", C, "entries may be in any order", _ordered("acb", b"\x0d")),
    ("order-verbatim-absent", C, "verbatim members too", delimited_field(C, "verbatim_properties", b"\x0a\x01w\x12\x011") + delimited_field(C, "verbatim_properties", b"\x0a\x01v\x12\x012")),
    ("order-behind-the-end", C, "bits behind the end are 0", _ordered("abc", b"\x05")),
    ("order-zeros", C, "zeros that follow are none", _ordered("abc", b"\x0d\x00\x00")),
    ("order-twice", C, "the last order counts", _ordered("abc", b"\x05", b"\x0d")),
    ("order-too-long", C, "an order with bits left does not fit: members print sorted", _ordered("abc", b"\x2d")),
    ("order-too-many-bytes", C, "nor does one with bytes left", _ordered("abc", b"\x0d\x00\x01")),
    ("order-too-high", C, "nor one with a place that is too high", _ordered("abc", b"\x07")),
    ("order-place-twice", C, "nor one with a place twice", _ordered("abc", b"\x0b")),
    ("order-of-nothing", C, "an order without members says nothing", delimited_field(C, "member_order", b"\xff") + delimited_field(C, "id", b"a")),
    ("order-misfit-inside", C, "an order that misfits inside counts nowhere", delimited_field(C, "member_order", b"\x1f") + delimited_field(C, "additional_properties", _flags("b") + b"\x0a\x22\x0a\x01a\x12\x1d\x2a\x1b" + _flags("edc"))),
    # Homes that disagree.
    ("conflict-value-and-null", C, "a value before its null bit", delimited_field(C, "id", b"a") + varint_field(C, "null_fields", 1 << number_of(C, "id"))),
    ("conflict-null-and-empty", C, "the null bit before the empty bit", varint_field(C, "null_fields", 1 << number_of(C, "choices")) + varint_field(C, "empty_fields", 1 << number_of(C, "choices"))),
    ("conflict-value-and-additional", C, "a value before an additional property", delimited_field(C, "id", b"a") + delimited_field(C, "additional_properties", _struct(id="b"))),
    ("conflict-null-and-additional", C, "a bit before an additional property", varint_field(C, "null_fields", 1 << number_of(C, "usage")) + delimited_field(C, "additional_properties", _struct(usage="b"))),
    ("conflict-additional-and-verbatim", C, "an additional property before a verbatim one", delimited_field(C, "additional_properties", _struct(v=1)) + delimited_field(C, "verbatim_properties", b"\x0a\x01v\x12\x012")),
    ("native-enum-number", C, "an enum number that the contract does not have prints as a number", varint_field(C, "service_tier", 99)),
    ("native-enum-zero", C, "the zero value of an enum stands for absence", varint_field(C, "service_tier", 0)),
    ("native-bit-of-no-field", C, "a bit that names no field is skipped", varint_field(C, "null_fields", 1 << 63 | 1)),
    ("native-empty-bit-of-string", C, "an empty bit of what cannot be empty is skipped", varint_field(C, "empty_fields", 1 << number_of(C, "id"))),
    ("native-null-bit-of-second-alternative", R, "any alternative's bit is read", varint_field(R, "null_fields", 1 << number_of(R, "stop_list"))),
]
# fmt: on


def write(folder: Path) -> None:
    """Write every case to a folder, which must not have any of them yet."""
    for name, message, rule, text in FROM_JSON:
        _write_case(folder / name, message, rule, chatpb.json_to_wire(text, getattr(v1, message)), text)
    for name, message, rule, wire in FROM_WIRE:
        _write_case(folder / name, message, rule, wire, None)


def _write_case(folder: Path, message: str, rule: str, wire: bytes, text: str | None) -> None:
    message_type = getattr(v1, message)
    folder.mkdir(parents=True)
    case = {"message": message_type.DESCRIPTOR.full_name, "rule": rule}
    (folder / "case.json").write_text(json.dumps(case, indent=2) + "\n")
    if text is not None:
        (folder / "input.json").write_bytes(text.encode())
    (folder / "message.txtpb").write_text(text_format.MessageToString(message_type.FromString(wire), as_utf8=True))
    (folder / "wire.binpb").write_bytes(wire)
    (folder / "expected.json").write_bytes(chatpb.wire_to_json(wire, message_type, unknown_fields="skip"))


if __name__ == "__main__":
    shutil.rmtree(FOLDER, ignore_errors=True)
    write(FOLDER)
    print(f"{len(FROM_JSON) + len(FROM_WIRE)} cases in {FOLDER}")
