"""JSON text: parse it, check it, and print it."""

from __future__ import annotations

import re
from typing import Any, Final

JsonObject = dict[str, Any]

BOM: Final = "\ufeff"
"""The byte order mark that a document may begin with."""

SURROGATE: Final = re.compile("[\ud800-\udfff]")
"""A lone surrogate, which UTF-8 cannot encode."""
