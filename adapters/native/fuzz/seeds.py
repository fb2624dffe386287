"""Write the golden vectors and earlier findings as first inputs of both fuzzers."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parents[2] / "tests"

for target, suffix in (("encode", "input.json"), ("decode", "wire.binpb")):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    for path in (TESTS / "vectors").rglob(f"*{suffix}"):
        (folder / f"{path.parent.name}-{path.name}").write_bytes(b"\0" + path.read_bytes())
    for path in (TESTS / "findings" / target).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
