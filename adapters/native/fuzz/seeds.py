"""Write the golden vectors as first inputs of both fuzzers."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
VECTORS = HERE.parents[2] / "tests" / "vectors"

for target, suffix in (("encode", "input.json"), ("decode", "wire.binpb")):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    for path in VECTORS.rglob(f"*{suffix}"):
        (folder / f"{path.parent.name}-{path.name}").write_bytes(b"\0" + path.read_bytes())
