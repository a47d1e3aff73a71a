"""In front of the encode server's routes: who may ask, and errors as answers."""

from __future__ import annotations

import asyncio
import http
import logging

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

import imgvecd
from imgvecd.core.files.token_file import has_token
from imgvecd.errors import BadRequestError, ForbiddenError, ImgvecdError, UnauthorizedError
from imgvecd.remote import messages
from imgvecd.remote.bounded_listener import trust

logger = logging.getLogger(__name__)

_LOCAL_NAMES = {"127.0.0.1", "localhost", "[::1]"}
_INTERNAL = http.HTTPStatus.INTERNAL_SERVER_ERROR


class _OtherProtocolError(BadRequestError):
    """The client speaks another version of the protocol."""

    code = "protocol"
    http_status = http.HTTPStatus.UPGRADE_REQUIRED


def guard(token: str) -> Middleware:
    """Return a middleware that lets through who has the token, and no page in a browser.

    Args:
        token: empty lets in whoever asks this machine by its own names.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if "Origin" in request.headers or "Sec-Fetch-Site" in request.headers:
            raise ForbiddenError("browsers may not ask here")
        if token:
            if not has_token(request.headers.get("Authorization", ""), token):
                raise UnauthorizedError("the token is missing or wrong")
        elif request.host.removesuffix(f":{_port(request)}") not in _LOCAL_NAMES:
            raise ForbiddenError("without a token, Host must be this machine")
        trust(request)
        if request.headers.get(messages.PROTOCOL_HEADER) != str(messages.PROTOCOL):
            raise _OtherProtocolError(
                f"version {messages.PROTOCOL}, of imgvecd {imgvecd.__version__}"
            )
        return await handler(request)

    return middleware


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what goes wrong with its code, and hang up where a body is left unread."""
    try:
        return await handler(request)
    except ImgvecdError as error:
        logger.log(
            logging.WARNING if error.http_status >= _INTERNAL else logging.INFO,
            "a request of %s failed: %s",
            request.remote,
            error,
        )
        answer = _problem(error.http_status, error.code, str(error))
    except web.HTTPException as error:
        answer = _problem(error.status, "bad_request", error.reason)
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception:
        logger.exception("unexpected error while answering")
        answer = _problem(_INTERNAL, ImgvecdError.code, "an unexpected error; the log has it")
    if not request.content.at_eof():
        answer.force_close()
    return answer


def _port(request: web.Request) -> int | None:
    bound = request.transport.get_extra_info("sockname") if request.transport else None
    return bound[1] if bound else None


def _problem(status: int, code: str, detail: str) -> web.Response:
    body = msgspec.json.encode(messages.RefusedRequest(code, detail))
    return web.Response(status=status, body=body, content_type="application/problem+json")
