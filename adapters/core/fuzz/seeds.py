"""Write golden vectors, streams of the reference's cases and earlier findings as the first inputs of the fuzzers."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parents[2] / "tests"

for target, suffix in (("encode", "input.json"), ("decode", "wire.binpb"), ("streams", "input.json")):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    for path in (TESTS / "vectors").rglob(f"*{suffix}"):
        (folder / f"{path.parent.name}-{path.name}").write_bytes(b"\0" + path.read_bytes())
    # A folder is there once its fuzzer has found something.
    for path in (TESTS / "findings" / target).glob("*"):
        (folder / path.name).write_bytes(path.read_bytes())

CASES = (HERE.parent / "tests/reference/cases.txt").read_text().splitlines()
for number, case in enumerate(each for each in CASES if not each.startswith("column ")):
    function, _, _, given, _ = case.split(" ")
    if function in ("accumulate", "expand"):
        (HERE / "corpus/streams" / f"case-{number}").write_bytes(b"\0" + bytes.fromhex(given))
