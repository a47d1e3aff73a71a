"""Fetches images from the web, within limits and from public addresses only.

Standard library only: the connection goes to the very address that was checked, which no HTTP
client with a resolver of its own would promise.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable

from imgvecd.adapters.public_addresses import is_public
from imgvecd.errors import BadRequestError, TooLargeError, UnreadableImageError

MAX_BYTES = 64_000_000
"""Largest download: the daemon's limit on uploads."""

_TIMEOUT_S = 30.0  # of the whole fetch, redirects included
_MAX_REDIRECTS = 5
_CHUNK_BYTES = 1 << 16
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}
# Some servers do not know what they serve; the decoder finds out.
_TYPES = ("image/", "application/octet-stream", "binary/octet-stream")


def fetch(
    url: str,
    *,
    max_bytes: int = MAX_BYTES,
    timeout_s: float = _TIMEOUT_S,
    allowed: Callable[[str], bool] = is_public,
) -> bytes:
    """Return the body of the image at `url`.

    Args:
        allowed: whether an address may be connected to; asked after resolving, at every redirect.

    Raises:
        BadRequestError: the URL, its address or where it leads to is not allowed.
        TooLargeError: the body is larger than `max_bytes`.
        UnreadableImageError: no answer in time, an error, or something that is no image.
    """
    deadline = time.monotonic() + timeout_s
    for _ in range(_MAX_REDIRECTS + 1):
        target = _parsed(url)
        try:
            found = _get(target, max_bytes, deadline, allowed)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, TimeoutError) or time.monotonic() >= deadline:
                message = f"{url}: no image in {timeout_s:g} s"
                raise UnreadableImageError("timeout", message) from None
            raise UnreadableImageError("unreadable", f"{url}: {error}") from error
        if isinstance(found, bytes):
            return found
        url = urllib.parse.urljoin(url, found)
    raise BadRequestError(f"{url}: more than {_MAX_REDIRECTS} redirects")


def _parsed(url: str) -> urllib.parse.SplitResult:
    try:
        target = urllib.parse.urlsplit(url)
        port = target.port
    except ValueError as error:
        raise BadRequestError(f"{url}: {error}") from error
    if target.scheme not in _PORTS or not target.hostname:
        raise BadRequestError(f"{url}: only http and https URLs can be fetched")
    if target.username or target.password:
        raise BadRequestError("a URL with a password in it is not fetched")
    return target if port != 0 else target._replace(netloc=target.hostname)


def _get(
    target: urllib.parse.SplitResult,
    max_bytes: int,
    deadline: float,
    allowed: Callable[[str], bool],
) -> bytes | str:
    """Return the body, or where to look instead."""
    connection = _PinnedConnection(target, deadline, allowed)
    # a timeout of the socket starts anew with every byte; this ends also what drips
    timer = threading.Timer(connection.left_s(), connection.abort)
    timer.daemon = True
    timer.start()
    try:
        path = urllib.parse.urlunsplit(("", "", target.path or "/", target.query, ""))
        headers = {"User-Agent": "imgvecd", "Accept": "image/*", "Accept-Encoding": "identity"}
        connection.request(
            "GET", urllib.parse.quote(path, safe="/?&=%:@!$'()*+,;~-._"), None, headers
        )
        response = connection.getresponse()
        location = response.getheader("Location")
        if response.status in _REDIRECTS and location:
            return location
        if response.status != http.client.OK:
            raise UnreadableImageError(
                "unreadable", f"{target.geturl()}: {response.status} {response.reason}"
            )
        _check_type(target, response)
        body = _body(response, max_bytes)
        connection.left_s()
        return body
    finally:
        timer.cancel()
        connection.close()


def _check_type(target: urllib.parse.SplitResult, response: http.client.HTTPResponse) -> None:
    kind = response.getheader("Content-Type", "application/octet-stream").lower()
    if not kind.startswith(_TYPES):
        raise UnreadableImageError("unsupported", f"{target.geturl()} is {kind}, not an image")


def _body(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    body = bytearray()
    while chunk := response.read1(_CHUNK_BYTES):
        body += chunk
        if len(body) > max_bytes:
            raise TooLargeError(f"the image is larger than {max_bytes:,} bytes")
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return bytes(body)


class _PinnedConnection(http.client.HTTPConnection):
    """Connects to an address that was checked, and to no other."""

    def __init__(
        self,
        target: urllib.parse.SplitResult,
        deadline: float,
        allowed: Callable[[str], bool],
    ) -> None:
        assert target.hostname  # noqa: S101  # `_parsed` saw to it
        super().__init__(target.hostname, target.port or _PORTS[target.scheme])
        self._tls = target.scheme == "https"
        self._deadline = deadline
        self._allowed = allowed
        # the base class forgets its own once the header says that the server will close it
        self._socket: socket.socket | None = None

    def left_s(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimeoutError: none are.
        """
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def abort(self) -> None:
        """End whatever is under way; for another thread."""
        with contextlib.suppress(OSError):
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)

    def connect(self) -> None:
        addresses = [
            str(info[4][0])
            for info in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        ]
        refused = [address for address in addresses if not self._allowed(address)]
        if refused:
            raise BadRequestError(f"{self.host} is {refused[0]}, which is not a public address")
        self.sock = self._socket = socket.create_connection(
            (addresses[0], self.port), timeout=self.left_s()
        )
        if self._tls:
            secured = ssl.create_default_context().wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.sock = self._socket = secured
            secured.do_handshake()
