"""Several interpreters in a process: the native engine serves the main one, the reference engine all others."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.engine.engines import ENGINES

PROGRAM = """
import chatpb
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

CHILD = '''
import os
import chatpb
print(chatpb.engine, chatpb.to_dict(chatpb.from_dict({"a": [1]})))
try:
    chatpb.from_json("{")
except chatpb.JsonError as error:
    print(error.reason)
'''
FORCED = '''
import os
os.environ["CHATPB_ENGINE"] = "native"
try:
    import chatpb
except ImportError as error:
    print(error)
'''

is_first = IS_FIRST
if not is_first:
    assert chatpb.engine == "native"
for child in (CHILD, CHILD, FORCED):
    other = interpreters.create()
    assert interpreters.run_string(other, child) is None
    interpreters.destroy(other)
try:
    chatpb.from_json("{")
except chatpb.JsonError:
    print(chatpb.engine)
"""


@pytest.mark.parametrize(
    "is_first",
    [
        pytest.param(
            True,
            marks=pytest.mark.skipif(
                sys.version_info[:2] == (3, 12),
                reason="Python 3.12 crashes once two other interpreters have imported google.protobuf.descriptor_pool",
            ),
        ),
        False,
    ],
)
@pytest.mark.skipif("native" not in ENGINES, reason="there is no native engine here, and the reference serves all")
def test_other_interpreters_have_the_reference_engine(is_first: bool) -> None:
    """Whether they use chatpb before the main one or after it."""
    child = "python {'a': [1]}\nunexpected end of the text\n"
    refused = "CHATPB_ENGINE=native, but the native engine cannot be loaded: "
    refused += (
        "module chatpb._engine.native.native does not support loading in subinterpreters"
        if sys.version_info >= (3, 12)  # such interpreters have a lock of their own, and Python refuses itself
        else "the native engine of chatpb serves the main interpreter of a process; CHATPB_ENGINE=python serves all"
    )
    environment = {**os.environ, "CHATPB_ENGINE": "", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("IS_FIRST", str(is_first))],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{child}{child}{refused}\nnative\n"
