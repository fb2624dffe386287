"""Mutants that change nothing that could be noticed, or speed alone, each with the reason."""

from typing import Final

_COUNTED_MORE_OFTEN = "The nesting is then counted where it could not be too deep: speed."
_GUESSED = "A guess of how many bytes a length takes, which `close_length` corrects: speed."
_LEFT_TO_THE_EXACT_HALF = "The quick half then leaves what it could have done to the exact half: speed."
_LEFT_TO_LONGER_CODE = "What this reads quickly is then read by the code for all other values: speed."
_NO_BITS_IN_COMMON = "The two have no bits in common."
_NO_TWO_FIT_IN_FULL = (
    "No bytes have all that two documents require and nothing else, so that a tie has a score below zero."
)
_OR_ZERO = "The wire type of a varint is zero."
_MORE_ROOM = "More room is reserved than is needed."
_CALLERS_RESERVE = "Every caller has reserved room already."
_HAVE_ROWS = "499 and 500 have rows of their own."
_LAST_ATTEMPT = "How long the last attempt waits, at most 0.2 seconds: speed."
_RESERVE = "A reserve, of which a byte more or less does not matter."
_SMALL = "Small integers are the same objects."
_STATES = "States are small integers, of which there is one each."
_MESSAGES = "Of a request, ASGI gives `http.request` and `http.disconnect` alone."
_WRAPPED = "A smaller body is then wrapped as a large one is: speed."

EQUIVALENT: Final = {
    "_detect.py:_only_message:ReplaceAndWithOr:0": "Of the documents, those whose first field is a message have no other.",
    "_detect.py:detect_wires:NumberReplacer:0": _NO_TWO_FIT_IN_FULL,
    "_detect.py:detect_wires:NumberReplacer:1": _NO_TWO_FIT_IN_FULL,
    "_detect.py:detect_wires:ReplaceComparisonOperator_Eq_GtE:0": "No total is above the best.",
    "_engine/reference/encode/message.py:encode_message:ReplaceBinaryOperator_Sub_BitAnd:0": _COUNTED_MORE_OFTEN,
    "_engine/reference/encode/message.py:encode_message:ReplaceBinaryOperator_Sub_Div:0": _COUNTED_MORE_OFTEN,
    "_engine/reference/encode/message.py:encode_message:ReplaceComparisonOperator_Gt_NotEq:0": _COUNTED_MORE_OFTEN,
    "_engine/reference/batch/arrow_rows.py:rows_of:ReplaceComparisonOperator_Eq_LtE:0": "No remainder is below zero.",
    **{
        f"_engine/reference/streams/compact.py:_mergeable:ReplaceBinaryOperator_BitOr_{operator}:{number}": _OR_ZERO
        for operator in ("Add", "BitXor", "LShift", "RShift", "Sub")
        for number in (1, 2)
    },
    "_engine/reference/streams/compact.py:change:ReplaceComparisonOperator_Eq_Is:2": _SMALL,
    "_engine/reference/streams/rules.py:None:NumberReplacer:0": "How many rules are remembered: memory.",
    "_json/check.py:decode_document:ReplaceComparisonOperator_Gt_IsNot:1": "The bytes of a shorter text are then counted too: speed.",
    "_json/check.py:string:ReplaceComparisonOperator_NotEq_Lt:0": "What a search for the end stops at is no character above a backslash.",
    "_json/parse.py:_object:ReplaceComparisonOperator_NotEq_Lt:0": "There are never more members than pairs.",
    "_openai_objects.py:_Completion:RemoveDecorator:0": "A protocol is for type checkers alone.",
    "_tree/read.py:compile:ReplaceBinaryOperator_BitOr_BitXor:5": _NO_BITS_IN_COMMON,
    "_tree/read.py:parse:ReplaceComparisonOperator_Lt_NotEq:0": "No read goes past the end that it is given.",
    "_wire/read.py:skip_field:ReplaceComparisonOperator_Eq_Is:1": _SMALL,
    "batch/lines.rs:json_lines_to_wire: + -> * (2)": "How many threads there are: speed.",
    "buffer/output.rs:RESERVED: 512 -> 511 (1)": "No writer needs the last byte of the room.",
    "buffer/output.rs:grow: > -> >= (1)": "Huge pages are asked for again where the vector did not grow: speed.",
    "encode/entry_order.rs:entry_key: | -> ^ (1)": _NO_BITS_IN_COMMON,
    "encode/field.rs:base64: 1 -> 0 (1)": _GUESSED,
    "encode/field.rs:base64: 1 -> 2 (1)": _GUESSED,
    "encode/field.rs:base64: 170 -> 169 (1)": _GUESSED,
    "encode/field.rs:base64: 170 -> 171 (1)": _GUESSED,
    "encode/field.rs:base64: < -> <= (1)": _GUESSED,
    "encode/field_order.rs:finish_any: 0 -> 1 (1)": _MORE_ROOM,
    "encode/field_order.rs:finish_any: self.out.reserve(end) -> end (1)": "What is put before leaves room, of which all that follows takes a few bytes.",
    "encode/field_order.rs:put_deferred: 0 -> 1 (1)": "A guess of which members to hold back: speed.",
    "encode/field_order.rs:put_deferred: 1 -> 2 (1)": "A guess of which members to hold back: speed.",
    "encode/message.rs:document: text.len() -> 0 (1)": "Room is then reserved where it is needed: speed.",
    "encode/message.rs:open_member: 0 -> 1 (1)": "One byte more is reserved than is needed.",
    "encode/mod.rs:json_to_wire: > -> < (1)": "Which buffers are kept for the next document: memory.",
    "encode/open_values.rs:inlined_value: 1 -> 0 (4)": _GUESSED,
    "encode/open_values.rs:width: 1 -> 0 (2)": _GUESSED,
    "encode/open_values.rs:width: 1 -> 2 (2)": _GUESSED,
    "encode/token_reader.rs:any_string: - -> + (1)": _MORE_ROOM,
    "encode/token_reader.rs:escaped_string: - -> + (1)": _MORE_ROOM,
    "encode/token_reader.rs:with: 64 -> 63 (2)": "An escape is in the block, so that less than 64 bytes of it are kept.",
    "json/member_names.rs:clear: the body -> () (1)": "Names of earlier documents are then kept, and never looked at: memory.",
    "json/normalize.rs:is_closed: + -> - (1)": "What is in normal form already is then replaced by the same: speed.",
    "json/normalize.rs:more: + -> - (1)": "The comma is replaced by a comma: speed.",
    "json/normalize.rs:value: < -> <= (1)": "A number that is kept whole is then replaced by the same: speed.",
    "json/padded_text.rs:non_digits: the body -> 0 (1)": _LEFT_TO_LONGER_CODE,
    "json/padded_text.rs:seven_digits: ^ -> | (1)": _LEFT_TO_LONGER_CODE,
    "json/print_number.rs:MAX_NUMBER: 32 -> 31 (1)": "The longest number takes 24 bytes: less room is reserved.",
    "json/print_number.rs:put_double: 0 -> 1 (2)": "A byte behind the digits, which does not count.",
    "json/print_number.rs:put_double: <= -> < (2)": "A condition that is checked when the core is compiled, and holds.",
    "json/strings.rs:put: 2 -> 3 (1)": _MORE_ROOM,
    "print/arrays_and_maps.rs:array: 3 -> 2 (1)": _LEFT_TO_THE_EXACT_HALF,
    "print/arrays_and_maps.rs:array: 3 -> 4 (1)": _LEFT_TO_THE_EXACT_HALF,
    "print/arrays_and_maps.rs:map: 2 -> 3 (1)": _LEFT_TO_THE_EXACT_HALF,
    "print/arrays_and_maps.rs:map: 3 -> 2 (1)": _LEFT_TO_THE_EXACT_HALF,
    "print/arrays_and_maps.rs:map: 3 -> 4 (1)": _LEFT_TO_THE_EXACT_HALF,
    "print/arrays_and_maps.rs:map: self.out.reserve(end) -> end (1)": _CALLERS_RESERVE,
    "print/message.rs:find: & -> ^ (1)": "`skip` steps over varints too: speed.",
    "print/message.rs:inlined_message: 0 -> 1 (3)": "Bits of which one is that of number 0 are refused, or name nothing.",
    "print/message.rs:inlined_message: 2 -> 3 (1)": _LEFT_TO_THE_EXACT_HALF,
    "print/message.rs:inlined_message: 8 -> 7 (1)": _LEFT_TO_THE_EXACT_HALF,
    "print/message.rs:inlined_message: self.out.reserve(end) -> end (1)": _CALLERS_RESERVE,
    "print/message.rs:message_in_order: 0 -> 1 (2)": _LEFT_TO_THE_EXACT_HALF,
    "print/mod.rs:write: <= -> < (1)": "A message of exactly 2 GiB is left to the exact half: speed.",
    "print/mod.rs:write: text.len() -> 0 (1)": "`put` reserves room for the text too: speed.",
    "print/name_filter.rs:hash: ^ -> | (2)": "More names are then compared in full: speed.",
    "print/name_filter.rs:hash: | -> & (1)": "More names are then compared in full: speed.",
    "print/open_values.rs:list_value: self.out.reserve(end) -> end (1)": _CALLERS_RESERVE,
    "print/string.rs:MAX_ESCAPE: 6 -> 5 (1)": "Of the room that is reserved besides, there is enough for what is then missing.",
    "print/string.rs:inlined_string: 0 -> 1 (1)": "Text that is ASCII is then checked to be UTF-8: speed.",
    "print/value.rs:delimited: 1 -> 2 (2)": _LEFT_TO_THE_EXACT_HALF,
    "print/value.rs:rare_enumeration: self.out.reserve(end) -> end (1)": _CALLERS_RESERVE,
    "print/value.rs:text: > -> >= (1)": _LEFT_TO_THE_EXACT_HALF,
    "schema/compile.rs:add: | -> ^ (2)": _NO_BITS_IN_COMMON,
    "schema/compile.rs:finish: | -> & (1)": "No member is then held back: speed.",
    "schema/home_fields.rs:BinaryOperator: | -> ^ (4)": _NO_BITS_IN_COMMON,
    "service/_allowed_sites.py:__call__:ReplaceComparisonOperator_NotEq_Gt:0": "Of the types of ASGI, `http` is the first.",
    "service/_call.py:check_token:ReplaceComparisonOperator_NotEq_IsNot:0": "A string without white space at its ends is what `strip` returns.",
    "service/_echo_backend.py:_answer:NumberReplacer:4": "One choice is made in any case.",
    "service/_error_table.py:_row:NumberReplacer:0": _HAVE_ROWS,
    "service/_error_table.py:_row:NumberReplacer:1": _HAVE_ROWS,
    "service/_error_table.py:_row:ReplaceComparisonOperator_Lt_LtE:0": _HAVE_ROWS,
    "service/_grpc_backend.py:None:NumberReplacer:4": _LAST_ATTEMPT,
    "service/_grpc_backend.py:None:NumberReplacer:5": _LAST_ATTEMPT,
    "service/_grpc_status.py:None:NumberReplacer:10": _RESERVE,
    "service/_grpc_status.py:None:NumberReplacer:11": _RESERVE,
    "service/_health.py:Check:ReplaceComparisonOperator_Eq_GtE:0": "SERVICE_UNKNOWN is the last of the states.",
    "service/_health.py:Check:ReplaceComparisonOperator_Eq_Is:0": _STATES,
    "service/_health.py:_set:ReplaceComparisonOperator_NotEq_IsNot:0": _STATES,
    "service/_health.py:_tell:ReplaceComparisonOperator_Eq_Is:0": _STATES,
    "service/_health.py:_tell:ReplaceComparisonOperator_Eq_LtE:0": "The states that are compared are SERVING and NOT_SERVING, the next one.",
    "service/_health.py:_tell:ReplaceComparisonOperator_NotEq_IsNot:0": _STATES,
    "service/_http_body.py:read_body:ReplaceComparisonOperator_Eq_LtE:0": _MESSAGES,
    "service/_openai_backend.py:None:NumberReplacer:12": "How long the end of a stream is waited for: speed.",
    "service/_openai_backend.py:_begin:ReplaceComparisonOperator_Gt_GtE:0": _WRAPPED,
    "service/_openai_backend.py:_begin:ReplaceComparisonOperator_Gt_IsNot:0": _WRAPPED,
    "service/_openai_backend.py:_begin:ReplaceComparisonOperator_Gt_NotEq:0": _WRAPPED,
    "service/_openai_backend.py:_send:NumberReplacer:1": "aiohttp takes a status below 200 for one that comes before the answer.",
    "service/_request_flags.py:_read_flags:ReplaceComparisonOperator_Is_Eq:1": "It is a boolean here, or None.",
    "service/_request_flags.py:ask_for_whole:ReplaceComparisonOperator_NotEq_IsNot:0": _SMALL,
    "service/_request_flags.py:model_of:ReplaceComparisonOperator_Eq_Is:0": _SMALL,
    "service/_request_flags.py:model_of:ReplaceComparisonOperator_Eq_LtE:0": "The model is the first of a request's fields.",
    "service/_secrets.py:hide_in_json:ReplaceAndWithOr:0": "What has nothing to hide is then searched too: speed.",
    "service/_tls.py:_check:ReplaceComparisonOperator_NotEq_IsNot:0": "Booleans, of which there is one each.",
    "service/gateway.py:_disconnected:ReplaceComparisonOperator_NotEq_Gt:0": _MESSAGES,
    "storage/_parquet.py:_only_wire:ReplaceFalseWithTrue:0": "Threads that read one column have nothing to share: speed.",
    "storage/_prefetch.py:prefetch:ReplaceComparisonOperator_Eq_LtE:0": "There is at least one thread.",
    "storage/_query.py:_of_good_records:ReplaceComparisonOperator_Eq_Is:0": "A column of good records is then copied: memory.",
    "storage/_query.py:_json_of_records:ReplaceComparisonOperator_GtE_Gt:0": "Both ways give the same text: memory.",
    "storage/_recorder.py:_delete_before:ReplaceBinaryOperator_Sub_FloorDiv:1": "Ids are then looked for in one part more, which has none so old: speed.",
    "storage/_stats_chart.py:_draw_days:NumberReplacer:12": "The size of letters.",
    "streams/accumulate.rs:grow: (_, Piece::Null) => {} ->  (1)": "`latest` does nothing for null either.",
    "streams/value.rs:slot: + -> * (2)": "A guess of the member that comes next: speed.",
    "streams/value.rs:slot: < -> > (1)": "A guess of the member that comes next: speed.",
    "tree/message.rs:put: value.holds_nothing() -> false (1)": "Members that hold nothing are then kept, and stepped over where members are read: memory.",
    "validate/mod.rs:entry: | -> ^ (1)": _NO_BITS_IN_COMMON,
    "wire/member_order.rs:arranged: the body -> Some((vec![0], vec![1])) (1)": _LEFT_TO_THE_EXACT_HALF,
    "wire/member_order.rs:outer_names_ascend: the body -> false (1)": "Members that are sorted are then found to be so later: speed.",
    "wire/read.rs:delimited: | -> ^ (1)": _NO_BITS_IN_COMMON,
    "wire/read.rs:skip: FIXED64 => bytes.get(8..), ->  (1)": _LEFT_TO_THE_EXACT_HALF,
    "wire/read.rs:struct_entry: the body -> Some((Vec::leak(vec![0]), Vec::leak(Vec::new()), Vec::leak(vec![0]))) (1)": _LEFT_TO_THE_EXACT_HALF,
    "wire/read.rs:struct_entry: the body -> Some((Vec::leak(vec![0]), Vec::leak(vec![1]), Vec::leak(vec![1]))) (1)": _LEFT_TO_THE_EXACT_HALF,
    "wire/read.rs:varint: byte < 128 && self.at < end -> false (1)": _LEFT_TO_LONGER_CODE,
    "wire/write.rs:short_varint: << -> >> (4)": _LEFT_TO_LONGER_CODE,
}
"""Reasons, by the names of mutants as they are printed."""
