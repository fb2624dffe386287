"""A message in its user's hands, as the JSON object that it stands for: read, edited and extended in place.

Rules:

- Nothing is kept beside the message. A view reads what the message holds at the moment, and writes into the message.
- A nested message has a view of its own. An array, a map and an open value are *places*, named by the message around
  them and the names and indices that lead to them from there.
- The engine decides where a value belongs: it encodes an object with that one member, and the message takes over the
  member's home from the result. An edit inside a place writes the whole member anew. So an edit that raises has changed
  nothing, and a value has the home that `from_json` would have given it.
- Reading never indexes a map of google.protobuf by a name that it may lack, which would insert it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, MutableSequence
from typing import Any, Final, SupportsIndex, TypeVar, overload

from chatpb._contract.schema import ADDITIONAL_PROPERTIES, MEMBER_ORDER, VERBATIM_PROPERTIES, Field, Member, schema_of
from chatpb._convert import from_dict, to_dict
from chatpb._errors import JsonError
from chatpb._json import SURROGATE
from chatpb._json.dicts import json_to_dict
from chatpb._json.member_order import member_order
from chatpb._json.parse import nesting
from chatpb._json.pointer import pointer
from chatpb._json.print import print_double
from chatpb._limits import MAX_DEPTH
from chatpb._runtimes import EditableRuntime, MessageClass, message_class, runtime_of
from chatpb._tree.read import wire_to_tree
from chatpb._wire import LEN
from chatpb._wire.struct_tags import ENTRY_KEY, ENTRY_VALUE, STRUCT_FIELDS
from chatpb._wire.write import delimited, tag, varint

__all__ = ["ArrayView", "ObjectView", "members"]

T = TypeVar("T")
Plain = Callable[["_Message", str, Any], Any]
"""Returns the JSON value of what a home holds: (view of the message, name of the member, what the home holds)."""

_MEMBER_ORDER: Final = tag(MEMBER_ORDER, LEN)
_ADDITIONAL: Final = tag(ADDITIONAL_PROPERTIES, LEN)
_VERBATIM: Final = tag(VERBATIM_PROPERTIES, LEN)
_FIELDS: Final = varint(STRUCT_FIELDS)
_KEY: Final = varint(ENTRY_KEY)
_VALUE: Final = varint(ENTRY_VALUE)


def members(message: Any) -> ObjectView:
    """Return a view of a message as the JSON object that it stands for, which behaves like a dict.

    Reading gives what `to_dict` gives: None for null, the strings of enums, every integer exactly; and NaN and the
    infinities as floats. Objects and arrays are views in turn, which behave like dicts and lists and are equal to those
    with equal values; `copy()` returns a plain one, with nothing but plain ones inside, which `json.dumps` takes.
    Members are in the order of `to_json`. Reading never changes the message.

    Writing gives each value the home that `from_json` would give it, and clears the member's other homes; `del` clears
    them all. Values are copied. A value that JSON cannot hold raises and changes nothing: JsonError for such as NaN and
    too deep nesting, TypeError for what is no JSON value. So do, with JsonError, a member that a message without the
    home fields has no field for, and a name with a lone surrogate: no message has such a name, but the member around
    a nested object holds the object with it, if that is assigned whole.

    A view names a place in the message. What is removed or replaced leaves the views of places inside it behind; they
    raise LookupError if nothing of their kind is there now.

    Args:
        message: a message of any runtime that has the functions of `chatpb.EditableRuntime`.

    Raises:
        TypeError: `message` is not such a message.

    Reading raises WireError where the message holds what JSON cannot, and ChatpbError for an integer of more digits
    than Python converts: see `sys.set_int_max_str_digits`.

    Examples:
        >>> from chatpb import from_json, members, to_json
        >>> message = from_json('{"choices":[{"index":0,"finish_reason":"stop"}]}')
        >>> choice = members(message)["choices"][0]
        >>> choice["finish_reason"]
        'stop'
        >>> choice["finish_reason"] = "max_time"  # no value of the enum: it becomes an additional property
        >>> del choice["index"]
        >>> to_json(message)
        b'{"choices":[{"finish_reason":"max_time"}]}'

    """
    return _Message(message, _layout_of(type(message)), 1)


class _TypedField:
    """How the values of a field are shown.

    Attributes:
        field: the field in the schema.
        plain: returns the JSON value of a value of the field.
        holds_message: whether the value is one message, which has a view of its own.
        item: the field of the messages in a message that stands for an array of messages, if it is one.

    """

    __slots__ = ("field", "holds_message", "holds_messages", "item", "plain")

    def __init__(self, field: Field) -> None:
        self.field = field
        self.plain: Plain = _field_plain(field)
        self.holds_message = field.kind == "message" and not field.repeated
        self.item = field.item if field.kind == "list" and not field.repeated and field.item.kind == "message" else None
        self.holds_messages = (field.kind == "message" and field.repeated and not field.map_key) or bool(self.item)


class _Layout:
    """What the views of one message class know of it."""

    __slots__ = ("has_homes", "known", "members", "message_type", "runtime", "typed")

    def __init__(self, message_type: type[Any], known: MessageClass) -> None:
        runtime = runtime_of(message_type)
        if not isinstance(runtime, EditableRuntime):
            raise TypeError(
                f"the runtime of {message_type!r} cannot show members: "
                f"{type(runtime).__name__} lacks the functions of chatpb.EditableRuntime"
            )
        self.runtime: EditableRuntime = runtime
        self.message_type = message_type
        self.known = known
        schema = schema_of(runtime.descriptor(message_type))
        self.has_homes = schema.has_homes
        self.members: dict[str, Member] = schema.members
        self.typed = {name: tuple(map(_TypedField, each.alternatives)) for name, each in self.members.items()}

    def read(self, name: str, wire: bytes) -> Any:
        """Return the value of a member, given the only home that holds it as wire bytes. Raises WireError."""
        return json_to_dict(self.known.codec.wire_to_json(wire, False, False, True))[name]


_layouts: dict[int, _Layout] = {}
"""By the identity of the MessageClass that a layout has, and keeps alive."""


def _layout_of(message_type: type[Any]) -> _Layout:
    known = message_class(message_type)
    layout = _layouts.get(id(known))
    if layout is None:
        layout = _layouts[id(known)] = _Layout(message_type, known)
    return layout


def _shown_as(name: str) -> Callable[[type[T]], type[T]]:
    """Give a class the name of the public one, which messages of others show: that of `json.dumps`, for one."""

    def named(kind: type[T]) -> type[T]:
        kind.__name__ = kind.__qualname__ = name
        return kind

    return named


class _View:
    """What all views do."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def copy(self) -> Any:
        """Return the value as plain dicts, lists and scalars."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (_View, Mapping, list)):
            return NotImplemented
        return bool(self.copy() == _plain(other))

    def __repr__(self) -> str:
        return repr(self.copy())


class ObjectView(_View, MutableMapping[str, Any]):
    """A JSON object in a message, to read and edit in place. What leaves the message is a plain value.

    Examples:
        >>> from chatpb import from_json, members, to_json
        >>> message = from_json('{"id":"c1","x_groq":{"id":"r1"}}')
        >>> view = members(message)
        >>> view["x_groq"]["id"]
        'r1'
        >>> view["usage"] = None
        >>> "model" in view, view.get("model")
        (False, None)
        >>> to_json(message)
        b'{"id":"c1","usage":null,"x_groq":{"id":"r1"}}'

    """

    __slots__ = ()
    __eq__ = _View.__eq__
    _missing: Final = object()

    def copy(self) -> dict[str, Any]:
        """Return the object as a plain dict, with nothing but plain values inside."""
        raise NotImplementedError

    def pop(self, name: str, default: Any = _missing) -> Any:
        if name not in self and default is not self._missing:
            return default
        value = _plain(self[name])
        del self[name]
        return value

    def popitem(self) -> tuple[str, Any]:
        names = list(self)
        if not names:
            raise KeyError("popitem(): the object is empty")
        return names[-1], self.pop(names[-1])

    def setdefault(self, name: str, default: Any = None) -> Any:
        if name not in self:
            self[name] = default
        return self[name]

    def clear(self) -> None:
        for name in list(self):
            del self[name]


@_shown_as("ObjectView")
class _Message(ObjectView):
    """A message. `level` is the nesting level of its object in the document that the first view is of."""

    __slots__ = ("_layout", "_level", "_message")

    def __init__(self, message: Any, layout: _Layout, level: int) -> None:
        self._message = message
        self._layout = layout
        self._level = level

    def copy(self) -> dict[str, Any]:
        return to_dict(self._message, unknown_fields="skip", nonfinite="allow")

    def _typed(self, name: str) -> tuple[_TypedField, Any] | None:
        """Return the typed field that holds a member, and its value."""
        for each in self._layout.typed.get(name, ()):
            value = self._layout.runtime.get(self._message, each.field.descriptor)
            # The zero value of an enum stands for an absent member.
            if value is not None and not (each.field.enum and not value):
                return each, value
        return None

    def _untyped(self, name: str) -> tuple[Plain, Any] | None:
        """Return what a home other than the typed field holds of a member, and how to read it."""
        message, member = self._message, self._layout.members.get(name)
        if not self._layout.has_homes:
            return None
        if member is not None:
            if message.null_fields & member.bits:
                return _as_it_is, None
            if member.empty_form and message.empty_fields & member.bits:
                return _as_it_is, {} if member.first.map_key else []
        if not isinstance(name, str) or (not name.isascii() and SURROGATE.search(name)):
            return None
        struct, texts = message.additional_properties, message.verbatim_properties
        # An entry that holds nothing is no member.
        if struct is not None and name in struct.fields:
            value = self._layout.runtime.serialize(struct.fields[name])
            if value:
                return (_read_ordered, None) if message.member_order else (_read_additional, value)
        return (_read_verbatim, texts[name]) if texts.get(name) else None

    def _open_wire(self) -> bytes:
        """Return the open members as wire bytes. Those that are JSON text have no more than their names."""
        message = self._message
        wire = [delimited(_MEMBER_ORDER, message.member_order)]
        if message.additional_properties is not None:
            wire.append(delimited(_ADDITIONAL, self._layout.runtime.serialize(message.additional_properties)))
        wire += [_verbatim_entry(name, "0") for name, text in message.verbatim_properties.items() if text]
        return b"".join(wire)

    def _open(self) -> tuple[dict[str, Any], list[str]]:
        """Return the additional members, and the names of the verbatim ones, in the order of `to_json`."""
        tree = wire_to_tree(self._open_wire(), self._layout.runtime.descriptor(self._layout.message_type))
        additional, verbatim = tree.open_members()
        return additional, list(verbatim)

    def _plain(self, name: str) -> Any:
        """Return the JSON value of a member. Raises KeyError where there is none."""
        if (typed := self._typed(name)) is not None:
            return typed[0].plain(self, name, typed[1])
        if (untyped := self._untyped(name)) is not None:
            return untyped[0](self, name, untyped[1])
        raise KeyError(name)

    def _messages(self, name: str) -> Any:
        """Return the runtime's own sequence of the messages that a typed array holds; None where there are none."""
        typed = self._typed(name)
        if typed is None or not typed[0].holds_messages:
            return None
        item = typed[0].item
        return self._layout.runtime.get(typed[1], item.descriptor) if item else typed[1]

    def _inner(self, message: Any, levels: int) -> _Message:
        return _Message(message, _layout_of(type(message)), self._level + levels)

    def __getitem__(self, name: str) -> Any:
        typed = self._typed(name)
        if typed is None:
            return _view(self, (name,), self._plain(name))
        each, value = typed
        if each.holds_message:
            return self._inner(value, 1)
        return ArrayView(self, (name,)) if each.holds_messages else _view(self, (name,), each.plain(self, name, value))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (self._typed(name) is not None or self._untyped(name) is not None)

    def __iter__(self) -> Iterator[str]:
        names = dict.fromkeys(self._layout.members)
        if self._layout.has_homes and self._message.member_order:
            for open_names in self._open():
                names.update(dict.fromkeys(open_names))
        elif self._layout.has_homes:
            struct = self._message.additional_properties
            names.update(dict.fromkeys(() if struct is None else sorted(struct.fields)))
            names.update(dict.fromkeys(sorted(self._message.verbatim_properties)))
        return iter([name for name in names if name in self])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _made(self, name: str, value: Any) -> Any:
        """Return a message with one member, whose value is plain. Raises JsonError and TypeError."""
        try:
            made = from_dict({name: value}, self._layout.message_type)
        except JsonError as error:
            if self._level > 1 and SURROGATE.search(name):
                reason = f"{error.reason}; the member around this object can: assign it the whole object"
                raise JsonError(error.path, error.line, error.column, error.offset, reason) from None
            raise
        if self._level > 1 and self._level + nesting(value) > MAX_DEPTH:
            raise JsonError(pointer(name), 1, 1, 0, f"nesting deeper than {MAX_DEPTH} levels")
        return made

    def __setitem__(self, name: str, value: Any) -> None:
        value = _plain(value)
        made = self._made(name, value)
        opens = self._has_open(self._message, name) or self._has_open(made, name)
        additional, verbatim = self._open() if opens else ({}, [])
        self._clear(name)
        if self._layout.has_homes:
            # Merging would replace the bits of the other members, and in protobuf-py their order even by none.
            made.null_fields |= self._message.null_fields
            made.empty_fields |= self._message.empty_fields
            made.member_order = self._message.member_order
        self._layout.runtime.merge(self._message, made)
        if opens:
            self._put_order({**additional, name: value}, dict.fromkeys([*verbatim, name]))

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        opens = self._has_open(self._message, name)
        additional, verbatim = self._open() if opens else ({}, [])
        self._clear(name)
        if opens:
            self._put_order(additional, verbatim)

    def _has_open(self, message: Any, name: str) -> bool:
        """Return whether a home of open members in a message of this class has a name, even if that holds nothing."""
        if not self._layout.has_homes:
            return False
        struct = message.additional_properties
        return (struct is not None and name in struct.fields) or name in message.verbatim_properties

    def _put_order(self, additional: Mapping[str, Any], verbatim: Iterable[str]) -> None:
        """Write the order of the open members. Those given in that order may have other homes now."""
        struct, texts = self._message.additional_properties, self._message.verbatim_properties
        left = {} if struct is None else {name: value for name, value in additional.items() if name in struct.fields}
        self._message.member_order = member_order(left, [name for name in verbatim if name in texts])

    def _clear(self, name: str) -> None:
        """Remove a member from all its homes."""
        message, runtime = self._message, self._layout.runtime
        if (member := self._layout.members.get(name)) is not None:
            for each in member.alternatives:
                runtime.clear(message, each.descriptor)
        if not self._layout.has_homes:
            return
        if member is not None:
            for bits in "null_fields", "empty_fields":
                if getattr(message, bits) & member.bits:
                    setattr(message, bits, getattr(message, bits) & ~member.bits)
        struct, texts = message.additional_properties, message.verbatim_properties
        if struct is not None and name in struct.fields:
            del struct.fields[name]
            if not struct.fields:
                fields = runtime.descriptor(self._layout.message_type).fields_by_number
                runtime.clear(message, fields[ADDITIONAL_PROPERTIES])
        if name in texts:
            del texts[name]


class _Place:
    """A place in a member that is no message: the view of the message, the member's name, and what leads on from it."""

    __slots__ = ()
    _owner: _Message
    _path: tuple[Any, ...]
    _type: type[Any]

    def _current(self) -> Any:
        return self._find(self._owner._plain(self._path[0]))

    def _find(self, value: Any) -> Any:
        """Return the value of the place, given that of the whole member."""
        try:
            for key in self._path[1:]:
                value = value[key]
        except (LookupError, TypeError):
            value = None
        if type(value) is not self._type:
            raise LookupError(f"{pointer(*self._path)} is no {self._type.__name__} any longer")
        return value

    def _edit(self, change: Callable[[Any], T]) -> T:
        """Change the value of the place, and write the whole member with it."""
        whole = self._owner._plain(self._path[0])
        result = change(self._find(whole))
        self._owner[self._path[0]] = whole
        return result


@_shown_as("ObjectView")
class _Object(_Place, ObjectView):
    """An object that is no message: a map, or one inside an open value."""

    __slots__ = ("_owner", "_path")
    _type = dict

    def __init__(self, owner: _Message, path: tuple[Any, ...]) -> None:
        self._owner = owner
        self._path = path

    def copy(self) -> dict[str, Any]:
        found: dict[str, Any] = self._current()
        return found

    def __getitem__(self, name: str) -> Any:
        return _view(self._owner, (*self._path, name), self.copy()[name])

    def __contains__(self, name: object) -> bool:
        return name in self.copy()

    def __iter__(self) -> Iterator[str]:
        return iter(self.copy())

    def __len__(self) -> int:
        return len(self.copy())

    def __setitem__(self, name: str, value: Any) -> None:
        value = _plain(value)
        self._edit(lambda found: found.__setitem__(name, value))

    def __delitem__(self, name: str) -> None:
        self._edit(lambda found: found.__delitem__(name))

    def clear(self) -> None:
        self._edit(lambda found: found.clear())


class ArrayView(_Place, _View, MutableSequence[Any]):
    """A JSON array in a message, to read and edit in place. What leaves the message is a plain value.

    The items of an array of messages have views of their own, and edits leave the other items alone.

    Examples:
        >>> from chatpb import from_json, members, to_json
        >>> message = from_json('{"choices":[{"index":0}]}')
        >>> choices = members(message)["choices"]
        >>> choices.append({"index": 1, "x_score": 0.5})
        >>> len(choices), choices[1]["x_score"]
        (2, 0.5)
        >>> to_json(message)
        b'{"choices":[{"index":0},{"index":1,"x_score":0.5}]}'

    """

    __slots__ = ("_owner", "_path")
    _type = list

    def __init__(self, owner: _Message, path: tuple[Any, ...]) -> None:
        self._owner = owner
        self._path = path

    def copy(self) -> list[Any]:
        """Return the array as a plain list, with nothing but plain values inside."""
        found: list[Any] = self._current()
        return found

    def _messages(self, of: _Message) -> Any:
        return of._messages(self._path[0]) if len(self._path) == 1 else None

    def _fitting(self, value: Any) -> Any:
        """Return an item as a message, if a typed array of such messages can hold it."""
        made = self._owner._made(self._path[0], [value])
        found = self._messages(self._owner._inner(made, 0))
        return None if found is None else found[0]

    def __len__(self) -> int:
        found = self._messages(self._owner)
        return len(self.copy() if found is None else found)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        if isinstance(index, slice):
            return [self[each] for each in range(len(self))[index]]
        if (found := self._messages(self._owner)) is not None:
            return self._owner._inner(found[range(len(found))[index]], 2)
        value = self.copy()
        return _view(self._owner, (*self._path, range(len(value))[index]), value[index])

    def __setitem__(self, index: SupportsIndex | slice, value: Any) -> None:
        value = _plain(value) if not isinstance(index, slice) else list(map(_plain, value))
        if not isinstance(index, slice) and (found := self._messages(self._owner)) is not None:
            at = range(len(found))[index]
            if (message := self._fitting(value)) is not None:
                del found[at]
                found.insert(at, message)
                return
        self._edit(lambda items: items.__setitem__(index, value))

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        found = None if isinstance(index, slice) else self._messages(self._owner)
        if found is not None and len(found) > 1:
            del found[range(len(found))[index]]
            return
        self._edit(lambda items: items.__delitem__(index))

    def insert(self, index: SupportsIndex, value: Any) -> None:
        value = _plain(value)
        found = self._messages(self._owner)
        if found is not None and (message := self._fitting(value)) is not None:
            at = index.__index__()
            found.insert(max(at + len(found), 0) if at < 0 else min(at, len(found)), message)
            return
        self._edit(lambda items: items.insert(index, value))

    def extend(self, values: Iterable[Any]) -> None:
        plain = list(map(_plain, values))
        if self._messages(self._owner) is not None:
            for value in plain:
                self.append(value)
        else:
            self._edit(lambda items: items.extend(plain))

    def pop(self, index: SupportsIndex = -1) -> Any:
        value = _plain(self[index])
        del self[index]
        return value

    def clear(self) -> None:
        self._edit(lambda items: items.clear())

    def reverse(self) -> None:
        self._edit(lambda items: items.reverse())

    def sort(self, *, key: Callable[[Any], Any] | None = None, reverse: bool = False) -> None:
        """Sort the array, as `list.sort` does."""
        self._edit(lambda items: items.sort(key=key, reverse=reverse))


def _view(owner: _Message, path: tuple[Any, ...], value: Any) -> Any:
    """Return the view of a place that holds a JSON value; a scalar as it is."""
    if type(value) is dict:
        return _Object(owner, path)
    return ArrayView(owner, path) if type(value) is list else value


def _plain(value: Any, level: int = 0) -> Any:
    """Return a JSON value without views. What is too deep, or no JSON value, stays for the engine to refuse."""
    if isinstance(value, _View):
        return value.copy()
    if level > MAX_DEPTH:
        return value
    if isinstance(value, Mapping):
        return {name: _plain(item, level + 1) for name, item in value.items()}
    return [_plain(item, level + 1) for item in value] if isinstance(value, (list, tuple)) else value


def _as_it_is(view: _Message, name: str, value: Any) -> Any:
    return value


def _read_additional(view: _Message, name: str, value: bytes) -> Any:
    entry = delimited(_FIELDS, delimited(_KEY, name.encode()) + delimited(_VALUE, value))
    return view._layout.read(name, delimited(_ADDITIONAL, entry))


def _read_ordered(view: _Message, name: str, value: None) -> Any:
    return view._layout.read(name, view._open_wire())


def _read_verbatim(view: _Message, name: str, text: str) -> Any:
    return view._layout.read(name, _verbatim_entry(name, text))


def _verbatim_entry(name: str, text: str) -> bytes:
    return delimited(_VERBATIM, delimited(_KEY, name.encode()) + delimited(_VALUE, text.encode()))


def _field_plain(field: Field) -> Plain:
    """Return how to read a whole field that is set."""
    if field.map_key:
        of_entry = _value_plain(field.map_value)
        return lambda view, name, value: {key: of_entry(view, name, value[key]) for key in value}
    of_value = _value_plain(field)
    if field.repeated:
        return lambda view, name, value: [of_value(view, name, item) for item in value]
    return of_value


def _value_plain(field: Field) -> Plain:
    """Return how to read one value of a field."""
    match field.kind:
        case "message":
            return lambda view, name, value: to_dict(value, unknown_fields="skip", nonfinite="allow")
        case "list":
            of_item = _value_plain(field.item)
            items = field.item.descriptor
            return lambda view, name, value: [
                of_item(view, name, item) for item in view._layout.runtime.get(value, items) or ()
            ]
        case "text":
            prefix = varint(field.tag)
            return lambda view, name, value: view._layout.read(name, delimited(prefix, value.encode()))
        case "bytes":
            return lambda view, name, value: b64encode(value).decode()
        case "byte_array":
            return lambda view, name, value: list(value)
        case "double":
            return lambda view, name, value: json.loads(print_double(value))
        case "enum":
            assert field.enum
            string_of = field.enum.string_of
            return lambda view, name, value: string_of.get(value) or int(value)
    return _as_it_is
