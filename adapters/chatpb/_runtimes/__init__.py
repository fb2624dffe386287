"""The protobuf runtimes whose message classes chatpb converts to and from: one adapter each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Protocol, TypeVar

from google.protobuf.descriptor import Descriptor

from chatpb._runtimes.betterproto_runtime import BetterprotoRuntime
from chatpb._runtimes.google_runtime import GoogleRuntime

__all__ = ["Runtime", "cached_by_type", "register_runtime", "runtime_of"]

ENTRY_POINT_GROUP = "chatpb.runtimes"


class Runtime(Protocol):
    """What an adapter tells about the message classes of one protobuf runtime."""

    def owns(self, message_type: type) -> bool:
        """Whether this is a message class of the runtime."""

    def descriptor(self, message_type: type) -> Descriptor:
        """The google.protobuf descriptor of a message class. Raises TypeError for one of no known contract."""

    def parse(self, message_type: type, wire: bytes) -> Any:
        """A message from its wire bytes."""

    def serialize(self, message: Any) -> bytes:
        """The wire bytes of a message."""


T = TypeVar("T")

_registered: list[Runtime] = []
_caches: list[Callable[[], None]] = []


def cached_by_type(function: Callable[[type], T]) -> Callable[[type], T]:
    """Keep what a function of a message class returned until another runtime is registered."""
    cached = cache(function)
    _caches.append(cached.cache_clear)
    return cached


def register_runtime(runtime: Runtime) -> None:
    """Add a runtime. It is asked before those registered earlier, and before those that chatpb brings.

    A package can do without this call: an entry point of the group `chatpb.runtimes` that names an instance of a
    Runtime is found by itself.
    """
    _registered.insert(0, runtime)
    for clear in _caches:
        clear()


@cache
def _discovered() -> tuple[Runtime, ...]:
    return tuple(entry_point.load() for entry_point in entry_points(group=ENTRY_POINT_GROUP))


def runtime_of(message_type: type) -> Runtime:
    """The runtime that a message class belongs to. Raises TypeError if it belongs to none."""
    runtime = _find(message_type) if isinstance(message_type, type) else None
    if runtime is None:
        raise TypeError(
            f"{message_type!r} is not a message class of google.protobuf, betterproto or a registered runtime; "
            "chatpb.register_runtime adds one"
        )
    return runtime


@cached_by_type
def _find(message_type: type) -> Runtime | None:
    builtin: tuple[Runtime, ...] = (GoogleRuntime(), BetterprotoRuntime())
    return next((r for r in (*_registered, *builtin, *_discovered()) if r.owns(message_type)), None)
