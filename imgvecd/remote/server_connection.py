"""The daemon's end: requests to one encode server, and what it means when they fail."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias

import aiohttp
import msgspec

import imgvecd
from imgvecd.config.schema import EncodeServerConfig, expand
from imgvecd.core.files.durable import DurableFile
from imgvecd.core.files.token_file import read_token
from imgvecd.core.threads import BULK
from imgvecd.errors import ConfigError, EncoderAwayError, WorkerError
from imgvecd.remote import messages
from imgvecd.types import Lane

Trouble: TypeAlias = Literal["unreachable", "refused", "failing"]

_CONNECT_S = 10.0
_OFFER_S = 20.0
_ANSWER_S = 180.0  # of a batch: over a slow network, by a model that is loaded for it
# A machine that sleeps or lost its power acknowledges nothing: noticed after 10 + 3 × 5 s.
_KEEPALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
_UNACKNOWLEDGED_MS = 25_000  # of data that was sent: likewise
_TOWER_S, _SILENCE_S = 3600.0, 30.0  # of fetching a text tower: in all, and without a byte
_CHUNK_BYTES = 1 << 20
_MOST_ANSWER_BYTES = 4 << 20  # 256 vectors of 4,096 dimensions
_BUSY_S, _MOST_BUSY = 0.5, 20  # pauses while others have the server
_UNAUTHORIZED, _MISMATCH, _UNAVAILABLE = 401, 426, 503
_OK = 200
_NO_SERVER = "what answers there is no encode server"


class ServerTroubleError(EncoderAwayError):
    """The server cannot be reached.

    Attributes:
        state: whether it is off, one of both does not take the other, or it does not work.
    """

    def __init__(self, state: Trouble, reason: str) -> None:
        super().__init__(reason)
        self.state = state


@dataclass(frozen=True, slots=True)
class Encoded:
    """Vectors as they came: rows of float32.

    Attributes:
        batch: how many images the server likes to have at once.
    """

    rows: bytes
    seconds: float
    batch: int


class ServerConnection:
    """HTTP to one server, connected when it is needed. For one event loop.

    Token and certificate are read at each new connection, so that mending them needs no restart.
    """

    def __init__(self, config: EncodeServerConfig) -> None:
        self.url = config.url.rstrip("/")
        self._config = config
        self._session: aiohttp.ClientSession | None = None

    async def offer(self) -> messages.Offer:
        """Return what the server has.

        Raises:
            ServerTroubleError: it cannot be reached, or be used by this program.
        """
        answer = await self._ask("GET", messages.MODELS, {}, None, _OFFER_S)
        try:
            offer = msgspec.json.decode(answer.body, type=messages.Offer)
        except msgspec.MsgspecError:
            self._refuse(_NO_SERVER)
        if offer.protocol != messages.PROTOCOL:
            self._refuse(_other_protocol(f"version {offer.protocol}, of imgvecd {offer.version}"))
        return offer

    async def encode_images(self, fingerprint: str, pixels: Sequence[bytes], lane: Lane) -> Encoded:
        """Return the vectors of pictures.

        Raises:
            ServerTroubleError: as `offer`.
            WorkerError: the server's worker died on them.
        """
        headers = {
            messages.MODEL_HEADER: fingerprint,
            messages.LANE_HEADER: lane.name.lower(),
            messages.COUNT_HEADER: str(len(pixels)),
            "Content-Type": messages.PIXELS_TYPE,
        }
        return await self._encode(messages.IMAGES, headers, pixels)

    async def encode_texts(self, fingerprint: str, texts: Sequence[str], lane: Lane) -> Encoded:
        """Return the vectors of texts; errors as for `encode_images`."""
        body = msgspec.json.encode(messages.TextsToEncode(list(texts)))
        headers = {
            messages.MODEL_HEADER: fingerprint,
            messages.LANE_HEADER: lane.name.lower(),
            "Content-Type": "application/json",
        }
        return await self._encode(messages.TEXTS, headers, [body])

    async def fetch_text_tower(self, fingerprint: str, path: str) -> None:
        """Write the model's text tower to a file, which is there as a whole or not at all.

        Raises:
            ServerTroubleError: as `offer`, or the server does not keep it.
            OSError: it cannot be written.
        """
        headers = {messages.MODEL_HEADER: fingerprint}
        async with self._told(_TOWER_S):
            session = self._session or await self._connect()
            address = self.url + messages.TEXT_TOWER
            async with session.get(address, headers=headers, allow_redirects=False) as response:
                length = response.content_length
                if response.status != _OK or not length or length > messages.MOST_TOWER_BYTES:
                    self._refuse("it has no text tower to give")
                await self._save(response, length, path)

    async def _save(self, response: aiohttp.ClientResponse, length: int, path: str) -> None:
        left = length
        await BULK.run(os.makedirs, os.path.dirname(path), mode=0o700, exist_ok=True)
        with DurableFile(path, parsed=True) as file:
            while left:
                async with asyncio.timeout(_SILENCE_S):
                    chunk = await response.content.read(_CHUNK_BYTES)
                if not chunk:
                    self._lose("hung up")
                await BULK.run(file.write, chunk)
                left -= len(chunk)

    async def close(self) -> None:
        """Hang up; a later request connects again."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _encode(self, path: str, headers: dict[str, str], body: Sequence[bytes]) -> Encoded:
        length = {"Content-Length": str(sum(map(len, body)))}
        answer = await self._ask("POST", path, headers | length, body, _ANSWER_S)
        try:
            seconds = float(answer.headers[messages.SECONDS_HEADER])
            return Encoded(answer.body, seconds, int(answer.headers[messages.BATCH_HEADER]))
        except (KeyError, ValueError):
            self._refuse(_NO_SERVER)

    async def _ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: Sequence[bytes] | None,
        limit_s: float,
    ) -> _Answer:
        async with self._told(limit_s):
            for _ in range(_MOST_BUSY):
                answer = await self._ask_once(method, path, headers, body)
                if not answer.busy:
                    break
                await asyncio.sleep(_BUSY_S)
        if answer.status != _OK:
            self._raise(answer)
        return answer

    @contextlib.asynccontextmanager
    async def _told(self, limit_s: float) -> AsyncIterator[None]:
        """Make of what fails on the way a `ServerTroubleError`."""
        try:
            async with asyncio.timeout(limit_s):
                yield
        except TimeoutError:
            self._lose(f"does not answer within {limit_s:g} s")
        except aiohttp.ClientConnectorCertificateError as error:
            self._refuse(_certificate(error.certificate_error))
        except aiohttp.ClientSSLError as error:
            self._refuse(f"TLS fails: {_os_reason(error.os_error)}")
        except (aiohttp.ClientError, OSError) as error:
            self._lose(_lost(error))

    async def _ask_once(
        self, method: str, path: str, headers: dict[str, str], body: Sequence[bytes] | None
    ) -> _Answer:
        session = self._session or await self._connect()
        data = None if body is None else _sent(body)
        request = session.request(
            method, self.url + path, headers=headers, data=data, allow_redirects=False
        )
        async with request as response:
            content = bytearray()
            async for chunk in response.content.iter_chunked(1 << 18):
                content += chunk
                if len(content) > _MOST_ANSWER_BYTES:
                    self._refuse("its answer does not end")
            return _Answer(response.status, dict(response.headers), bytes(content))

    async def _connect(self) -> aiohttp.ClientSession:
        try:
            token, context = await BULK.run(self._read_files)
        except ConfigError as error:
            self._refuse(str(error))
        headers = {
            messages.PROTOCOL_HEADER: str(messages.PROTOCOL),
            "User-Agent": f"imgvecd/{imgvecd.__version__}",
        }
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if self._session is None:  # two may have waited for the files
            self._session = aiohttp.ClientSession(
                headers=headers,
                connector=aiohttp.TCPConnector(ssl=context, socket_factory=_socket),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
                auto_decompress=False,  # a small answer could become a huge one
            )
        return self._session

    def _read_files(self) -> tuple[str, ssl.SSLContext | bool]:
        config, token = self._config, ""
        if config.token_file:
            token = read_token(expand(config.token_file), "token_file", make=False)
        if not self.url.startswith("https:"):
            return token, False
        ca_file = expand(config.ca_file) if config.ca_file else None
        try:
            return token, ssl.create_default_context(cafile=ca_file)
        except (ssl.SSLError, OSError) as error:
            raise ConfigError(f"ca_file: {ca_file}: {_os_reason(error)}") from None

    def _raise(self, answer: _Answer) -> NoReturn:
        try:
            problem = msgspec.json.decode(answer.body, type=messages.RefusedRequest)
        except msgspec.MsgspecError:
            self._refuse(f"{_NO_SERVER} (HTTP {answer.status})")
        if problem.code == WorkerError.code:
            raise WorkerError(f"{self.url}: {problem.detail}")
        if answer.status == _UNAUTHORIZED:
            file = self._config.token_file
            token = f"the token in {file} is not the server's" if file else "it wants a token_file"
            self._refuse(token)
        if answer.status == _MISMATCH:
            self._refuse(_other_protocol(problem.detail))
        if answer.status == _UNAVAILABLE:
            raise ServerTroubleError("failing", f"{self.url}: {problem.detail}")
        self._refuse(f"it refuses what it is sent: {problem.detail} (HTTP {answer.status})")

    def _refuse(self, reason: str) -> NoReturn:
        raise ServerTroubleError("refused", f"{self.url}: {reason}")

    def _lose(self, reason: str) -> NoReturn:
        raise ServerTroubleError("unreachable", f"{self.url}: {reason}")


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def busy(self) -> bool:
        return self.status == _UNAVAILABLE and b'"busy"' in self.body


async def _sent(body: Sequence[bytes]) -> AsyncIterator[bytes]:
    """Yield the parts, so that the loop has turns between them and nothing is copied together."""
    for part in body:
        yield part


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    with contextlib.suppress(OSError):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (*_KEEPALIVE, ("TCP_USER_TIMEOUT", _UNACKNOWLEDGED_MS)):
            if hasattr(socket, name):
                made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


def _other_protocol(theirs: str) -> str:
    return (
        f"it speaks another version of the protocol ({theirs}); this imgvecd "
        f"{imgvecd.__version__} speaks {messages.PROTOCOL}: install the same version on both"
    )


def _certificate(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message.removesuffix(".")
        advice = " (for an address it has to say subjectAltName=IP:ADDRESS)" if "IP" in why else ""
        return f"its certificate is not accepted: {why}{advice}"
    return f"its certificate is not accepted: {error}"


def _lost(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot be reached: {_os_reason(error.os_error)}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "hung up"
    return f"the connection was lost: {error or type(error).__name__}"


def _os_reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    number = error.errno
    return os.strerror(number) if number is not None and number > 0 else str(error)
