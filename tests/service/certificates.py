"""Certificates for one test, made by the openssl program."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Authority"]


@dataclass
class Authority:
    """A certificate authority that signs certificates for localhost."""

    folder: Path
    name: str = "ca"

    def __post_init__(self) -> None:
        usage = ("-addext", "basicConstraints=critical,CA:TRUE")
        self._openssl(
            "req",
            "-x509",
            *_NEW,
            "-keyout",
            self.path("key"),
            "-out",
            self.path("pem"),
            "-subj",
            f"/CN={self.name}",
            *usage,
        )

    def path(self, ending: str) -> str:
        """Return the path of the authority's own "pem" or "key" file."""
        return str(self.folder / f"{self.name}.{ending}")

    def sign(self, name: str) -> tuple[str, str]:
        """Sign a certificate, and return the paths of it and its key."""
        key, request, certificate = (str(self.folder / f"{self.name}-{name}.{end}") for end in ("key", "csr", "pem"))
        self._openssl("req", *_NEW, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        extensions = self.folder / "extensions"
        extensions.write_text("subjectAltName=DNS:localhost\n")
        signer = ("-CA", self.path("pem"), "-CAkey", self.path("key"), "-CAcreateserial", "-days", "2")
        self._openssl("x509", "-req", "-in", request, *signer, "-out", certificate, "-extfile", str(extensions))
        return certificate, key

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)


_NEW = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
