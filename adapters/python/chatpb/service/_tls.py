"""The certificates of a gRPC server or client."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

__all__ = ["Tls"]


@dataclass(frozen=True)
class Tls:
    """The certificate files of one side, in PEM form.

    Attributes:
        certificate: the side's own certificate chain. A server needs one, a client only for mutual TLS.
        key: the private key of the certificate.
        ca: certificates of the trusted authorities. With it, a server requires a certificate of its clients, and a
            client trusts these authorities instead of those that gRPC trusts by default.

    Examples:
        >>> from chatpb.service import Tls
        >>> try:
        ...     Tls(certificate="missing.pem", key="missing.key").server()
        ... except OSError as error:
        ...     print(error.filename)
        ...
        missing.key

    """

    certificate: str | Path | None = None
    key: str | Path | None = None
    ca: str | Path | None = None

    def server(self) -> grpc.ServerCredentials:
        """Return a server's credentials. Raises ValueError for wrong files, OSError for files that cannot be read."""
        key, certificate = _read(self.key), _read(self.certificate)
        if not (key and certificate):
            raise ValueError("a server needs a certificate and its key")
        self._check()
        ca = _read(self.ca)
        return grpc.ssl_server_credentials([(key, certificate)], ca, require_client_auth=ca is not None)

    def client(self) -> grpc.ChannelCredentials:
        """Return a client's credentials. Raises ValueError for wrong files, OSError for files that cannot be read."""
        self._check()
        return grpc.ssl_channel_credentials(_read(self.ca), _read(self.key), _read(self.certificate))

    def _check(self) -> None:
        """Raise ValueError for a wrong file: with one, gRPC can neither listen nor call, and does not say why."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if bool(self.certificate) != bool(self.key):
            raise ValueError("a certificate needs its key, and a key its certificate")
        if self.certificate:
            with _explain(f"{self.certificate} and {self.key} are no certificate and its key"):
                context.load_cert_chain(self.certificate, self.key, password="")  # without one, it would prompt
        if self.ca:
            with _explain(f"{self.ca} holds no certificates"):
                context.load_verify_locations(self.ca)


@contextmanager
def _explain(words: str) -> Iterator[None]:
    """Raise ValueError with these words in place of an error of the `ssl` module."""
    try:
        yield
    except ssl.SSLError as error:
        raise ValueError(f"{words} in PEM form") from error


def _read(path: str | Path | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
