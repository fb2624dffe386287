"""The public names of `chatpb`: type checkers and Python find the same ones, and importing the package is cheap."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib import import_module

import pytest

import chatpb
from chatpb import _MODULES
from tests.support import ROOT

SOURCE = ROOT / "adapters" / "python" / "chatpb" / "__init__.py"


def imported_for_type_checkers() -> dict[str, tuple[str, ...]]:
    """By module, the names that the block for type checkers imports."""
    (block,) = (
        node
        for node in ast.parse(SOURCE.read_text()).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert len(imports) == len(block.body)
    return {str(node.module): tuple(alias.asname or alias.name for alias in node.names) for node in imports}


def test_python_imports_the_names_that_type_checkers_see() -> None:
    assert imported_for_type_checkers() == _MODULES
    assert sorted(chatpb.__all__) == sorted(["__version__", *(name for names in _MODULES.values() for name in names)])


@pytest.mark.parametrize("module", _MODULES)
def test_each_name_is_that_of_its_module(module: str) -> None:
    for name in _MODULES[module]:
        assert getattr(chatpb, name) is getattr(import_module(module), name)
        assert name in dir(chatpb)


def test_another_name_is_none() -> None:
    with pytest.raises(AttributeError, match="module 'chatpb' has no attribute 'from_yaml'"):
        getattr(chatpb, "from_yaml")  # noqa: B009


def test_importing_the_package_imports_none_of_its_modules() -> None:
    code = "import sys, chatpb; print([name for name in sys.modules if name.startswith(('chat', 'google'))])"
    unforced = {name: value for name, value in os.environ.items() if name != "CHATPB_ENGINE"}
    done = subprocess.run([sys.executable, "-c", code], env=unforced, capture_output=True, text=True, check=True)
    assert done.stdout == "['chatpb']\n"
