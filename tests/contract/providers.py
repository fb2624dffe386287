"""What docs/providers.md lists: members and enum values that OpenAI's API lacks, and who sends each."""

from __future__ import annotations

import re
from functools import cache

from tests.support import ROOT

LEAST = 3
"""Providers that must agree on a member's name and type."""
_ROW = re.compile(r"^\| `(\w+)\.(\w+)` \|[^|]+\| ([^|]+) \|$", re.MULTILINE)


@cache
def typed_for_providers() -> dict[str, tuple[str, ...]]:
    """Return who sends each member or enum value, by its owner and name with a dot."""
    text = (ROOT / "docs" / "providers.md").read_text("utf-8").split("## Not typed")[0]
    return {f"{owner}.{name}": tuple(who.split(", ")) for owner, name, who in _ROW.findall(text)}
