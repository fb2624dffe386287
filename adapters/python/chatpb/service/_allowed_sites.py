"""Protection from web pages: a browser lets any page send requests to any address, a local one included.

A page of another site is refused unless its origin is allowed. So is a request whose Host is a foreign name on a
loopback address: a page may point a name of its own at this machine, and is then its own site. With tokens that is no
danger, because such a page has none.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from chatpb.service._error_table import ServiceError
from chatpb.service._guard import Guard

__all__ = ["AllowedSites", "error_response"]

App = Callable[[Any, Any, Any], Awaitable[None]]


class AllowedSites:
    """An ASGI application in front of another one, which refuses requests of pages that are not allowed.

    Args:
        app: answers the other requests.
        guard: what the service does around each call.
        origins: the sites whose pages may call; `*` for all.
        hosts: names under which the service is called on a loopback address.

    """

    def __init__(self, app: App, guard: Guard, origins: Sequence[str], hosts: Sequence[str]) -> None:
        self._app = app
        self._guard = guard
        self._origins = frozenset(origins)
        self._hosts = frozenset(map(str.lower, hosts))

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        message = self._refusal(scope, headers)
        if message is None:
            await self._app(scope, receive, send)
            return
        error = self._guard.refuse(ServiceError.of(403, message, code="forbidden"), headers)
        await error_response(error)(scope, receive, send)

    def _refusal(self, scope: Mapping[str, Any], headers: Mapping[str, str]) -> str | None:
        """Return why a request is refused; None if it is not."""
        host = headers.get("host", "").lower()
        origin = headers.get("origin")
        if "*" not in self._origins and origin not in self._origins:
            is_foreign = headers.get("sec-fetch-site") == "cross-site" if origin is None else _netloc(origin) != host
            if is_foreign:
                return f"Pages of {origin or 'other sites'} may not call this service: its operator has to allow it."
        server = scope.get("server") or ("", None)
        name = _hostname(host)
        if not self._guard.tokens and _is_loopback(server[0]) and not self._is_local(name):
            return f"This service is not called {name or host!r}: its operator has to allow that name."
        return None

    def _is_local(self, name: str) -> bool:
        return (
            name in self._hosts or name == "localhost" or name.endswith(".localhost") or _address_of(name) is not None
        )


def error_response(error: ServiceError) -> Response:
    return Response(error.body, error.status, error.headers, "application/json")


def _netloc(origin: str) -> str:
    """Return the host and port of an origin; empty if it is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _hostname(host: str) -> str:
    """Return the name in a header Host; empty if it has none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _address_of(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a name is; None if it is none."""
    try:
        found = ipaddress.ip_address(name)
    except ValueError:
        return None
    # A socket of IPv6 that takes callers of IPv4 too gives their addresses in this form.
    return getattr(found, "ipv4_mapped", None) or found


def _is_loopback(name: str) -> bool:
    address = _address_of(name)
    return address is not None and address.is_loopback
