"""Keep exchanges: compact records, from one file to a cluster. Needs the extra `storage`."""

from chatpb.storage._background import BackgroundRecorder
from chatpb.storage._damage import restore_first_page, verify
from chatpb.storage._file import RecorderError
from chatpb.storage._record import compact_record, expand_record, make_record, parts_of
from chatpb.storage._recorder import Damaged, Recorder

__all__ = [
    "BackgroundRecorder",
    "Damaged",
    "Recorder",
    "RecorderError",
    "compact_record",
    "expand_record",
    "make_record",
    "parts_of",
    "restore_first_page",
    "verify",
]
