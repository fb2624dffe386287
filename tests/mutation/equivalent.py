"""Mutants that change nothing that could be noticed, or speed alone, each with the reason."""

from typing import Final

_GUESSED = "A guess of how many bytes a length takes, which `close_length` corrects: speed."
_LEFT_TO_THE_EXACT_HALF = "The quick half then leaves what it could have done to the exact half: speed."
_LEFT_TO_LONGER_CODE = "What this reads quickly is then read by the code for all other values: speed."
_NO_BITS_IN_COMMON = "The two have no bits in common."
_CALLERS_RESERVE = "Every caller has reserved room already."

EQUIVALENT: Final = {
    "buffer/output.rs:RESERVED: 512 -> 511 (1)": "No writer needs the last byte of the room.",
    "buffer/output.rs:grow: > -> >= (1)": "Huge pages are asked for again where the vector did not grow: speed.",
    "encode/entry_order.rs:entry_key: | -> ^ (1)": _NO_BITS_IN_COMMON,
    "encode/field.rs:base64: 1 -> 0 (1)": _GUESSED,
    "encode/field.rs:base64: 1 -> 2 (1)": _GUESSED,
    "encode/field.rs:base64: 170 -> 169 (1)": _GUESSED,
    "encode/field.rs:base64: 170 -> 171 (1)": _GUESSED,
    "encode/field_order.rs:finish_any: self.out.reserve(end) -> end (3)": "What is put before leaves room, of which all that follows takes a few bytes.",
    "encode/field_order.rs:put_deferred: 0 -> 1 (1)": "A guess of which members to hold back: speed.",
    "encode/message.rs:document: text.len() -> 0 (1)": "Room is then reserved where it is needed: speed.",
    "encode/message.rs:open_member: 0 -> 1 (1)": "One byte more is reserved than is needed.",
    "encode/mod.rs:json_to_wire: > -> < (1)": "Which buffers are kept for the next document: memory.",
    "encode/open_values.rs:inlined_value: 1 -> 0 (4)": _GUESSED,
    "json/normalize.rs:more: + -> - (1)": "The comma is replaced by a comma: speed.",
    "json/padded_text.rs:non_digits: the body -> 0 (1)": _LEFT_TO_LONGER_CODE,
    "json/padded_text.rs:seven_digits: ^ -> | (1)": _LEFT_TO_LONGER_CODE,
    "json/print_number.rs:MAX_NUMBER: 32 -> 31 (1)": "The longest number takes 24 bytes: less room is reserved.",
    "json/print_number.rs:put_double: <= -> < (2)": "A condition that is checked when the core is compiled, and holds.",
    "print/arrays_and_maps.rs:array: 3 -> 4 (1)": _LEFT_TO_THE_EXACT_HALF,
    "print/arrays_and_maps.rs:map: 2 -> 3 (1)": _LEFT_TO_THE_EXACT_HALF,
    "print/arrays_and_maps.rs:map: 3 -> 4 (1)": _LEFT_TO_THE_EXACT_HALF,
    "print/arrays_and_maps.rs:map: self.out.reserve(end) -> end (1)": _CALLERS_RESERVE,
    "print/message.rs:inlined_message: 8 -> 7 (1)": _LEFT_TO_THE_EXACT_HALF,
    "print/message.rs:inlined_message: self.out.reserve(end) -> end (1)": _CALLERS_RESERVE,
    "print/message.rs:message_in_order: 0 -> 1 (2)": _LEFT_TO_THE_EXACT_HALF,
    "print/mod.rs:write: <= -> < (1)": "A message of exactly 2 GiB is left to the exact half: speed.",
    "print/mod.rs:write: text.len() -> 0 (1)": "`put` reserves room for the text too: speed.",
    "print/name_filter.rs:hash: | -> & (1)": "More names are then compared in full: speed.",
    "print/value.rs:rare_enumeration: self.out.reserve(end) -> end (1)": _CALLERS_RESERVE,
    "schema/compile.rs:finish: | -> & (1)": "No member is then held back: speed.",
    "schema/home_fields.rs:BinaryOperator: | -> ^ (4)": _NO_BITS_IN_COMMON,
    "service/_health.py:_set:ReplaceComparisonOperator_NotEq_IsNot:1": "States are small integers, of which there is one each.",
    "service/_openai_backend.py:_begin:NumberReplacer:47": "A small body is then wrapped as a large one is: speed.",
    "storage/_query.py:_json_of_records:ReplaceComparisonOperator_GtE_Gt:0": "Both ways give the same text: memory.",
    "streams/accumulate.rs:grow: (_, Piece::Null) => {} ->  (1)": "`latest` does nothing for null either.",
    "validate/mod.rs:entry: | -> ^ (1)": _NO_BITS_IN_COMMON,
    "wire/member_order.rs:arranged: the body -> Some((vec![0], vec![1])) (1)": _LEFT_TO_THE_EXACT_HALF,
    "wire/member_order.rs:outer_names_ascend: the body -> false (1)": "Members that are sorted are then found to be so later: speed.",
    "wire/read.rs:delimited: | -> ^ (1)": _NO_BITS_IN_COMMON,
    "wire/read.rs:varint: byte < 128 && self.at < end -> false (1)": _LEFT_TO_LONGER_CODE,
}
"""Reasons, by the names of mutants as they are printed."""
