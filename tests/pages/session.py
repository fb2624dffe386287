"""A page of the documentation as what its reader does: files are saved, commands run, and what they print is compared.

In order, in an empty folder:

- A block behind a paragraph that begins with a file's name in backticks, and ends with a colon, is saved as that file.
- Another block of Python runs by itself.
- A block of `sh` is run. Behind it, a block of `text` has what it prints; `...` stands for anything, also for lines.
- Commands of a block that begins with `# in another terminal` run until the page ends. Each says where it listens.
- Lines that set up an environment and a folder are not run: the extras that they name exist.

Ports become free ones, so that several pages can run at once.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.service.chatpb_program import Program, environment
from tests.service.service_stack import free_port

__all__ = ["Block", "blocks_of", "follow"]

TERMINAL: Final = "# in another terminal\n"
PORTS: Final = ("50051", "50052", "8000", "9464")
NOT_RUN: Final = re.compile(r"^(?:python3 -m venv|pip|mkdir) .*\n", re.MULTILINE)
_BLOCK: Final = re.compile(
    r"(?:(?<=\n\n)`(?P<file>[\w.-]+\.\w+)`[^\n]*(?:\n[^\n]+)*:\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.M | re.S,
)


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        language: what the page says that it is.
        text: its lines.
        file: the name under which it is saved, or nothing.

    """

    language: str
    text: str
    file: str | None


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page."""
    return [Block(found["language"], found["text"], found["file"]) for found in _BLOCK.finditer(page.read_text())]


async def follow(page: Path, folder: Path) -> None:
    """Do what the page says, in a folder. Raise AssertionError where something else comes of it."""
    bin_folder = folder / ".bin"
    bin_folder.mkdir()
    for name, command in (("python", ""), ("chatpb", "-m chatpb")):
        program = bin_folder / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {command} "$@"\n')
        program.chmod(0o755)
    ports = {port: str(free_port()) for port in PORTS}

    def with_ports(text: str) -> str:
        return re.sub("|".join(ports), lambda found: ports[found[0]], text)

    setting = f"export PATH={shlex.quote(str(bin_folder))}:$PATH NO_COLOR=1 COLUMNS=100 PYTHONUNBUFFERED=1 NO_PROXY=127.0.0.1\n"
    blocks = blocks_of(page)
    async with AsyncExitStack() as programs:
        for block, after in zip(blocks, [*blocks[1:], None], strict=True):
            text = with_ports(block.text)
            if block.file:
                (folder / block.file).write_text(text)
            elif block.language == "python":
                await _output(f"{setting}python - <<'PYTHON'\n{text}PYTHON\n", folder)
            elif block.language == "sh" and text.startswith(TERMINAL):
                for command in text.removeprefix(TERMINAL).replace("\\\n", "").splitlines():
                    start = ("bash", "-c", f"{setting}exec {command} >&2")
                    await programs.enter_async_context(Program(start=start, folder=folder))
            elif block.language == "sh":
                came = await _output(setting + NOT_RUN.sub("", text), folder)
                if after and after.language == "text":
                    assert re.fullmatch(_pattern(with_ports(after.text)), came), f"{block.text}\n{came}"


async def _output(script: str, folder: Path) -> str:
    """Return what a script of bash prints, without spaces at the ends of lines."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", script),
        cwd=folder,
        env=environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    text = re.sub(r"[ \t]+$", "", output.decode(), flags=re.MULTILINE)
    assert process.returncode == 0, f"{script}\n{text}"
    return text


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*?".join(map(re.escape, text.split("..."))), re.DOTALL)


def extras_of(blocks: list[Block]) -> Iterator[str]:
    """Yield the names of the extras that a page installs."""
    for block in blocks:
        for found in re.findall(r"\.\[([\w,-]+)\]", block.text):
            yield from found.split(",")
