"""`Client` and `AsyncClient`: a running daemon from Python, with the structs of `imgvecd.api`.

Light on purpose: neither numpy nor the model is needed to ask a daemon.
"""

from __future__ import annotations

import asyncio
import http
import os
import urllib.parse
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Self, TypeVar

import msgspec

from imgvecd import api
from imgvecd.client.http_connection import (
    DEFAULT_TIMEOUT_S,
    NDJSON,
    DaemonConnection,
    error_of,
    read,
)
from imgvecd.client.socket_path import socket_path
from imgvecd.client.socket_trust import require_known_peer, require_safe_folder
from imgvecd.errors import BadRequestError, DaemonUnreachableError

T = TypeVar("T")
Query = str | api.SearchRequest

_LIVE = "/v1/search/live"
_WORLD = (-90.0, -180.0, 90.0, 180.0)


_DEDUP_S = 86_400.0  # as long as looking at every picture may take


class Client:
    """A daemon, asked from one thread; every method raises `ImgvecdError`.

    What the daemon answers with an error is a `DaemonError` with its `code`. One connection is
    kept; `close`, or the end of `with`, hangs up.

    Args:
        socket: its path; None finds it as `imgvec` does.
    """

    def __init__(self, socket: str | None = None, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._path = socket_path(socket)
        self._timeout_s = timeout_s
        self._daemon = DaemonConnection(self._path, timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; harmless when repeated, and the next question connects anew."""
        self._daemon.close()

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
        connection = DaemonConnection(self._path, self._timeout_s)
        for kind, _, data in connection.events(_live(since), api.search_request(query, fields)):
            if kind == "match":
                yield read(data, api.Match)

    def classify(self, labels: Sequence[str], **fields: Any) -> api.ClassifyResponse:  # noqa: ANN401  # of the request
        """Return stored images with the labels that fit best; `fields` of `ClassifyRequest`."""
        return self._post("/v1/classify", _classify(labels, fields), api.ClassifyResponse)

    def image(self, image_id: int) -> api.Image:
        """Return one stored image."""
        return read(self._daemon.get(f"/v1/images/{image_id}"), api.Image)

    def images(
        self, after: int = -1, filters: api.Filters | None = None, order: api.ListOrder = "id"
    ) -> Iterator[api.Image]:
        """Yield every stored image that passes, in bounded memory; by id, those above `after`."""
        return self._lines(_images(after, filters, order), api.Image)

    def lookup(self, ids: Sequence[int]) -> tuple[api.Image, ...]:
        """Return those of up to 1,000 stored images that there are, in this order."""
        request = api.LookupRequest(ids=tuple(ids))
        return self._post("/v1/images/lookup", request, api.ImageList).images

    def timeline(self, filters: api.Filters | None = None) -> api.Timeline:
        """Return how many images were taken when, newest first."""
        return read(self._daemon.get(_with_filters("/v1/timeline", filters)), api.Timeline)

    def month(self, month: str, filters: api.Filters | None = None) -> api.MonthImages:
        """Return the images of a month ("2023-05", "undated"), newest first, in columns."""
        return read(self._daemon.get(_month(month, filters)), api.MonthImages)

    def facets(self, kind: api.FacetKind, contains: str = "", limit: int = 50) -> api.Facets:
        """Return the cameras, tags, people or folders that most images have."""
        return read(self._daemon.get(_facets(kind, contains, limit)), api.Facets)

    def positions(
        self, box: tuple[float, float, float, float] = _WORLD, columns: int = 32
    ) -> api.Clusters:
        """Return where images were taken, those of one cell of a grid over the box together.

        Args:
            box: south, west, north, east, in degrees.
        """
        return read(self._daemon.get(_positions(box, columns)), api.Clusters)

    def original(self, image_id: int) -> bytes:
        """Return the picture's file, byte for byte."""
        return self._daemon.get(f"/v1/images/{image_id}/original")

    def film(self, image_id: int) -> bytes:
        """Return the film of a Live Photo."""
        return self._daemon.get(f"/v1/images/{image_id}/film")

    def failures(self) -> Iterator[api.Failure]:
        """Yield every file that cannot be searched."""
        return self._lines("/v1/failures", api.Failure)

    def changes(self, since: str | None = None) -> Iterator[api.Changes]:
        """Yield what happened to files after a clock, page by page; `clock` of the last goes on."""
        return self._lines(_changes(since), api.Changes)

    def thumbnail(self, image_id: int, size: int = 256) -> bytes:
        """Return an image small, as a JPEG; `size` is 64, 128, 256, … or 4096 pixels."""
        return self._daemon.get(_thumbnail(image_id, size))

    def events(self, last_id: str | None = None) -> Iterator[api.Event]:
        """Yield what happens in the daemon, until it stops; the state comes first.

        Args:
            last_id: `id` of the last event heard, to go on after it.
        """
        for _, _, data in DaemonConnection(self._path, self._timeout_s).all_events(last_id):
            yield read(data, api.Event)

    def duplicates(self, **fields: Any) -> api.Duplicates:  # noqa: ANN401  # see `api.DuplicatesRequest`
        """Return groups of files that are the same picture, or nearly."""
        request = _duplicates(fields)
        return read(self._daemon.post("/v1/duplicates", request, _DEDUP_S), api.Duplicates)

    def plan_dedup(self, **fields: Any) -> api.DedupPlan:  # noqa: ANN401  # see `api.DuplicatesRequest`
        """Return which duplicates could go to the trash; nothing moves."""
        body = self._daemon.post("/v1/duplicates/plan", _duplicates(fields), _DEDUP_S)
        return read(body, api.DedupPlan)

    def apply_dedup(self, plan: str) -> api.DedupDone:
        """Move the files of a plan, the text perhaps edited, to the trash."""
        request = api.DedupApplyRequest(plan=plan)
        return read(self._daemon.post("/v1/duplicates/apply", request, _DEDUP_S), api.DedupDone)

    def undo_dedup(self, name: str | None = None) -> api.DedupDone:
        """Put back what a plan moved; without a name, the last one."""
        request = api.DedupUndoRequest(name=name)
        return read(self._daemon.post("/v1/duplicates/undo", request, _DEDUP_S), api.DedupDone)

    def sync(self, timeout_s: float = 30.0) -> str:
        """Return the clock once all that is on disk now can be found.

        Raises:
            DaemonError: with code "not_in_time".
        """
        body = self._daemon.post("/v1/sync", api.SyncRequest(timeout_s=timeout_s), timeout_s)
        return read(body, api.Done).clock

    def _lines(self, url: str, shape: type[T]) -> Iterator[T]:
        for line in DaemonConnection(self._path, self._timeout_s).lines(url):
            yield read(line, shape)

    def set_metadata(self, image_id: int, **changes: Any) -> api.Image:  # noqa: ANN401  # JSON values
        """Set some of what you say of an image, None taking a value away; return the image."""
        return read(self._daemon.patch(_metadata(image_id), changes), api.Image)

    def tag(self, ids: Sequence[int], add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        """Add and remove tags of images."""
        self._post("/v1/tags", _tags(ids, add, remove), api.Done)

    def rescan(self, folder: str | os.PathLike[str] | None = None) -> str:
        """Have everything, or one folder, compared with the disk; return the clock.

        Raises:
            DaemonError: with code "not_found": the folder lies in none of the watched ones.
        """
        return self._post("/v1/rescan", api.RescanRequest.of(folder), api.Done).clock

    def forget(self, older_than_s: float | None = None) -> api.Forgotten:
        """Have pictures that are gone, and texts that nobody asked, for so long forgotten.

        Args:
            older_than_s: None takes `catalog.keep_days` of the daemon's configuration.
        """
        return self._post("/v1/forget", api.ForgetRequest(older_than_s=older_than_s), api.Forgotten)

    def status(self) -> api.Status:
        """Return what the daemon is doing."""
        return read(self._daemon.get("/v1/status"), api.Status)

    def stats(self) -> api.Stats:
        """Return what the library holds."""
        return read(self._daemon.get("/v1/stats"), api.Stats)

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
        async for line in self._streamed("POST", _live(since), body):
            name, _, value = line.partition(b": ")
            if name == b"data" and value != b"{}":  # "ready" says nothing but its id
                yield read(value, api.Match)

    async def classify(self, labels: Sequence[str], **fields: Any) -> api.ClassifyResponse:  # noqa: ANN401  # of the request
        """Return stored images with the labels that fit best; `fields` of `ClassifyRequest`."""
        return await self._post("/v1/classify", _classify(labels, fields), api.ClassifyResponse)

    async def image(self, image_id: int) -> api.Image:
        """Return one stored image."""
        return read(await self._ask("GET", f"/v1/images/{image_id}", b""), api.Image)

    async def images(
        self, after: int = -1, filters: api.Filters | None = None, order: api.ListOrder = "id"
    ) -> AsyncIterator[api.Image]:
        """Yield every stored image that passes, in bounded memory; by id, those above `after`."""
        async for line in self._lines(_images(after, filters, order)):
            yield read(line, api.Image)

    async def lookup(self, ids: Sequence[int]) -> tuple[api.Image, ...]:
        """Return those of up to 1,000 stored images that there are, in this order."""
        request = api.LookupRequest(ids=tuple(ids))
        return (await self._post("/v1/images/lookup", request, api.ImageList)).images

    async def timeline(self, filters: api.Filters | None = None) -> api.Timeline:
        """Return how many images were taken when, newest first."""
        answer = await self._ask("GET", _with_filters("/v1/timeline", filters), b"")
        return read(answer, api.Timeline)

    async def month(self, month: str, filters: api.Filters | None = None) -> api.MonthImages:
        """Return the images of a month, in columns; see `Client.month`."""
        return read(await self._ask("GET", _month(month, filters), b""), api.MonthImages)

    async def facets(self, kind: api.FacetKind, contains: str = "", limit: int = 50) -> api.Facets:
        """Return the cameras, tags, people or folders that most images have."""
        return read(await self._ask("GET", _facets(kind, contains, limit), b""), api.Facets)

    async def positions(
        self, box: tuple[float, float, float, float] = _WORLD, columns: int = 32
    ) -> api.Clusters:
        """Return where images were taken; see `Client.positions`."""
        return read(await self._ask("GET", _positions(box, columns), b""), api.Clusters)

    async def original(self, image_id: int) -> bytes:
        """Return the picture's file, byte for byte."""
        return await self._ask("GET", f"/v1/images/{image_id}/original", b"")

    async def film(self, image_id: int) -> bytes:
        """Return the film of a Live Photo."""
        return await self._ask("GET", f"/v1/images/{image_id}/film", b"")

    async def failures(self) -> AsyncIterator[api.Failure]:
        """Yield every file that cannot be searched."""
        async for line in self._lines("/v1/failures"):
            yield read(line, api.Failure)

    async def changes(self, since: str | None = None) -> AsyncIterator[api.Changes]:
        """Yield what happened to files after a clock; see `Client.changes`."""
        async for line in self._lines(_changes(since)):
            yield read(line, api.Changes)

    async def thumbnail(self, image_id: int, size: int = 256) -> bytes:
        """Return an image small, as a JPEG; `size` is 64, 128, 256, … or 4096 pixels."""
        return await self._ask("GET", _thumbnail(image_id, size), b"")

    async def events(self, last_id: str | None = None) -> AsyncIterator[api.Event]:
        """Yield what happens in the daemon, until it stops; see `Client.events`."""
        head = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
        async for line in self._streamed("GET", "/v1/events", b"", head):
            name, _, value = line.partition(b": ")
            if name == b"data":
                yield read(value, api.Event)

    async def duplicates(self, **fields: Any) -> api.Duplicates:  # noqa: ANN401  # see `api.DuplicatesRequest`
        """Return groups of files that are the same picture, or nearly."""
        body = msgspec.json.encode(_duplicates(fields))
        answer = await self._ask("POST", "/v1/duplicates", body, patience_s=_DEDUP_S)
        return read(answer, api.Duplicates)

    async def plan_dedup(self, **fields: Any) -> api.DedupPlan:  # noqa: ANN401  # see `api.DuplicatesRequest`
        """Return which duplicates could go to the trash; nothing moves."""
        body = msgspec.json.encode(_duplicates(fields))
        answer = await self._ask("POST", "/v1/duplicates/plan", body, patience_s=_DEDUP_S)
        return read(answer, api.DedupPlan)

    async def apply_dedup(self, plan: str) -> api.DedupDone:
        """Move the files of a plan, the text perhaps edited, to the trash."""
        body = msgspec.json.encode(api.DedupApplyRequest(plan=plan))
        answer = await self._ask("POST", "/v1/duplicates/apply", body, patience_s=_DEDUP_S)
        return read(answer, api.DedupDone)

    async def undo_dedup(self, name: str | None = None) -> api.DedupDone:
        """Put back what a plan moved; without a name, the last one."""
        body = msgspec.json.encode(api.DedupUndoRequest(name=name))
        answer = await self._ask("POST", "/v1/duplicates/undo", body, patience_s=_DEDUP_S)
        return read(answer, api.DedupDone)

    async def sync(self, timeout_s: float = 30.0) -> str:
        """Return the clock once all that is on disk now can be found; see `Client.sync`."""
        body = msgspec.json.encode(api.SyncRequest(timeout_s=timeout_s))
        answer = await self._ask("POST", "/v1/sync", body, patience_s=timeout_s)
        return read(answer, api.Done).clock

    def _lines(self, url: str) -> AsyncIterator[bytes]:
        return self._streamed("GET", url, b"", f"Accept: {NDJSON}\r\n", endless=False)

    async def _streamed(
        self, method: str, url: str, body: bytes, head: str = "", *, endless: bool = True
    ) -> AsyncIterator[bytes]:
        """Yield the lines of an answer as they come; an endless one ends with the daemon."""
        async with _Exchange(self._path) as exchange:
            await exchange.ask(method, url, body, head)
            async for line in exchange.lines():
                yield line
            if not (endless or exchange.whole):
                raise DaemonUnreachableError("imgvecd broke off its answer; its log says why.")

    async def set_metadata(self, image_id: int, **changes: Any) -> api.Image:  # noqa: ANN401  # JSON values
        """Set some of what you say of an image, None taking a value away; return the image."""
        body = msgspec.json.encode(changes)
        return read(await self._ask("PATCH", _metadata(image_id), body), api.Image)

    async def tag(
        self, ids: Sequence[int], add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> None:
        """Add and remove tags of images."""
        await self._post("/v1/tags", _tags(ids, add, remove), api.Done)

    async def rescan(self, folder: str | os.PathLike[str] | None = None) -> str:
        """Have everything, or one folder, compared with the disk; see `Client.rescan`."""
        return (await self._post("/v1/rescan", api.RescanRequest.of(folder), api.Done)).clock

    async def forget(self, older_than_s: float | None = None) -> api.Forgotten:
        """Have what is of no use any more forgotten; see `Client.forget`."""
        wanted = api.ForgetRequest(older_than_s=older_than_s)
        return await self._post("/v1/forget", wanted, api.Forgotten)

    async def status(self) -> api.Status:
        """Return what the daemon is doing."""
        return read(await self._ask("GET", "/v1/status", b""), api.Status)

    async def stats(self) -> api.Stats:
        """Return what the library holds."""
        return read(await self._ask("GET", "/v1/stats", b""), api.Stats)

    async def _post(self, url: str, body: msgspec.Struct, shape: type[T]) -> T:
        return read(await self._ask("POST", url, msgspec.json.encode(body)), shape)

    async def _ask(self, method: str, url: str, body: bytes, patience_s: float = 0.0) -> bytes:
        try:
            async with (
                asyncio.timeout(self._timeout_s + patience_s),
                _Exchange(self._path) as exchange,
            ):
                await exchange.ask(method, url, body)
                return await exchange.body()
        except TimeoutError:
            raise DaemonUnreachableError("imgvecd takes too long to answer.") from None


class _Exchange:
    """One request and its answer on a connection of its own: as much HTTP/1.1 as imgvecd speaks."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._length: int | None = None  # None: chunked
        self.whole = True  # false while an answer is under way, and after it broke off

    async def __aenter__(self) -> Self:
        try:
            require_safe_folder(self._path)
            self._in, self._out = await asyncio.open_unix_connection(self._path)
            try:
                require_known_peer(self._path, self._out.get_extra_info("socket"))
            except BaseException:
                self._out.close()
                raise
        except OSError as error:
            message = f"imgvecd does not answer on {self._path}: {error.strerror}"
            raise DaemonUnreachableError(message) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        self._out.close()

    async def ask(self, method: str, url: str, body: bytes, more: str = "") -> None:
        """Send the request and read the answer's head; `more` are further header lines.

        Raises:
            DaemonError: the answer is an error.
        """
        head = (
            f"{method} {url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{more}\r\n"
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
            raise error_of(await self.body())

    async def body(self) -> bytes:
        """Return all of the answer's body."""
        if self._length is not None:
            return await self._in.readexactly(self._length)
        whole = b""
        while chunk := await self._chunk():
            whole += chunk
        return whole

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield the lines of a chunked body as they come."""
        rest = b""
        while chunk := await self._chunk():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line

    async def _chunk(self) -> bytes:
        try:
            size = int(await self._in.readuntil(b"\r\n"), 16)
            chunk = (await self._in.readexactly(size + 2))[:-2]
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        self.whole = not chunk
        return chunk


def _changes(since: str | None) -> str:
    # a clock consists of characters that need no quoting
    return "/v1/changes" if since is None else f"/v1/changes?since={since}"


def _images(after: int, filters: api.Filters | None, order: api.ListOrder) -> str:
    return _with_filters("/v1/images", filters, after=after, order=order)


def _with_filters(url: str, filters: api.Filters | None, **fields: int | str | bytes) -> str:
    if filters is not None:
        fields["filters"] = msgspec.json.encode(filters)
    return f"{url}?{urllib.parse.urlencode(fields)}"


def _month(month: str, filters: api.Filters | None) -> str:
    return _with_filters(f"/v1/timeline/{urllib.parse.quote(month, safe='')}", filters)


def _facets(kind: api.FacetKind, contains: str, limit: int) -> str:
    fields = {"kind": kind, "contains": contains, "limit": limit}
    return f"/v1/facets?{urllib.parse.urlencode(fields)}"


def _positions(box: tuple[float, float, float, float], columns: int) -> str:
    south, west, north, east = box
    fields = {"south": south, "west": west, "north": north, "east": east, "columns": columns}
    return f"/v1/positions?{urllib.parse.urlencode(fields)}"


def _thumbnail(image_id: int, size: int) -> str:
    return f"/v1/images/{image_id}/thumbnail?size={size}"


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
        raise BadRequestError(api.complaint(error)) from error


def _duplicates(fields: dict[str, Any]) -> api.DuplicatesRequest:
    try:
        return msgspec.convert(fields, api.DuplicatesRequest)
    except msgspec.ValidationError as error:
        raise BadRequestError(api.complaint(error)) from error
