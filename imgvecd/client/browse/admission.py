"""Who may speak to the gateway: a browser that brought token or secret, on pages of our own origin.

A page of elsewhere can make a browser send requests here. It cannot forge `Host`, `Origin` or
`Sec-Fetch-Site`, nor read the cookie. A cookie for a random name below `localhost` is sent to no
other server on this machine, as one for 127.0.0.1 would be.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from imgvecd.errors import ConfigError

COOKIE = "imgvec"
TOKEN_S = 60.0
"""How long a token can be used: until a browser has started, or a tunnel was set up."""

_SECRET_BYTES = 32
_NAME_BYTES = 8
_LEAST_SECRET = 32  # characters: nobody guesses it, however often they try
_TRIES, _TRIES_S = 10, 60.0  # wrong secrets in so many seconds, before everybody waits
_LOCAL = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\]|[a-z0-9-]+\.localhost)(:\d+)?")
_PUBLIC = re.compile(r"https://[a-z0-9.-]+(:\d+)?")
_WRITES = {"POST", "PUT", "PATCH", "DELETE"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a request is refused with: an HTTP status, and why."""

    status: int
    why: str


_ELSEWHERE = Refusal(403, "Pages of other sites may not ask imgvecd.")


class BrowserAdmission:
    """Decides about requests by their heads. For one event loop.

    Args:
        origins: under which the page can be opened: scheme, host and port.
        cookie: what a browser that was let in sends with every request.
        before: (method, path) of what our own pages may ask before that.
    """

    def __init__(
        self,
        origins: tuple[str, ...],
        cookie: str,
        before: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        self.secure = origins[0].startswith("https:")
        self._origins = {origin.partition("//")[2]: origin for origin in origins}
        self._cookie = cookie
        self._before = before
        self._anew = "Open the page again with `imgvec browse`."

    def knows(self, cookie: str | None) -> bool:
        """Return whether a browser was let in that has this cookie."""
        return cookie is not None and hmac.compare_digest(_bytes(cookie), self._cookie.encode())

    def refusal(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        hosts: list[str],
        cookie: str | None,
    ) -> Refusal | None:
        """Return why a request is refused; None lets it pass.

        Args:
            hosts: every `Host` of the request.
        """
        if len(hosts) != 1 or hosts[0] not in self._origins:
            return Refusal(421, "This is not the address that the page was opened at.")
        navigates = method == "GET" and headers.get("Sec-Fetch-Mode") == "navigate"
        if method == "GET" and path == "/enter":
            whole = navigates and headers.get("Sec-Fetch-Dest") == "document"
            return None if whole else Refusal(403, "This address is to be opened in a browser.")
        site = headers.get("Sec-Fetch-Site")
        typed = navigates and path == "/" and site == "none"
        if site != "same-origin" and not typed:
            return _ELSEWHERE
        if not self.knows(cookie) and (method, path) not in self._before:
            return Refusal(401, self._anew)
        return _unfit_write(headers, self._origins[hosts[0]]) if method in _WRITES else None


class OneBrowser(BrowserAdmission):
    """Lets in who brings a token that was just made.

    Args:
        port: that the gateway listens on.
        now: a monotonic clock in seconds.
    """

    def __init__(self, port: int, now: Callable[[], float] = time.monotonic) -> None:
        name = f"{secrets.token_hex(_NAME_BYTES)}.localhost"
        # the number is for browsers that do not know names below localhost
        origins = (f"http://{name}:{port}", f"http://127.0.0.1:{port}")
        super().__init__(origins, secrets.token_urlsafe(_SECRET_BYTES))
        self._now = now
        self._tokens: dict[str, float] = {}
        self._address = origins[0]

    def new_address(self) -> str:
        """Return an address that lets one browser in, once and for `TOKEN_S` seconds."""
        token = secrets.token_urlsafe(_SECRET_BYTES)
        self._tokens[token] = self._now() + TOKEN_S
        return f"{self._address}/enter?token={token}"

    def enter(self, token: str) -> str | None:
        """Return the cookie that the token buys; None if it is used up, too old or none."""
        now = self._now()
        self._tokens = {known: end for known, end in self._tokens.items() if end > now}
        if any(hmac.compare_digest(known.encode(), _bytes(token)) for known in self._tokens):
            self._tokens.clear()  # a browser that is in needs no other way in
            return self._cookie
        return None


class SecretHolders(BrowserAdmission):
    """Lets in who knows the secret, for as long as it stays the same.

    Args:
        origin: of the page as browsers see it, "https://photos.example".
        now: a monotonic clock in seconds.

    Raises:
        ConfigError: browsers tell nothing of where requests come from at such an origin, or the
            secret is too short.
    """

    def __init__(self, origin: str, secret: str, now: Callable[[], float] = time.monotonic) -> None:
        if not (_PUBLIC.fullmatch(origin) or _LOCAL.fullmatch(origin)):
            raise ConfigError(
                f"browse.origin: expected https://NAME, got {origin!r}: without TLS, which is a "
                "reverse proxy's job, browsers do not tell whose page asks."
            )
        if len(secret) < _LEAST_SECRET:
            raise ConfigError(
                f"browse.secret_file: the secret has {len(secret)} characters, {_LEAST_SECRET} at "
                "least are needed: openssl rand -base64 32"
            )
        digest = hmac.new(secret.encode(), b"imgvec browse: cookie", hashlib.sha256).hexdigest()
        before = frozenset({("POST", "/enter"), ("GET", "/web/enter.js"), ("GET", "/web/page.css")})
        super().__init__((origin,), digest, before)
        self._anew = "Reload the page: it asks for the secret."
        self._secret = secret
        self._now = now
        self._wrong: list[float] = []

    def enter(self, secret: str) -> str | None:
        """Return the cookie that the secret buys; None if it is wrong, or too many were."""
        self._wrong = [at for at in self._wrong if at > self._now() - _TRIES_S]
        if len(self._wrong) >= _TRIES:
            return None
        if hmac.compare_digest(_bytes(secret), self._secret.encode()):
            return self._cookie
        self._wrong.append(self._now())
        return None


def _unfit_write(headers: Mapping[str, str], origin: str) -> Refusal | None:
    if headers.get("Origin") != origin:
        return _ELSEWHERE
    if headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
        return Refusal(415, "Requests that write are application/json.")
    return None


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
