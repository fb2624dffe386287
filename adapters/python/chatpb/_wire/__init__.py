"""The protobuf wire format: how fields are read and written.

A field starts with its tag, `number << 3 | wire type`. The wire type says how to find the end of the value.
"""

from __future__ import annotations

from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
LEN: Final = 2
START_GROUP: Final = 3
END_GROUP: Final = 4
FIXED32: Final = 5
