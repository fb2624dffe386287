"""Write the licences of the crates that the native engine is linked with, from what cargo knows of them.

python adapters/notices.py           write THIRD-PARTY-LICENSES.txt
python adapters/notices.py --check   fail if it is not current
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
NOTICE: Final = HERE / "THIRD-PARTY-LICENSES.txt"
LICENSES: Final = ("LICENSE-MIT", "LICENSE", "LICENSE-APACHE")
"""Names of the file that has a crate's licence, the one first that is taken where there are several."""


def linked_crates() -> Iterator[dict[str, Any]]:
    """Yield the crates of others that the crates of the workspace need when they run, by name."""
    command = ["cargo", "metadata", "--format-version=1", "--locked", f"--manifest-path={HERE / 'Cargo.toml'}"]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)  # noqa: S603
    packages = {package["id"]: package for package in metadata["packages"]}
    needs = {node["id"]: node["deps"] for node in metadata["resolve"]["nodes"]}
    found: set[str] = set()
    left = list(metadata["workspace_members"])
    while left:
        crate = left.pop()
        runs_while_building = any("proc-macro" in target["kind"] for target in packages[crate]["targets"])
        if crate not in found and not runs_while_building:
            found.add(crate)
            left += [need["pkg"] for need in needs[crate] if any(kind["kind"] is None for kind in need["dep_kinds"])]
    others = [packages[crate] for crate in found if packages[crate]["source"]]
    yield from sorted(others, key=lambda package: (package["name"], package["version"]))


def notice() -> str:
    """Return the text of the notice."""
    parts = [
        "The native engine of chatpb is linked with Rust's standard library, which The Rust Project Developers\n"
        "license under MIT OR Apache-2.0, and with the crates below, each under the licence that follows its name.\n"
    ]
    for package in linked_crates():
        folder = Path(package["manifest_path"]).parent
        text = next((folder / name for name in LICENSES if (folder / name).exists()), None)
        if text is None:
            sys.exit(f"{package['name']} has no file of its licence: add its name to LICENSES")
        title = f"{package['name']} {package['version']} ({package['license']})"
        parts.append(f"{'=' * 80}\n{title}\n\n{text.read_text('utf-8').strip()}\n")
    return "\n".join(parts)


def main() -> None:
    """Write the notice, or check it."""
    text = notice()
    if "--check" not in sys.argv:
        NOTICE.write_text(text, "utf-8")
    elif NOTICE.read_text("utf-8") != text:
        sys.exit(f"{NOTICE.name} is not current: run python adapters/notices.py")


if __name__ == "__main__":
    main()
