"""The protobuf runtimes whose message classes chatpb converts to and from: one adapter each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import chain
from typing import Any, Protocol, cast

from google.protobuf.descriptor import Descriptor

from chatpb._runtimes.betterproto_runtime import BetterprotoRuntime
from chatpb._runtimes.google_runtime import GoogleRuntime

__all__ = ["Runtime", "on_register", "parser_of", "register_runtime", "runtime_of", "serializer_of"]

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


_registered: list[Runtime] = []
_listeners: list[Callable[[], None]] = []


def on_register(listener: Callable[[], None]) -> None:
    """Have a function called when a runtime is registered: one that forgets which classes belong to which."""
    _listeners.append(listener)


def register_runtime(runtime: Runtime) -> None:
    """Add a runtime. It is asked before those registered earlier, and before those that chatpb brings.

    A package can do without this call: an entry point of the group `chatpb.runtimes` that names an instance of a
    Runtime is found by itself.
    """
    _registered.insert(0, runtime)
    _find.cache_clear()
    for listener in _listeners:
        listener()


@cache
def _discovered() -> tuple[Runtime, ...]:
    # Imported when a class is none of the runtimes that are known: it would be a fifth of the time to import chatpb.
    from importlib.metadata import entry_points

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


def parser_of(message_type: type) -> Callable[[bytes], Any]:
    """The function that makes a class's messages from wire bytes; for google.protobuf the class's own method."""
    runtime = runtime_of(message_type)
    if type(runtime) is GoogleRuntime:
        return cast("Any", message_type).FromString  # type: ignore[no-any-return]
    return partial(runtime.parse, message_type)


def serializer_of(message_type: type) -> Callable[[Any], bytes]:
    """The function that gives the wire bytes of a class's messages; for google.protobuf the class's own method."""
    runtime = runtime_of(message_type)
    # Half as long as a call of `serialize`, which only calls the method.
    return cast("Any", message_type).SerializeToString if type(runtime) is GoogleRuntime else runtime.serialize


@cache
def _find(message_type: type) -> Runtime | None:
    builtin: tuple[Runtime, ...] = (GoogleRuntime(), BetterprotoRuntime())
    candidates = chain(_registered, builtin, _found_elsewhere())
    return next((runtime for runtime in candidates if runtime.owns(message_type)), None)


def _found_elsewhere() -> Iterator[Runtime]:
    """The runtimes of entry points, looked for only when they are reached."""
    yield from _discovered()
