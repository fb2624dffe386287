"""Install the clients that tests/test_service_clients.py runs: `python tests/service/clients/install.py`.

They come at locked versions, into an environment and a `node_modules` beside this file, apart from the project's own
packages, which some of them would change. What is already installed is left alone.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENT = HERE / ".venv"
PYTHON = ENVIRONMENT / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
MODULES = HERE / "node_modules"


def main() -> None:
    python, node = HERE / "requirements.txt", HERE / "package-lock.json"
    if not is_current(ENVIRONMENT, python):
        venv.create(ENVIRONMENT, clear=True, with_pip=True)
        # Most of what these packages have is never imported, so compiling it would take longer than it saves.
        subprocess.run([PYTHON, "-m", "pip", "install", "-q", "--no-compile", "-r", python], check=True)
        mark(ENVIRONMENT, python)
    if not is_current(MODULES, node):
        npm = shutil.which("npm")
        if npm is None:
            sys.exit("npm is not on the path: install Node.js")
        subprocess.run([npm, "ci", "--silent", "--prefix", HERE], check=True)
        mark(MODULES, node)


def is_current(folder: Path, lock: Path) -> bool:
    marker = folder / ".installed"
    return marker.exists() and marker.read_text() == digest(lock)


def mark(folder: Path, lock: Path) -> None:
    (folder / ".installed").write_text(digest(lock))


def digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
