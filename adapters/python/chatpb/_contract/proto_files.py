"""Where the contract's .proto files are, for contracts that import them."""

from __future__ import annotations

from pathlib import Path

__all__ = ["proto_path"]


def proto_path() -> Path:
    """Return the folder with the contract's .proto files, and with those of googleapis that they import.

    It is what `protoc -I` and `buf` need for a contract that imports `chatcompletion/v1/options.proto`. The files of
    google/protobuf come with those tools.

    Examples:
        >>> from chatpb import proto_path
        >>> (proto_path() / "chatcompletion" / "v1" / "options.proto").exists()
        True

    """
    package = Path(__file__).parents[1]
    # An editable install has no copy of the files.
    return next(folder for folder in (package / "proto", package.parents[2] / "proto") if folder.is_dir())
