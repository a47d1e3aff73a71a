"""Answers whatever happens: errors as problem details (RFC 9457), and all of it in time."""

from __future__ import annotations

import asyncio
import logging
import uuid

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from imgvecd import api
from imgvecd.errors import (
    BusyError,
    DeadlineError,
    ImgvecdError,
    TooLargeError,
    UnauthorizedError,
    UnreadableImageError,
)
from imgvecd.server.route import Table

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
# Codes of errors that arise before a route is reached; all others belong to an ImgvecdError.
_CODES = {404: "not_found", 405: "method_not_allowed", 413: TooLargeError.code}


def problem(status: int, code: str, detail: str, reason: str | None = None) -> web.Response:
    """Return the answer that carries an error."""
    body = encode_problem(describe(status, code, detail, reason))
    return web.Response(status=status, body=body, content_type=CONTENT_TYPE)


def describe(status: int, code: str, detail: str, reason: str | None = None) -> api.Problem:
    """Return the details of a problem."""
    return api.Problem(
        type=f"urn:imgvecd:problem:{code}",
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=detail,
        instance=uuid.uuid4().urn,
        code=code,
        reason=reason,
    )


def encode_problem(body: api.Problem) -> bytes:
    """Return the body of an answer that carries an error."""
    return msgspec.json.encode(body) + b"\n"


def answer_errors() -> Middleware:
    """Return a middleware that makes a problem of whatever a handler raises."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except ImgvecdError as error:
            reason = error.reason if isinstance(error, UnreadableImageError) else None
            answer = problem(error.http_status, error.code, str(error), reason)
            if isinstance(error, UnauthorizedError):
                answer.headers["WWW-Authenticate"] = "Bearer"
                answer.force_close()  # its place is for those who have the token
            if isinstance(error, BusyError):
                answer.headers["Retry-After"] = "1"
                answer.force_close()  # else all that was sent ahead would be refused one by one
            return answer
        except web.HTTPException as error:
            return _of_http_exception(request, error)
        except web.RequestPayloadError:
            return problem(400, "bad_request", "The request body is broken.")
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            detail = "An unexpected error happened in the daemon; its log has it by `instance`."
            body = describe(500, ImgvecdError.code, detail)
            logger.exception("unexpected error while answering: %s", body.instance)
            return web.Response(status=500, body=encode_problem(body), content_type=CONTENT_TYPE)

    return middleware


def keep_deadline(timeout_s: float, table: Table) -> Middleware:
    """Return a middleware that gives reading and handling a request `timeout_s`."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        limit_s = None if table.work(request).lasts else timeout_s
        try:
            async with asyncio.timeout(limit_s) as deadline:
                return await handler(request)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise DeadlineError(
                f"The request took longer than {timeout_s:g} s (`server.timeout_s`). What it had"
                " loaded, such as a model, is loaded on; try again."
            ) from None

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
        404: f"There is no {request.path}; GET /v1/openapi.json tells what there is.",
        405: f"{request.path} does not take {request.method}.",
        413: "The request body is too large; server.max_upload_mb is the limit.",
    }
    detail = details.get(error.status, error.reason)
    answer = problem(error.status, _CODES.get(error.status, "bad_request"), detail)
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer
