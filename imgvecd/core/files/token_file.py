"""A secret shared by a server and its clients, in a file that nobody else can read."""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets

from imgvecd.errors import ConfigError
from imgvecd.secret_file import read_secret_file

_TOKEN_BYTES = 32  # 256 bits: nobody guesses it
_BEARER = "bearer"


def read_token(path: str, setting: str = "server.token_file", *, make: bool = True) -> str:
    """Return the token in the file at `path`.

    Args:
        setting: that names the file, for messages.
        make: the file, with a new token, if there is none.

    Raises:
        ConfigError: the file cannot be read or made, is empty, or others can read it.
    """
    try:
        if make:
            with contextlib.suppress(FileExistsError):
                _make_token(path)
    except OSError as error:
        raise ConfigError(f"{setting}: {path}: {error.strerror}.") from error
    renewed = ", and delete it if they may have done so: a new one is made"
    text = read_secret_file(path, setting, advice=renewed if make else "", links=False)
    token = text.decode(errors="replace").strip()
    if not token.isascii() or len(token.split()) != 1:
        advice = "; delete it, one is made" if make else ""
        raise ConfigError(f"{setting}: {path} holds no token{advice}.")
    return token


def has_token(authorization: str, token: str) -> bool:
    """Return whether a request's `Authorization` is `Bearer` and the token."""
    scheme, _, given = authorization.partition(" ")
    right = hmac.compare_digest(given.strip().encode(errors="surrogateescape"), token.encode())
    return scheme.lower() == _BEARER and right


def _make_token(path: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(_TOKEN_BYTES) + "\n")
