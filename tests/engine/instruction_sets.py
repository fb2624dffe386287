"""Compare the core with itself, compiled for each instruction set, on random cases of every function and message type.

    python -m tests.engine.instruction_sets --count 1000000
    python -m tests.engine.instruction_sets --count 1000000 --sets avx2 asan --only encode print

`differential.py` compares the core with the reference, which takes a hundred times as long. Here, the program
`adapters/core/examples/outcomes.rs` is built for each set and prints a digest of the outcomes of each thousand cases, which
must be equal. A case is one of `make_core_cases.py`, changed at a few places, of any type of the contract.

The sets are those of this processor, `portable` and `simd128` as WebAssembly in Node, `neon` in qemu, and `asan`, which is the
widest set of this processor with AddressSanitizer. Without `--sets` they are those that this machine can build and run, but
for `neon` and `asan`, which take long and need more programs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from shutil import which
from typing import Final

from chatpb._engine import native
from chatpb._errors import ContractError, JsonError, WireError
from tests.engine import differential
from tests.engine.random_cases.documents import TOKENS
from tests.engine.random_cases.messages import WIRE_TOKENS
from tests.engine.random_cases.schemas import Random
from tests.make_core_cases import FUNCTIONS, column_lines
from tests.support import ROOT

ADAPTERS: Final = ROOT / "adapters"
SEEDS = 500
"""Cases of a function that are changed."""
LONGEST = 1500
"""Bytes of such a case."""


@dataclass(frozen=True)
class Build:
    """A build of the program: where cargo puts it, how it is built, and how it is run."""

    folder: str
    target: str = ""
    toolchain: str = ""
    flags: str = ""
    runner: tuple[str, ...] = ()
    build_environment: Mapping[str, str] = field(default_factory=dict)

    def program(self, profile: str) -> list[str]:
        """Build the program, and return the command that runs it."""
        command = ["cargo", *filter(None, [self.toolchain]), "build", "-p", "chatpb-core", "--example", "outcomes"]
        command += ["--locked", "--quiet", "--profile", profile, "--target-dir", str(ADAPTERS / "target" / self.folder)]
        environment = {**os.environ, **self.build_environment, "RUSTFLAGS": self.flags}
        # What the core does is what counts, and optimizing across crates takes a minute for each set.
        environment |= {"CARGO_PROFILE_RELEASE_LTO": "off", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "4"}
        target = self.target or host()
        subprocess.run([*command, "--target", target], cwd=ADAPTERS, env=environment, check=True)
        suffix = ".wasm" if target.startswith("wasm") else ""
        folder = ADAPTERS / "target" / self.folder / target / {"release": "release"}.get(profile, "debug")
        return [*self.runner, str(folder / f"examples/outcomes{suffix}")]


NODE = ("node", "--no-warnings", str(ADAPTERS / "core/tests/wasi.mjs"))
ARM = "aarch64-unknown-linux-musl"
PORTABLE = Build("instruction-sets", "wasm32-wasip1", runner=NODE)
BUILDS: Final = {
    "portable": PORTABLE,
    "simd128": Build("simd128", "wasm32-wasip1", flags="-C target-feature=+simd128", runner=NODE),
    "neon": Build(
        "instruction-sets", ARM, runner=("qemu-aarch64-static",),
        build_environment={"CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER": "rust-lld"},
    ),
    "asan": Build("sanitizer", toolchain="+nightly", flags="-Zsanitizer=address"),
}  # fmt: skip
"""The builds of the sets that are not this processor's own."""


def host() -> str:
    """Return what this machine's compiler calls the machine."""
    told = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    return next(line.removeprefix("host: ") for line in told.splitlines() if line.startswith("host: "))


def default_sets() -> list[str]:
    """Return the sets that this machine can build and run in little time."""
    root = subprocess.run(["rustc", "--print", "sysroot"], check=True, capture_output=True, text=True).stdout.strip()
    has_wasm = which("node") and Path(root, "lib/rustlib/wasm32-wasip1").exists()
    return [*native.native.instruction_sets(), *(("portable", "simd128") if has_wasm else ())]


@dataclass(frozen=True)
class Program:
    """The program for a set."""

    name: str
    command: list[str]

    def run(self, *arguments: object) -> Iterator[str]:
        """Yield the lines that it prints. One says so if it failed."""
        environment = {**os.environ, "CHATPB_SCAN": self.name}
        with subprocess.Popen(
            [*self.command, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        ) as process:  # fmt: skip
            assert process.stdout
            for line in process.stdout:
                yield line.rstrip("\n")
        if process.returncode:
            yield f"status {process.returncode}"


def write_seeds(file: Path, functions: list[str]) -> None:
    """Write the cases that the program changes, the bytes that it puts into them, and columns."""
    with file.open("w") as out:
        out.writelines(column_lines())
        for kind, tokens in (("text", TOKENS), ("wire", WIRE_TOKENS)):
            out.writelines(f"token {kind} {token.hex()}\n" for token in tokens)
        for function in functions:
            count = seed = 0
            while count < SEEDS:
                seed += 1
                rng = Random(seed)
                try:
                    name, _, given, outcome = FUNCTIONS[function](rng, differential.message_type(rng))
                    if seed % 5:
                        outcome()
                except (ContractError, JsonError, WireError, UnicodeEncodeError):
                    # One in five may be an error.
                    continue
                if len(given) <= LONGEST:
                    count += 1
                    out.write(f"seed {function} {name} {given.hex()}\n")


def compare(function: str, programs: list[Program], seeds: Path, count: int) -> tuple[int, int, list[str]]:
    """Return how many cases ran, how many of them gave a result and no error, and what differs."""
    cases = results = 0
    for lines in zip_longest(*(program.run(seeds, function, 0, count) for program in programs)):
        if len(set(lines)) > 1 or not (lines[0] or "").split(" ")[0].isdigit():
            return cases, results, [f"{function}: {line}" for line in differences(function, programs, seeds, lines)]
        _, share, good, _ = lines[0].split(" ")
        cases, results = cases + int(share), results + int(good)
    return cases, results, []


def differences(function: str, programs: list[Program], seeds: Path, lines: tuple[str | None, ...]) -> Iterator[str]:
    """Yield what the programs said of a share of cases, and the first case of it that differs when it runs alone."""
    for program, line in zip(programs, lines, strict=True):
        yield f"{program.name} {line}"
    starts = [(line or "").split(" ")[:2] for line in lines]
    start, share = next(((int(start[0]), int(start[1])) for start in starts if start[0].isdigit()), (0, 0))
    for number in range(start, start + share):
        alone = ["\n".join(program.run(seeds, function, number)) for program in programs]
        if len(set(alone)) > 1:
            yield from (f"case {number} {program.name} {told}" for program, told in zip(programs, alone, strict=True))
            return


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="cases of each function")
    parser.add_argument("--sets", nargs="+", choices=sorted({*native.native.instruction_sets(), *BUILDS}))
    parser.add_argument("--only", nargs="+", choices=FUNCTIONS, default=list(FUNCTIONS), metavar="FUNCTION")
    parser.add_argument("--profile", default="release", help="the profile of cargo; `test` has debug assertions")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    sets = arguments.sets or default_sets()
    programs = [Program(name, BUILDS.get(name, Build("instruction-sets")).program(arguments.profile)) for name in sets]
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        seeds = Path(folder, "seeds.txt")
        write_seeds(seeds, arguments.only)
        with ThreadPoolExecutor(max(1, arguments.jobs // len(sets))) as pool:
            for function, (cases, results, found) in zip(
                arguments.only,
                pool.map(lambda each: compare(each, programs, seeds, arguments.count), arguments.only),
                strict=True,
            ):
                failed |= bool(found)
                print(f"{function}: {cases} cases in each of {', '.join(sets)}, {results} with a result", flush=True)
                print(*found, sep="\n", end="\n" if found else "", flush=True)
    print("different outcomes" if failed else "no differences")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
