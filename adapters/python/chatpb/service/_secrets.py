"""Credentials that must not come back: an endpoint that refuses a key often repeats it in its error."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

__all__ = ["Secrets", "basic_authorization", "is_secret_name"]

_SECRET_NAME: Final = re.compile(r"auth|cookie|credential|key|password|secret|token", re.IGNORECASE)

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
"""A string of JSON, or the rest of the text if it has no end: else the search would begin again at each quote in it."""

_SHORTEST: Final = 6
"""A shorter credential is not looked for: it may be a part of any text."""


def is_secret_name(name: str) -> bool:
    """Return whether a header or a parameter of that name holds a credential."""
    return _SECRET_NAME.search(name) is not None


def basic_authorization(url: str) -> dict[str, str]:
    """Return the header of the user and the password in an address, if it has them."""
    given, at, _ = urlsplit(url).netloc.rpartition("@")
    return {"authorization": f"Basic {b64encode(unquote(given).encode()).decode()}"} if at else {}


class Secrets:
    """Some credentials, and what replaces them: as many asterisks, which keeps wire bytes valid."""

    def __init__(self, values: Iterable[str | None] = ()) -> None:
        found = {value.strip() for value in values if value and len(value.strip()) >= _SHORTEST}
        self._values = [value.encode() for value in sorted(found, key=len, reverse=True)]

    @classmethod
    def of(cls, headers: Mapping[str, str], *urls: str | None) -> Secrets:
        """Return the credentials in a request's headers and in addresses: the endpoint's and its proxy's."""
        values = [value.rpartition(" ")[2] for name, value in headers.items() if is_secret_name(name)]
        for url in filter(None, urls):
            parts = urlsplit(url)
            values += [value for name, value in parse_qsl(parts.query) if is_secret_name(name)]
            values += [unquote(parts.password or ""), *basic_authorization(url).values()]
        return cls(value.removeprefix("Basic ") for value in values)

    def hide(self, data: bytes) -> bytes:
        """Return bytes without the credentials."""
        for value in self._values:
            if value in data:
                data = data.replace(value, b"*" * len(value))
        return data

    def hide_in_text(self, text: str) -> str:
        """Return a text without the credentials."""
        return self.hide(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def hide_in_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return headers whose values are without the credentials."""
        return {name: self.hide_in_text(value) for name, value in headers.items()}

    def hide_in_json(self, text: bytes) -> bytes:
        """Return JSON text without the credentials, also where they are written with escape sequences."""
        text = self.hide(text)
        return _STRING.sub(self._hide_in_string, text) if b"\\" in text and self._values else text

    def _hide_in_string(self, found: re.Match[bytes]) -> bytes:
        """Return a JSON string without the credentials. It may hold JSON text: that of an error that is passed on."""
        if b"\\" not in found[0]:
            return found[0]
        try:
            plain = json.loads(found[0].decode(), strict=False).encode("utf-8", "surrogatepass")
        except ValueError:
            return found[0]
        hidden = self.hide_in_json(plain)
        return found[0] if hidden == plain else json.dumps(hidden.decode("utf-8", "surrogatepass")).encode()
