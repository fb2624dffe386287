"""The protobuf runtimes whose message classes chatpb converts to and from: one adapter each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib import import_module
from itertools import chain
from typing import Any, Final, NamedTuple, Protocol, cast, runtime_checkable

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chatpb._engine import codec_of, forget_classes
from chatpb._engine.codec import Codec
from chatpb._inputs import is_buffer, wire_bytes
from chatpb._runtimes.betterproto_runtime import BetterprotoRuntime
from chatpb._runtimes.google_runtime import GoogleRuntime
from chatpb._runtimes.protobuf_py_runtime import ProtobufPyRuntime

__all__ = [
    "RUNTIMES",
    "EditableRuntime",
    "MessageClass",
    "Runtime",
    "generated_class",
    "is_message",
    "message_class",
    "register_runtime",
    "runtime_of",
    "wire_of",
]

ENTRY_POINT_GROUP = "chatpb.runtimes"


@runtime_checkable
class Runtime(Protocol):
    """An adapter to the message classes of one protobuf runtime.

    Examples:
        >>> from chatpb import ChatCompletion, from_json, register_runtime
        >>> class WireOnly(bytes):
        ...     pass
        ...
        >>> class WireOnlyRuntime:
        ...     def owns(self, message_type):
        ...         return message_type is WireOnly
        ...     def descriptor(self, message_type):
        ...         return ChatCompletion.DESCRIPTOR
        ...     def parse(self, message_type, wire):
        ...         return message_type(wire)
        ...     def serialize(self, message):
        ...         return bytes(message)
        ...
        >>> register_runtime(WireOnlyRuntime())
        >>> from_json('{"id":"c1"}', WireOnly).hex(" ")
        '0a 02 63 31'

    """

    def owns(self, message_type: type) -> bool:
        """Return whether a class is a message class of the runtime."""

    def descriptor(self, message_type: type) -> Descriptor:
        """Return the google.protobuf descriptor of a message class. Raises TypeError if it is of no known contract."""

    def parse(self, message_type: type, wire: bytes) -> Any:
        """Return the message that wire bytes encode."""

    def serialize(self, message: Any) -> bytes:
        """Return the wire bytes of a message."""


@runtime_checkable
class EditableRuntime(Runtime, Protocol):
    """A runtime whose messages `chatpb.members` can show and edit.

    Fields are given by their google.protobuf descriptors. A message with the home fields has the attributes
    `member_order` (bytes), `null_fields`, `empty_fields`, `additional_properties` (None or a Struct, whose attribute
    `fields` is a mapping) and `verbatim_properties` (a mapping).

    Examples:
        >>> from chatpb import EditableRuntime, Runtime
        >>> issubclass(EditableRuntime, Runtime)
        True
        >>> [name for name in vars(EditableRuntime) if not name.startswith("_")]
        ['get', 'clear', 'merge']

    """

    def get(self, message: Any, field: FieldDescriptor) -> Any:
        """Return the value of a field, None where it is not set: an array or map, not a copy, if it has entries."""

    def clear(self, message: Any, field: FieldDescriptor) -> None:
        """Remove the value of a field, if it is set."""

    def merge(self, message: Any, other: Any) -> None:
        """Merge another message of its class into a message, as protobuf merges: a copy of what is merged."""


class MessageClass(NamedTuple):
    """The functions that convert the messages of one class.

    Attributes:
        codec: converts between JSON text and wire bytes.
        parse: makes a message from wire bytes.
        serialize: makes wire bytes from a message.

    """

    codec: Codec
    parse: Callable[[bytes], Any]
    serialize: Callable[[Any], bytes]


class Included(NamedTuple):
    """A runtime that chatpb brings.

    Attributes:
        runtime: its adapter.
        package: its generated classes, as a module to import.

    """

    runtime: Runtime
    package: str


RUNTIMES: Final = {
    "google": Included(GoogleRuntime(), "chatcompletion.v1"),
    "betterproto": Included(BetterprotoRuntime(), "chatcompletion_betterproto"),
    "protobuf-py": Included(ProtobufPyRuntime(), "chatcompletion_protobuf_py"),
}
"""The runtimes that chatpb brings, by the name that the command line has for each."""


class _Known:
    """What is known of classes, by the identity of the class: a class need not be hashable, and may equal another."""

    def __init__(self) -> None:
        self.runtimes: dict[int, tuple[type, Runtime | None]] = {}
        self.message_classes: dict[int, tuple[type, MessageClass]] = {}


_known = _Known()
"""A new one replaces it when a runtime is registered, so that what another thread found before is not kept."""

_registered: list[Runtime] = []


def register_runtime(runtime: Runtime) -> None:
    """Add a runtime. It is asked before those registered earlier, and before those that chatpb brings.

    A package need not call this: chatpb finds an entry point of the group `chatpb.runtimes` that names an instance of a
    Runtime. Raises TypeError for what is no such instance.

    Examples:
        >>> from chatpb import register_runtime
        >>> try:
        ...     register_runtime("a runtime")
        ... except TypeError as error:
        ...     print(error)
        ...
        'a runtime' is not an instance with the functions of chatpb.Runtime

    """
    if not _is_runtime(runtime):
        raise TypeError(f"{runtime!r} is not an instance with the functions of chatpb.Runtime")
    _registered.insert(0, runtime)
    _forget()


def runtime_of(message_type: type) -> Runtime:
    """Return the runtime that a message class belongs to. Raises TypeError if it belongs to none."""
    if not isinstance(message_type, type):
        raise TypeError(
            f"an instance of {type(message_type).__name__} is not a message class; "
            "message_type takes a class, such as chatpb.ChatCompletion"
        )
    if (runtime := _find(message_type)) is not None:
        return runtime
    if issubclass(message_type, (bytes, bytearray, memoryview)):
        raise TypeError(f"{message_type!r} is not a message class but one of wire bytes, which wire_to_json takes")
    raise TypeError(
        f"{message_type!r} is not a message class of google.protobuf, betterproto, protobuf-py or a registered "
        "runtime; chatpb.register_runtime adds one"
    )


def generated_class(runtime: str, message: str) -> type[Any]:
    """Return the class of a message of the contract in a runtime that chatpb brings, or in a module of classes.

    Raises MissingExtraError if the runtime's package is not installed, ModuleNotFoundError if there is no such module,
    AttributeError if the module lacks the class, and TypeError if it is of no runtime.
    """
    package = RUNTIMES[runtime].package if runtime in RUNTIMES else runtime
    found: type[Any] = getattr(import_module(package), message)
    runtime_of(found)
    return found


def message_class(message_type: type) -> MessageClass:
    """Return the functions that convert the messages of a class. Raises TypeError for what is no message class."""
    known = _known
    if found := known.message_classes.get(id(message_type)):
        return found[1]
    made = _make_message_class(message_type, runtime_of(message_type))
    known.message_classes[id(message_type)] = message_type, made
    return made


def _make_message_class(message_type: type, runtime: Runtime) -> MessageClass:
    codec = codec_of(runtime.descriptor(message_type))
    if type(runtime) is GoogleRuntime:
        # The class's own methods take half as long as those of the adapter, which only call them.
        google_type = cast("Any", message_type)
        return MessageClass(codec, google_type.FromString, google_type.SerializeToString)
    return MessageClass(codec, partial(runtime.parse, message_type), runtime.serialize)


def is_message(message_or_wire: Any) -> bool:
    """Return whether an object is a message of any runtime."""
    kind: type = type(message_or_wire)
    # The usual classes of wire bytes are not looked for among the entry points.
    return kind not in (bytes, bytearray, memoryview) and _find(kind) is not None


def wire_of(message_or_wire: Any) -> bytes:
    """Return the wire bytes of a message of any runtime, or those in a buffer. Raises TypeError for anything else."""
    if not is_message(message_or_wire) and is_buffer(message_or_wire):
        return wire_bytes(message_or_wire)
    return runtime_of(type(message_or_wire)).serialize(message_or_wire)


def _find(message_type: type) -> Runtime | None:
    known = _known
    if found := known.runtimes.get(id(message_type)):
        return found[1]
    candidates = chain(_registered, (each.runtime for each in RUNTIMES.values()), _found_elsewhere())
    runtime = next((runtime for runtime in candidates if runtime.owns(message_type)), None)
    known.runtimes[id(message_type)] = message_type, runtime
    # A runtime may have been registered meanwhile, such as by the module of an entry point.
    return runtime if known is _known else _find(message_type)


def _found_elsewhere() -> Iterator[Runtime]:
    """Yield the runtimes of entry points, which are loaded only when a class belongs to no other runtime."""
    yield from _discovered()


@cache
def _discovered() -> tuple[Runtime, ...]:
    # To import this module always would take a fifth of the time of importing chatpb.
    from importlib.metadata import entry_points

    found = []
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        runtime = entry_point.load()
        if not _is_runtime(runtime):
            raise TypeError(
                f"the entry point {entry_point.name!r} of the group {ENTRY_POINT_GROUP} names {runtime!r}, "
                "which is not an instance with the functions of chatpb.Runtime"
            )
        found.append(runtime)
    return tuple(found)


def _is_runtime(runtime: object) -> bool:
    return not isinstance(runtime, type) and isinstance(runtime, Runtime)


def _forget() -> None:
    """Have the runtime of each class found anew."""
    global _known
    _known = _Known()
    forget_classes()
