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


class MissingExtraError(ChatpbError):
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
        extra = next((extra for extra, packages in _EXTRAS.items() if package in packages), None)
        if extra is None:
            raise
        raise MissingExtraError(f"{what} needs {package}: pip install 'chatpb[{extra}]'") from None
