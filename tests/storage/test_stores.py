"""Files on stores: which bytes are read from them, and the errors when they fail."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractBufferedFile
from typer.testing import CliRunner

from chatpb._errors import ChatpbError
from chatpb._extras import MissingExtraError
from chatpb.cli._app import app
from chatpb.storage import _stores
from chatpb.storage._wrap_documents import DocumentWrapper
from tests.support import ROOT

URL = "teststore://bucket/x.parquet"
LINES = "teststore://bucket/x.jsonl.gz"


class StoreError(Exception):
    """An error of a store's own package."""


class Store(MemoryFileSystem):  # type: ignore[misc]
    """A store that counts the bytes that are read, and raises `failure` if it is set."""

    protocol = "teststore"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    read = 0
    failure: ClassVar[Exception | None] = None

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped: str = super()._strip_protocol(path.replace("teststore://", "memory://"))
        return stripped

    def unstrip_protocol(self, name: str) -> str:
        return f"teststore:/{self._strip_protocol(name)}"

    def info(self, path: str, **options: Any) -> Any:
        self._fail()
        return super().info(path, **options)

    def find(self, path: str, **options: Any) -> Any:
        self._fail()
        return super().find(path, **options)

    def _fail(self) -> None:
        if Store.failure:
            raise Store.failure

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        self._fail()
        if mode != "rb":
            return super()._open(path, mode, **options)
        return Reader(self, path, mode, size=self.size(path), **options)


class Reader(AbstractBufferedFile):  # type: ignore[misc]
    def _fetch_range(self, start: int, end: int) -> bytes:
        data: bytes = Store.store[self.path].getvalue()[start:end]
        Store.read += len(data)
        return data


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the same records as lines, messages and Parquet."""
    folder = tmp_path_factory.mktemp("files")
    noise = random.Random(1)
    with (folder / "in.jsonl").open("w") as lines:
        for n in range(2000):
            record = {"status": n % 3, "response": {"id": f"{n}", "model": "m", "x": noise.randbytes(500).hex()}}
            lines.write(json.dumps(record, separators=(",", ":")) + "\n")
    for name in ("x.parquet", "x.jsonl.gz", "x.binpbs"):
        assert run("export", str(folder / "in.jsonl"), str(folder / name)).exit_code == 0
    return folder


@pytest.fixture(autouse=True)
def store(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)
    Path("in.jsonl").symlink_to(files / "in.jsonl")
    fsspec.register_implementation("teststore", Store, clobber=True)
    store = fsspec.filesystem("teststore")
    for name in ("x.parquet", "x.jsonl.gz"):
        store.pipe(f"/bucket/{name}", (files / name).read_bytes())
    Store.read = 0
    yield store
    Store.failure = None
    Store.store.clear()


def run(*args: str) -> Any:
    return CliRunner().invoke(app, args, prog_name="chatpb")


def test_a_query_reads_what_it_needs(store: Any) -> None:
    result = run("query", "teststore://bucket/x.parquet", "SELECT sum(status) AS n FROM records", "--format", "jsonl")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"n": sum(n % 3 for n in range(2000))}), result.output
    assert store.size("/bucket/x.parquet") > 1_000_000
    # A reader first fetches the last 64 KB, where the footer is.
    assert Store.read < 200_000


@pytest.mark.parametrize("url", [URL, LINES])
def test_records_are_read_once(store: Any, url: str) -> None:
    assert run("export", url, "out.jsonl").exit_code == 0
    assert Path("out.jsonl").read_bytes() == Path("in.jsonl").read_bytes()
    assert Store.read < 1.5 * store.size(url)


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (StoreError("no credentials\nnor any other"), "no credentials"),
        (StoreError(), "StoreError"),
        (PermissionError("Access denied"), "Access denied"),
        (FileNotFoundError("The bucket does not exist"), "not found: "),
    ],
    ids=["own", "wordless", "permission", "bucket"],
)
@pytest.mark.parametrize(
    "args",
    [
        ("query", URL, "FROM records"),
        ("stats", URL),
        ("export", URL, "out.jsonl"),
        ("export", LINES, "out.jsonl"),
        ("export", "in.jsonl", URL),
        ("export", "in.jsonl", LINES),
        ("export", "in.jsonl", "teststore://bucket/days", "--partition", "day"),
    ],
    ids=lambda args: " ".join(args),
)
def test_errors_of_a_store_name_its_url(args: tuple[str, ...], failure: Exception, said: str) -> None:
    Store.failure = failure
    result = run(*args)
    (url,) = (arg for arg in args if arg.startswith("teststore:"))
    assert result.exit_code == 1
    # Older versions of rich write an empty line at the end of a bar that was never shown.
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith(f"chatpb: {url}: {said}")


def test_without_fsspec_an_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    message = re.escape(f"{URL}: this store needs fsspec: pip install 'chatpb[storage]'")
    with pytest.raises(MissingExtraError, match=f"^{message}$"):
        _stores.store_of(URL)


@pytest.mark.parametrize("reads", [0, 1, 2])
@pytest.mark.parametrize(
    "command",
    [
        ("query", URL, "SELECT wire FROM records"),
        ("export", URL, "out.jsonl"),
        ("query", LINES, "SELECT wire FROM records"),
        ("export", LINES, "out.jsonl"),
    ],
)
def test_a_store_that_fails_while_it_is_read(
    monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], reads: int
) -> None:
    monkeypatch.setattr(_stores, "_READ_SIZE", 1 << 16)
    monkeypatch.setattr(Reader, "_fetch_range", failing_after(reads, Reader._fetch_range))
    result = run(*command)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].endswith("the store is gone")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("target", ["x.parquet", "x.jsonl.gz", "days"])
def test_files_on_a_store_stay_where_writing_fails(
    store: Any, files: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: DocumentWrapper) -> None:
        raise ChatpbError("it broke off")

    before = {name: store.cat(name) for name in store.find("/bucket")}
    monkeypatch.setattr(DocumentWrapper, "finish", fail)  # after the first piece is written
    options = ["--partition", "day"] if target == "days" else []
    result = run("export", str(files / "x.binpbs"), f"teststore://bucket/{target}", "--type", "record", *options)
    assert result.exit_code == 1
    assert {name: store.cat(name) for name in store.find("/bucket")} == before


FAILING = """
import sys
import fsspec
from chatpb.cli import main
from chatpb.storage import _parquet
from tests.storage.test_stores import Store, StoreError

_parquet.GROUP_ROWS = 50
left = [6]

class Failing(Store):
    def _open(self, path, mode="rb", **options):
        file = super()._open(path, mode, **options)
        def write(data, write=file.write):
            left[0] -= 1
            if left[0] < 0:
                raise StoreError("the store is gone")
            return write(data)
        file.write = write
        return file

fsspec.register_implementation("teststore", Failing)
sys.argv = ["chatpb", *sys.argv[1:]]
main()
"""


def test_a_store_that_fails_while_a_folder_is_written_ends_the_process_in_order() -> None:
    day = 86_400_000_000
    Path("days.jsonl").write_text("".join(f'{{"start_time":{n % 40 * day},"peer":"{n}"}}\n' for n in range(2000)))
    command = [sys.executable, "-c", FAILING, "export", "days.jsonl", "teststore://bucket/days", "--partition", "day"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr.strip()) == (1, "chatpb: teststore://bucket/days: the store is gone")


def failing_after(reads: int, fetch: Callable[..., bytes]) -> Callable[..., bytes]:
    left = [reads]

    def fetch_range(self: Reader, start: int, end: int) -> bytes:
        left[0] -= 1
        if left[0] < 0:
            raise StoreError("the store is gone")
        return fetch(self, start, end)

    return fetch_range
