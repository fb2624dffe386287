"""Random wire bytes of a message type, in any encoding, not only those that writers choose."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from chatpb._contract.schema import Field, MessageSchema
from chatpb._wire.write import varint
from tests.engine.random_cases.documents import NAMES, STRINGS, Documents, mutate
from tests.engine.random_cases.schemas import Random


class Messages:
    """Makes wire bytes. `odd` is the share of things that are valid but unusual, or wrong."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.budget = rng.choice((10, 60))
        self.odd = rng.choice((0.0, 0.01, 0.1))

    def padded(self, value: int) -> bytes:
        """Return a varint, which may be longer than it has to be."""
        data = varint(value)
        if self.rng.random() < self.odd / 10:
            more = self.rng.choice((1, 1, 2, 3, 4, 5, 8))
            data = data[:-1] + bytes([data[-1] | 128]) + b"\x80" * (more - 1) + b"\x00"
        return data

    def delimited(self, number: int, payload: bytes) -> bytes:
        return self.padded(number << 3 | 2) + self.padded(len(payload)) + payload

    def varint(self) -> bytes:
        rng = self.rng
        if rng.random() < 0.02:
            return b"\x80" * rng.randint(1, 10) + rng.choice((b"\x00", b"\x01", b"\x02", b"\x7f"))
        return varint(rng.choice((0, 1, 2, 3, 5, 127, 128, 2**31 - 1, 2**31, 2**32 + 1, 2**63, 2**64 - 1, 2**64 - 2)))

    def string(self) -> bytes:
        value = self.rng.choice(STRINGS).encode("utf-8", "surrogatepass" if self.rng.random() < self.odd else "replace")
        return value if len(value) < 1000 else b"w"

    def double(self) -> bytes:
        rng = self.rng
        if rng.random() < 0.1:
            return rng.randbytes(8)
        special = (float("nan"), float("inf"), -float("inf")) if rng.random() < self.odd else (0.0, -0.0)
        return struct.pack(
            "<d", rng.choice((0.0, -0.0, 1.0, 0.5, 1e16, 1e15, 2.0**53, 2.0**53 + 2, 1e-5, 1e-7, *special))
        )

    def unknown(self) -> bytes:
        rng = self.rng
        number = rng.choice((1, 2, 13, 15, 62, 63, 64, 1000, 2**29 - 1))
        group = varint(number << 3 | 3) + b"\x08\x01" + varint((number + (rng.random() < 0.1)) << 3 | 4)
        return rng.choice(
            (
                self.delimited(number, b"abc"),
                varint(number << 3) + b"\x05",
                varint(number << 3 | 1) + b"\x00" * 8,
                varint(number << 3 | 5) + b"\x00" * 4,
                group,
                varint(number << 3 | 3) * 101,
                varint(number << 3 | rng.randint(4, 7)),
            )
        )

    def open(self, depth: int = 0) -> bytes:
        rng = self.rng
        self.budget -= 1
        choices: list[Callable[[], bytes]] = [
            lambda: b"",
            lambda: b"\x08" + self.varint(),
            lambda: b"\x11" + self.double(),
            lambda: self.delimited(3, self.string()),
            lambda: b"\x20" + self.varint(),
        ]
        if self.budget > 0 and depth < 6:
            choices += [
                lambda: self.delimited(5, self.struct(depth + 1)),
                lambda: self.delimited(
                    6, b"".join(self.delimited(1, self.open(depth + 1)) for _ in range(rng.randint(0, 3)))
                ),
            ]
        if rng.random() < 0.003:
            value = b"\x08\x00"
            for _ in range(rng.choice((100, 190, 199, 200, 201))):
                value = self.delimited(6, self.delimited(1, value))
            return value
        value = rng.choice(choices)()
        if rng.random() < self.odd:
            value += rng.choice(choices)() if rng.random() < 0.7 else self.unknown()
        return value

    def struct(self, depth: int) -> bytes:
        entries = []
        for _ in range(self.rng.choice((0, 1, 2, 3, 3, 20))):
            key = self.delimited(1, self.name())
            entries.append(self.delimited(1, self.shuffled([key, self.delimited(2, self.open(depth))])))
        return self.shuffled(entries, False)

    def order(self) -> bytes:
        """Return an order of open members: few bits often fit them, and many never do."""
        rng = self.rng
        size = rng.choice((0, 1, 1, 1, 2, 3, 9, 300))
        return rng.choice((rng.randbytes(size), b"\xff" * size, bytes(size)))

    def name(self) -> bytes:
        name = self.rng.choice((*NAMES, *(f"n{n}" for n in range(30))))
        return name.encode("utf-8", "replace")

    def shuffled(self, parts: list[bytes], entry: bool = True) -> bytes:
        if self.rng.random() < self.odd:
            self.rng.shuffle(parts)
            if parts and self.rng.random() < 0.5:
                parts = parts[: self.rng.randint(0, len(parts))] + parts[-1:]
            if self.rng.random() < 0.3:
                parts.insert(self.rng.randint(0, len(parts)), self.unknown())
        return b"".join(parts)

    def text(self) -> bytes:
        text = Documents(self.rng).open().encode("utf-8")
        return mutate(self.rng, text) if self.rng.random() < self.odd else text

    def message(self, schema: MessageSchema, depth: int = 0) -> bytes:
        rng = self.rng
        parts: list[bytes] = []
        present = rng.choice((0.1, 0.3, 0.5)) if depth < 3 else 0.05
        for member in schema.members.values():
            if rng.random() < present and self.budget > 0:
                alternatives = member.alternatives if rng.random() < self.odd else [rng.choice(member.alternatives)]
                for field in alternatives:
                    parts += self.field(field, depth)
        if not schema.is_list:
            bits = sum(1 << number for number in range(64) if rng.random() < 0.1)
            for number in (13, 14):
                if rng.random() < 0.3:
                    parts.append(varint(number << 3) + varint(bits))
            if rng.random() < 0.5:
                parts.append(self.delimited(12, self.order()))
            if rng.random() < 0.3:
                parts.append(self.delimited(15, self.struct(depth)))
            for _ in range(rng.choice((0, 0, 1, 3))):
                entry = [self.delimited(1, self.name()), self.delimited(2, self.text())]
                parts.append(self.delimited(16, self.shuffled(entry)))
        return self.shuffled(parts, False)

    def field(self, field: Field, depth: int) -> Iterator[bytes]:
        rng = self.rng
        number = field.number
        if field.map_key:
            for _ in range(rng.choice((1, 2, 3, 15))):
                value = field.map_value
                entry = [
                    self.delimited(1, self.name()),
                    self.padded(2 << 3 | value.wire_type) + self.value(value, depth + 1),
                ]
                yield self.delimited(number, self.shuffled(entry))
        elif field.repeated:
            items = [self.value(field, depth + 1) for _ in range(rng.choice((0, 1, 2, 5)))]
            if field.is_packable and rng.random() < 0.7:
                yield self.delimited(number, b"".join(items))
            else:
                yield from (self.padded(number << 3 | field.wire_type) + item for item in items)
        else:
            for _ in range(2 if rng.random() < self.odd else 1):
                yield self.padded(number << 3 | field.wire_type) + self.value(field, depth)

    def value(self, field: Field, depth: int) -> bytes:
        self.budget -= 1
        match field.kind:
            case "message" | "list":
                payload = self.message(field.schema, depth + 1) if self.budget > 0 else b""
            case "string":
                payload = self.string()
            case "bytes" | "byte_array":
                payload = self.rng.randbytes(self.rng.choice((0, 1, 2, 3, 40)))
            case "text":
                payload = self.text()
            case "double":
                return self.double()
            case _:
                return self.varint()
        return self.padded(len(payload)) + payload


WIRE_TOKENS = (
    b"\x00",
    b"\xff",
    b"\x80",
    b"\x0a",
    b"\x12\x00",
    b"\x7a\x00",
    b"\x68\x02",
    b"\x0b\x0c",
    b"\x80\x80\x80\x80\x10",
    b"\x07",
)
