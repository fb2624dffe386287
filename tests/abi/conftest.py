"""The C interface and the headers of C++, installed as users do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT


@pytest.fixture(scope="session")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the library is installed."""
    build, prefix = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("prefix")
    source = ROOT / "adapters/abi"
    subprocess.run(["cmake", "-S", source, "-B", build, "-DCMAKE_INSTALL_LIBDIR=lib"], check=True)
    subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True)
    return prefix
