"""Where a daemon listens: a Unix socket, or a loopback port for those who have the token."""

from __future__ import annotations

import msgspec

from imgvecd.client.socket_path import socket_path
from imgvecd.errors import BadRequestError, ConfigError

_LONGEST_TOKEN = 4096


class UnixAddress(msgspec.Struct, frozen=True):
    """A socket's path."""

    path: str

    @property
    def place(self) -> str:
        """The address as messages name it."""
        return self.path


class TcpAddress(msgspec.Struct, frozen=True):
    """A loopback port, and the token that every request there carries."""

    host: str
    port: int
    token: str

    def __repr__(self) -> str:
        return f"TcpAddress({self.place}, token hidden)"

    @property
    def place(self) -> str:
        """The address as messages name it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


DaemonAddress = UnixAddress | TcpAddress


def daemon_address(
    socket: str | None = None, tcp: str | None = None, token: str | None = None
) -> DaemonAddress:
    """Return where to ask.

    Args:
        socket: its path; None finds it as `imgvec` does.
        tcp: "127.0.0.1:8765" instead of the socket, as in `server.tcp`.
        token: for it; None reads the configured `server.token_file`.

    Raises:
        BadRequestError: both, a token without a port, or an address that is none.
        ConfigError: the token's file cannot be read.
    """
    if tcp is None:
        if token is not None:
            raise BadRequestError("token: only `tcp` takes one; the socket knows who asks")
        return UnixAddress(socket_path(socket))
    if socket is not None:
        raise BadRequestError("socket, tcp: give one of them")
    from imgvecd.config.schema import parse_endpoint  # noqa: PLC0415  # few ask by TCP

    try:
        host, port = parse_endpoint(tcp)
    except ValueError as error:
        raise BadRequestError(str(error)) from error
    given = _configured_token() if token is None else token
    if not given.isascii() or len(given.split()) != 1:
        raise BadRequestError("token: it is one word, as in the daemon's server.token_file")
    return TcpAddress(host, port, given.strip())


def _configured_token() -> str:
    from imgvecd.config import paths  # noqa: PLC0415  # see above
    from imgvecd.config.load import load  # noqa: PLC0415
    from imgvecd.config.schema import expand  # noqa: PLC0415

    named = load().server.token_file
    path = expand(named) if named else paths.token()
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(_LONGEST_TOKEN)
    except OSError as error:
        raise ConfigError(
            f"server.token_file: {path}: {error.strerror}; or give `token`"
        ) from error
