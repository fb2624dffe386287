"""What belongs to each message class, kept: looking it up is part of every call's cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from chatpb._engine import codec_of
from chatpb._runtimes import on_register, parser_of, runtime_of, serializer_of

__all__ = ["codecs", "parsers", "serializers"]

T = TypeVar("T")


class _OfClass(dict[type, T]):
    """Made when first asked for, and anew after a runtime was registered."""

    def __init__(self, make: Callable[[type], T]) -> None:
        self.make = make
        on_register(self.clear)

    def __missing__(self, message_type: type) -> T:
        made = self[message_type] = self.make(message_type)
        return made


codecs: Final = _OfClass(lambda message_type: codec_of(runtime_of(message_type).descriptor(message_type)))
parsers: Final = _OfClass(parser_of)
serializers: Final = _OfClass(serializer_of)
