"""Who may do what, and in which form: asked of each request before its body is received."""

from __future__ import annotations

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from imgvecd.errors import ForbiddenError, UnsupportedMediaError
from imgvecd.server.client_connection import peer
from imgvecd.server.route import JSON, Route, Table
from imgvecd.server.tcp_auth import by_tcp

# Programs that say nothing, and `curl -d`, which says this, mean JSON. A browser sends both for any
# page, but never by the Unix socket.
_MEANT_AS_JSON = {None, "application/x-www-form-urlencoded"}


def require_owner(table: Table) -> Middleware:
    """Return a middleware that keeps members of `server.group` to what is meant for them.

    Raises (from the middleware):
        ForbiddenError: the route is for the daemon's own user.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = table.route(request)
        if route is not None and not route.members and not peer(request).is_owner:
            raise ForbiddenError(
                f"Only the user that runs the daemon may do this ({request.method} {route.path});"
                " members of server.group may search and look."
            )
        return await handler(request)

    return middleware


def require_json(table: Table) -> Middleware:
    """Return a middleware that takes no body but JSON, and images where they may be sent.

    A web page of elsewhere can have a browser send other types without asking first.

    Raises (from the middleware):
        UnsupportedMediaError: the body is of another type.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = table.route(request)
        if route is not None and route.changes and not _fits(request, route):
            told = request.headers.get(hdrs.CONTENT_TYPE, "nothing")
            others = ", multipart/form-data or image/*" if route.uploads else ""
            raise UnsupportedMediaError(
                f"Expected the Content-Type {JSON}{others}, got {told[:100]!r}; with curl: "
                "-H 'Content-Type: application/json'."
            )
        return await handler(request)

    return middleware


def _fits(request: web.Request, route: Route) -> bool:
    kind = request.content_type if hdrs.CONTENT_TYPE in request.headers else None
    if kind == JSON or not (kind or request.can_read_body):
        return True
    if kind in _MEANT_AS_JSON:
        return not by_tcp(request)
    uploaded = kind == "multipart/form-data" or (kind or "").startswith("image/")
    return route.uploads and uploaded
