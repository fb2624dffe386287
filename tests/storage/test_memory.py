"""Copies take no more memory than twice the limit of a record, however much a file holds: each in a process of its own."""

from __future__ import annotations

import base64
import io
import random
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from chatpb import storage
from chatpb._files.read import MAX_DOCUMENT
from tests.support import opened_sqlite

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak is in other units, or not known")

COPY = """
import resource, sys
from chatpb import storage
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
storage.copy(["small.jsonl"], "small_" + sys.argv[2])
before = peak()
copied = storage.copy([sys.argv[1]], sys.argv[2])
print(copied.written, copied.left_out, peak() - before)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    storage.write("small.jsonl", [storage.make_record(status=200)])
    return tmp_path


def copied(source: str, target: str) -> tuple[int, int, int]:
    """Copy in a new process, and return how many records were written and left out, and the bytes that it took."""
    command = [sys.executable, "-c", COPY, source, target]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    written, left_out, took = map(int, result.stdout.split())
    return written, left_out, took


def test_many_large_records() -> None:
    """All of them together are above the bound."""
    count, size = 72, 8 << 20
    text = "a text that compresses well, " * (size // 29)
    made = (storage.make_record(request_id=f"{number}", labels={"text": text}) for number in range(count))
    storage.write("x.db", made)
    for source, target in (("x.db", "x.parquet"), ("x.parquet", "x.jsonl.zst"), ("x.jsonl.zst", "y.db")):
        written, left_out, took = copied(source, target)
        assert (written, left_out) == (count, 0)
        assert took < 2 * MAX_DOCUMENT, (source, target)


@pytest.fixture(scope="module")
def fifths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of four records of a fifth of the limit, whose text does not compress."""
    size = MAX_DOCUMENT // 5
    path = tmp_path_factory.mktemp("fifths") / "x.jsonl"
    text = base64.b64encode(random.Random(1).randbytes(size * 3 // 4)).decode()
    with path.open("w") as file:
        file.writelines(f'{{"request_id": "{number}", "labels": {{"text": "{text}"}}}}\n' for number in range(4))
    return path


@pytest.mark.parametrize("form", ["db", "parquet", "binpbs", "jsonl"])
def test_records_of_a_fifth_of_the_limit(fifths: Path, form: str) -> None:
    """Such a record may be in memory several times, but no two of them at once."""
    for source, target in ((str(fifths), f"x.{form}"), (f"x.{form}", "y.jsonl")):
        written, left_out, took = copied(source, target)
        assert (written, left_out) == (4, 0)
        assert took < 2 * MAX_DOCUMENT, (source, target)


@pytest.mark.parametrize("source", ["x.db", "x.jsonl.zst"])
def test_records_above_the_limit(source: str) -> None:
    """32 records of twice the limit, in a small file."""
    piece, pieces = b" " * (1 << 20), 2 * MAX_DOCUMENT >> 20
    compressor = zstandard.ZstdCompressor(write_checksum=True)
    large = io.BytesIO()
    with compressor.stream_writer(large, size=len(piece) * pieces, closefd=False) as packed:
        for _ in range(pieces):
            packed.write(piece)
    if source.endswith(".db"):
        with storage.Recorder(source) as recorder:
            recorder.append([storage.make_record()] * 33)
        with opened_sqlite(source) as file:
            file.execute("UPDATE records SET body = ?, dictionary = 0 WHERE seq < 33", (large.getvalue(),))
    else:
        line = compressor.compress(b'\n{"status": 200}\n')
        Path(source).write_bytes(compressor.compress(b'{"status": 200}\n') + (large.getvalue() + line) * 2)
    written, left_out, took = copied(source, "out.binpbs")
    assert (written, left_out) == ((1, 32) if source.endswith(".db") else (3, 2))
    assert took < 2 * MAX_DOCUMENT
