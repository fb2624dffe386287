"""The languages: the tools that each needs, how its program is built, and how it is started.

Generated code and programs go to folders that git ignores, so a second run builds little.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".cache" / "conformance"


@dataclass(frozen=True, kw_only=True)
class Project:
    """A program in a language: the tools that it needs, how it is built, and how it is started, in a folder of its own."""

    home: ClassVar[Path] = HERE
    """The folder that has the program's folder."""

    name: str
    needs: tuple[str, ...]
    build: tuple[tuple[str, ...], ...]
    command: tuple[str, ...]
    own_protoc: bool = False
    """Whether the runtime works with only one release of protoc, the one on the PATH."""

    @property
    def folder(self) -> Path:
        return self.home / self.name

    def missing(self) -> list[str]:
        """Return the tools that this machine lacks."""
        return [tool for tool in self.needs if not shutil.which(tool)]


@dataclass(frozen=True, kw_only=True)
class Language(Project):
    """A language and the standard runtime that its program uses."""

    runtime: str
    client: bool = False
    """Whether the program calls the Python gRPC server."""
    server: bool = False
    """Whether the program is also a gRPC server."""
    converts: bool = False
    """Whether the program converts JSON, with chatpb's library for the language."""


LANGUAGES = (
    Language(
        name="go",
        runtime="google.golang.org/protobuf, grpc-go",
        needs=("go",),
        build=(("./generate.sh",), ("go", "build", "-o", "bin/conformance", ".")),
        command=("bin/conformance",),
        client=True,
        server=True,
        converts=True,
    ),
    Language(
        name="java",
        runtime="protobuf-java, grpc-java",
        needs=("java", "javac", "mvn"),
        build=(
            ("mvn", "-q", "-B", "-f", "../../../adapters/java", "-Dmaven.test.skip=true", "install"),
            ("mvn", "-q", "-B", "package"),
        ),
        command=("java", "-XX:+UseSerialGC", "-cp", "target/classes:target/lib/*", "com.example.app.Main"),
        client=True,
        converts=True,
    ),
    Language(
        name="typescript",
        runtime="@bufbuild/protobuf, @grpc/grpc-js",
        needs=("node", "npm"),
        build=(
            ("npm", "ci", "--silent", "--prefix", "../../../adapters/typescript"),
            ("npm", "ci", "--silent"),
            ("npm", "run", "--silent", "generate"),
            ("npm", "run", "--silent", "build"),
        ),
        command=("node", "dist/src/main.js"),
        client=True,
        server=True,
        converts=True,
    ),
    Language(
        name="rust",
        runtime="prost, tonic",
        needs=("cargo",),
        build=(("cargo", "build", "--locked", "--quiet"),),
        command=("target/debug/conformance",),
        client=True,
        converts=True,
    ),
    Language(
        name="cpp",
        runtime="protobuf C++",
        needs=("cmake", "c++", "protoc", "cargo"),
        build=(
            ("cmake", "-S", "../../../adapters/abi", "-B", "build/abi"),
            ("cmake", "--install", "build/abi", "--prefix", "build/installed"),
            ("cmake", "-B", "build", "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_PREFIX_PATH=build/installed"),
            ("cmake", "--build", "build", "--parallel", "2"),
        ),
        command=("build/conformance",),
        own_protoc=True,
        converts=True,
    ),
)


BY_NAME = {language.name: language for language in LANGUAGES}


class BuildError(Exception):
    """The error for a program that cannot be built."""


@dataclass(frozen=True)
class Generators:
    """The pinned generators of gen/requirements.txt."""

    python: Path
    googleapis: Path

    @property
    def folder(self) -> Path:
        """Return the folder in which `protoc` is the pinned one."""
        return CACHE / "bin"


def generators() -> Generators:
    """Install the generators of gen/generate.py unless they are installed, and put their protoc into a folder for the PATH."""
    spec = importlib.util.spec_from_file_location("chatpb_generate", ROOT / "gen" / "generate.py")
    assert spec
    assert spec.loader
    generate: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    home: Path = generate._virtualenv()
    python = home / "bin" / "python"
    # The error details of gRPC, whose package comes with the extra `service`.
    details = importlib.util.find_spec("google.rpc")
    assert details
    assert details.submodule_search_locations
    made = Generators(python, Path(next(iter(details.submodule_search_locations))).parents[1])
    made.folder.mkdir(parents=True, exist_ok=True)
    shim = made.folder / "protoc"
    shim.write_text(f'#!/bin/sh\nexec "{python}" -m grpc_tools.protoc "$@"\n')
    shim.chmod(0o755)
    return made


def build(project: Project, tools: Generators) -> None:
    """Generate a project's classes from proto/ and build its program. Raise BuildError if a command fails."""
    path = os.environ["PATH"] if project.own_protoc else f"{tools.folder}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "GOOGLEAPIS": str(tools.googleapis), "NO_COLOR": "1"}
    environment.pop("PYTHONPATH", None)
    for command in project.build:
        ran = subprocess.run(
            command, cwd=project.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if ran.returncode:
            sys.stderr.write(ran.stdout)
            raise BuildError(f"`{' '.join(command)}` failed")


def protocol(tools: Generators) -> dict[str, Any]:
    """Return the classes of conformance.proto by name."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    image = CACHE / "conformance.binpb"
    command = [str(tools.folder / "protoc"), f"-I{HERE}", f"--descriptor_set_out={image}", "conformance.proto"]
    subprocess.run(command, check=True, env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"})
    files = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    classes = message_factory.GetMessageClassesForFiles([file.name for file in files.file], _filled(pool, files))
    return {name.rpartition(".")[2]: found for name, found in classes.items()}


def _filled(pool: Any, files: Any) -> Any:
    for file in files.file:
        pool.Add(file)
    return pool
