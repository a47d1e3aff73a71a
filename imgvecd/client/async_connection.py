"""HTTP with the daemon from an event loop, by aiohttp."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from http import HTTPStatus
from typing import Any, TypeVar

import aiohttp
from yarl import URL

from imgvecd.client.calls import ApiCall, ApiStream, LineSplitter, error_of
from imgvecd.client.daemon_address import DaemonAddress, TcpAddress
from imgvecd.client.http_connection import headers_of
from imgvecd.client.transport_errors import unreachable
from imgvecd.client.trusted_connector import TrustedConnector

T = TypeVar("T")

# Below what the daemon grants one client, so that more questions wait here and are not refused.
_CONNECTIONS = 100


class AsyncDaemonConnection:
    """The daemon at an address, asked many times at once on one event loop.

    Connections live as long as a question is under way, or as they are kept.
    """

    def __init__(self, address: DaemonAddress, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._http: aiohttp.ClientSession | None = None
        self._under_way = 0
        self._kept = False

    def keep(self) -> None:
        """Keep connections until `close`."""
        self._kept = True

    async def close(self) -> None:
        """Hang up, once nothing is under way."""
        self._kept = False
        await self._close_unless_used()

    async def call(self, call: ApiCall[T]) -> T:
        """Return what a call answers.

        Raises:
            DaemonUnreachableError: nobody answers, or not in time.
            DaemonError: the answer is an error.
        """
        limit = aiohttp.ClientTimeout(total=self._timeout_s + call.patience_s)
        try:
            async with self._session() as session:
                try:
                    answer = await self._answer(session, call, limit)
                except aiohttp.ServerDisconnectedError:
                    # the daemon closes connections that idle; aiohttp itself repeats a GET
                    if call.method != "POST" or not call.repeatable:
                        raise
                    answer = await self._answer(session, call, limit)
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(error, self._address.place) from error
        return call.read(answer)

    async def stream(self, stream: ApiStream[T]) -> AsyncGenerator[T, None]:
        """Yield what a stream tells, on a connection of its own.

        Raises:
            DaemonUnreachableError: nobody answers, nothing more comes (not even a heartbeat), or
                the answer breaks off.
            DaemonError: the answer is an error.
        """
        limit_s = self._timeout_s
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=limit_s, sock_read=limit_s)
        take, splitter = stream.parser(), LineSplitter()
        try:
            async with (
                self._opened(1) as session,
                self._request(session, stream, timeout) as response,
            ):
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise error_of(await response.read())
                try:
                    async for piece in response.content.iter_any():
                        for line in splitter.lines(piece):
                            value = take(line)
                            if value is not None:
                                yield value
                except aiohttp.ClientPayloadError:
                    if not stream.endless:
                        raise
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(error, self._address.place) from error

    async def _answer(
        self, session: aiohttp.ClientSession, call: ApiCall[Any], limit: aiohttp.ClientTimeout
    ) -> bytes:
        async with self._request(session, call, limit) as response:
            answer = await response.read()
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise error_of(answer)
        return answer

    def _request(
        self,
        session: aiohttp.ClientSession,
        asked: ApiCall[Any] | ApiStream[Any],
        timeout: aiohttp.ClientTimeout,
    ) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]:
        over_tcp = isinstance(self._address, TcpAddress)
        host = self._address.place if over_tcp else "localhost"
        return session.request(
            asked.method,
            URL(f"http://{host}{asked.url}", encoded=True),
            data=asked.body,
            headers={"Accept-Encoding": "identity", **headers_of(self._address, asked)},
            timeout=timeout,
            allow_redirects=False,
        )

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Give the session that everything under way shares."""
        if self._http is None:
            self._http = self._opened(_CONNECTIONS)
        self._under_way += 1
        try:
            yield self._http
        finally:
            self._under_way -= 1
            await self._close_unless_used()

    async def _close_unless_used(self) -> None:
        if self._under_way or self._kept:
            return
        session, self._http = self._http, None
        if session is not None:
            await session.close()

    def _opened(self, connections: int) -> aiohttp.ClientSession:
        connector: aiohttp.BaseConnector
        if isinstance(self._address, TcpAddress):
            connector = aiohttp.TCPConnector(limit=connections)
        else:
            connector = TrustedConnector(self._address.path, limit=connections)
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
