"""How much memory copies take, each in a process of its own, whatever a file holds."""

from __future__ import annotations

import base64
import io
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

import chatpb
from chatcompletion.v1 import ChatCompletionStream
from chatpb import storage
from chatpb._files.read import MAX_DOCUMENT
from tests.support import opened_sqlite

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak is in other units, or not known")

COPY = """
import re, sys
from chatpb import storage
def peak():  # of this program alone: `getrusage` counts the process that started it too
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) << 10
days = {"partition": True} if sys.argv[2] == "days" else {}
storage.copy(["small.jsonl"], "small_" + sys.argv[2], **days)
before = peak()
options = {"max_record": int(sys.argv[3]), **days} if sys.argv[3] else days
if sys.argv[2].startswith("members"):
    options["members"] = {"found": "$.response.id"}
copied = storage.copy([sys.argv[1]], sys.argv[2], **options)
print(copied.written, copied.left_out, peak() - before)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    storage.write("small.jsonl", [storage.make_record(status=200)])
    return tmp_path


def copied(source: str, target: str, max_record: int | None = None) -> tuple[int, int, int]:
    """Copy in a new process, and return how many records were written and left out, and the bytes that it took."""
    command = [sys.executable, "-c", COPY, source, target, str(max_record or "")]
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


LARGE = 64 << 20
"""Bytes of a record. Such a piece of memory goes back to the system at once when it is freed."""

DOCUMENTS = {
    "record": '{{"response": {{"id": "c", "object": "chat.completion", "choices": [{{"message": {{"role": "assistant", "content": "{}"}}}}]}}}}\n',
    "completion": '{{"object": "chat.completion", "choices": [{{"message": {{"content": "{}"}}}}]}}\n',
    "stream": '{{"stream": {{"chunks": [{{"id": "s", "choices": [{{"delta": {{"content": "{}"}}}}]}}]}}}}\n',
    "request": '{{"model": "m", "messages": [{{"role": "user", "content": "{}"}}]}}\n',
    # Nothing but Python's parser shows what these are.
    "bare": '{{"choices": [{{"message": {{"content": "{}"}}}}]}}\n',
    "array": '[\n{{"choices": [{{"message": {{"content": "{}"}}}}]}}\n]\n',
    "foreign": '{{"messages": [{{"role": "user", "content": "?"}}, {{"role": "assistant", "content": "é{}"}}]}}\n',
}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a file of one large document of each type, whose text does not compress."""
    folder = tmp_path_factory.mktemp("large")
    text = base64.b64encode(random.Random(1).randbytes(LARGE * 3 // 4)).decode()
    for name, document in DOCUMENTS.items():
        (folder / f"{name}.jsonl").write_text(document.format(text))
    (folder / "record.json").write_text(DOCUMENTS["record"].format(text).replace("[", "[\n", 1))
    for form in ("db", "binpbs", "parquet"):
        storage.copy([str(folder / "record.jsonl")], str(folder / f"record.{form}"))
    storage.copy([str(folder / "stream.jsonl")], str(folder / "stream.db"))
    return folder


@pytest.mark.skipif(chatpb.engine != "native", reason="the reference engine makes objects of all that it reads")
@pytest.mark.parametrize(
    ("source", "target", "times"),
    [
        ("record.jsonl", "x.db", 2),
        ("record.jsonl", "x.jsonl.zst", 2),
        ("record.json", "x.binpbs", 2),
        ("completion.jsonl", "x.binpbs", 2),
        ("request.jsonl", "x.jsonl", 2),
        ("record.binpbs", "x.db", 2),
        ("record.db", "x.jsonl.gz", 2),
        ("record.db", "y.db", 2),
        ("bare.jsonl", "x.db", 2),
        ("foreign.jsonl", "x.binpbs", 2),
        ("array.jsonl", "x.db", 3),  # the array is in memory too
        ("record.db", "x.parquet", 4),  # Arrow makes a page of it, and the page compressed
        ("record.parquet", "x.binpbs", 2),
        ("record.parquet", "x.jsonl", 2),
        ("stream.jsonl", "x.db", 3),  # its chunks are taken apart
        ("stream.db", "x.jsonl", 3),  # its chunks are made whole
    ],
)
def test_how_often_a_large_record_is_in_memory(large: Path, source: str, target: str, times: int) -> None:
    """Twice where nothing else is needed: as it was read and as it is written."""
    written, left_out, took = copied(str(large / source), target)
    assert (written, left_out) == (1, 0)
    assert took < (times + 0.5) * LARGE


@pytest.mark.skipif(chatpb.engine != "native", reason="the reference engine makes objects of all that it reads")
@pytest.mark.parametrize(
    ("source", "target", "times"),
    [
        ("record.jsonl", "x.jsonl", 2),
        ("record.db", "x.jsonl", 2),
        ("record.binpbs", "x.jsonl", 2),
        ("completion.binpbs", "x.db", 2),
        ("record.jsonl", "x.parquet", 4),
        ("record.db", "days", 4),
    ],
)
def test_a_large_record_is_gone_before_the_next_one_is_read(large: Path, source: str, target: str, times: int) -> None:
    name = source.split(".")[0]
    if source == "completion.binpbs":
        storage.copy([str(large / "completion.jsonl")] * 2, source, document="response")
    else:
        storage.copy([str(large / f"{name}.jsonl")] * 2, source)
    written, left_out, took = copied(source, target)
    assert (written, left_out) == (2, 0)
    assert took < (times + 0.5) * LARGE


LIMIT = 32 << 20
"""A limit of a record, for documents that are near it or expand far beyond it."""

GOOD = '{"id": "good", "object": "chat.completion", "choices": []}'


def text_of(size: int) -> str:
    """Return text that does not compress."""
    return base64.b64encode(random.Random(2).randbytes(size * 3 // 4)).decode()


def asked(size: int) -> str:
    return f'{{"model": "m", "messages": [{{"role": "user", "content": "{text_of(size)}"}}]}}'


def har(sizes: list[int]) -> str:
    entries = [{"request": {"postData": {"text": asked(size)}}, "response": {}} for size in sizes]
    return json.dumps({"log": {"entries": entries}})


def streamed(repeated: int, chunks: int) -> str:
    """Return a record whose stream is small, and large with whole chunks."""
    chunk = f'{{"id": "s", "model": "{"m" * repeated}", "choices": []}}'
    return f'{{"stream": {{"chunks": [{", ".join([chunk] * chunks)}]}}}}'


@pytest.mark.skipif(chatpb.engine != "native", reason="the reference engine makes objects of all that it reads")
@pytest.mark.parametrize(
    ("name", "documents", "target", "left_out"),
    [
        # Arrow takes four times the record.
        ("x.jsonl", lambda: [GOOD, asked(15 << 20), GOOD], "x.parquet", 0),
        ("x.jsonl", lambda: [GOOD, asked(30 << 20), GOOD], "x.parquet", 1),
        # The array, an item, and its message.
        ("x.json", lambda: ["[", GOOD, ",", asked(20 << 20), ",", GOOD, "]"], "x.db", 0),
        ("x.json", lambda: ["[", GOOD, ",", asked(31 << 20), ",", GOOD, "]"], "x.db", 1),
        # Objects of Python take up to fifty times the text.
        ("x.jsonl", lambda: [GOOD, '{"a": [%s]}' % ("[[[[[]]]]], " * (1 << 21)), GOOD], "x.db", 1),
        ("x.jsonl", lambda: [GOOD, '{"conversations": [%s{}]}' % ("{}, " * (6 << 20)), GOOD], "x.binpbs", 1),
        ("x.json", lambda: ["[", GOOD, ', {"a": [%s0]},' % ("[[]], " * (4 << 20)), GOOD, "]"], "x.binpbs", 1),
        ("x.json", lambda: ["[", GOOD, *[", " + '{"custom_id": "c", "body": {"model": "m"}}'] * 500_000, "]"], "x.db", 0),
        # JSON in strings: one entry is read at a time.
        ("x.json", lambda: [har([1 << 20] * 16)], "x.db", 0),
        ("x.jsonl", lambda: [GOOD, har([8 << 20]), GOOD], "x.db", 1),
        # A stream whose chunks are taken apart.
        ("x.jsonl", lambda: [GOOD, streamed(1 << 20, 20), GOOD], "x.db", 0),
        ("x.jsonl", lambda: [GOOD, streamed(1 << 20, 31), GOOD], "x.db", 1),
    ],
)  # fmt: skip
def test_no_document_takes_more_than_twice_the_limit(
    name: str, documents: Callable[[], list[str]], target: str, left_out: int
) -> None:
    """One for which that is too little is left out, and costs no other."""
    Path(name).write_text("\n".join(documents()))
    good = Path(name).read_text().count('"good"')
    written, refused, took = copied(name, target, LIMIT)
    assert refused == left_out
    assert written >= good
    assert took < 2 * LIMIT + (48 << 20)


def stream(repeated: int, chunks: int) -> bytes:
    """Return the wire bytes of a record whose stream is small, and large with whole chunks."""
    made = ChatCompletionStream()
    made.common.model = "m" * repeated
    for _ in range(chunks):
        made.chunks.add()
    return storage.make_record(stream=made.SerializeToString())


@pytest.mark.skipif(chatpb.engine != "native", reason="the reference engine makes objects of all that it reads")
@pytest.mark.parametrize("target", ["x.jsonl.zst", "members.parquet"])
@pytest.mark.parametrize(("chunks", "left_out"), [(70, 0), (600, 30)])
def test_small_streams_that_expand(target: str, chunks: int, left_out: int) -> None:
    """Thirty of them stand in one batch."""
    records = [stream(200_000, chunks)] * 30
    storage.write("x.binpbs", [*records, storage.make_record(response=GOOD)])
    written, refused, took = copied("x.binpbs", target, LIMIT)
    assert (written, refused) == (31 - left_out, left_out)
    assert took < 2 * LIMIT + (128 << 20)


RECORD = '{"response": {"object": "chat.completion", "choices": [{"message": {"role": "assistant"}}], "x": [%s]}}'
MANY = {
    "numbers": (RECORD, "0"),
    "fractions": (RECORD, "1.5"),
    "empty objects": (RECORD, "{}"),
    "objects": (RECORD, '{"a":0}'),
    "choices": ('{"object": "chat.completion", "choices": [%s]}', '{"index":0}'),
    "nulls": ('{"object": "chat.completion", "choices": [%s]}', '{"index":null,"message":null,"logprobs":null}'),
    "chunks": ('{"stream": {"chunks": [%s]}}', '{"id":"s","object":"chat.completion.chunk","choices":[]}'),
    "bare": ('{"choices": [{"message": {}}], "x": [%s]}', "0"),
    "foreign": ('{"messages": [%s]}', '{"role":"user","content":"a"}'),
    "an item of an array": ('[\n{"choices": [{"message": {}}], "x": [%s]}]', "0"),
    "an array": ("[\n%s]", '{"choices":[{"message":{"content":"a"}}],"x":"' + "x" * 4000 + '"}'),
}  # fmt: skip


@pytest.mark.skipif(chatpb.engine != "native", reason="the reference engine makes objects of all that it reads")
@pytest.mark.parametrize("name", MANY)
def test_a_document_of_many_small_things(name: str) -> None:
    """They take many times their text as objects, as wire bytes and as JSON again."""
    document, item = MANY[name]
    size = 8 << 20
    Path("x.jsonl").write_text(document % ",".join([item] * (size // (len(item) + 1))) + "\n")
    for max_record in (Path("x.jsonl").stat().st_size, 4 * size, MAX_DOCUMENT):
        written, left_out, took = copied("x.jsonl", f"{max_record}.jsonl", max_record)
        assert took < 2 * max_record + (64 << 20), max_record
        assert written if max_record == MAX_DOCUMENT else written or left_out


GET = """
import re, sys
from chatpb import storage
storage.copy(["small.jsonl"], "small." + sys.argv[1].split(".")[1])
storage.get("small." + sys.argv[1].split(".")[1], "none")
path, id = sys.argv[2:]
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) << 10
before = peak()
print(len(storage.get(path, id)), peak() - before)
"""


@pytest.mark.skipif(chatpb.engine != "native", reason="the reference engine makes objects of all that it reads")
@pytest.mark.parametrize(
    ("source", "times"),
    [("record.db", 2), ("record.jsonl", 2), ("record.binpbs", 2), ("record.parquet", 2), ("stream.db", 2)],
)
def test_get_of_a_large_record(large: Path, source: str, times: int) -> None:
    id = "c" if source.startswith("record") else "s"
    command = [sys.executable, "-c", GET, source, str(large / source), id]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    size, took = map(int, result.stdout.split())
    assert size > LARGE
    assert took < (times + 0.5) * LARGE


COMMAND = """
import io, re, sys
from contextlib import redirect_stdout
from chatpb.cli import main
def run(*args):
    sys.argv = ["chatpb", *args]
    with redirect_stdout(io.TextIOWrapper(open("/dev/null", "wb"))):
        try:
            main()
        except SystemExit as end:
            assert not end.code, end.code
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) << 10
name, small, large, *args = sys.argv[1:]
run(name, small, *args)
before = peak()
run(name, large, *args)
print(peak() - before)
"""

SQL = "SELECT wire_to_json(wire)->>'$.status' FROM records"


@pytest.mark.skipif(chatpb.engine != "native", reason="the reference engine makes objects of all that it reads")
@pytest.mark.parametrize(
    ("command", "source", "args", "times"),
    [
        ("get", "record.db", ["c"], 2),
        ("get", "record.parquet", ["c"], 2),
        ("inspect", "record.db", [], 2),
        ("inspect", "record.parquet", [], 2),
        ("inspect", "record.binpbs", ["--type", "record"], 2),
        ("inspect", "record.jsonl", ["--type", "record"], 2),
        ("inspect", "record.jsonl", [], 2),
        ("inspect", "bare.jsonl", [], 2),
        ("check", "record.db", [], 4),  # protobuf's objects, and how it makes bytes of them
        ("check", "record.jsonl", [], 4),
        ("query", "record.db", [SQL, "--memory", "2GB"], 4),  # DuckDB copies what it hands over and is given
        ("query", "record.parquet", [SQL, "--memory", "2GB"], 6),
        ("query", "stream.db", [SQL, "--memory", "2GB"], 6),
    ],
)
def test_a_command_on_a_large_record(large: Path, command: str, source: str, args: list[str], times: int) -> None:
    small = Path("small." + source.split(".")[1])
    storage.write(small, [storage.make_record(response={"id": "c"})])
    line = [sys.executable, "-c", COMMAND, command, str(small), str(large / source), *args]
    result = subprocess.run(line, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) < (times + 0.5) * LARGE


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
