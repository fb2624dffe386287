"""Mutants that change nothing that could be noticed, or speed alone, each with the reason."""

from typing import Final

_GUESSED = "A guess of how many bytes a length takes, which `close_length` corrects: speed."
_LEFT_TO_THE_EXACT_HALF = "The quick half then leaves what it could have done to the exact half: speed."

EQUIVALENT: Final = {
    "buffer/output.rs:grow: > -> >= (1)": "Huge pages are asked for again where the vector did not grow: speed.",
    "encode/field.rs:base64: 1 -> 0 (1)": _GUESSED,
    "encode/field.rs:base64: 170 -> 169 (1)": _GUESSED,
    "encode/mod.rs:json_to_wire: > -> < (1)": "Which buffers are kept for the next document: memory.",
    "print/arrays_and_maps.rs:array: 3 -> 4 (1)": _LEFT_TO_THE_EXACT_HALF,
    "print/arrays_and_maps.rs:map: 3 -> 4 (1)": _LEFT_TO_THE_EXACT_HALF,
    "encode/message.rs:open_member: 0 -> 1 (1)": "One byte more is reserved than is needed.",
    "print/mod.rs:write: 0 -> 1 (1)": "A guess of which members are often unset: speed.",
    "print/mod.rs:write: <= -> < (1)": "A message of exactly 2 GiB is left to the exact half: speed.",
    "print/mod.rs:write: text.len() -> 0 (1)": "`put` reserves room for the text too: speed.",
    "validate/mod.rs:entry: | -> ^ (1)": "The number and the wire type of a tag have no bits in common.",
}
"""Reasons, by the names of mutants as they are printed."""
