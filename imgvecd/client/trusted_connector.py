"""Connecting from an event loop to a daemon's socket that no third party put there."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.tracing import Trace

from imgvecd.client.http_connection import ADMISSION_S, AGAIN_S
from imgvecd.client.socket_trust import require_known_peer, require_safe_folder

# A private method of aiohttp: where it has another name, nobody would look at who listens.
if not hasattr(aiohttp.UnixConnector, "_create_connection"):
    raise ImportError(f"imgvecd cannot use aiohttp {aiohttp.__version__}: install another version")


class TrustedConnector(aiohttp.UnixConnector):
    """Asks nothing of a socket that a third party could have put there."""

    async def _create_connection(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # aiohttp's interface
    ) -> ResponseHandler:
        """Return a new connection, before anything is asked on it; it is kept for later requests.

        Raises:
            DaemonUnreachableError: somebody else listens there, or could.
            OSError: there is no socket, or too many wait to be let in.
        """
        require_safe_folder(self.path)
        give_up = time.monotonic() + ADMISSION_S
        while True:
            connection = await super()._create_connection(req, traces, timeout)
            transport = connection.transport
            listener: Any = transport and transport.get_extra_info("socket")
            if _is_admitted(listener):
                break
            connection.close()
            if time.monotonic() > give_up:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            await asyncio.sleep(AGAIN_S)
        try:
            require_known_peer(self.path, listener)
        except BaseException:
            connection.close()
            raise
        return connection


def _is_admitted(listener: Any) -> bool:  # noqa: ANN401  # asyncio's TransportSocket
    """Return whether it is connected.

    asyncio takes a socket for connected whose connection the kernel has put off (EAGAIN), since as
    many wait to be let in as it keeps.
    """
    try:
        return listener is not None and listener.getpeername() is not None
    except OSError:
        return False
