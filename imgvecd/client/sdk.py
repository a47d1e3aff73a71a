"""`Client` and `AsyncClient`: a running daemon from Python, with the structs of `imgvecd.api`.

Light on purpose: neither numpy nor the model is needed to ask a daemon.
"""

from __future__ import annotations

import asyncio
import http
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Self, TypeVar

import msgspec

from imgvecd import api
from imgvecd.client.connection import DEFAULT_TIMEOUT_S, Daemon, DaemonError, read
from imgvecd.client.locate import socket_path
from imgvecd.errors import BadRequestError, DaemonUnreachableError

T = TypeVar("T")
Query = str | api.SearchRequest

_LIVE = "/v1/search/live"


class Client:
    """A daemon, asked from one thread; every method raises `ImgvecdError`.

    Args:
        socket: its path; None finds it as `imgvec` does.
    """

    def __init__(self, socket: str | None = None, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._path = socket_path(socket)
        self._timeout_s = timeout_s
        self._daemon = Daemon(self._path, timeout_s)

    def search(self, query: Query, **fields: Any) -> api.SearchResponse:  # noqa: ANN401  # see `api.search_request`
        """Return a page of hits; `fields` are those of `api.SearchRequest`."""
        return self._post("/v1/search", api.search_request(query, fields), api.SearchResponse)

    def search_many(self, queries: Sequence[Query]) -> tuple[api.SearchResponse, ...]:
        """Return the answers to many searches, whose texts are encoded together."""
        batch = api.SearchBatch(searches=tuple(api.search_request(query, {}) for query in queries))
        return self._post("/v1/search/batch", batch, api.SearchBatchResponse).answers

    def hits(self, query: Query, **fields: Any) -> Iterator[api.Hit]:  # noqa: ANN401  # see `api.search_request`
        """Yield every hit, asking for one page after the other."""
        request = api.search_request(query, fields)
        while True:
            page = self.search(request)
            yield from page.hits
            if page.next_cursor is None:
                return
            request = msgspec.structs.replace(request, cursor=page.next_cursor)

    def watch(
        self,
        query: Query,
        *,
        since: str | None = None,
        **fields: Any,  # noqa: ANN401  # see `api.search_request`
    ) -> Iterator[api.Match]:
        """Yield every new image that matches, until the daemon stops.

        Args:
            since: `since` of the last match, to go on after it; None begins now.
        """
        connection = Daemon(self._path, self._timeout_s)
        for kind, _, data in connection.events(_live(since), api.search_request(query, fields)):
            if kind == "match":
                yield read(data, api.Match)

    def classify(self, labels: Sequence[str], **fields: Any) -> api.ClassifyResponse:  # noqa: ANN401  # of the request
        """Return stored images with the labels that fit best; `fields` of `ClassifyRequest`."""
        return self._post("/v1/classify", _classify(labels, fields), api.ClassifyResponse)

    def image(self, image_id: int) -> api.Image:
        """Return one stored image."""
        return read(self._daemon.get(f"/v1/images/{image_id}"), api.Image)

    def set_metadata(self, image_id: int, **changes: Any) -> api.Image:  # noqa: ANN401  # JSON values
        """Set some of what you say of an image, None taking a value away; return the image."""
        return read(self._daemon.patch(_metadata(image_id), changes), api.Image)

    def tag(self, ids: Sequence[int], add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Add and remove tags of images."""
        self._post("/v1/tags", _tags(ids, add, remove), api.Done)

    def status(self) -> api.Status:
        """Return what the daemon is doing."""
        return read(self._daemon.get("/v1/status"), api.Status)

    def _post(self, url: str, body: msgspec.Struct, shape: type[T]) -> T:
        return read(self._daemon.post(url, body), shape)


class AsyncClient:
    """A daemon, asked from an event loop, many times at once; otherwise like `Client`."""

    def __init__(self, socket: str | None = None, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._path = socket_path(socket)
        self._timeout_s = timeout_s

    async def search(self, query: Query, **fields: Any) -> api.SearchResponse:  # noqa: ANN401  # see `api.search_request`
        """Return a page of hits; `fields` are those of `api.SearchRequest`."""
        return await self._post("/v1/search", api.search_request(query, fields), api.SearchResponse)

    async def search_many(self, queries: Sequence[Query]) -> tuple[api.SearchResponse, ...]:
        """Return the answers to many searches, whose texts are encoded together."""
        batch = api.SearchBatch(searches=tuple(api.search_request(query, {}) for query in queries))
        return (await self._post("/v1/search/batch", batch, api.SearchBatchResponse)).answers

    async def hits(self, query: Query, **fields: Any) -> AsyncIterator[api.Hit]:  # noqa: ANN401  # see `api.search_request`
        """Yield every hit, asking for one page after the other."""
        request = api.search_request(query, fields)
        while True:
            page = await self.search(request)
            for hit in page.hits:
                yield hit
            if page.next_cursor is None:
                return
            request = msgspec.structs.replace(request, cursor=page.next_cursor)

    async def watch(
        self,
        query: Query,
        *,
        since: str | None = None,
        **fields: Any,  # noqa: ANN401  # see `api.search_request`
    ) -> AsyncIterator[api.Match]:
        """Yield every new image that matches, until the daemon stops; see `Client.watch`."""
        body = msgspec.json.encode(api.search_request(query, fields))
        async with _Exchange(self._path) as exchange:
            await exchange.ask("POST", _live(since), body)
            while line := await exchange.line():
                name, _, value = line.rstrip(b"\n").partition(b": ")
                if name == b"data" and value != b"{}":  # "ready" says nothing but its id
                    yield read(value, api.Match)

    async def classify(self, labels: Sequence[str], **fields: Any) -> api.ClassifyResponse:  # noqa: ANN401  # of the request
        """Return stored images with the labels that fit best; `fields` of `ClassifyRequest`."""
        return await self._post("/v1/classify", _classify(labels, fields), api.ClassifyResponse)

    async def image(self, image_id: int) -> api.Image:
        """Return one stored image."""
        return read(await self._ask("GET", f"/v1/images/{image_id}", b""), api.Image)

    async def set_metadata(self, image_id: int, **changes: Any) -> api.Image:  # noqa: ANN401  # JSON values
        """Set some of what you say of an image, None taking a value away; return the image."""
        body = msgspec.json.encode(changes)
        return read(await self._ask("PATCH", _metadata(image_id), body), api.Image)

    async def tag(
        self, ids: Sequence[int], add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> None:
        """Add and remove tags of images."""
        await self._post("/v1/tags", _tags(ids, add, remove), api.Done)

    async def status(self) -> api.Status:
        """Return what the daemon is doing."""
        return read(await self._ask("GET", "/v1/status", b""), api.Status)

    async def _post(self, url: str, body: msgspec.Struct, shape: type[T]) -> T:
        return read(await self._ask("POST", url, msgspec.json.encode(body)), shape)

    async def _ask(self, method: str, url: str, body: bytes) -> bytes:
        try:
            async with asyncio.timeout(self._timeout_s), _Exchange(self._path) as exchange:
                await exchange.ask(method, url, body)
                return await exchange.body()
        except TimeoutError:
            raise DaemonUnreachableError("imgvecd takes too long to answer.") from None


class _Exchange:
    """One request and its answer on a connection of its own: as much HTTP/1.1 as imgvecd speaks."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._length: int | None = None  # None: chunked
        self._buffer = b""

    async def __aenter__(self) -> Self:
        try:
            self._in, self._out = await asyncio.open_unix_connection(self._path)
        except OSError as error:
            message = f"imgvecd does not answer on {self._path}: {error.strerror}"
            raise DaemonUnreachableError(message) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        self._out.close()

    async def ask(self, method: str, url: str, body: bytes) -> None:
        """Send the request and read the answer's head.

        Raises:
            DaemonError: the answer is an error.
        """
        head = (
            f"{method} {url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            self._out.write(head.encode() + body)
            await self._out.drain()
            answer = await self._in.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError) as error:
            raise DaemonUnreachableError(f"imgvecd hung up: {error}") from error
        first, *fields = answer.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (f.partition(":") for f in fields)
        }
        self._length = int(headers["content-length"]) if "content-length" in headers else None
        if int(first.split()[1]) >= http.HTTPStatus.BAD_REQUEST:
            raise DaemonError(read(await self.body(), api.Problem))

    async def body(self) -> bytes:
        """Return all of the answer's body."""
        if self._length is not None:
            return await self._in.readexactly(self._length)
        whole = b""
        while chunk := await self._chunk():
            whole += chunk
        return whole

    async def line(self) -> bytes:
        """Return the next line of a chunked body; empty at its end."""
        while b"\n" not in self._buffer:
            chunk = await self._chunk()
            if not chunk:
                return b""
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line + b"\n"

    async def _chunk(self) -> bytes:
        try:
            size = int(await self._in.readuntil(b"\r\n"), 16)
            return (await self._in.readexactly(size + 2))[:-2]
        except asyncio.IncompleteReadError:
            return b""


def _live(since: str | None) -> str:
    # a clock consists of characters that need no quoting
    return _LIVE if since is None else f"{_LIVE}?since={since}"


def _metadata(image_id: int) -> str:
    return f"/v1/images/{image_id}/metadata"


def _tags(ids: Sequence[int], add: Sequence[str], remove: Sequence[str]) -> api.TagRequest:
    return api.TagRequest(ids=tuple(ids), add=tuple(add), remove=tuple(remove))


def _classify(labels: Sequence[str], fields: dict[str, Any]) -> api.ClassifyRequest:
    try:
        return msgspec.convert({"labels": tuple(labels), **fields}, api.ClassifyRequest)
    except msgspec.ValidationError as error:
        raise BadRequestError(f"{error}.") from error
