"""Speaks systemd's protocols: readiness and status (sd_notify), and sockets passed in.

Both are plain environment variables and datagrams, described in sd_notify(3) and sd_listen_fds(3).
Outside systemd everything here does nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping

# First file descriptor passed: SD_LISTEN_FDS_START.
_FIRST_DESCRIPTOR = 3
_MICROSECONDS = 1_000_000


class Notifier:
    """Tells the service manager how the daemon fares. Any thread; never raises, never blocks.

    Attributes:
        watchdog_s: `watchdog` is due at least so often; None if nobody asked for it.
    """

    def __init__(self, variables: MutableMapping[str, str] = os.environ) -> None:
        """Take the manager's variables: they are meant for this process, not for its workers."""
        self._address = variables.pop("NOTIFY_SOCKET", "")
        interval_us = variables.pop("WATCHDOG_USEC", "")
        for_us = variables.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watched = interval_us.isdigit() and for_us
        self.watchdog_s = int(interval_us) / _MICROSECONDS if watched else None

    @property
    def listening(self) -> bool:
        """Whether there is a service manager to tell."""
        return bool(self._address)

    def ready(self) -> None:
        """Clients can connect."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Show one line in `systemctl status`."""
        self._send("STATUS=" + text.replace("\n", " "))

    def reloading(self) -> None:
        """The configuration is read anew; `ready` ends it."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={now}")

    def stopping(self) -> None:
        """Shutdown has begun."""
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        """All parts make progress; due at least every `watchdog_s`."""
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = self._address
        if address.startswith("@"):
            address = "\0" + address[1:]
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            sender.setblocking(False)
            sender.sendto(message.encode(), address)


def passed_sockets(variables: MutableMapping[str, str] = os.environ) -> list[socket.socket]:
    """Return the sockets that the service manager passed, and forget its variables."""
    pid = variables.pop("LISTEN_PID", "")
    count = variables.pop("LISTEN_FDS", "0")
    variables.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdigit():
        return []
    passed = []
    for descriptor in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + int(count)):
        os.set_inheritable(descriptor, False)
        listener = socket.socket(fileno=descriptor)
        listener.setblocking(False)
        passed.append(listener)
    return passed
