"""Whether tests notice small changes of the code: a fixed sample of mutants.

    python -m tests.mutation core                  200 mutants of the core, a third of them bounds of unsafe code
    python -m tests.mutation streams               200 mutants of a room of Python
    python -m tests.mutation storage --sample 20 --seed 1
    python -m tests.mutation core --only json/strings.rs

It changes a copy of the repository and prints the mutants that no test noticed. The exit status is 1 if fewer than 95 %
were noticed, but for those that `equivalent.py` says nobody could notice. The core needs cargo-mutants
(`cargo install cargo-mutants`); the rooms of Python need the packages cosmic-ray and coverage. Which tests of Python execute
each line takes minutes to learn, and is kept in ~/.cache/chatpb-mutation.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutation.equivalent import EQUIVALENT
from tests.support import ROOT

ROOMS = "core", "reference", "streams", "detect", "storage", "service", "cli"
MUST = 0.95


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("room", choices=ROOMS)
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="mutants whose name has this text; of the core, all of them")
    arguments = parser.parse_args()
    sample = arguments.sample, arguments.seed, arguments.only
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder).resolve()
        copy_repository(repository)
        os.chdir(repository)
        if arguments.room == "core":
            from tests.mutation import core

            outcomes = core.run(repository, *sample)
        else:
            from tests.mutation import python

            outcomes = python.run(repository, arguments.room, *sample)
        count = unnoticed = equivalent = 0
        for name, noticed, difference in outcomes:
            count += 1
            if not noticed and name in EQUIVALENT:
                equivalent += 1
            elif not noticed:
                unnoticed += 1
                print(f"unnoticed: {name}\n{difference}", flush=True)
    if count == equivalent:
        sys.exit("no mutant was tested")
    share = 1 - unnoticed / (count - equivalent)
    print(
        f"{arguments.room}: {share:.1%} of {count - equivalent} noticed, {unnoticed} not; {equivalent} are equivalent"
    )
    sys.exit(share < MUST)


def copy_repository(folder: Path) -> None:
    """Copy all files that git knows or would take, and the native engine that is built."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    built = (str(path.relative_to(ROOT)) for path in (ROOT / "adapters/python/chatpb").rglob("*.so"))
    for name in {*filter(None, listed.split("\0")), *built}:
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


if __name__ == "__main__":
    main()
