"""Who may speak to the gateway: one browser that brought the token, on pages of our own origin.

A page of elsewhere can make a browser send requests here. It cannot forge `Host`, `Origin` or
`Sec-Fetch-Site`, nor read the cookie. A cookie for a random name below `localhost` is sent to no
other server on this machine, as one for 127.0.0.1 would be.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

COOKIE = "imgvec"
TOKEN_S = 60.0
"""How long a token can be used: until a browser has started, or a tunnel was set up."""

_SECRET_BYTES = 32
_NAME_BYTES = 8
_WRITES = {"POST", "PUT", "PATCH", "DELETE"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a request is refused with: an HTTP status, and why."""

    status: int
    why: str


_ELSEWHERE = Refusal(403, "Pages of elsewhere may not ask imgvecd.")


class Admission:
    """Decides about requests by their heads. For one event loop.

    Args:
        port: that the gateway listens on.
        now: a monotonic clock in seconds.
    """

    def __init__(self, port: int, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._cookie = secrets.token_urlsafe(_SECRET_BYTES)
        self._tokens: dict[str, float] = {}
        name = f"{secrets.token_hex(_NAME_BYTES)}.localhost"
        self._hosts = (f"{name}:{port}", f"127.0.0.1:{port}")

    def new_address(self, host: int = 0) -> str:
        """Return an address that lets one browser in, once and for `TOKEN_S` seconds.

        Args:
            host: 1 takes 127.0.0.1, for browsers that do not know names below localhost.
        """
        token = secrets.token_urlsafe(_SECRET_BYTES)
        self._tokens[token] = self._now() + TOKEN_S
        return f"http://{self._hosts[host]}/enter?token={token}"

    def enter(self, token: str) -> str | None:
        """Return the cookie that the token buys; None if it is used up, too old or none."""
        now = self._now()
        self._tokens = {known: end for known, end in self._tokens.items() if end > now}
        for known in list(self._tokens):
            if hmac.compare_digest(known.encode(), _bytes(token)):
                # a browser that is in needs no other way in
                self._tokens.clear()
                return self._cookie
        return None

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
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return Refusal(421, "This is not the address that the page was opened at.")
        navigates = method == "GET" and headers.get("Sec-Fetch-Mode") == "navigate"
        if path == "/enter":
            whole = navigates and headers.get("Sec-Fetch-Dest") == "document"
            return None if whole else Refusal(403, "This address is to be opened in a browser.")
        site = headers.get("Sec-Fetch-Site")
        typed = navigates and path == "/" and site == "none"
        if site != "same-origin" and not typed:
            return _ELSEWHERE
        if cookie is None or not hmac.compare_digest(_bytes(cookie), self._cookie.encode()):
            return Refusal(401, "Open the page anew with: imgvec browse")
        return _unfit_write(headers, f"http://{hosts[0]}") if method in _WRITES else None


def _unfit_write(headers: Mapping[str, str], origin: str) -> Refusal | None:
    if headers.get("Origin") != origin:
        return _ELSEWHERE
    if headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
        return Refusal(415, "Requests that write are application/json.")
    return None


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
