"""Mutants of the core, all in one build: a variable of the environment chooses the one that runs.

Most come from `cargo mutants --list`. It leaves out unsafe functions, so `bounds_of` adds what matters there: each bound
before an unchecked read or write moved by a little, and room that is not reserved.

To build the core once for each mutant would take hours. Each function is built with its mutants instead, as branches at
its start; those that do not compile are left out, as is usual. A mutant of a constant is built alone.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from time import monotonic
from typing import Any

from tests.mutation.sample import draw

CORE = Path("adapters/core/src")

OTHER_PROCESSORS = ("scan/neon.rs", "scan/simd128.rs", "buffer/huge_pages.rs")
"""Files that this processor does not compile, or whose effect is on speed alone."""

SHARE_OF_BOUNDS = 0.35
"""The part of a sample that `bounds_of` gives."""

MEMORY = 6 << 30
PATIENCE = 100.0
"""Seconds of processor time for a test program that was not measured."""


@dataclass(frozen=True)
class Function:
    """A function of a file."""

    name: str
    start: int
    body: tuple[int, int]
    """Where the body starts, behind its brace, and where it ends."""


@dataclass(frozen=True)
class Mutant:
    """A part of a file that something replaces."""

    path: Path
    start: int
    stop: int
    replacement: str
    function: Function | None
    """The function that it is in, or `None` for one that is evaluated when the core is compiled."""
    name: str
    line: str = ""


FUNCTION = re.compile(r"^( *)(?:pub(?:\(\w+\))? )?(const )?(?:unsafe )?(?:extern \"C\" )?fn (\w+)", re.MULTILINE)


def functions_of(text: str) -> list[Function]:
    """Return the functions of a file with a body, as rustfmt lays them out, but those that are evaluated at compile time."""
    found = []
    for match in FUNCTION.finditer(text):
        indent, constant, name = match.groups()
        opening = re.compile(r"(?:\{\}?|;)$", re.MULTILINE).search(text, match.end())
        if not constant and opening and opening.group() == "{":
            closing = text.index(f"\n{indent}}}", opening.end())
            found.append(Function(name, match.start(), (opening.end(), closing)))
    return found


def mutants_of(repository: Path) -> tuple[list[Mutant], list[Mutant]]:
    """Return the mutants that cargo-mutants lists, and those of bounds."""
    command = ["cargo", "mutants", "--list", "--json", "--package", "chatpb-core"]
    listed = subprocess.run(command, cwd=repository / "adapters", check=True, capture_output=True, text=True).stdout
    usual: list[Mutant] = []
    bounds: list[Mutant] = []
    texts = {path: path.read_text() for path in sorted((repository / CORE).rglob("*.rs"))}
    texts = {path: text for path, text in texts.items() if not str(path).endswith(OTHER_PROCESSORS)}
    functions = {path: functions_of(text) for path, text in texts.items()}
    for each in json.loads(listed):
        path = repository / "adapters" / each["file"]
        if path in texts:
            text = texts[path]
            start, stop = (offset(text, each["span"][end]) for end in ("start", "end"))
            function = innermost(functions[path], start, stop)
            if each["genre"] == "FnValue" and function is None:
                continue
            usual.append(Mutant(path, start, stop, each["replacement"], function, each["genre"]))
    for path, text in texts.items():
        bounds.extend(bounds_of(path, text, functions[path]))
    return list(named(usual, repository)), list(named(bounds, repository))


def offset(text: str, place: dict[str, int]) -> int:
    lines = text.split("\n")
    return sum(len(line) + 1 for line in lines[: place["line"] - 1]) + place["column"] - 1


def innermost(functions: list[Function], start: int, stop: int) -> Function | None:
    around = [each for each in functions if each.body[0] - 1 <= start and stop <= each.body[1] + 80]
    around = [each for each in around if start < each.body[1]]
    return max(around, key=lambda each: each.start, default=None)


NEIGHBOURS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "+": "-", "-": "+"}
BOUND = re.compile(r"(?<= )(?:<=?|>=?|\+|-)(?= )|(?<![\w.#\"'])\d[\d_]*(?![\w.\"'])|\b(?:reserve|reserve_for|resume)\(")
CONSTANT = re.compile(r"^(?:    )?(?:pub )?const (\w+): (?:usize|u32|u64) = (.*);$", re.MULTILINE)
NO_CODE = re.compile(r"//.*|^ *#\[.*|^ *(?:debug_)?assert.*|\"(?:\\.|[^\"\\])*\"|'(?:\\.[^']*|[^'\\])'", re.MULTILINE)


def bounds_of(path: Path, text: str, functions: list[Function]) -> Iterator[Mutant]:
    """Yield mutants of the functions that have unsafe parts, and of constants: numbers that are one more or less,
    comparisons that hold at the bound too, or there no more, and room that is not reserved.
    """
    ends = text.find("\n#[cfg(test)]\nmod tests")
    text = text[: ends if ends >= 0 else None]
    blank = NO_CODE.sub(lambda match: " " * len(match.group()), text)
    for function in functions:
        if function.body[1] < len(text) and "unsafe" in text[function.start : function.body[1]]:
            for match in BOUND.finditer(blank, *function.body):
                if innermost(functions, *match.span()) == function:
                    for start, stop, replacement in moved(text, match):
                        yield Mutant(path, start, stop, replacement, function, "bound")
    if "unsafe" in text:
        for constant in CONSTANT.finditer(blank):
            for match in re.finditer(r"\b\d+\b", constant[2]):
                at = constant.start(2) + match.start()
                yield Mutant(path, at, at + len(match[0]), str(int(match[0]) - 1), None, constant[1])


def moved(text: str, match: re.Match[str]) -> Iterator[tuple[int, int, str]]:
    """Yield where something is replaced for a bound, and by what."""
    found = match.group()
    if found in NEIGHBOURS:
        yield *match.span(), NEIGHBOURS[found]
    elif found[0].isdigit():
        value = int(found.replace("_", ""))
        yield *match.span(), str(value + 1)
        if value:
            yield *match.span(), str(value - 1)
    else:
        end = closing_parenthesis(text, match.end())
        inside = text[match.end() : end]
        if found == "reserve(":
            receiver = re.compile(r"[\w.]+\.$").search(text, 0, match.start())
            if receiver:
                yield receiver.start(), end + 1, inside
        elif found == "reserve_for(" and ", " in inside:
            yield match.end() + inside.rindex(", "), end, ", 0"
        elif found == "resume(" and inside not in ("", "0"):
            yield match.end(), end, "0"


def closing_parenthesis(text: str, at: int) -> int:
    depth = 1
    while depth:
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return at - 1


def named(mutants: Iterable[Mutant], repository: Path) -> Iterator[Mutant]:
    """Yield mutants with names that hold as long as their function does."""
    counts = Counter[str]()
    for each in mutants:
        text = each.path.read_text()
        old = "the body" if each.name == "FnValue" else one_line(text[each.start : each.stop])
        place = each.function.name if each.function else each.name
        name = f"{each.path.relative_to(repository / CORE)}:{place}: {old} -> {one_line(each.replacement)}"
        counts[name] += 1
        line = text[text.rfind("\n", 0, each.start) + 1 : text.find("\n", each.stop)].strip()
        yield replace(each, name=f"{name} ({counts[name]})", line=line[:300])


def one_line(text: str) -> str:
    return " ".join(text.split())[:70]


SWITCH = """
#[doc(hidden)]
pub mod mutants {
    static CHOSEN: std::sync::LazyLock<usize> =
        std::sync::LazyLock::new(|| std::env::var("MUTANT").map_or(0, |number| number.parse().unwrap()));
    #[inline(always)]
    pub fn is(number: usize) -> bool {
        *CHOSEN == number
    }
}
"""


def with_mutants(text: str, mutants: dict[int, Mutant]) -> tuple[str, dict[int, int]]:
    """Return a file whose functions begin with their mutants as branches, and the number of the mutant of each line."""
    parts, at = [], 0
    bodies = {number: each.function.body for number, each in mutants.items() if each.function}
    for (start, stop), inside in groupby(sorted(bodies, key=bodies.__getitem__), key=bodies.__getitem__):
        parts.append((0, text[at:start]))
        for number in inside:
            mutant = mutants[number]
            if mutant.start <= start:
                body = mutant.replacement
            else:
                body = text[start : mutant.start] + mutant.replacement + text[mutant.stop : stop]
            parts.append((number, f"\nif crate::mutants::is({number}) {{ return {{ {body}\n}}; }}\n"))
        at = start
    parts.append((0, text[at:]))
    lines: dict[int, int] = {}
    line = 1
    for number, part in parts:
        for each in range(line, line + part.count("\n") + 1):
            lines[each] = number or lines.get(each, 0)
        line += part.count("\n")
    return "".join(part for _, part in parts), lines


class Build:
    """A copy of the repository in which mutants are built and run."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.texts = {path: path.read_text() for path in (repository / CORE).rglob("*.rs")}
        self.environment = {
            **os.environ,
            "CARGO_TARGET_DIR": str(repository / "target"),
            "RUST_BACKTRACE": "0",
            # A mutant may panic or overflow wherever it runs.
            "RUSTFLAGS": "--cap-lints warn",
        }
        self.programs: list[tuple[Path, float]] = []
        """The test programs, and the processor time that each takes in seconds."""

    def cargo(self, *arguments: str) -> list[dict[str, Any]]:
        """Return what cargo reports."""
        command = ["cargo", *arguments, "--package", "chatpb-core", "--message-format", "json", "--quiet"]
        done = subprocess.run(
            command, cwd=self.repository / "adapters", env=self.environment, capture_output=True, text=True, check=False
        )
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def write(self, mutants: dict[int, Mutant]) -> dict[Path, dict[int, int]]:
        """Write all files with their mutants. Return the mutants of their lines."""
        lines = {}
        for path, text in self.texts.items():
            new, lines[path] = with_mutants(text, {n: each for n, each in mutants.items() if each.path == path})
            path.write_text(new + SWITCH if path == self.repository / CORE / "lib.rs" else new)
        return lines

    def build_all(self, mutants: dict[int, Mutant]) -> dict[int, Mutant]:
        """Build all mutants that compile, and return those."""
        for arguments in (("check", "--tests"), ("test", "--no-run")):
            while True:
                lines = self.write(mutants)
                reports = self.cargo(*arguments)
                if reports[-1]["success"]:
                    break
                wrong = {
                    lines.get(self.repository / "adapters" / span["file_name"], {}).get(span["line_start"], 0)
                    for report in reports
                    if report["reason"] == "compiler-message" and report["message"]["level"] == "error"
                    for span in report["message"]["spans"]
                }
                if not wrong & mutants.keys():
                    sys.exit("the core does not compile with its mutants")
                mutants = {number: each for number, each in mutants.items() if number not in wrong}
        self.take(reports)
        return mutants

    def build(self) -> bool:
        """Build the tests. Return whether they compile."""
        reports = self.cargo("test", "--no-run")
        self.take(reports)
        return reports[-1]["success"] is True

    def take(self, reports: list[dict[str, Any]]) -> None:
        tests = [each for each in reports if each.get("executable") and each["profile"]["test"]]
        self.programs = [(Path(each["executable"]), PATIENCE) for each in tests]

    def measure(self) -> None:
        """Measure the test programs, and sort them by the time that they take."""
        timed = []
        for program, _ in self.programs:
            before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            if not self.passes(program, 0, PATIENCE):
                sys.exit(f"{program.name} fails without any mutant")
            timed.append((program, resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before))
        self.programs = sorted(timed, key=lambda item: item[1])

    def passes(self, program: Path, number: int, seconds: float) -> bool:
        """Return whether a test program passes with a mutant, in not much more than some seconds of processor time."""
        limit = int(4 + 4 * seconds)
        shell = f"ulimit -t {limit}; ulimit -v {MEMORY >> 10}; ulimit -c 0; exec {shlex.quote(str(program))}"
        done = subprocess.run(
            ["bash", "-c", shell], env={**self.environment, "MUTANT": str(number)}, cwd=self.repository / "adapters/core",
            check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return done.returncode == 0

    def notices(self, number: int) -> bool:
        """Return whether a test program fails with a mutant."""
        return not all(self.passes(program, number, seconds) for program, seconds in self.programs)


def run(repository: Path, size: int, seed: int, only: str) -> Iterator[tuple[str, bool, str]]:
    """Yield the name of each mutant of a sample, whether a test notices it, and the lines that it changes."""
    usual, bounds = mutants_of(repository)
    if only:
        sample = [each for each in usual + bounds if only in each.name]
    else:
        share = round(size * SHARE_OF_BOUNDS)
        named = {each.name: each for each in usual}, {each.name: each for each in bounds}
        parts = size - share, share
        sample = [kind[name] for kind, part in zip(named, parts, strict=True) for name in draw(kind, part, seed)]
    switched = {number: each for number, each in enumerate(sample, 1) if each.function}
    apart = [each for each in sample if not each.function]
    build = Build(repository)
    started = monotonic()
    compiled = build.build_all(switched)
    build.measure()
    print(
        f"{len(sample)} of {len(usual)} usual mutants and {len(bounds)} of bounds; {len(switched) - len(compiled)} do not "
        f"compile; built in {monotonic() - started:.0f} s, "
        f"tested in {sum(seconds for _, seconds in build.programs):.0f} s of processor time",
        flush=True,
    )
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for mutant, noticed in zip(compiled.values(), pool.map(build.notices, compiled), strict=True):
            yield mutant.name, noticed, mutant.line
    build.write({})
    for mutant in apart:
        text = build.texts[mutant.path]
        mutant.path.write_text(text[: mutant.start] + mutant.replacement + text[mutant.stop :])
        if build.build():
            yield mutant.name, build.notices(0), mutant.line
        mutant.path.write_text(text)
