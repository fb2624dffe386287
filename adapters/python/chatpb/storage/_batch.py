"""Batches of records on their way from one form to another, and where each record stands in its file.

A batch is small enough for memory, whatever the records are: it takes no more than its last record adds to
BATCH_BYTES, and each place that hands it on lets go of it (`del`) before the next is read. A large record is alone in
its batch, which has its bytes too: whatever is done with it works on these, since Arrow's functions would copy it once
more at each step. What is in a batch can be read: its records are checked where they are read, so that a bad one is
named there and costs no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.message import Message

from chatcompletion.v1 import ChatCompletionRecord
from chatpb._engine import codec_of
from chatpb._errors import ChatpbError, WireError
from chatpb._files.framing import LARGE
from chatpb._files.refusals import Refusals
from chatpb.arrow import json_column, one_row
from chatpb.storage._sift import sift

__all__ = ["BATCH_BYTES", "BATCH_ROWS", "EXPANDED_AT_ONCE", "Batch", "Place", "checked", "in_batches", "reason_of"]

BATCH_ROWS: Final = 4096
BATCH_BYTES: Final = 4 << 20
"""Records of a batch, and the bytes after which it takes no more."""

EXPANDED_AT_ONCE: Final = 16 << 20
"""Bytes of records with whole chunks that are made at once: a small stream may stand for many."""

P = TypeVar("P")

Place = Callable[[int], str]
"""Return where a row of a batch stands: a file, and the number of a line or a record in it."""


@dataclass(frozen=True)
class Batch:
    """Some documents or records of a file.

    Attributes:
        wire: a column of their wire bytes.
        place: where each of them stands.
        large: the bytes of the only one, if it is large.

    """

    wire: pa.Array
    place: Place
    large: bytes | None = None

    @classmethod
    def of_one(cls, wire: bytes, place: str) -> Batch:
        """Return a batch of one document or record."""
        return cls(one_row(wire), lambda row: place, wire if len(wire) >= LARGE else None)

    def wires(self) -> list[bytes]:
        """Return the wire bytes of each."""
        return [self.large] if self.large is not None else self.wire.to_pylist()

    def refuse(self, refusals: Refusals) -> Callable[[int, ChatpbError], None]:
        """Return a function that reports a row of the batch that is left out."""
        return lambda row, error: refusals(f"{self.place(row)}: {reason_of(error)}")

    def halves(self) -> list[Batch]:
        """Return the second half of the rows, and the first."""
        middle = len(self.wire) // 2
        return [Batch(self.wire[middle:], lambda row: self.place(middle + row)), Batch(self.wire[:middle], self.place)]

    def without_bad(self, check: Callable[[pa.Array], object], refusals: Refusals) -> Batch:
        """Return the rows that a function does not refuse, and report all others.

        `check` takes rows. It raises ChatpbError if one of them is bad.
        """
        refuse = self.refuse(refusals)
        bad: set[int] = set()

        def note(row: int, error: ChatpbError) -> None:
            bad.add(row)
            refuse(row, error)

        for _ in sift(self.wire, check, note):
            pass
        if not bad:
            return self
        good = [row for row in range(len(self.wire)) if row not in bad]
        return Batch(self.wire.take(pa.array(good, pa.int64())), lambda row: self.place(good[row]))


def reason_of(error: ChatpbError) -> str:
    """Return why a record is bad. The path of its error has no number of a row, since the place names the record."""
    if isinstance(error, WireError):
        path = "/".join(["", *error.path.split("/")[2:]])
        return str(WireError(path.rstrip("/"), error.offset, error.reason))
    return str(error)


def checked(
    batch: Batch,
    refusals: Refusals,
    *,
    max_record: int,
    message_type: type[Message] = ChatCompletionRecord,
    threads: int | None = None,
    whole: bool = True,
) -> Batch:
    """Return the messages of a batch that can be read, and report all others.

    Without `whole` only their sizes are checked, for a caller that reads all of them anyway.
    """

    def check(rows: pa.Array) -> None:
        if (longest := pc.max(pc.binary_length(rows)).as_py() or 0) > max_record:
            raise ChatpbError(f"it has {longest} bytes, above the limit of {max_record}")
        if whole:
            if len(rows) == 1:
                _check_one(batch.large or rows[0].as_py(), message_type)
            else:
                json_column(rows, message_type, unknown_fields="skip", nonfinite="allow", threads=threads)

    return batch.without_bad(check, refusals)


def _check_one(wire: bytes, message_type: type[Message]) -> None:
    """Raise WireError for bytes that are no such message. Unlike a column's text, this takes no memory."""
    try:
        codec_of(message_type.DESCRIPTOR).validate_wire(wire, True)
    except WireError as error:
        raise WireError(f"/0{error.path}", error.offset, error.reason) from None


def in_batches(records: Iterable[tuple[P, bytes]], name: Callable[[P], str] = str) -> Iterator[Batch]:
    """Yield records in batches that are bounded by bytes.

    Args:
        records: each record with what tells its place, such as its number.
        name: returns the place as text, for the few records that are named.

    """
    held: list[tuple[P, bytes]] = []
    size = 0
    for place, wire in records:
        if len(wire) >= LARGE:
            if held:
                yield _batch(held, name)
                held, size = [], 0
            batch = [Batch.of_one(wire, name(place))]
            del wire
            yield batch.pop()  # so that nothing here has it any longer
            continue
        held.append((place, wire))
        size += len(wire)
        if size >= BATCH_BYTES or len(held) == BATCH_ROWS:
            yield _batch(held, name)
            held, size = [], 0
    if held:
        yield _batch(held, name)


def _batch(records: list[tuple[P, bytes]], name: Callable[[P], str]) -> Batch:
    places, wires = zip(*records, strict=True)
    return Batch(pa.array(wires, pa.large_binary()), lambda row: name(places[row]))
