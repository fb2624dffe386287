"""Sources of records: a recorder's file here, Parquet in `_parquet`, files of lines or messages in `_documents`.

A source gives records in batches that fit in memory. What cannot be read is reported and left out.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Protocol

import pyarrow as pa

from chatpb._files.refusals import Refusals
from chatpb._options import threads_of
from chatpb.storage._batch import BATCH_BYTES, Batch, Place, checked
from chatpb.storage._recorder import Recorder
from chatpb.storage._recorder_reader import Damaged, RecordRun

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
        start, end = self._limits
        for run in self._recorder.runs(BATCH_BYTES, start=start, end=end, threads=threads_of(self._threads)):
            if isinstance(run, Damaged):
                count = run.last - run.first + 1
                numbers = f"{run.first}" if count == 1 else f"{run.first} to {run.last}"
                refusals(f"{self.name}: record {numbers}: {run.reason}", count)
                self._done += count
            else:
                self._done += len(run.numbers)
                batch = (
                    Batch.of_one(run.data, self._place(run.numbers)(0))
                    if len(run.numbers) == 1
                    else Batch(_column(run), self._place(run.numbers))
                )
                del run
                limit, threads, whole = self._max_record, self._threads, self._check
                good = [checked(batch, refusals, max_record=limit, threads=threads, whole=whole)]
                del batch
                yield good.pop()  # so that nothing here has it any longer

    def _place(self, numbers: Sequence[int]) -> Place:
        return lambda row: f"{self.name}: record {numbers[row]}"


def _column(run: RecordRun) -> pa.Array:
    """Return the records of a run as a column, without copying them."""
    offsets = array("q", accumulate(run.sizes, initial=0))
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(run.data)]
    return pa.Array.from_buffers(pa.large_binary(), len(run.numbers), buffers)
