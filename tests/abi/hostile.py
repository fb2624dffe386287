"""Call every function of the C interface with damaged inputs, under AddressSanitizer.

    python -m tests.abi.hostile --calls 1000000

The seed is printed; `--seed` makes the same calls again. It needs a nightly compiler of Rust. The inputs come from the
vectors and from recorded traffic, or what stands in for it. adapters/abi/examples/hostile.rs makes the calls.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support import ALL_VECTORS, RECORDINGS, ROOT, VECTORS, recording


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    arguments = parser.parse_args()
    version = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    host = next(line.removeprefix("host: ") for line in version.splitlines() if line.startswith("host: "))
    environment = {**os.environ, "RUSTFLAGS": "-Zsanitizer=address", "CARGO_PROFILE_DEV_OPT_LEVEL": "1"}
    command = ["cargo", "+nightly", "run", "-q", "--locked", "-p", "chatpb-abi", "--example", "hostile"]
    command += ["--manifest-path", str(ROOT / "adapters/Cargo.toml")]
    command += ["--target", host, "--target-dir", str(ROOT / "adapters/target/sanitizer"), "--"]
    with TemporaryDirectory() as folder:
        files = [str(path) for name in ("input.json", "wire.binpb") for path in sorted(VECTORS.glob(f"*/{name}"))]
        assert len(files) > len(ALL_VECTORS)
        for kind in RECORDINGS:
            path = Path(folder, f"{kind}.jsonl")
            path.write_bytes(b"".join(line.rstrip() + b"\n" for line in recording(kind)))
            files.append(str(path))
        command += [str(arguments.seed), str(arguments.calls), *files]
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
