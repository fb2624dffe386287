"""Records written by a thread of their own, so that the code that makes them never waits.

Rules: a record that does not fit in the queue, or cannot be written, is lost, counted and logged; nothing is raised and
nothing waits. A record that is no message costs no other: what can be read of it is written, with the bytes that cannot
(see `salvage`). The log reports losses at intervals, with their number and reason, and never what a record says.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from chatpb._errors import ChatpbError
from chatpb._records.parts import check_records, salvage
from chatpb.storage._recorder import Recorder
from chatpb.storage._sift import sift

__all__ = ["BackgroundRecorder"]

_log: Final = logging.getLogger("chatpb.storage")

_BATCH: Final = 256
"""Records at most that are committed together."""


class BackgroundRecorder:
    """A thread that appends to a Recorder, and closes it at the end.

    Args:
        recorder: appends the records.
        max_records: how many records may wait.
        max_bytes: how many bytes they may have together.
        log_every: seconds between two log messages about losses.
        on_count: called with ("written" or "lost", number), from any thread, as records are counted.

    Attributes:
        written: how many records are committed.
        lost: how many records were put and will not be committed.

    Examples:
        >>> from chatpb.storage import BackgroundRecorder, Recorder, make_record
        >>> recorder = BackgroundRecorder(Recorder("traffic.db"))
        >>> recorder.put(lambda: make_record(response={"id": "c1"}), size=100)
        True
        >>> recorder.close()
        >>> recorder.written, recorder.lost
        (1, 0)

    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        max_records: int = 10_000,
        max_bytes: int = 64 << 20,
        log_every: float = 10.0,
        on_count: Callable[[str, int], None] | None = None,
    ) -> None:
        self._recorder = recorder
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._log_every = log_every
        self._on_count = on_count
        self._waiting: deque[tuple[Callable[[], bytes], int]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closing = False
        self._in_hand = 0
        self._given_up = False
        self._unlogged = 0
        self._logged_at = float("-inf")
        self.written = 0
        self.lost = 0
        self._thread = threading.Thread(target=self._run, name="chatpb-recorder", daemon=True)
        self._thread.start()

    def put(self, make: Callable[[], bytes], size: int) -> bool:
        """Queue a record to be made and written later, and return whether there was room; without room it is lost.

        Args:
            make: makes the record, in the recorder's thread.
            size: about how many bytes it holds until then.

        """
        with self._changed:
            fits = len(self._waiting) < self._max_records and self._bytes + size <= self._max_bytes
            if fits and not self._closing:
                self._waiting.append((make, size))
                self._bytes += size
                self._changed.notify()
                return True
            reason = "the recorder is closed" if self._closing else "the queue is full"
        self._lose(1, reason)
        return False

    def close(self, timeout: float = 10.0) -> None:
        """Write the records that wait, for `timeout` seconds at most; those that are left then are lost."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)
        with self._changed:
            left = len(self._waiting) + self._in_hand
            self._in_hand = 0  # a second call counts nothing again
            self._given_up = True
            self._waiting.clear()
            self._bytes = 0
        if left:
            self._lose(left, "the time to close was over")
        if not self._thread.is_alive():
            self._recorder.close()
        self._log_losses("", at_once=True)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                taken = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                self._in_hand = len(taken)
            self._write([make for make, _ in taken])
            with self._changed:
                self._bytes = max(0, self._bytes - sum(size for _, size in taken))

    def _write(self, makers: list[Callable[[], bytes]]) -> None:
        records = []
        for make in makers:
            try:
                records.append(make())
            except Exception as error:  # one bad record must not lose the others, nor end the thread
                self._settle(lost=1, reason=type(error).__name__)
        good: list[bytes] = []

        def keep(place: int, error: ChatpbError) -> None:
            try:
                good.extend(check_records([salvage(records[place], error)]))
            except Exception as unexpected:
                self._settle(lost=1, reason=type(unexpected).__name__)

        for piece in sift(records, check_records, keep):
            good += piece
        try:
            self._recorder.append(good)
        except Exception as error:
            # A ChatpbError's text names the file and what the system says; that of another error might quote a record.
            reason = str(error) if isinstance(error, ChatpbError) else type(error).__name__
            self._settle(lost=len(good), reason=reason)
        else:
            self._settle(written=len(good))

    def _settle(self, *, written: int = 0, lost: int = 0, reason: str = "") -> None:
        """Count records that were taken from the queue, unless `close` could not wait and has counted them as lost."""
        with self._changed:
            if self._given_up:
                return
            self._in_hand -= written + lost
        self._count(written=written)
        if lost:
            self._lose(lost, reason)

    def _lose(self, number: int, reason: str) -> None:
        self._count(lost=number)
        self._log_losses(reason)

    def _count(self, *, written: int = 0, lost: int = 0) -> None:
        with self._changed:
            self.written += written
            self.lost += lost
            self._unlogged += lost
        for what, number in (("written", written), ("lost", lost)):
            if self._on_count and number:
                self._on_count(what, number)

    def _log_losses(self, reason: str, at_once: bool = False) -> None:
        with self._changed:
            now = time.monotonic()
            if not self._unlogged or (now - self._logged_at < self._log_every and not at_once):
                return
            number, self._unlogged, self._logged_at = self._unlogged, 0, now
        _log.error("%d records were lost%s", number, f": {reason}" if reason else "")
