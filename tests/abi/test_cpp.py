"""The headers of C++, with each compiler that is here, under AddressSanitizer and UndefinedBehaviorSanitizer; and the code of
docs/languages/cpp.md, which prints what its comments say.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT

pytestmark = pytest.mark.skipif("CHATPB_ABI" not in os.environ, reason="CHATPB_ABI=1 builds and tests it")

COMPILERS = ["c++", *filter(shutil.which, ["clang++"])]
PAGE = (ROOT / "docs/languages/cpp.md").read_text()
PROGRAMS = re.findall(r"^```cpp\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
STANDARD = "".join(
    f"#include <{name}>\n" for name in ("cstdint", "iostream", "sstream", "string", "string_view", "vector")
)


@pytest.fixture(scope="module", params=COMPILERS)
def build(request: pytest.FixtureRequest, prefix: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tests of the headers are built with a compiler, and with them the classes of the contract."""
    build = tmp_path_factory.mktemp("cpp")
    environment = {**os.environ, "CXX": request.param}
    prefixes = f"-DCMAKE_PREFIX_PATH={prefix}"
    subprocess.run(["cmake", "-S", ROOT / "adapters/cpp", "-B", build, prefixes], env=environment, check=True)
    subprocess.run(["cmake", "--build", build, "--parallel", "2"], check=True)
    return build


def test_the_headers(build: Path) -> None:
    subprocess.run(["ctest", "--test-dir", build, "--no-tests=error", "--output-on-failure"], check=True)


@pytest.mark.parametrize("build", COMPILERS[:1], indirect=True)
def test_the_page(build: Path, prefix: Path, tmp_path: Path) -> None:
    """The programs of the page stand for the bodies of functions, but for their includes and names."""
    asked = subprocess.run(["pkg-config", "--libs", "protobuf"], capture_output=True, text=True, check=True)
    libraries = [str(build / "libcontract.a"), str(prefix / "lib/libchatpb.a"), *asked.stdout.split(), "-ldl", "-lm"]
    compiler = ["c++", "-std=c++17", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror"]
    folders = [f"-I{prefix / 'include'}", "-isystem", str(build / "gen")]
    assert len(PROGRAMS) > 4
    for number, program in enumerate(PROGRAMS):
        expected = re.findall(r'<< "\\n"; // (.*)$', program, re.MULTILINE)
        assert expected
        lines = program.splitlines()
        head = [line for line in lines if line.startswith(("#include", "using "))]
        body = [line for line in lines if line not in head]
        source = tmp_path / f"{number}.cc"
        source.write_text("\n".join([STANDARD, *head, "int main() {", *body, "}\n"]))
        executable = source.with_suffix("")
        subprocess.run([*compiler, *folders, source, "-o", executable, *libraries], check=True)
        done = subprocess.run([executable], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == expected
