"""Build what other languages run of the core: WebAssembly modules with its C interface, and Go source made of one.

    python adapters/build_wasm.py            build them, and write the hashes of them and of their sources
    python adapters/build_wasm.py --check    build nothing; fail if they are not of the sources that are here
    python adapters/build_wasm.py --verify   build them in another folder; fail if their bytes differ from those here
    python adapters/build_wasm.py --tools    build nothing; get the tools, and fail if one cannot be had

It needs rustup, npm and go, and a network on the first run. What it makes is committed: only a change of the core needs
a new build.
"""

# ruff: noqa: S603, S607  (this file itself makes every command)

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ADAPTERS = Path(__file__).resolve().parent
HASHES = ADAPTERS / "abi" / "chatpb.wasm.sha256"
VECTORS = ADAPTERS / "abi" / "chatpb.wasm"
SCALAR = ADAPTERS / "abi" / "chatpb-scalar.wasm"
"""The module without vectors, which the translator into Go source cannot read."""
JAVA = ADAPTERS / "abi" / "chatpb-java.wasm"
"""The module without SIMD and with small functions. Java's virtual machine compiles no method of more than 8,000 bytes,
which 5,600 bytes of a module become: functions that have one caller stay functions, unless they are small."""
GO = tuple(ADAPTERS / "go" / "internal" / "core" / name for name in ("core.go", "core.dat", "LICENSE"))
"""The module without SIMD as Go source, and the license of what wrote it."""
MADE = (VECTORS, SCALAR, JAVA, *GO)
SOURCES = ("Cargo.toml", "Cargo.lock", "build_wasm.py", "core/Cargo.toml", "core/src", "abi/Cargo.toml", "abi/src")
"""All that goes into them. The contract's descriptors are in core/src."""

RUST = "1.95.0"
"""The flags below have no promise of stability, so that the compiler is a certain one."""
WASM_OPT = ("npm", "exec", "--yes", "--package=binaryen@132.0.0", "--", "wasm-opt")
WASM2GO = "github.com/ncruces/wasm2go@v0.4.21"
TARGET = "wasm32-unknown-unknown"
RUSTFLAGS = (
    # A panic ends the instance, and nobody could read its message: the standard library is built without them too.
    "-Zunstable-options",
    "-Cpanic=immediate-abort",
    "-Zlocation-detail=none",
    "-Zfmt-debug=none",
    # What must be fast is inlined by its own attributes. Neither inlining nor unrolling the rest makes it faster.
    "-Cllvm-args=-unroll-threshold=0",
)
NUMBERS = 'profile.release.package.zmij.opt-level="s"'
"""Doubles are printed with small tables of powers of ten. Large ones, which are faster, take 16 KB."""
INLINING = {"inline-threshold": 5, "inlinehint-threshold": 120, "inline-instr-cost": 5, "inline-call-penalty": 25}
"""What the compiler may inline, and the costs that it takes by default. One bound is fixed, that for a function with
one caller, which is 15,000: where all of these are multiplied, it is less in proportion."""
LESS_INLINING = {**INLINING, "inline-threshold": 0, "inlinehint-threshold": 60}
LEAST_INLINING = {name: 10 * value for name, value in INLINING.items()}
BUILD_STD = ("-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size")
FEATURES = ("bulk-memory", "nontrapping-float-to-int", "sign-ext", "mutable-globals", "multivalue")
"""What Node 16.4, Chrome 91, Firefox 89, Safari 16.4 and later have."""
COMPACT = ("--skip-pass=inlining-optimizing", "--low-memory-unused", "-O3", "--reorder-functions-by-name")
"""For the module that browsers download. Functions that stay out of their callers compress better, and so do those that
stand beside others of their Rust module. Nothing is in the first KB of memory, which is the end of the stack, so that a
constant can be added to an address where it is used."""
STRIP = ("--strip-debug", "--strip-producers", "--strip-target-features")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="fail if something is not of the sources that are here")
    mode.add_argument("--verify", action="store_true", help="build them elsewhere and compare their bytes")
    mode.add_argument("--tools", action="store_true", help="get the tools that build them")
    arguments = parser.parse_args()
    if arguments.check:
        if wrong := what_is_wrong():
            sys.exit(wrong)
    elif arguments.tools:
        try:
            get_tools()
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"A tool cannot be had: {error}")
        return
    else:
        get_tools()
        with tempfile.TemporaryDirectory(prefix="chatpb-wasm-") as folder:
            made = build(Path(folder))
            if arguments.verify:
                if changed := [path.name for path in MADE if path.read_bytes() != made[path].read_bytes()]:
                    sys.exit(f"OTHER BYTES than those here: {', '.join(changed)}")
            else:
                write(made)
    for path in MADE:
        print(sizes(path))


def write(made: dict[Path, Path]) -> None:
    """Put what was made where it belongs, with the hashes of all."""
    for path, source in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)
    HASHES.write_text(hashes())


def hashes() -> str:
    """Return the hashes of all that is made and of its sources, as they are written beside it."""
    sources = hashlib.sha256()
    for top in SOURCES:
        path = ADAPTERS / top
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                sources.update(f"{content}  {file.relative_to(ADAPTERS).as_posix()}\n".encode())
    made = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(ADAPTERS).as_posix()}" for path in MADE
    ]
    return "\n".join([*made, f"{sources.hexdigest()}  sources"]) + "\n"


def what_is_wrong() -> str:
    """Return why what is made is not current; "" if it is."""
    recorded, found = (text.splitlines() for text in (HASHES.read_text(), hashes()))
    stale = [one.split()[1] for one in found if one not in recorded]
    return f"Stale: {', '.join(stale)} changed. Run `python adapters/build_wasm.py`" if stale else ""


def sizes(path: Path) -> str:
    data = path.read_bytes()
    return f"{path.name}: {len(data):,} bytes, {len(gzip.compress(data, 9, mtime=0)):,} under gzip"


def get_tools() -> None:
    """Get what builds them, unless it is here: the compiler, wasm-opt, and the tool that makes Go source."""
    installed = subprocess.run(["rustup", "run", RUST, "rustc", "-V"], capture_output=True, check=False)
    if installed.returncode:
        subprocess.run(["rustup", "toolchain", "install", RUST, "--profile", "minimal"], check=True)
    subprocess.run(["rustup", "component", "add", "--toolchain", RUST, "rust-src"], check=True)
    subprocess.run([*WASM_OPT, "--version"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["go", "mod", "download", WASM2GO], cwd=folder, check=True)


def build(folder: Path) -> dict[Path, Path]:
    """Build everything in a folder. Return where each is, by where it belongs."""
    made = {path: folder / path.name for path in MADE}
    build_module(made[VECTORS], ("-Ctarget-feature=+simd128",), ("simd",), inlining=LESS_INLINING, optimize=COMPACT)
    build_module(made[SCALAR])
    build_module(
        made[JAVA], level="s", inlining=LEAST_INLINING, optimize=("--one-caller-inline-max-function-size=100",)
    )
    run = ["go", "run", WASM2GO, "-unsafe", "-embed", "-pkg", "core", "-o", made[GO[0]], made[SCALAR]]
    subprocess.run(run, cwd=folder, check=True)
    downloaded = subprocess.run(
        ["go", "mod", "download", "-json", WASM2GO], cwd=folder, stdout=subprocess.PIPE, check=True
    )
    shutil.copyfile(Path(json.loads(downloaded.stdout)["Dir"], "LICENSE"), made[GO[2]])
    return made


def build_module(
    made: Path,
    flags: tuple[str, ...] = (),
    features: tuple[str, ...] = (),
    level: str = "2",
    inlining: dict[str, int] = INLINING,
    optimize: tuple[str, ...] = (),
) -> None:
    """Build a module. The flags are those of the compiler, the features those of WebAssembly, that others lack.

    The level and `inlining` are the compiler's, and `optimize` holds the options of wasm-opt that others lack.
    """
    limits = [f"-Cllvm-args=-{name}={value}" for name, value in inlining.items()]
    # The compiler takes flags of unreleased features from those who set this.
    environment = {
        **os.environ,
        "RUSTC_BOOTSTRAP": "1",
        "CARGO_PROFILE_RELEASE_OPT_LEVEL": level,
        f"CARGO_TARGET_{TARGET.upper().replace('-', '_')}_RUSTFLAGS": " ".join([*flags, *RUSTFLAGS, *limits]),
    }
    environment.pop("RUSTFLAGS", None)
    target = ADAPTERS / "target" / made.stem
    cargo = ["rustup", "run", RUST, "cargo", "build", "--release", "--locked", "--quiet", "-p", "chatpb-abi"]
    where = ["--target", TARGET, "--target-dir", target]
    subprocess.run([*cargo, *where, "--config", NUMBERS, *BUILD_STD], cwd=ADAPTERS, env=environment, check=True)
    wasm_opt = [*WASM_OPT, "-O3", *STRIP, *optimize]
    enabled = [f"--enable-{name}" for name in (*FEATURES, *features)]
    source = target / TARGET / "release" / "chatpb.wasm"
    subprocess.run([*wasm_opt, *enabled, source, "-o", made], cwd=made.parent, check=True)


if __name__ == "__main__":
    main()
