"""Put the chunks of a stream together into a completion.

Chunks come as wire bytes and are read as the JSON that they stand for, so that a number of another spelling, or an
index that is text, counts as it does in every other place. Each rule has its reason in what providers send. A null
changes nothing, but is kept where no chunk has another value.

- In the completion, `id`, `model`, `created` and what else each chunk repeats takes the first value that is not empty
  or zero: Azure's first chunk has them empty, and some routers change the model's name on the way. `object` becomes
  "chat.completion". `obfuscation`, which is padding, is dropped. Any other member takes the latest value that is not
  empty, since providers repeat lists of citations whole; objects are joined.
- A choice is found by its `index`, or by its place in the array where it has none. Its `logprobs` grow, and so do its
  arrays, such as `token_ids`; other members take the latest value. What comes as choices but is no object stands behind
  the choices, unless it is empty or null.
- A true stays true, and an object that has it keeps what a later value would replace: content that was filtered once is
  filtered, and a later verdict on other text must not hide that. Text is appended all the same.
- A member that is an object in some chunks and something else in others becomes an array of two: the object, and what
  else it is. Each of them accumulates as if it were alone. An object comes in pieces, which a value in its place must
  not drop. A value that is empty, false or zero says nothing, so that the other one alone counts.
- In a message, text is appended, in vendor members too (`reasoning_content`). Not appended is what providers repeat
  whole: `role`, `type`, `format`, signatures, URLs and encrypted data take the latest value, an `id` the first. A
  `name` is appended unless it is sent again. Objects are joined member by member. Numbers take the latest value.
- Arrays grow. An item with an `index` extends the latest item of that index, unless the two have an id, a type, or
  another text that is never appended to, and it differs: then they are two items, so that nothing is lost. Items of
  one array never extend each other.
- The first item of an array, if it has no index, extends the last item of the array before it if both are parts of one
  running text, such as `{"type": "thinking", "thinking": ...}`: of one type, with equal numbers. Where the piece
  before had a signature, or another text that is never appended to, the next one must repeat it; else the text had
  ended.
- Text in one chunk and an array of parts in another become an array of parts. Other values that are not of one form
  become the items of an array, such as text and a number.
- Base64 of audio with padding inside, since each piece was padded, is decoded and encoded as one. Audio that is no
  base64 is text.
- A call is found by its `index`, unless the piece has an `id` other than that call's: it is then another call, found
  by that id. If no call has that id, and the piece has no name, but only more of what the call has, it extends the
  call: some providers make a new id for each piece. Without an index a call is found by id. With neither, a name opens
  a call, and anything else extends the last one. Calls are in the order of their indices, then of arrival. The index
  is dropped, since a whole completion has none. A value in place of an array of calls is one call among them.
- A choice's `message`, which some providers send beside or instead of the delta, counts where there is no delta.

The work for a chunk depends on the size of that chunk alone, not on what came before it.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator
from json import JSONDecoder
from typing import Any, Final

from chatpb._engine.reference.streams.rules import (
    BASE64,
    CALLS,
    CHOICES,
    FIRST,
    LATEST,
    NAME,
    NONE,
    PIECES,
    StreamRules,
)
from chatpb._json import JsonObject
from chatpb._json.number import NumberText
from chatpb._json.print import print_value

_ABSENT: Final = Ellipsis
"""No value yet. A copy of an accumulator has this very object too."""
parse: Final[Callable[[str], JsonObject]] = JSONDecoder(
    parse_int=NumberText, parse_float=NumberText, parse_constant=NumberText
).decode
"""Parses what an engine printed, and keeps the spelling of numbers."""

_ZERO: Final = re.compile(r"-?[0.]+(?:[eE].*)?")
_PADDED: Final = re.compile("[^=]+=*|=+")
_BASE64: Final = re.compile("(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


class StreamAccumulator:
    """Puts chunks together by the rules of their type, given their JSON texts."""

    def __init__(self, rules: StreamRules) -> None:
        self._rules = rules
        self._pieces = _Pieces(rules)
        self._top: JsonObject = {}
        self._choices: dict[int, _Choice] = {}

    def add(self, text: bytes) -> None:
        """Add the next chunk, given the JSON text that an engine printed of it."""
        for name, value in parse(text.decode()).items():
            accumulation = self._rules.chunk.get(name)
            if accumulation == NONE:
                continue
            if accumulation == CHOICES:
                self._add_choices(name, value)
                continue
            if type(value) is str and name in self._rules.values:
                value = self._rules.values[name].get(value, value)
            old = self._top.get(name)
            self._top[name] = _first(old, value) if accumulation == FIRST else _latest(old, value)

    def json(self) -> bytes:
        """Return the JSON text of the completion so far."""
        names = {name for name, accumulation in self._rules.chunk.items() if accumulation == CHOICES}
        choices = [self._choices[index].value() for index in sorted(self._choices)]
        top: JsonObject = _whole(self._top)
        for name in names & top.keys() if choices else ():
            others = top[name] if isinstance(top[name], list) else [top[name]]
            top[name] = choices + [other for other in others if not _is_empty(other)]
        return print_value(top).encode()

    def _add_choices(self, name: str, value: Any) -> None:
        others = value
        if isinstance(value, list):
            others = [item for item in value if not isinstance(item, dict)]
            for place, choice in enumerate(value):
                if isinstance(choice, dict):
                    index = index_of(choice)
                    index = place if index is None else index
                    if index not in self._choices:
                        self._choices[index] = _Choice(self._rules, self._pieces)
                    self._choices[index].add(choice)
        self._top[name] = self._pieces.grow(self._top.get(name), others)


class _Choice:
    def __init__(self, rules: StreamRules, pieces: _Pieces) -> None:
        self._rules = rules
        self._pieces = pieces
        self._members: JsonObject = {}
        self._delta: JsonObject | None = None
        self._whole: Any = _ABSENT

    def add(self, choice: JsonObject) -> None:
        rules = self._rules
        for name, value in choice.items():
            old = self._members.get(name)
            if name == rules.delta and isinstance(value, dict):
                self._delta = {} if self._delta is None else self._delta
                self._extend(self._delta, value)
            elif name == rules.delta and value is None:
                continue
            elif name == rules.message:
                self._whole = value if self._whole is _ABSENT else _latest(self._whole, value)
            elif rules.choice.get(name) == PIECES:
                self._members[name] = self._pieces.grow(old, value)
            else:
                self._members[name] = _formed(old, value, self._grow_arrays)

    def _grow_arrays(self, old: Any, new: Any) -> Any:
        has_array = isinstance(old, (list, _Array)) or isinstance(new, list)
        return self._pieces.grow(old, new) if has_array else _latest(old, new)

    def _extend(self, message: JsonObject, delta: JsonObject) -> None:
        for name, value in delta.items():
            old = message.get(name)
            are_calls = isinstance(value, list) or (isinstance(old, _Calls) and not _is_vain(value))
            if are_calls and self._rules.delta_members.get(name) == CALLS:
                if not isinstance(old, _Calls):
                    message[name] = _Calls(self._rules, self._pieces, [] if _is_vain(old) else [old])
                message[name].extend(value if isinstance(value, list) else [value])
            else:
                message[name] = self._pieces.member(name, old, value)

    def value(self) -> JsonObject:
        """Return the choice so far."""
        choice: JsonObject = _whole(self._members)
        message = self._delta if self._delta or self._whole is _ABSENT else self._whole
        if message is not None or self._whole is None:
            choice[self._rules.message] = _whole(message)
        return choice


class _Text:
    """Text that has grown, in its pieces."""

    def __init__(self, accumulation: int, text: str) -> None:
        self.is_base64 = accumulation == BASE64
        self.pieces = [text]
        self.size = len(text)

    def append(self, text: str) -> None:
        self.pieces.append(text)
        self.size += len(text)

    def value(self) -> str:
        text = "".join(self.pieces)
        return _joined_base64(text) if self.is_base64 else text


class _Forms:
    """What a member is that is an object in some chunks, and something else in others: the object, and the other."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def value(self) -> list[Any]:
        return [_whole(value) for value in self.values]


class _Array:
    """An array that grows, and where to find its items."""

    def __init__(self, pieces: _Pieces, items: list[Any]) -> None:
        self._pieces = pieces
        self.items: list[Any] = []
        self._places: dict[tuple[object, ...], int] = {}
        self._ending: JsonObject = {}
        for item in items:
            self._append(item)

    def extend(self, items: list[Any]) -> None:
        before = len(self.items)
        for number, item in enumerate(items):
            place = self._find(item, before, number == 0) if isinstance(item, dict) else None
            if place is None:
                self._append(item)
            else:
                self._pieces.join(self.items[place], item, is_item=True)
                self._note(place, self.items[place], item)

    def _append(self, item: Any) -> None:
        self.items.append(item)
        self._note(len(self.items) - 1, item, item)

    def _note(self, place: int, item: Any, piece: Any) -> None:
        """Note where an item is, and the texts of its latest piece that are never appended to."""
        if isinstance(item, dict):
            self._places.update(dict.fromkeys(_keys(item), place))
        if place == len(self.items) - 1:
            self._ending = dict(self._pieces.whole_texts(piece)) if isinstance(item, dict) else {}

    def _find(self, item: JsonObject, before: int, is_first: bool) -> int | None:
        """Return the place of the item, of those before, that an item extends; None if there is none."""
        if index_of(item) is not None:
            places = (self._places.get(key, before) for key in _keys(item))
            return next((p for p in places if p < before and self._pieces.fit(self.items[p], item)), None)
        if is_first and before and self._pieces.continues(self.items[before - 1], item):
            return before - 1 if all(_text(item.get(name)) == text for name, text in self._ending.items()) else None
        return None

    def value(self) -> list[Any]:
        return [_whole(item) for item in self.items]


class _Calls:
    """Calls, and where to find them."""

    def __init__(self, rules: StreamRules, pieces: _Pieces, calls: list[Any]) -> None:
        self._rules = rules
        self._pieces = pieces
        self._calls: list[tuple[int, Any]] = []
        self._highest = 0
        self._by_index: dict[int, int] = {}
        self._by_id: dict[str, int] = {}
        self._by_both: dict[tuple[int, str], int] = {}
        for call in calls:
            self._open(0, call)

    def extend(self, items: list[Any]) -> None:
        for piece in items:
            if isinstance(piece, dict):
                self._add(piece)
            else:
                self._open(self._highest, piece)

    def _add(self, piece: JsonObject) -> None:
        place = self._find(piece)
        if place is None:
            index = index_of(piece)
            place = self._open(self._highest if index is None else index, {})
        index, members = self._calls[place]
        for name, value in piece.items():
            if self._rules.call.get(name) != NONE:
                members[name] = self._pieces.member(name, members.get(name), value)
        if name := _text(members.get("id")):
            self._by_id[name] = self._by_both[index, name] = place

    def _open(self, index: int, members: Any) -> int:
        self._calls.append((index, members))
        self._highest = max(self._highest, index) if len(self._calls) > 1 else index
        place = self._by_index[index] = len(self._calls) - 1
        return place

    def _find(self, piece: JsonObject) -> int | None:
        """Return the place of the call that a piece extends, None if it opens one."""
        index, name = index_of(piece), _text(piece.get("id"))
        latest = self._by_index.get(self._highest if index is None else index)
        call = None if latest is None else self._calls[latest][1]
        if not isinstance(call, dict):
            latest = call = None
        if not name:
            return None if index is None and _has_name(piece) else latest
        found = self._by_id.get(name) if index is None else self._by_both.get((index, name))
        if found is not None or call is None:
            return found
        if index is not None:
            if not _text(call.get("id")):
                return latest
            if name in self._by_id:
                return self._by_id[name]
        bodies = [key for key, value in piece.items() if isinstance(value, dict)]
        goes_on = bodies and not _has_name(piece) and all(isinstance(call.get(key), dict) for key in bodies)
        return latest if goes_on else None

    def value(self) -> list[Any]:
        return [_whole(members) for _, members in sorted(self._calls, key=lambda call: call[0])]


class _Pieces:
    """The rules of pieces: what becomes of values inside a message."""

    def __init__(self, rules: StreamRules) -> None:
        self._of_name = rules.of_name
        self._running = rules.running

    def member(self, name: str, old: Any, new: Any, *, is_item: bool = False) -> Any:
        """Return the value of a member after a piece of it. `is_item` says that it is one of a typed item."""
        accumulation = self._rule(name, is_item)
        if accumulation == FIRST:
            return _first(old, new)
        if accumulation == LATEST:
            return _latest(old, new)
        return self.grow(old, new, accumulation)

    def join(self, old: JsonObject, new: JsonObject, *, is_item: bool = False) -> None:
        """Add a piece of an object to it. `is_item` says that it is the item of an array."""
        is_typed = is_item and _is_typed(new)
        keeps = _is_raised(old, new)
        for name, value in new.items():
            grows = not (_is_scalar(value) or self._is_whole(name, is_typed))
            if not keeps or old.get(name) is None or grows:
                old[name] = self.member(name, old.get(name), value, is_item=is_typed)

    def grow(self, old: Any, new: Any, accumulation: int = 0) -> Any:
        """Return a value after a piece of it."""
        if old is None or new is None:
            return new if old is None else old
        if isinstance(old, dict) and isinstance(new, dict):
            self.join(old, new)
            return old
        if isinstance(old, (dict, _Forms)) or isinstance(new, dict):
            return _formed(old, new, lambda old, new: self.grow(old, new, accumulation))
        if _is_text(old) and _is_text(new):
            return _append(old, new, accumulation)
        if _is_scalar(old) and _is_scalar(new):
            return _latest(old, new)
        return self._grow_array(old, new)

    def _grow_array(self, old: Any, new: Any) -> Any:
        """Return an array of two values, neither of them an object, and not both text."""
        alone = _alone(old, new)
        if alone is not _ABSENT:
            return alone
        has_parts = _has_parts(old) or _has_parts(new)
        array = old if isinstance(old, _Array) else _Array(self, _items(old, has_parts))
        array.extend(_items(new, has_parts))
        return array

    def whole_texts(self, item: JsonObject) -> Iterator[tuple[str, str]]:
        """Yield the texts of an item, but its type, that are never appended to and have no first value."""
        is_typed = _is_typed(item)
        for name, value in item.items():
            if name != "type" and _text(value) and self._rule(name, is_typed) == LATEST:
                yield name, value

    def fit(self, old: Any, new: JsonObject, *, is_item: bool = True) -> bool:
        """Return whether a piece can be of an object: no text that is never appended to differs."""
        is_typed = is_item and _is_typed(new)
        for name, value in new.items():
            before = old.get(name)
            if isinstance(value, dict) and isinstance(before, dict):
                if not self.fit(before, value, is_item=False):
                    return False
            elif _text(value) and _is_text(before) and before not in ("", value) and self._is_whole(name, is_typed):
                return False
        return True

    def continues(self, old: Any, new: JsonObject) -> bool:
        """Return whether two items without an index are pieces of one running text."""
        kind = _text(new.get("type"))
        if not kind or not isinstance(old, dict) or old.get("type") != kind or index_of(old) is not None:
            return False
        runs = [name for name in self._running if _can_run(old.get(name))]
        if not runs or any(new.get(name) is not None and not _can_run(new[name]) for name in runs):
            return False
        numbers = [name for name, value in new.items() if type(value) is NumberText]
        are_equal = all(type(old.get(name)) is NumberText and old[name] == new[name] for name in numbers)
        return are_equal and self.fit(old, new)

    def _is_whole(self, name: str, is_typed: bool) -> bool:
        return self._rule(name, is_typed) in (FIRST, LATEST)

    def _rule(self, name: str, is_typed: bool) -> int:
        """Return how a member accumulates. An item that says its type has base64 whole, such as encrypted data."""
        accumulation = self._of_name(name)
        return LATEST if accumulation == BASE64 and is_typed else accumulation


def _first(old: Any, new: Any) -> Any:
    """Return the value of a member that takes the first one that is neither empty nor zero."""
    return _latest(old, new) if _is_vain(old) else old


def _latest(old: Any, new: Any) -> Any:
    """Return the value of a member that takes the latest one that is not empty, objects joined."""
    if isinstance(old, dict) and isinstance(new, dict):
        keeps = _is_raised(old, new)
        for name, value in new.items():
            if not keeps or old.get(name) is None:
                old[name] = _latest(old.get(name), value)
        return old
    if isinstance(old, (dict, _Forms)) or isinstance(new, dict):
        return _formed(old, new, _latest)
    is_kept = new is None or (_is_empty(new) and not _is_empty(old)) or (old is True and new is False)
    return old if is_kept else new


def _formed(old: Any, new: Any, add: Callable[[Any, Any], Any]) -> Any:
    """Return the value of a member after a piece of it, which `add` adds to the earlier ones of its form."""
    is_object = isinstance(new, dict)
    if not isinstance(old, _Forms):
        if isinstance(old, dict) == is_object:
            return add(old, new)
        alone = _alone(old, new)
        if alone is not _ABSENT:
            return alone
        old = _Forms([None, old] if is_object else [old, None])
    place = 0 if is_object else 1
    old.values[place] = add(old.values[place], new)
    return old


def _alone(old: Any, new: Any) -> Any:
    """Return the one of two values that counts because the other has nothing to say; `_ABSENT` if both have."""
    if new is None or (_is_vain(new) and not _is_empty(old)):
        return old
    return new if _is_vain(old) else _ABSENT


def _is_raised(old: JsonObject, new: JsonObject) -> bool:
    """Return whether an object has a true that a later one would make false."""
    return any(value is False and old.get(name) is True for name, value in new.items())


def _append(old: Any, new: str, accumulation: int) -> Any:
    if not old or not new:
        return old or new
    text = old if isinstance(old, _Text) else _Text(accumulation, old)
    if accumulation == NAME and text.size == len(new) and text.value() == new:
        return old
    text.append(new)
    return text


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or value == [] or value == {}


def _is_vain(value: Any) -> bool:
    """Return whether a value is neither a value nor true: empty, false or zero."""
    return _is_empty(value) or value is False or (type(value) is NumberText and bool(_ZERO.fullmatch(value)))


def _is_scalar(value: Any) -> bool:
    return type(value) in (bool, NumberText)


def _is_text(value: Any) -> bool:
    return type(value) is str or isinstance(value, _Text)


def _is_typed(item: JsonObject) -> bool:
    return bool(_text(item.get("type")))


def _text(value: Any) -> str:
    """Return text that has not grown; "" for any other value."""
    return value if type(value) is str else ""


def _has_name(piece: JsonObject) -> bool:
    """Return whether a piece of a call names what it calls."""
    return any(isinstance(body, dict) and bool(_text(body.get("name"))) for body in piece.values())


def _items(value: Any, has_parts: bool) -> list[Any]:
    """Return a value that is no array as the item of one, which is a part if others are."""
    if isinstance(value, list):
        return value
    return [{"type": "text", "text": value} if has_parts and _is_text(value) else value]


def _can_run(value: Any) -> bool:
    return _is_text(value) or isinstance(value, (list, _Array))


def _has_parts(value: Any) -> bool:
    items = value.items if isinstance(value, _Array) else value
    return isinstance(items, list) and bool(items) and isinstance(items[0], dict)


def _keys(item: JsonObject) -> Iterator[tuple[object, ...]]:
    """Yield what an item with an index is found by, the most exact first."""
    index = index_of(item)
    if index is not None:
        for name in ("id", "type"):
            if text := _text(item.get(name)):
                yield index, name, text
        yield (index,)


def index_of(member: JsonObject) -> int | None:
    """Return the `index` of a choice, a call or an item; None if it has none that is an integer of 64 bits."""
    index = member.get("index")
    if type(index) is not NumberText or len(index) > len(str(-(2**63))) or not index.lstrip("-").isdigit():
        return None
    number = int(index)
    return number if -(2**63) <= number < 2**63 else None


def _joined_base64(text: str) -> str:
    """Return base64 with padding inside as base64 without; text that is not base64 as it is."""
    pieces = _PADDED.findall(text)
    if len(pieces) < 2 or not all(_BASE64.fullmatch(piece) for piece in pieces):
        return text
    return binascii.b2a_base64(b"".join(map(binascii.a2b_base64, pieces)), newline=False).decode()


def _whole(value: Any) -> Any:
    """Return a value with all that has grown in it as plain JSON values."""
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value.value() if isinstance(value, (_Text, _Array, _Calls, _Forms)) else value
