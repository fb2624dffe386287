"""Install the clients that tests run, all of them or those that are named.

    python tests/service/clients/install.py
    python tests/service/clients/install.py node go

Locked versions go into an environment and a `node_modules` beside this file, since some of them would change the
project's own packages. The clients in Go and Java are built. What is already installed stays as it is.
"""

from __future__ import annotations

import hashlib
import os
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
JAVA = HERE / "java" / "target" / "client-1.jar"
JAVA_CLIENT = ("java", "-cp", f"{JAVA}{os.pathsep}{JAVA.parent / 'lib' / '*'}", "client.Client")
"""The command that runs the client in Java, before the endpoint's address."""


def main() -> None:
    unknown = set(sys.argv[1:]) - INSTALLERS.keys()
    if unknown:
        sys.exit(f"no clients are called {', '.join(sorted(unknown))}: {', '.join(INSTALLERS)}")
    for name in sys.argv[1:] or INSTALLERS:
        INSTALLERS[name]()


def install_python() -> None:
    lock = HERE / "requirements.txt"
    if not is_current(ENVIRONMENT, lock):
        venv.create(ENVIRONMENT, clear=True, with_pip=True)
        # Most modules of these packages are never imported, so compiling them would take longer than it saves.
        subprocess.run([PYTHON, "-m", "pip", "install", "-q", "--no-compile", "-r", lock], check=True)
        mark(ENVIRONMENT, lock)


def install_node() -> None:
    lock = HERE / "package-lock.json"
    if not is_current(MODULES, lock):
        subprocess.run([tool("npm"), "ci", "--silent", "--prefix", HERE], check=True)
        mark(MODULES, lock)


def install_go() -> None:
    if not is_newer(GO, GO.parent / "main.go"):
        subprocess.run([tool("go"), "build", "-o", GO.name, "."], check=True, cwd=GO.parent)


def install_java() -> None:
    folder = HERE / "java"
    if not is_newer(JAVA, folder / "pom.xml", *folder.rglob("*.java")):
        subprocess.run([tool("mvn"), "-q", "-B", "package"], check=True, cwd=folder)


INSTALLERS = {"python": install_python, "node": install_node, "go": install_go, "java": install_java}
"""By the name of its language or runtime, what installs its clients."""


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        sys.exit(f"{name} is not on the path: install it")
    return found


def is_newer(made: Path, *sources: Path) -> bool:
    return made.exists() and all(made.stat().st_mtime > source.stat().st_mtime for source in sources)


def is_current(folder: Path, lock: Path) -> bool:
    marker = folder / ".installed"
    return marker.exists() and marker.read_text() == digest(lock)


def mark(folder: Path, lock: Path) -> None:
    (folder / ".installed").write_text(digest(lock))


def digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
