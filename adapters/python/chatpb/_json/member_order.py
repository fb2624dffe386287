"""The order of the members of open values, which a protobuf map does not keep: the field `member_order`.

Rules: the field is a row of bits, the lowest of a byte first. Its objects are `additional_properties`, each object
before those inside it, in the order in which they print; then `verbatim_properties`. An object of two or more members
has the bit 0 if they are sorted by their names, else the bit 1 and for each member but the last its place among the
sorted names, in as many bits as the highest place takes. Behind the end, all bits are 0: so a field that is empty, or
absent, says that all objects are sorted.

Names are sorted by code points, which is the order of their bytes in UTF-8. Bits that do not fit the objects, as those
of a message that was edited may, count as none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["arranged", "member_order"]


def member_order(additional: dict[str, Any], verbatim: Iterable[str]) -> bytes:
    """Return the field for open members in their order, given the JSON values of the first and the names of the second.

    It is empty if the members of all objects are sorted.
    """
    bits: list[int] = []

    def put(names: list[str]) -> list[str]:
        if len(names) > 1:
            in_order = sorted(names)
            bits.append(int(names != in_order))
            if names != in_order:
                place_of = {name: place for place, name in enumerate(in_order)}
                for name in names[:-1]:
                    bits.extend(place_of[name] >> bit & 1 for bit in range(_place_width(names)))
        return names

    _rearrange(additional, put)
    put(list(verbatim))
    packed = bytearray((len(bits) + 7) // 8)
    for at, bit in enumerate(bits):
        packed[at // 8] |= bit << at % 8
    return bytes(packed).rstrip(b"\0")


def arranged(
    additional: dict[str, Any], verbatim: dict[str, str], order: bytes
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return open members whose objects are in any order in the order that a field gives them, inside them too."""
    for each in order, b"":
        bits = _Bits(each)
        found = _rearrange(additional, bits.arrange), {name: verbatim[name] for name in bits.arrange(list(verbatim))}
        if bits.all_used():
            return found
    raise AssertionError("no bits fit every object")


class _Bits:
    """The bits of a field, read one by one."""

    def __init__(self, order: bytes) -> None:
        self.order = order
        self.at = 0
        self.fit = True

    def take(self, width: int) -> int:
        value = 0
        for bit in range(width):
            index, place = divmod(self.at, 8)
            if index < len(self.order):
                value |= (self.order[index] >> place & 1) << bit
            self.at += 1
        return value

    def arrange(self, names: list[str]) -> list[str]:
        """Return the names of an object in the order that its bits give them."""
        free = sorted(names)
        if len(names) < 2 or not self.fit or not self.take(1):
            return free
        in_order: list[str] = []
        width = _place_width(names)
        left = dict(enumerate(free))
        for _ in names[1:]:
            name = left.pop(self.take(width), None)
            if name is None:
                self.fit = False
                return free
            in_order.append(name)
        return in_order + list(left.values())

    def all_used(self) -> bool:
        """Return whether the bits fit the objects that were asked for."""
        index, place = divmod(self.at, 8)
        rest = self.order[index:]
        return self.fit and not (rest[:1] and rest[0] >> place) and not any(rest[1:])


def _rearrange(value: Any, arrange: Callable[[list[str]], list[str]]) -> Any:
    """Return a JSON value with the names of each object as a function returns them."""
    if isinstance(value, dict):
        return {name: _rearrange(value[name], arrange) for name in arrange(list(value))}
    return [_rearrange(item, arrange) for item in value] if isinstance(value, list) else value


def _place_width(names: list[str]) -> int:
    return (len(names) - 1).bit_length()
