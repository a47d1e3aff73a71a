"""The TCP listener, if the user turned it on: loopback only, and nothing without the token.

Any program and any web page on the machine can reach a TCP port, so every request must carry the
token; what a browser sends on behalf of a page of elsewhere is refused by Host and Origin first.
"""

from __future__ import annotations

import socket

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from imgvecd.config import paths
from imgvecd.config.schema import Endpoint, ServerConfig, expand
from imgvecd.core.files.token_file import has_token, read_token
from imgvecd.errors import ConfigError, ForbiddenError, UnauthorizedError
from imgvecd.server.client_connection import trust


def listen(endpoint: Endpoint) -> socket.socket:
    """Return a socket bound to the endpoint.

    Raises:
        ConfigError: it cannot be bound.
    """
    family = socket.AF_INET6 if endpoint.host == "::1" else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((endpoint.host, endpoint.port))
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"server.tcp: cannot listen on {endpoint.host} port {endpoint.port}: {error.strerror}."
        ) from error
    return listener


def token_of(config: ServerConfig) -> str:
    """Return the token that requests over TCP need; the first time, make it.

    Raises:
        ConfigError: its file cannot be read or made, is empty, or others can read it.
    """
    return read_token(expand(config.token_file) if config.token_file else paths.token())


def guard(token: str) -> Middleware:
    """Return a middleware that lets through what comes by the Unix socket, or with the token.

    Raises (from the middleware):
        ForbiddenError: a browser asks, for a page of elsewhere.
        UnauthorizedError: no token, or a wrong one.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if (port := _port(request)) is not None:
            _require_own_address(request, port)
            _require_token(request, token)
            trust(request)
        return await handler(request)

    return middleware


def by_tcp(request: web.Request) -> bool:
    """Return whether a request comes by TCP, as those of browsers do."""
    return _port(request) is not None


def _port(request: web.Request) -> int | None:
    """Return the TCP port that a request came to; None if it came by the Unix socket."""
    bound = request.transport.get_extra_info("sockname") if request.transport else None
    return bound[1] if isinstance(bound, tuple) else None  # a Unix socket's name is text


def _require_own_address(request: web.Request, port: int) -> None:
    """Refuse a name that only points here (DNS rebinding), and pages that do not come from here."""
    hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
    if request.headers.getall("Host", []) not in [[host] for host in hosts]:
        raise ForbiddenError(f"Over TCP the Host must be one of {', '.join(sorted(hosts))}.")
    origin = request.headers.get("Origin")
    if origin is not None and origin not in {f"http://{host}" for host in hosts}:
        raise ForbiddenError("Web pages of other sites may not ask imgvecd.")


def _require_token(request: web.Request, token: str) -> None:
    if not has_token(request.headers.get("Authorization", ""), token):
        raise UnauthorizedError(
            "Over TCP a request needs `Authorization: Bearer TOKEN`; the token lies in "
            "server.token_file."
        )
