"""The engines that the tests compare: the reference, and the native engine where it is built."""

from __future__ import annotations

from types import ModuleType
from typing import Final

from google.protobuf.descriptor import Descriptor

from chatpb._engine import reference
from chatpb._engine.codec import Codec

ENGINES: Final[dict[str, ModuleType]] = {"python": reference}
"""The engines by name, as CHATPB_ENGINE names them."""

try:
    from chatpb._engine import native
except ImportError:
    pass
else:
    ENGINES["native"] = native


def codecs_of(descriptor: Descriptor) -> list[Codec]:
    """Return the codec of each engine for a message type, the reference's first."""
    return [engine.codec(descriptor) for engine in ENGINES.values()]
