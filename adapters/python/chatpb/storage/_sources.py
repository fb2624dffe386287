"""Sources of records: a recorder's file here, Parquet in `_parquet`, files of lines or messages in `_documents`.

A source gives records in batches that fit in memory. What cannot be read is reported and left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from chatpb._files.refusals import Refusals
from chatpb.storage._batch import Batch, checked, in_batches
from chatpb.storage._recorder import Recorder
from chatpb.storage._recorder_reader import Damaged

__all__ = ["RecorderSource", "Source"]


class Source(Protocol):
    """Records being read."""

    name: str

    def batches(self, refusals: Refusals) -> Iterator[Batch]:
        """Yield the records, and report those that cannot be read."""

    def fraction(self) -> float:
        """Return how much has been read, from 0 to 1; 0 if that is not known."""


class RecorderSource:
    """The records of a recorder's file, with their streams compact.

    Args:
        recorder: the file, which is open.
        start: the earliest time of a record, in microseconds since the Unix epoch, as in `Recorder.scan`.
        end: the time before which records are taken.
        max_record: bytes of a record at most.
        threads: how many threads share the work; None for one a core.
        check: whether to leave out records that cannot be read whole; without it the caller finds them.

    """

    def __init__(
        self,
        recorder: Recorder,
        start: int | None,
        end: int | None,
        max_record: int,
        threads: int | None,
        check: bool,
    ) -> None:
        self.name = recorder.path
        self._recorder = recorder
        self._limits = (start, end)
        self._max_record = max_record
        self._threads = threads
        self._check = check
        # How many records are within limits of time is not known.
        self._total = len(recorder) if start is None and end is None else 0
        self._done = 0

    def fraction(self) -> float:
        return min(self._done / self._total, 1.0) if self._total else float(self._limits == (None, None))

    def batches(self, refusals: Refusals) -> Iterator[Batch]:
        for batch in in_batches(self._records(refusals), lambda number: f"{self.name}: record {number}"):
            self._done += len(batch.wire)
            yield checked(batch, refusals, max_record=self._max_record, threads=self._threads, whole=self._check)

    def _records(self, refusals: Refusals) -> Iterator[tuple[int, bytes]]:
        start, end = self._limits
        for each in self._recorder.numbered(start=start, end=end):
            if isinstance(each, Damaged):
                count = each.last - each.first + 1
                numbers = f"{each.first}" if count == 1 else f"{each.first} to {each.last}"
                refusals(f"{self.name}: record {numbers}: {each.reason}", count)
                self._done += count
            else:
                yield each
