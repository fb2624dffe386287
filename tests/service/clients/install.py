"""Install the clients that tests/service/test_published_clients.py runs: `python tests/service/clients/install.py`.

Locked versions go into an environment and a `node_modules` beside this file, since some of them would change the
project's own packages. The client in Go is built. What is already installed stays as it is.
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
GO = HERE / "go" / ("client.exe" if sys.platform == "win32" else "client")


def main() -> None:
    python, node, go = HERE / "requirements.txt", HERE / "package-lock.json", HERE / "go" / "main.go"
    if not is_current(ENVIRONMENT, python):
        venv.create(ENVIRONMENT, clear=True, with_pip=True)
        # Most modules of these packages are never imported, so compiling them would take longer than it saves.
        subprocess.run([PYTHON, "-m", "pip", "install", "-q", "--no-compile", "-r", python], check=True)
        mark(ENVIRONMENT, python)
    if not is_current(MODULES, node):
        npm = shutil.which("npm")
        if npm is None:
            sys.exit("npm is not on the path: install Node.js")
        subprocess.run([npm, "ci", "--silent", "--prefix", HERE], check=True)
        mark(MODULES, node)
    if not GO.exists() or GO.stat().st_mtime < go.stat().st_mtime:
        compiler = shutil.which("go")
        if compiler is None:
            sys.exit("go is not on the path: install Go")
        subprocess.run([compiler, "build", "-o", GO.name, "."], check=True, cwd=GO.parent)


def is_current(folder: Path, lock: Path) -> bool:
    marker = folder / ".installed"
    return marker.exists() and marker.read_text() == digest(lock)


def mark(folder: Path, lock: Path) -> None:
    (folder / ".installed").write_text(digest(lock))


def digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
