"""Serves the API on the Unix socket: the application, its life, and its end."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from aiohttp import web

from imgvecd.config import paths
from imgvecd.config.schema import ServerConfig, expand, parse_endpoint
from imgvecd.errors import ConfigError
from imgvecd.server.client_connection import IDLE_TIMEOUT_S, acceptor, mark_busy
from imgvecd.server.concurrency import take_turns
from imgvecd.server.peer_credentials import Admission
from imgvecd.server.problems import answer_errors, keep_deadline, send_in_time
from imgvecd.server.request_bodies import take_bodies
from imgvecd.server.route import Lasting
from imgvecd.server.routes import Routes
from imgvecd.server.services import Service
from imgvecd.server.socket import OwnedSocket
from imgvecd.server.tcp_auth import guard, listen, read_token

logger = logging.getLogger(__name__)

# Requests under way at shutdown get so long, well within systemd's 90 s for the whole daemon.
DRAIN_S = 5.0
_MEGABYTE = 1_000_000


class RunningServer:
    """A server that accepts connections until `close`."""

    def __init__(
        self,
        runner: web.AppRunner,
        servers: Sequence[asyncio.Server],
        stack: ExitStack,
        path: str,
    ) -> None:
        self.path = path
        self._runner = runner
        self._servers = servers
        self._stack = stack
        self._closed = False

    @property
    def addresses(self) -> list[Any]:
        """Where it listens, as `socket.getsockname` says it; the Unix socket first."""
        return [bound.getsockname() for server in self._servers for bound in server.sockets]

    def connections(self) -> int:
        """Return how many clients are connected."""
        server = self._runner.server
        return len(server.connections) if server else 0

    async def close(self) -> None:
        """Accept nothing more, give running requests `DRAIN_S`, and remove the socket.

        Harmless when repeated.
        """
        if self._closed:
            return
        self._closed = True
        for server in self._servers:
            server.close()
        await self._runner.cleanup()
        self._stack.close()


async def serve(
    service: Service,
    config: ServerConfig,
    *,
    listener: socket.socket | None = None,
    idle_timeout_s: float = IDLE_TIMEOUT_S,
) -> RunningServer:
    """Start serving; return once clients can connect.

    Args:
        service: what answers.
        config: where, and with which limits.
        listener: a socket that listens already (systemd's), used instead of `config.socket`.
        idle_timeout_s: connections that stay silent so long are closed.

    Raises:
        AlreadyRunningError: a live daemon has the socket.
        ConfigError: the socket cannot be made.
    """
    admission = Admission(config.group)
    with ExitStack() as stack:
        if listener is None:
            path = expand(config.socket) if config.socket else paths.socket()
            owned = OwnedSocket(path, admission.group)
            stack.callback(owned.close)
            listener = owned.socket
        elif listener.family != socket.AF_UNIX:
            raise ConfigError("The socket passed in is no Unix socket; for TCP set server.tcp.")
        listeners, token = [listener], None
        if config.tcp:
            token = read_token(expand(config.token_file) if config.token_file else paths.token())
            listeners.append(listen(parse_endpoint(config.tcp)))
            stack.callback(listeners[-1].close)
        runner = web.AppRunner(
            build(service, config, token), handler_cancellation=True, shutdown_timeout=DRAIN_S
        )
        await runner.setup()
        loop = asyncio.get_running_loop()
        accept = acceptor(runner, admission, idle_timeout_s)
        servers = [await loop.create_server(accept, sock=bound) for bound in listeners]
        for bound in listeners:
            logger.info("listening on %s", bound.getsockname())
        return RunningServer(runner, servers, stack.pop_all(), str(listener.getsockname()))


def build(service: Service, config: ServerConfig, token: str | None = None) -> web.Application:
    """Return the application: routes, limits and error answers.

    Args:
        token: what requests over TCP must bear; None if there is no such listener.
    """
    routes = Routes(service, config.timeout_s)
    table = routes.table()
    lasting = Lasting(table)
    app = web.Application(
        middlewares=[  # outermost first
            mark_busy,
            send_in_time(config.timeout_s),
            answer_errors(),
            guard(token or secrets.token_hex()),
            keep_deadline(config.timeout_s, lasting),
            take_bodies(config.timeout_s, lasting),
            take_turns(routes.turns, lasting),
        ],
        client_max_size=config.max_upload_mb * _MEGABYTE,
    )
    app.add_routes([web.route(route.method, route.path, route.handler) for route in table])
    app.on_shutdown.append(routes.streams.end)
    return app
