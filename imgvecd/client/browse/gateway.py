"""The gateway: serves the page's files, and passes on what a page may ask of the daemon."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import importlib.resources
import os
import socket
import time
from collections.abc import AsyncIterator, Callable

import msgspec
from aiohttp import ClientConnectionError, ClientPayloadError, ClientSession, ClientTimeout, web
from aiohttp.typedefs import Handler
from yarl import URL

from imgvecd import api
from imgvecd.client.browse import allowed
from imgvecd.client.browse.admission import (
    COOKIE,
    OneBrowser,
    Refusal,
    SecretHolders,
)
from imgvecd.client.trusted_connector import TrustedConnector
from imgvecd.command_hints import program, runnable
from imgvecd.errors import DaemonUnreachableError, ForbiddenError, ImgvecdError
from imgvecd.remote.bounded_listener import BoundedListener, has_come, pass_over_the_rest, trust

IDLE_S = 10 * 60.0
"""So long after the last page has gone the gateway ends."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:;"
    " media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
}
_PASSED_ON = ("Accept", "If-None-Match", "If-Range", "Last-Event-ID", "Range")
_PASSED_BACK = (
    "Accept-Ranges",
    "Cache-Control",
    "Content-Disposition",
    "Content-Length",
    "Content-Range",
    "Content-Type",
    "ETag",
    "Retry-After",
)
_TYPES = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "json": "application/json",
    "svg": "image/svg+xml",
}
_ENTRANCE = '<!doctype html><meta http-equiv="refresh" content="0;url=/"><title>imgvecd</title>'
_CONNECTIONS = 64  # to the daemon, which lets one client have 128
# Of these, for what browsers may take as slowly as they like; the others are soon free again.
_LASTING_AT_ONCE = 48
_LASTING = ("original", "film", "events", "live")  # ends of paths
# Browsers of a family, each with an event stream and some requests for every page that is open.
_MOST_CONNECTIONS = 256
_READ_AHEAD = 1 << 16
_LONGEST_LOGIN = 10_000  # bytes
_LOOK_S = 1.0
_UNKNOWN = 401
_COOKIE_S = 90 * 86_400  # a browser asks for the secret again after a season


class _Secret(msgspec.Struct, forbid_unknown_fields=True):
    secret: str


class Gateway:
    """Serves one user's browser until `ended`. For one event loop.

    Args:
        socket_path: of the daemon.
        idle_s: how long to stay with no page open.
        query, like: what the page begins with: words, and an image file's bytes.
        now: a monotonic clock in seconds.
    """

    def __init__(
        self,
        socket_path: str,
        idle_s: float = IDLE_S,
        *,
        query: str = "",
        like: bytes | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._socket_path = socket_path
        self._query = query
        self._like = like
        self._idle_s = idle_s
        self._now = now
        self._asked_at = now()
        self._pages = 0
        self._closed = asyncio.Event()
        self._lasting = asyncio.Semaphore(_LASTING_AT_ONCE)
        self._files = importlib.resources.files("imgvecd") / "web"
        self._admission: OneBrowser | SecretHolders

    @contextlib.asynccontextmanager
    async def running(
        self, listener: socket.socket, admission: OneBrowser | SecretHolders
    ) -> AsyncIterator[None]:
        """Answer whom `admission` lets in, on a socket that listens already."""
        self._admission = admission
        app = web.Application(
            middlewares=[pass_over_the_rest(), self._guard],
            client_max_size=allowed.MOST_BODY_BYTES,
        )
        app.add_routes(
            [
                web.get("/enter", self._enter),
                web.post("/enter", self._log_in),
                web.get("/", self._page),
                web.get("/web/{name:[a-z0-9./-]+}", self._file),
                web.get("/start", self._start),
                web.post("/close", self._close),
                web.route("*", "/v1/{rest:.*}", self._pass_on),
            ]
        )
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5
        )
        connector = TrustedConnector(self._socket_path, limit=_CONNECTIONS)
        async with ClientSession(
            connector=connector, auto_decompress=False, timeout=ClientTimeout(total=None)
        ) as self._daemon:
            await runner.setup()
            assert runner.server is not None  # noqa: S101  # it is set up
            bounded = BoundedListener(
                listener, runner.server, most=_MOST_CONNECTIONS, read_ahead=_READ_AHEAD
            )
            try:
                yield
            finally:
                bounded.close()
                await runner.cleanup()

    async def ended(self) -> str:
        """Return why, once the page was closed for good or nobody has it open any more."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), _LOOK_S)
                return "closed"
            if not self._pages and self._now() - self._asked_at > self._idle_s:
                return "no page was open any more"

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = self._admission.refusal(
            request.method,
            request.rel_url.raw_path,
            request.headers,
            request.headers.getall("Host", []),
            request.cookies.get(COOKIE),
        )
        if self._admission.knows(request.cookies.get(COOKIE)):
            trust(request)
        if refusal is None:
            self._asked_at = self._now()
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = _problem(Refusal(error.status, error.reason))
        elif refusal.status == _UNKNOWN and request.path == "/" and self._holds_secret:
            response = web.Response(status=303, headers={"Location": "/enter"})
        elif request.headers.get("Sec-Fetch-Mode") == "navigate":  # a person reads it
            response = web.Response(status=refusal.status, text=runnable(refusal.why))
        else:
            response = _problem(refusal)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    @property
    def _holds_secret(self) -> bool:
        return isinstance(self._admission, SecretHolders)

    async def _enter(self, request: web.Request) -> web.Response:
        if self._holds_secret:
            return self._of_page("enter.html")
        cookie = self._admission.enter(request.query.get("token", ""))
        if cookie is None:
            return web.Response(
                status=401,
                text=runnable(
                    "This link was used before, or is too old. `imgvec browse` opens a new one."
                ),
            )
        # a page of its own rather than a redirect: whoever led here, the next request is ours
        response = web.Response(
            text=_ENTRANCE,
            content_type="text/html",
            headers={"Cache-Control": "no-store"},
        )
        response.set_cookie(COOKIE, cookie, httponly=True, samesite="Strict", path="/")
        return response

    async def _log_in(self, request: web.Request) -> web.Response:
        if not self._holds_secret:
            raise web.HTTPNotFound
        body = await request.clone(client_max_size=_LONGEST_LOGIN).read()
        try:
            secret = msgspec.json.decode(body, type=_Secret).secret
        except msgspec.MsgspecError:
            return _problem(Refusal(400, "Expected the secret."))
        cookie = self._admission.enter(secret)
        if cookie is None:
            return _problem(
                Refusal(_UNKNOWN, "That is not the secret; after ten tries wait a minute.")
            )
        response = web.json_response({"done": "enter"})
        response.set_cookie(
            COOKIE,
            cookie,
            httponly=True,
            samesite="Strict",
            secure=self._admission.secure,
            max_age=_COOKIE_S,
            path="/",
        )
        return response

    async def _page(self, _request: web.Request) -> web.Response:
        return self._of_page("index.html")

    async def _file(self, request: web.Request) -> web.Response:
        return self._of_page(request.match_info["name"])

    def _of_page(self, name: str) -> web.Response:
        parts = name.split("/")
        kind = _TYPES.get(name.rpartition(".")[2])
        file = self._files.joinpath(*parts)
        if kind is None or not all(part.strip(".") for part in parts) or not file.is_file():
            raise web.HTTPNotFound
        return web.Response(
            body=file.read_bytes(),
            content_type=kind,
            charset="utf-8",
            headers={"Cache-Control": "no-cache"},
        )

    async def _start(self, _request: web.Request) -> web.Response:
        """Answer what the first page begins with; later ones begin with everything."""
        like = None if self._like is None else base64.standard_b64encode(self._like).decode()
        start = {
            "query": self._query,
            "like": like,
            "closes": not self._holds_secret,
            "owner": self._is_owner(),
            "imgvec": program("imgvec"),
        }
        self._query, self._like = "", None
        return web.json_response(start, headers={"Cache-Control": "no-store"})

    def _is_owner(self) -> bool:
        """Whether the daemon does all for us, and not only what is for members of its group."""
        with contextlib.suppress(OSError):  # what is asked next says what is wrong
            return os.getuid() in {0, os.stat(self._socket_path).st_uid}
        return True

    async def _close(self, _request: web.Request) -> web.Response:
        if self._holds_secret:  # it is for others, too
            raise web.HTTPNotFound
        self._closed.set()
        return web.json_response({"done": "close"})

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if not allowed.allows(request.method, path):
            raise web.HTTPNotFound(reason="The page may not ask that")
        received = await request.read()
        is_lasting = path.endswith(_LASTING)
        has_come(request, lasting=is_lasting)
        try:
            body = allowed.checked(request.method, path, received)
        except ImgvecdError as error:
            return _problem(Refusal(error.http_status, str(error)), error.code)
        is_page = path == "/v1/events"
        self._pages += is_page
        try:
            async with self._lasting if is_lasting else contextlib.nullcontext():
                return await self._exchange(request, body)
        except DaemonUnreachableError as error:
            return _problem(Refusal(503, str(error)), "unreachable")
        except (ClientConnectionError, TimeoutError, OSError):
            return _problem(Refusal(503, "imgvecd does not answer; is it running?"), "unreachable")
        finally:
            self._pages -= is_page
            self._asked_at = self._now()

    async def _exchange(self, request: web.Request, body: bytes) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        if body:
            headers["Content-Type"] = "application/json"
        url = f"http://localhost{request.raw_path}"
        async with self._daemon.request(
            request.method, URL(url, encoded=True), headers=headers, data=body or None
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers=_HEADERS)
            for name in _PASSED_BACK:
                if name in answer.headers:
                    response.headers[name] = answer.headers[name]
            if "sandbox" in answer.headers.get("Content-Security-Policy", ""):
                response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
            await response.prepare(request)
            try:
                async for piece in answer.content.iter_any():
                    await response.write(piece)
                await response.write_eof()
            except ClientPayloadError:  # the daemon has ended; browsers see that it is cut off
                if request.transport is not None:
                    request.transport.abort()
            return response


def _problem(refusal: Refusal, code: str = ForbiddenError.code) -> web.Response:
    problem = api.Problem(
        code=code, title="Refused", status=refusal.status, detail=runnable(refusal.why)
    )
    return web.Response(
        status=refusal.status,
        body=msgspec.json.encode(problem),
        content_type="application/problem+json",
    )
