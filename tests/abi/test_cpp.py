"""The headers of C++, with each compiler that is here, under AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT

pytestmark = pytest.mark.skipif("CHATPB_ABI" not in os.environ, reason="CHATPB_ABI=1 builds and tests it")

COMPILERS = ["c++", *filter(shutil.which, ["clang++"])]


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_headers(compiler: str, prefix: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "CXX": compiler, "CTEST_OUTPUT_ON_FAILURE": "1"}
    source = ROOT / "adapters/cpp"
    prefixes = f"-DCMAKE_PREFIX_PATH={prefix}"
    subprocess.run(["cmake", "-S", source, "-B", tmp_path, prefixes], env=environment, check=True)
    subprocess.run(["cmake", "--build", tmp_path], env=environment, check=True)
    subprocess.run(["ctest", "--test-dir", tmp_path, "--no-tests=error"], env=environment, check=True)
