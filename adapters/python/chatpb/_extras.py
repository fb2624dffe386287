"""The optional packages with the extra that installs each, and the error that says what to install."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from chatpb._errors import ChatpbError

__all__ = ["MissingExtraError", "extra_for"]

_EXTRAS: Final = {
    "betterproto": ("betterproto",),
    "protobuf-py": ("protobuf",),
    "cli": ("typer", "rich"),
    "zstd": ("backports",),
    "service": ("grpc", "grpc_health", "grpc_reflection", "aiohttp"),
    "gateway": ("starlette", "uvicorn"),
    "observe": ("opentelemetry", "prometheus_client"),
    "storage": ("zstandard", "pyarrow", "duckdb", "fsspec"),
    "spark": ("pyspark", "pandas"),
    "chart": ("matplotlib",),
}
"""The names by which packages are imported, by the extra of pyproject.toml that installs them."""

_INSTALL: Final = {package: f"'chatpb[{extra}]'" for extra, packages in _EXTRAS.items() for package in packages}
_INSTALL["openai"] = "openai"  # which no extra brings: who has no such objects needs it not, and who has them has it
"""What to install for each package."""


class MissingExtraError(ChatpbError, ImportError):
    """A package is missing that only an extra installs."""


@contextmanager
def extra_for(what: str) -> Iterator[None]:
    """Import packages of an extra inside this block.

    Raises MissingExtraError if one of them is not installed. It says what to install for `what`.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _INSTALL:
            raise
        raise MissingExtraError(f"{what} needs {package}: pip install {_INSTALL[package]}") from None
