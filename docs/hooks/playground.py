"""Give the site the page of adapters/web, which is built for it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
PLACE = "playground/index.html"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    sys.path.insert(0, str(ROOT))
    from adapters.web.build import build

    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder), "../index.html")
        files.append(File.generated(config, PLACE, content=(Path(folder) / "index.html").read_bytes()))
    return files
