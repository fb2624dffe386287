"""Certificates for gRPC."""

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
    """Files in PEM form.

    Attributes:
        certificate: the side's own certificate chain. A server needs one; a client for mutual TLS.
        key: the private key to it.
        ca: the authorities whose certificates are trusted. To a server: clients have to present one. To a client:
            in place of those that gRPC trusts by itself.

    """

    certificate: str | Path | None = None
    key: str | Path | None = None
    ca: str | Path | None = None

    def server(self) -> grpc.ServerCredentials:
        """Raises ValueError for files that are not as described, OSError for those that cannot be read."""
        key, certificate = _read(self.key), _read(self.certificate)
        if not (key and certificate):
            raise ValueError("a server needs a certificate and its key")
        self._check()
        ca = _read(self.ca)
        return grpc.ssl_server_credentials([(key, certificate)], ca, require_client_auth=ca is not None)

    def client(self) -> grpc.ChannelCredentials:
        """Raises ValueError for files that are not as described, OSError for those that cannot be read."""
        self._check()
        return grpc.ssl_channel_credentials(_read(self.ca), _read(self.key), _read(self.certificate))

    def _check(self) -> None:
        """A server with a wrong file cannot listen, and a client cannot call, but gRPC does not say why."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if bool(self.certificate) != bool(self.key):
            raise ValueError("a certificate needs its key, and a key its certificate")
        if self.certificate:
            with _explained(f"{self.certificate} and {self.key} are no certificate and its key"):
                context.load_cert_chain(self.certificate, self.key, password="")  # else it asks for one
        if self.ca:
            with _explained(f"{self.ca} holds no certificates"):
                context.load_verify_locations(self.ca)


@contextmanager
def _explained(words: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        raise ValueError(f"{words} in PEM form") from error


def _read(path: str | Path | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
