"""Serves the API on the Unix socket: the application, its life, and its end."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, cast

from aiohttp import web

from imgvecd.config import paths
from imgvecd.config.schema import ServerConfig, expand, parse_endpoint
from imgvecd.errors import ConfigError
from imgvecd.server.access import require_json, require_owner
from imgvecd.server.client_connection import (
    IDLE_TIMEOUT_S,
    Connection,
    connection_factory,
    mark_busy,
    slots_to_begin,
)
from imgvecd.server.concurrency import limit_concurrency
from imgvecd.server.courtesy import delay_refusals
from imgvecd.server.listener import Listener, OpenFiles, Pace
from imgvecd.server.peer_credentials import Admission
from imgvecd.server.problems import answer_errors, keep_deadline, send_in_time
from imgvecd.server.request_bodies import pass_over_the_rest, take_bodies
from imgvecd.server.route import Table
from imgvecd.server.routes import Routes
from imgvecd.server.services import Service
from imgvecd.server.socket import OwnedSocket
from imgvecd.server.tcp_auth import guard, listen, token_of

logger = logging.getLogger(__name__)

# Requests under way at shutdown get so long, well within systemd's 90 s for the whole daemon.
DRAIN_S = 5.0
# Whether the socket is still there is looked at so often: a person who removed it soon finds it.
_LOOK_S = 2.0
_MEGABYTE = 1_000_000


class RunningServer:
    """A server that accepts connections until `close`."""

    def __init__(
        self,
        runner: web.AppRunner,
        listeners: Sequence[Listener],
        owned: OwnedSocket | None,
        stack: ExitStack,
    ) -> None:
        self.path = str(listeners[0].socket.getsockname())
        self._runner = runner
        self._listeners = listeners
        self._stack = stack
        self._closed = False
        self._watching = None if owned is None else asyncio.create_task(self._watch(owned))

    @property
    def addresses(self) -> list[Any]:
        """Where it listens, as `socket.getsockname` says it; the Unix socket first."""
        return [listener.socket.getsockname() for listener in self._listeners]

    def connections(self) -> int:
        """Return how many clients are connected."""
        server = self._runner.server
        return len(server.connections) if server else 0

    async def failed(self) -> None:
        """Run until the socket is lost and cannot be made again.

        Raises:
            ImgvecdError: another daemon has taken it, or it cannot be made any more.
        """
        if self._watching is None:
            await asyncio.get_running_loop().create_future()
        else:
            await asyncio.shield(self._watching)

    async def _watch(self, owned: OwnedSocket) -> None:
        """Put the socket back if somebody removes or replaces it, which nobody would notice."""
        while True:
            await asyncio.sleep(_LOOK_S)
            renewed = owned.restore()
            if renewed is not None:
                old = self._listeners[0].socket
                self._listeners[0].use(renewed)
                old.close()

    async def close(self) -> None:
        """Accept nothing more, give running requests `DRAIN_S`, and remove the socket.

        Harmless when repeated.
        """
        if self._closed:
            return
        self._closed = True
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        for listener in self._listeners:
            listener.close()
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
    owned = None
    with ExitStack() as stack:
        if listener is None:
            path = expand(config.socket) if config.socket else paths.socket()
            owned = OwnedSocket(path, admission.group)
            stack.callback(owned.close)
            listener = owned.socket
        elif listener.family != socket.AF_UNIX:
            raise ConfigError("The socket passed in is not a Unix socket; for TCP set server.tcp.")
        bound, token = [listener], None
        if config.tcp:
            token = token_of(config)
            bound.append(listen(parse_endpoint(config.tcp)))
            stack.callback(bound[-1].close)
        files = OpenFiles()
        runner = web.AppRunner(
            build(service, config, token, files),
            handler_cancellation=True,
            shutdown_timeout=DRAIN_S,
        )
        await runner.setup()
        manager = runner.server
        if manager is None:
            raise RuntimeError("the runner is not set up")
        connect = connection_factory(manager, idle_timeout_s)

        def connections() -> list[Connection]:
            return cast("list[Connection]", manager.connections)

        pace = Pace()
        listeners = [Listener(each, admission, connect, connections, files, pace) for each in bound]
        for each in bound:
            logger.info("listening on %s", each.getsockname())
        return RunningServer(runner, listeners, owned, stack.pop_all())


def build(
    service: Service,
    config: ServerConfig,
    token: str | None = None,
    files: OpenFiles | None = None,
) -> web.Application:
    """Return the application: routes, limits and error answers.

    Args:
        token: what requests over TCP must bear; None if there is no such listener.
        files: tells whether open files run out, which is said in health and status.
    """
    begun = slots_to_begin()
    routes = Routes(service, begun, config.timeout_s, lambda: files.trouble if files else None)
    rows = routes.table()
    table = Table(rows)
    app = web.Application(
        middlewares=[  # outermost first
            mark_busy(begun),
            pass_over_the_rest(),
            send_in_time(config.timeout_s),
            answer_errors(),
            delay_refusals(),
            guard(token or secrets.token_hex()),
            require_owner(table),
            require_json(table),
            keep_deadline(config.timeout_s, table),
            take_bodies(config.timeout_s, table),
            limit_concurrency(routes.slots, table),
        ],
        client_max_size=config.max_upload_mb * _MEGABYTE,
    )
    app.add_routes([web.route(route.method, route.path, route.handler) for route in rows])
    app.on_shutdown.append(routes.streams.end)
    return app
