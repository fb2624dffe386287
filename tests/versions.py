"""The tests on each Python, with each protobuf and each extra that can be had here.

    python -m tests.versions                            all of them, a few minutes each
    python -m tests.versions --only protobuf extras     some of them
    python -m tests.versions --python PATH PATH         these interpreters, and not those that are found

Each environment has a wheel of this checkout, not the checkout. The exit status is 1 if a row failed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from ast import literal_eval
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.repository.test_extras import ALONE, CHUNK
from tests.support import ROOT

PYTHONS = "3.10", "3.11", "3.12", "3.13", "3.14", "3.14t"
"""With `t`, a free-threaded build."""
PROTOBUFS = "6.31.1", "6.32.*", "6.33.*", "7.*"
"""The lowest that is allowed, and the newest of some lines after it."""
ROOMS = ["arrow", "convert", "engine", "files", "json", "members", "records", "runtimes", "streams", "wire"]
ROOMS_OF_MESSAGES = ["convert", "members", "runtimes", "streams"]
TEST_PACKAGES = "httpx", "hypothesis", "openai", "opentelemetry-sdk", "psutil", "pytest", "pytest-xdist"
CACHE = ROOT / ".cache" / "versions"
UV = [sys.executable, "-m", "uv"]


@dataclass(frozen=True)
class Row:
    """A line of the table: what was combined, and what the tests came to."""

    python: str
    protobuf: str
    what: str
    outcome: str
    passed: bool

    def __str__(self) -> str:
        return f"| {self.python} | {self.protobuf} | {self.what} | {self.outcome} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=AXES, default=list(AXES))
    parser.add_argument("--python", nargs="+", metavar="PATH", help="interpreters to use")
    parser.add_argument("--workers", default="1", help="processes that run tests")
    arguments = parser.parse_args()
    interpreters = [python for python in arguments.python or map(find, PYTHONS) if python]
    shutil.rmtree(CACHE, ignore_errors=True)
    CACHE.mkdir(parents=True)
    rows = []
    print("| Python | protobuf | what | tests |\n|---|---|---|---|", flush=True)
    for axis in arguments.only:
        for row in AXES[axis](interpreters, arguments.workers):
            print(row, flush=True)
            rows.append(row)
    if not rows:
        sys.exit("nothing was tested")
    sys.exit(not all(row.passed for row in rows))


def find(version: str) -> str | None:
    """Return an interpreter of a version, from the path or from pyenv."""
    found = shutil.which(f"python{version}")
    candidates = [found, *map(str, sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))]
    for candidate in filter(None, candidates):
        ran = subprocess.run([candidate, "-c", ""], capture_output=True, check=False)  # pyenv's shim may lead nowhere
        if ran.returncode == 0:
            return candidate
    print(f"no Python {version} is here", file=sys.stderr)
    return None


def pythons(interpreters: Sequence[str], workers: str) -> Iterator[Row]:
    """Run the tests on each interpreter, with both engines where there are two."""
    for interpreter in interpreters:
        python = environment(interpreter, "all", *TEST_PACKAGES)
        for engine in ["python"] if wheel_for(interpreter).name.endswith("none-any.whl") else ["native", "python"]:
            yield tested(python, f"{engine} engine", ROOMS, workers, CHATPB_ENGINE=engine)


def protobufs(interpreters: Sequence[str], workers: str) -> Iterator[Row]:
    """Run the tests of messages with each release of protobuf, in C and in Python."""
    for version in PROTOBUFS:
        python = environment(interpreters[0], "all", *TEST_PACKAGES, f"protobuf=={version}")
        for implementation in "upb", "python":
            settings = {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation}
            yield tested(python, f"protobuf in {implementation}", ROOMS_OF_MESSAGES, workers, **settings)


def extras(interpreters: Sequence[str], workers: str) -> Iterator[Row]:
    """Run what each extra is for where nothing else is installed."""
    for names, programs in ALONE.items():
        python = environment(interpreters[-1], names)
        what, outcome = f"extra `{names}` alone" if names else "no extra", "passed"
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "in.jsonl").write_text(CHUNK + "\n")
            for program in programs:
                arguments = ["-c", program] if isinstance(program, str) else ["-m", "chatpb", *program]
                done = run([python, *arguments], folder)
                if done.returncode:
                    outcome = last(done)
                    break
        yield row(python, what, outcome, outcome == "passed")


AXES = {"pythons": pythons, "protobuf": protobufs, "extras": extras}


def environment(interpreter: str, extra: str, *packages: str) -> Path:
    """Make an environment with a wheel of this checkout, and return its interpreter."""
    folder = Path(tempfile.mkdtemp(dir=CACHE, prefix="environment-"))
    subprocess.run([*UV, "venv", "-q", "--clear", "--python", interpreter, folder], check=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    wheel = f"chatpb[{extra}] @ {wheel_for(interpreter).as_uri()}"
    subprocess.run([*UV, "pip", "install", "-q", "--python", python, wheel, *packages], check=True)
    return python


@cache
def wheel_for(interpreter: str) -> Path:
    """Build the wheel for an interpreter. One with the native engine serves all from 3.11 on but free-threaded builds."""
    version, free = ask(interpreter, "sys.version_info[:2]"), ask(interpreter, "'t' in sys.abiflags")
    if version > (3, 11) and not free:
        return wheel_for(sys.executable)
    folder = Path(tempfile.mkdtemp(dir=CACHE, prefix="wheel-"))
    environment = {**os.environ, "CARGO_TARGET_DIR": str(ROOT / "adapters" / "target")}
    command: list[str | Path] = [*UV, "build", "-q", "--wheel", "--python", interpreter, "-o", folder, ROOT]
    subprocess.run(command, env=environment, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def tested(python: Path, what: str, rooms: Sequence[str], workers: str, **settings: str) -> Row:
    """Run tests in an environment, from a copy of what they need that has no package of the checkout."""
    command: list[str | Path] = [python, "-m", "pytest", f"-n{workers}", "-m", "not newest", "-p", "no:cacheprovider"]
    paths = [f"tests/{room}" for room in rooms]
    done = run([*command, *paths], ROOT, **settings)
    return row(python, what, last(done), done.returncode == 0)


def run(command: Sequence[str | Path], folder: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        command, cwd=folder, env={**environment, **settings}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip


def row(python: Path, what: str, outcome: str, passed: bool) -> Row:
    version, protobuf = ask(python, "(sys.version.split()[0], importlib.metadata.version('protobuf'))")
    return Row(version, protobuf, what, outcome, passed)


def ask(python: str | Path, expression: str) -> Any:
    """Return the value of an expression in another interpreter."""
    code = f"import sys, importlib.metadata; print(repr({expression}))"
    return literal_eval(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout)


def last(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line that a command printed, without what differs from run to run."""
    return re.sub(r" in [\d.]+s.*", "", done.stdout.strip().rpartition("\n")[2])


if __name__ == "__main__":
    main()
