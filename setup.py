"""Builds the native engine where a Rust toolchain is; all else is in pyproject.toml.

Without a toolchain, or where the build fails, chatpb is installed with its Python engine alone.
"""

import os
import sys
import sysconfig

from setuptools import setup

# One extension for every Python from 3.11 on; 3.10 lacks the stable interface to buffers and has one of its own.
STABLE = sys.version_info >= (3, 11)


def extensions():
    """The native engine's builds: `chatpb/_native/__init__.py` says what each is for."""
    try:
        from setuptools_rust import Binding, RustExtension
    except ImportError:
        return []
    builds = {"baseline": None}
    if sysconfig.get_platform().endswith(("x86_64", "amd64")):
        flags = f"{os.environ.get('RUSTFLAGS', '')} -C target-cpu=x86-64-v3"
        builds["v3"] = {**os.environ, "RUSTFLAGS": flags}
    return [
        RustExtension(
            f"chatpb._native.{name}",
            path="adapters/native/python/Cargo.toml",
            binding=Binding.PyO3,
            features=[*(["abi3"] if STABLE else []), *(["v3"] if name == "v3" else [])],
            py_limited_api=STABLE,
            args=["--locked"],
            env=environment,
            debug=False,
            optional=True,
        )
        for name, environment in builds.items()
    ]


rust_extensions = extensions()
setup(
    rust_extensions=rust_extensions,
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if rust_extensions and STABLE else {},
)
