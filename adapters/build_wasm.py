"""Build adapters/abi/chatpb.wasm, the core with its C interface as a WebAssembly module, from its sources.

    python adapters/build_wasm.py            build the module, and write the hashes of its sources and of itself
    python adapters/build_wasm.py --check    build nothing; fail if the module is not of the sources that are here
    python adapters/build_wasm.py --verify   build the module elsewhere; fail if it has other bytes than the one here

It needs rustup and npm, and a network on the first run. The module is committed, so that only a change of the core
needs this.
"""

# ruff: noqa: S603, S607  (this file itself makes every command)

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ADAPTERS = Path(__file__).resolve().parent
MODULE = ADAPTERS / "abi" / "chatpb.wasm"
HASHES = ADAPTERS / "abi" / "chatpb.wasm.sha256"
SOURCES = ("Cargo.toml", "Cargo.lock", "build_wasm.py", "core/Cargo.toml", "core/src", "abi/Cargo.toml", "abi/src")
"""All that goes into the module. The contract's descriptors are in core/src."""

RUST = "1.95.0"
"""The flags below have no promise of stability, so that the compiler is a certain one."""
BINARYEN = "132.0.0"
TARGET = "wasm32-unknown-unknown"
RUSTFLAGS = (
    "-Ctarget-feature=+simd128",
    # A panic ends the instance, and nobody could read its message: the standard library is built without them too.
    "-Zunstable-options",
    "-Cpanic=immediate-abort",
    "-Zlocation-detail=none",
    "-Zfmt-debug=none",
    # What must be fast is inlined by its own attributes. Neither inlining nor unrolling the rest makes it faster.
    "-Cllvm-args=-inline-threshold=5",
    "-Cllvm-args=-inlinehint-threshold=120",
    "-Cllvm-args=-unroll-threshold=0",
)
BUILD_STD = ("-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size")
FEATURES = ("simd", "bulk-memory", "nontrapping-float-to-int", "sign-ext", "mutable-globals", "multivalue")
"""What Node 16.4, Chrome 91, Firefox 89, Safari 16.4 and later have."""
STRIP = ("--strip-debug", "--strip-producers", "--strip-target-features")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="fail if the module is not of the sources that are here")
    mode.add_argument("--verify", action="store_true", help="build the module elsewhere and compare its bytes")
    arguments = parser.parse_args()
    if arguments.check:
        wrong = what_is_wrong()
        print(wrong or f"{MODULE.name} is current: {sizes(MODULE)}")
        return int(bool(wrong))
    with tempfile.TemporaryDirectory(prefix="chatpb-wasm-") as folder:
        made = build(Path(folder))
        print(f"{MODULE.name}: {sizes(made)}")
        if arguments.verify:
            same = made.read_bytes() == MODULE.read_bytes()
            print("the bytes are those of the module here" if same else "THE BYTES DIFFER from the module here")
            return int(not same)
        MODULE.write_bytes(made.read_bytes())
    HASHES.write_text(hashes())
    return 0


def hashes() -> str:
    """Return the hashes of the module and of its sources, as they are written beside it."""
    sources = hashlib.sha256()
    for top in SOURCES:
        path = ADAPTERS / top
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                sources.update(f"{content}  {file.relative_to(ADAPTERS).as_posix()}\n".encode())
    module = hashlib.sha256(MODULE.read_bytes()).hexdigest()
    return f"{module}  module\n{sources.hexdigest()}  sources\n"


def what_is_wrong() -> str:
    """Return why the module is not current; "" if it is."""
    recorded, found = (text.splitlines() for text in (HASHES.read_text(), hashes()))
    stale = [one.split()[1] for one, other in zip(found, recorded, strict=True) if one != other]
    if not stale:
        return ""
    return f"{MODULE.name} is stale: its {' and '.join(stale)} changed. Run `python adapters/build_wasm.py`"


def sizes(module: Path) -> str:
    data = module.read_bytes()
    return f"{len(data):,} bytes, {len(gzip.compress(data, 9, mtime=0)):,} under gzip"


def build(folder: Path) -> Path:
    """Build the module in a folder, and return its path."""
    installed = subprocess.run(["rustup", "run", RUST, "rustc", "-V"], capture_output=True, check=False)
    if installed.returncode:
        subprocess.run(["rustup", "toolchain", "install", RUST, "--profile", "minimal"], check=True)
    subprocess.run(["rustup", "component", "add", "--toolchain", RUST, "rust-src"], check=True)
    flags = " ".join(RUSTFLAGS)
    # The compiler takes flags of unreleased features from those who set this.
    environment = {
        **os.environ,
        "RUSTC_BOOTSTRAP": "1",
        "CARGO_PROFILE_RELEASE_OPT_LEVEL": "2",
        f"CARGO_TARGET_{TARGET.upper().replace('-', '_')}_RUSTFLAGS": flags,
    }
    environment.pop("RUSTFLAGS", None)
    target = ADAPTERS / "target" / "wasm"
    cargo = ["rustup", "run", RUST, "cargo", "build", "--release", "--locked", "--quiet", "-p", "chatpb-abi"]
    subprocess.run(
        [*cargo, "--target", TARGET, "--target-dir", target, *BUILD_STD], cwd=ADAPTERS, env=environment, check=True
    )
    made = folder / MODULE.name
    optimize = ["npm", "exec", "--yes", f"--package=binaryen@{BINARYEN}", "--", "wasm-opt", "-O3", *STRIP]
    source = target / TARGET / "release" / MODULE.name
    features = [f"--enable-{name}" for name in FEATURES]
    subprocess.run([*optimize, *features, source, "-o", made], cwd=folder, check=True)
    return made


if __name__ == "__main__":
    sys.exit(main())
