"""Answers whatever happens: errors as problem details (RFC 9457), and all of it in time."""

from __future__ import annotations

import asyncio
import http
import logging

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from imgvecd import api
from imgvecd.errors import DeadlineError, ImgvecdError, TooLargeError

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
# Codes of errors that arise before a route is reached; all others belong to an ImgvecdError.
_CODES = {404: "not_found", 405: "method_not_allowed", 413: TooLargeError.code}


def problem(status: int, code: str, detail: str) -> web.Response:
    """Return the answer that carries an error."""
    body = encode_problem(status, code, detail)
    return web.Response(status=status, body=body, content_type=CONTENT_TYPE)


def encode_problem(status: int, code: str, detail: str) -> bytes:
    """Return the body of such an answer."""
    title = http.HTTPStatus(status).phrase
    body = api.Problem(code=code, title=title, status=status, detail=detail)
    return msgspec.json.encode(body) + b"\n"


def answer_errors() -> Middleware:
    """Return a middleware that makes a problem of whatever a handler raises."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except ImgvecdError as error:
            return problem(error.http_status, error.code, str(error))
        except web.HTTPException as error:
            return _of_http_exception(request, error)
        except web.RequestPayloadError:
            return problem(400, "bad_request", "The request body is broken.")
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            logger.exception("unexpected error while answering %s", request.method)
            detail = "An unexpected error happened in the daemon; its log says more."
            return problem(500, ImgvecdError.code, detail)

    return middleware


def keep_deadline(timeout_s: float, own: frozenset[str]) -> Middleware:
    """Return a middleware that gives reading and handling a request `timeout_s`.

    Args:
        own: paths of requests that last as long as they must, or bring a deadline of their own.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            async with asyncio.timeout(None if request.path in own else timeout_s) as deadline:
                return await handler(request)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise DeadlineError(f"The request took longer than {timeout_s:g} s.") from None

    return middleware


def send_in_time(timeout_s: float) -> Middleware:
    """Return a middleware that sends the answer, and drops a client that does not read it."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        try:
            async with asyncio.timeout(timeout_s):
                await response.prepare(request)
                await response.write_eof()
                await request.writer.drain()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        return response

    return middleware


def _of_http_exception(request: web.Request, error: web.HTTPException) -> web.Response:
    details = {
        404: f"There is no {request.path}.",
        405: f"{request.path} does not take {request.method}.",
        413: "The request body is too large; server.max_upload_mb is the limit.",
    }
    detail = details.get(error.status, error.reason)
    answer = problem(error.status, _CODES.get(error.status, "bad_request"), detail)
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer
