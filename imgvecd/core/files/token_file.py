"""A secret shared by a server and its clients, in a file that nobody else can read."""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import stat

from imgvecd.errors import ConfigError

_TOKEN_BYTES = 32  # 256 bits: nobody guesses it
_LONGEST_TOKEN = 4096
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
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            text = file.read(_LONGEST_TOKEN) if stat.S_ISREG(mode) else b""
    except OSError as error:
        raise ConfigError(f"{setting}: {path}: {error.strerror}.") from error
    renewed = "delete it if they may have done so: a new one is made"
    if mode & 0o077:
        advice = f", and {renewed}" if make else ""
        raise ConfigError(
            f"{setting}: other users can read {path}; run `chmod 600 {path}`{advice}."
        )
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
