"""Builds the native engine where a Rust toolchain is; all else is in pyproject.toml.

Without a toolchain, or where the build fails, chatpb is installed with its Python engine alone.
"""

import sys

from setuptools import setup

try:
    from setuptools_rust import Binding, RustExtension
except ImportError:
    extensions = []
else:
    # One extension for every Python from 3.11 on; 3.10 lacks the stable interface to buffers and has one of its own.
    stable = sys.version_info >= (3, 11)
    extensions = [
        RustExtension(
            "chatpb._native",
            path="adapters/native/python/Cargo.toml",
            binding=Binding.PyO3,
            features=["abi3"] if stable else [],
            py_limited_api=stable,
            args=["--locked"],
            debug=False,
            optional=True,
        )
    ]

setup(
    rust_extensions=extensions,
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if extensions and sys.version_info >= (3, 11) else {},
)
