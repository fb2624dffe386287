"""The tags of a map's entry, and of google.protobuf.Struct, Value and ListValue, which hold open JSON values."""

from __future__ import annotations

from typing import Final

from chatpb._wire import FIXED64, LEN, VARINT

ENTRY_KEY: Final = 1 << 3 | LEN
ENTRY_VALUE: Final = 2 << 3 | LEN

STRUCT_FIELDS: Final = 1 << 3 | LEN
LIST_VALUES: Final = 1 << 3 | LEN

NULL_VALUE: Final = 1 << 3 | VARINT
NUMBER_VALUE: Final = 2 << 3 | FIXED64
STRING_VALUE: Final = 3 << 3 | LEN
BOOL_VALUE: Final = 4 << 3 | VARINT
STRUCT_VALUE: Final = 5 << 3 | LEN
LIST_VALUE: Final = 6 << 3 | LEN
