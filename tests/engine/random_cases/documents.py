"""Random JSON text for a message type: right and wrong, in every spelling."""

from __future__ import annotations

import json
import re

from chatpb._contract.schema import Field, MessageSchema, schema_of
from tests.engine.random_cases.schemas import Random, corpus, descriptor

NUMBERS = (
    "0", "-0", "1", "-1", "42", "127", "128", "255", "256", "-128", "2147483647", "2147483648", "-2147483648",
    "-2147483649", "4294967295", "4294967296", "9007199254740991", "9007199254740992", "9007199254740993",
    "-9007199254740992", "-9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
    "-9223372036854775809", "18446744073709551615", "18446744073709551616", "9999999999999999999",
    "99999999999999999999", "-99999999999999999999", "100000000000000000000000", "1.0", "-1.0", "1.5", "0.0", "-0.0",
    "1e2", "1E+2", "1e-2", "1.50", "255.0", "256.0", "3e0", "1e400", "-1e400", "1e-400", "-1e-400", "5e-324",
    "2.2250738585072014e-308", "1.7976931348623157e308", "1.7976931348623159e308", "0.1", "1e-5", "9.9e-6", "1e-7",
    "1e15", "1e16", "123456789012345678", "1.2345678901234567e17", "9007199254740994.0", "9007199254740992.0",
    "0.00001234", "-1.5e-9", "1e22", "1e23", "4.35", "0.3", "2.5e-5", "6.02214076e23", "1234567890.12345678901234567",
)  # fmt: skip
STRINGS = (
    "", "a", "stop", "assistant", "chat.completion", "red", 'gr"ün', "far", "unspecified", "AAAA", "AA==", "AB==", "AAA=",
    "QUJD", "QUI=", "QQ==", "Q===", "====", "é", "日本", "\U0001f353", "a\nb", 'q"q', "b\\b", "\t\r\b\f", "\x00", "\x1f",
    "\x7f", "\ud83d", "\ude00", "x\ud83d", "\ude00\ud83d", "/", "~", "line \u2028", "0123456789abcdef", "A" * 31, "é" * 40,
    "x" * 127, "x" * 128, "\n" * 70, "long " * 60, "z" * 20000, '"so" it\ngoes, \\' * 30, "x" * 62 + "\\\"é" * 50,
)  # fmt: skip
NAMES = (
    "", "a", "b", "ab", "id", "x_extra", "null_fields", "additional_properties", "cost", "provider", "é", "日", "a/b",
    "~", '"', "\n", "\ud800", "union_string", "extra_0123456789_0123456789_0123456789",
)  # fmt: skip


_TO_ESCAPE = re.compile('[\x00-\x1f"\\\\\ud800-\udfff]')
_LONE = re.compile("[\ud800-\udfff]")


def _escaped(match: re.Match[str]) -> str:
    char = match[0]
    return "\\" + char if char in '"\\' else f"\\u{ord(char):04x}"


def number_text(rng: Random) -> str:
    roll = rng.random()
    if roll < 0.6:
        return rng.choice(NUMBERS)
    if roll < 0.8:
        return repr(rng.uniform(-1, 1) * 10 ** rng.randint(-30, 30))
    if roll < 0.9:
        return str(rng.randint(-(10 ** rng.randint(0, 22)), 10 ** rng.randint(0, 22)))
    mantissa = rng.choice(("1", "1.5", "-7", "0.001", "12345.678"))
    return f"{mantissa}e{rng.choice(('', '+', '-'))}{rng.randint(0, 330)}"


class Writer:
    """Writes values as JSON text, with or without space and needless escapes."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.spaced = rng.random() < 0.2
        self.escaped = rng.choice((0.0, 0.0, 0.05, 0.5))

    def space(self) -> str:
        return self.rng.choice(("", " ", "\n", "\t", "\r\n  ")) if self.spaced else ""

    def string(self, value: str) -> str:
        # A long string is escaped needlessly at its start alone, since each character costs time.
        out = [self.char(char) for char in value[:200]] if self.escaped else []
        return '"' + "".join(out) + _TO_ESCAPE.sub(_escaped, value[len(out) :]) + '"'

    def char(self, char: str) -> str:
        code = ord(char)
        if code > 0xFFFF:
            return json.dumps(char)[1:-1]
        if self.rng.random() < self.escaped:
            return f"\\u{code:04x}" if self.rng.random() < 0.5 else f"\\u{code:04X}"
        return _TO_ESCAPE.sub(_escaped, char)

    def object(self, members: list[tuple[str, str]]) -> str:
        s = self.space
        return "{" + s() + ",".join(f"{s()}{self.string(k)}{s()}:{s()}{v}{s()}" for k, v in members) + "}"

    def array(self, items: list[str]) -> str:
        s = self.space
        return "[" + ",".join(f"{s()}{item}{s()}" for item in items) + s() + "]"


class Documents:
    """Makes JSON text. `wrong` is the share of members with a value of any type."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.writer = Writer(rng)
        self.wrong = rng.choice((0.0, 0.02, 0.1, 0.3))
        self.lone = rng.random() < 0.2
        self.budget = rng.choice((10, 40, 120))

    def string(self, choices: tuple[str, ...]) -> str:
        value = self.rng.choice(choices)
        if not self.lone and _LONE.search(value):
            return "q"
        if len(value) > 1000 and self.rng.random() < 0.9:
            return "w"
        return value

    def names(self, most: int) -> list[str]:
        names = [self.string(NAMES) for _ in range(self.rng.randint(0, most))]
        if self.rng.random() < 0.02:
            names += [f"n{n}" for n in range(self.rng.randint(10, 40))]
        return names if self.rng.random() < 0.02 else list(dict.fromkeys(names))

    def open(self, depth: int = 0) -> str:
        rng = self.rng
        self.budget -= 1
        roll = rng.random()
        if depth > 5 or self.budget < 0 or roll < 0.6:
            return rng.choice(
                (
                    lambda: number_text(rng),
                    lambda: self.writer.string(self.string(STRINGS)),
                    lambda: rng.choice(("true", "false", "null", "null", "[]", "{}")),
                    lambda: rng.choice(("NaN", "Infinity", "-Infinity")) if rng.random() < 0.1 else "null",
                )
            )()
        if roll < 0.62:
            levels = rng.choice((3, 22, 23, 24, 25, 26, 100, 195, 199, 200, 201, 250))
            return ("[" * levels + "]" * levels) if rng.random() < 0.5 else '{"k":' * levels + "1" + "}" * levels
        if roll < 0.8:
            return self.writer.array([self.open(depth + 1) for _ in range(rng.randint(0, 4))])
        return self.writer.object([(name, self.open(depth + 1)) for name in self.names(4)])

    def message(self, schema: MessageSchema, depth: int = 0) -> str:
        rng = self.rng
        members = []
        present = rng.choice((0.1, 0.3, 0.6)) if depth < 3 else 0.05
        # What an envelope has no field for is an error, and one is enough for a document.
        extra = schema.has_homes or rng.random() < 0.03
        for member in schema.members.values():
            if rng.random() < present and self.budget > 0:
                members.append((member.name, self.member(rng.choice(member.alternatives), depth, extra)))
                if rng.random() < 0.002:
                    members.append(members[-1])
        members += [(name, self.open()) for name in self.names(3 if extra else 0)]
        rng.shuffle(members)
        return self.writer.object(members if rng.random() < 0.03 else list(dict(members).items()))

    def member(self, field: Field, depth: int, extra: bool) -> str:
        rng = self.rng
        if extra and rng.random() < self.wrong:
            return self.open()
        if extra and rng.random() < 0.1:
            return "null"
        if field.map_key:
            return self.writer.object([(name, self.value(field.map_value, depth + 1)) for name in self.names(3)])
        if field.repeated:
            return self.writer.array([self.value(field, depth + 1) for _ in range(rng.choice((0, 1, 1, 2, 3, 20)))])
        return self.value(field, depth)

    def value(self, field: Field, depth: int) -> str:
        rng = self.rng
        self.budget -= 1
        if rng.random() < self.wrong / 2:
            return self.open()
        match field.kind:
            case "message":
                return self.message(field.schema, depth + 1) if self.budget > 0 else "{}"
            case "list":
                return self.writer.array([self.value(field.item, depth + 1) for _ in range(rng.randint(0, 3))])
            case "string":
                return self.writer.string(self.string(STRINGS))
            case "bytes":
                return self.writer.string(rng.choice(("", "AAAA", "QQ==", "QUI=", "QUJD", "QUJDREVG" * 30)))
            case "byte_array":
                return self.writer.array([str(rng.randint(0, 255)) for _ in range(rng.randint(0, 9))])
            case "bool":
                return rng.choice(("true", "false"))
            case "text":
                return self.open()
            case "enum":
                assert field.enum
                return self.writer.string(rng.choice([*field.enum.number_of, "other"]))
            case "double":
                return number_text(rng)
            case "int32" | "int64" | "uint32" | "uint64":
                return rng.choice(("0", "1", "5", "127", "128", "300", "1700000000", number_text(rng)))


TOKENS = (
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"null", b"tru", b"NaN", b"-", b"-I", b"Infinity", b"0", b"1e", b".",
    b"\\u", b"\\ud800", b"\\x", b"\x00", b"\n", b" ", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x80", b"01",
    b'"a":1,', b"\xf0\x9f\x98\x80", b"\x1f", b"\x7f",
)  # fmt: skip


def mutate(rng: Random, data: bytes, tokens: tuple[bytes, ...] = TOKENS) -> bytes:
    """Return the bytes with a few of them removed, doubled, changed or added."""
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randint(0, len(data))
        end = min(len(data), at + rng.choice((1, 1, 2, 5, 30)))
        roll = rng.random()
        if roll < 0.2:
            data = data[:at]
        elif roll < 0.4:
            data = data[:at] + data[end:]
        elif roll < 0.5:
            data = data[:end] + data[at:]
        elif roll < 0.8:
            data = data[:at] + rng.choice(tokens) + data[rng.choice((at, end)) :]
        elif at < len(data):
            data = data[:at] + bytes([data[at] ^ 1 << rng.randint(0, 7)]) + data[at + 1 :]
    return data


def document(rng: Random, name: str) -> bytes:
    recorded = corpus(name)
    if recorded and rng.random() < 0.15:
        data = rng.choice(recorded)
    elif name == "Everything" and rng.random() < 0.02:
        # The message contains itself, to about the limit of nesting.
        levels = rng.choice((50, 180, 198, 199, 200, 201))
        inner = rng.choice(
            ('"text":[[1]]', '"rows":[[1.5]]', '"octets":[1]', '"q":[{}]', '"many_int32":[1]', '"x":1e999')
        )
        data = ('{"one_message":' * (levels - 1) + "{" + inner + "}" + "}" * (levels - 1)).encode()
    else:
        data = Documents(rng).message(schema_of(descriptor(name))).encode()
    if rng.random() < 0.02:
        data = rng.choice((b"\xef\xbb\xbf", b" \n", b"\xef\xbb\xbf\n ")) + data + rng.choice((b"", b"\n", b" x"))
    return data
