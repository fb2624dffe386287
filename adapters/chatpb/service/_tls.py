"""Certificates for gRPC."""

from __future__ import annotations

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
        key, certificate = _read(self.key), _read(self.certificate)
        if not (key and certificate):
            raise ValueError("a server needs a certificate and its key")
        ca = _read(self.ca)
        return grpc.ssl_server_credentials([(key, certificate)], ca, require_client_auth=ca is not None)

    def client(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(_read(self.ca), _read(self.key), _read(self.certificate))


def _read(path: str | Path | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
