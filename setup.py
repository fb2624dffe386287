"""Build the native engine if there is a Rust toolchain, and add the contract and the description.

pyproject.toml has all other settings.

Without a toolchain, or if the build fails, chatpb is installed with the reference engine alone, which is in Python. The
name of such a wheel says so: it is one of pure Python.
"""

import re
import shutil
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

# One extension serves every Python from 3.11 on. 3.10 has its own, because it lacks the stable interface to buffers.
STABLE = sys.version_info >= (3, 11)


def description():
    """Return the README for package indexes, where what links and pictures name in the repository is not to be had."""
    readme = Path(__file__).resolve().with_name("README.md").read_text("utf-8")
    without_pictures = re.sub(r"!\[[^]]*\]\((?!https?:)[^)]*\)\n\n", "", readme)
    return re.sub(r"\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", without_pictures)


def extensions():
    """Return the native engine, if it can be built."""
    try:
        from setuptools_rust import Binding, RustExtension
    except ImportError:
        return []
    return [
        RustExtension(
            "chatpb._engine.native.native",
            path="adapters/python/native/Cargo.toml",
            binding=Binding.PyO3,
            features=["abi3"] if STABLE else [],
            py_limited_api=STABLE,
            args=["--locked"],
            debug=False,
            optional=True,
        )
    ]


class BuildWithContract(build_py):
    """Builds the packages, with the .proto files of `proto/` in chatpb. An editable install reads those of `proto/`."""

    def run(self):
        super().run()
        if not self.editable_mode:
            source = Path(__file__).resolve().parent / "proto"
            shutil.copytree(source, Path(self.build_lib, "chatpb", "proto"), dirs_exist_ok=True)


class WheelOfWhatWasBuilt(bdist_wheel):
    """Makes a wheel for this platform with the native engine, and one for every platform without it."""

    def run(self):
        self.run_command("build")
        library = Path(self.get_finalized_command("build_py").build_lib)
        if any(library.glob("chatpb/_engine/native/native.*[od]")):  # .so or .pyd
            print("chatpb: this wheel has the native engine")
        else:
            print("chatpb: this wheel has NO native engine, and is slower; docs/installing.md says how to change that")
            self.distribution.has_ext_modules = lambda: False
            self.py_limited_api = False
            self.root_is_pure = True
        super().run()


rust_extensions = extensions()
setup(
    long_description=description(),
    long_description_content_type="text/markdown",
    cmdclass={"build_py": BuildWithContract, "bdist_wheel": WheelOfWhatWasBuilt},
    rust_extensions=rust_extensions,
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if rust_extensions and STABLE else {},
)
