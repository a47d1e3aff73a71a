"""Accepts clients while there are places and open files; tells the others why not."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import errno
import logging
import os
import resource
import select
import socket
import time
from collections.abc import Callable, Iterable, Mapping

from imgvecd.core.recent_clients import RecentClients
from imgvecd.server.client_connection import (
    BUSY_ANSWER,
    MAX_CONNECTIONS_PER_CLIENT,
    Connection,
    ConnectionFactory,
    Stage,
    make_room,
    share_of,
)
from imgvecd.server.peer_credentials import STRANGER, Admission, ClientIdentity, Peer, peer_of

logger = logging.getLogger(__name__)

# Clients that the kernel keeps waiting, as many as one may have; what comes beyond waits in
# `connect`. It keeps them in one line, so that whoever comes waits for all of these.
_BACKLOG = MAX_CONNECTIONS_PER_CLIENT
# While a client connects without a pause on a Unix socket, so many: what is refused at once comes
# again at once, and costs the processor as much at the other end. By TCP a client that finds the
# line full waits for a second.
_BACKLOG_IN_FLOOD = 8
_AT_ONCE = 8  # clients accepted before those that are in are served again
# In a flood to accept rests so many times as long as it took, for so long at the most, and until
# nobody was refused for so long.
_RESTS = 2
_LONGEST_REST_S = 0.001
_CALM_S = 1.0
# Beside others clients are let in so often, all in all: to connect, ask and hang up takes a
# millisecond of the event loop, so they have a quarter of it.
_PACE_S = 0.004
# Of a client that has its share already, so many connections may wait for its older ones to go.
_MOST_BEYOND = 16
# Open files that connections leave to the catalog, the index and the workers, which need some 40.
_RESERVE = 64
_OUT_OF_FILES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_PAUSE_S = 0.2  # before the next client, where there was not even a file to refuse one with
_TOLD_S = 60.0  # so long after it last happened it is said that files run out


class OpenFiles:
    """Open files as a resource: what connections may have of them, and whether they run out."""

    def __init__(self) -> None:
        self._limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._short_at: float | None = None

    def leaves_enough(self, descriptor: int) -> bool:
        """Return whether others have files left; a new one gets the lowest number that is free."""
        if descriptor < self._limit - min(_RESERVE, self._limit // 4):
            return True
        self.run_out()
        return False

    def run_out(self) -> None:
        """Note that there are too few, and log it when that is new."""
        if self.trouble is None:
            logger.warning("%s", self._said())
        self._short_at = time.monotonic()

    @property
    def trouble(self) -> str | None:
        """What a person should know; None while there is nothing."""
        recent = self._short_at is not None and time.monotonic() - self._short_at < _TOLD_S
        return self._said() if recent else None

    def _said(self) -> str:
        return (
            f"clients were refused for want of open files: {self._limit:,} are allowed; raise it "
            "(LimitNOFILE in the unit, or `ulimit -n`)"
        )


class Pace:
    """When each client may be let in: beside others, one connection after a rest. Of one daemon.

    The more clients wait, the longer each rests: a client may be any number of processes.
    """

    def __init__(self) -> None:
        self._let_in = RecentClients()

    def note(self, client: ClientIdentity, now: float) -> None:
        """Note that a client is let in; `now` is the event loop's clock."""
        self._let_in.note(client, now)

    def turn(self, client: ClientIdentity, waiting: int) -> float:
        """Return when the client may be let in once more, by the event loop's clock.

        Args:
            waiting: how many clients wait to be let in, it among them.
        """
        if self._let_in.alone(client):
            return 0.0
        return self._let_in.came_at(client) + waiting * _PACE_S


class Listener:
    """Accepts clients on one socket until closed. For one event loop.

    To accept is cheap, to let in is not: clients that come together are accepted at once, and let
    in by turns, so that whoever connects a thousand times keeps nobody else waiting.

    Args:
        connections: returns those that there are, the oldest first.
        pace: one for all sockets.
    """

    def __init__(
        self,
        bound: socket.socket,
        admission: Admission,
        connect: ConnectionFactory,
        connections: Callable[[], Iterable[Connection]],
        files: OpenFiles,
        pace: Pace,
    ) -> None:
        self.socket = bound
        self._admission = admission
        self._connect = connect
        self._connections = connections
        self._files = files
        self._pace = pace
        self._loop = asyncio.get_running_loop()
        self._joining: dict[asyncio.Task[object], Connection] = {}
        self._waiting: dict[ClientIdentity, collections.deque[tuple[socket.socket, Peer]]] = {}
        self._letting_in: asyncio.TimerHandle | None = None
        self._resuming: asyncio.TimerHandle | None = None
        self._refused_at: float | None = None  # in a flood: when a client last had too many
        self._calming: asyncio.TimerHandle | None = None
        # given up for the moment in which a client is refused where no file is left
        self._spare: int | None = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._listen(bound)

    def use(self, bound: socket.socket) -> None:
        """Go on on another socket; those that are connected stay."""
        self._loop.remove_reader(self.socket.fileno())
        self._listen(bound)

    def close(self) -> None:
        """Accept nothing more; harmless when repeated."""
        if self.socket.fileno() < 0:
            return
        for timer in (self._resuming, self._letting_in, self._calming):
            if timer is not None:
                timer.cancel()
        self._loop.remove_reader(self.socket.fileno())
        self.socket.close()
        for waiting in self._waiting.values():
            for accepted, _ in waiting:
                accepted.close()
        self._waiting.clear()
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    def _listen(self, bound: socket.socket) -> None:
        self.socket = bound
        bound.setblocking(False)
        bound.listen(_BACKLOG if self._refused_at is None else _BACKLOG_IN_FLOOD)
        self._loop.add_reader(bound.fileno(), self._accept)

    def _accept(self) -> None:
        waited = set(self._waiting)
        self._accept_some()
        if self._waiting.keys() - waited:
            self._let_in()

    def _accept_some(self) -> None:
        began = self._loop.time()
        have = collections.Counter(one.client for one in self._connections())
        for _ in range(_AT_ONCE):
            try:
                accepted, _ = self.socket.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _OUT_OF_FILES and not self._refuse_one():
                    self._pause(_PAUSE_S)
                    return
                continue  # it has gone again
            if not self._receive(accepted, have):
                return  # what makes room is closed before the next one is looked at
        if self._refused_at is not None:
            self._pause(min(_RESTS * (self._loop.time() - began), _LONGEST_REST_S))

    def _receive(self, accepted: socket.socket, have: Mapping[ClientIdentity, int]) -> bool:
        """Have a client wait for its turn, or hang up on one that may not connect at all.

        Args:
            have: how many connections each client has.

        Returns: whether files are left for the next one.
        """
        peer = peer_of(accepted)
        if not self._admission.allows(peer):
            accepted.close()
            return True
        client = STRANGER if peer.uid is None else peer.client
        if not self._files.leaves_enough(accepted.fileno()):
            self._welcome(accepted, peer, client, full=True)
            return False
        waiting = self._waiting.setdefault(client, collections.deque())
        if len(waiting) < max(share_of(client) - have[client], _MOST_BEYOND):
            waiting.append((accepted, peer))
        else:
            _refuse(accepted)
            self._note_flood()
        return True

    def _note_flood(self) -> None:
        """Keep fewer waiting, and rest in between, until nobody has had too many for a while."""
        if self.socket.family != socket.AF_UNIX:
            return
        if self._refused_at is None:
            self.socket.listen(_BACKLOG_IN_FLOOD)
            self._calming = self._loop.call_later(_CALM_S, self._calm)
        self._refused_at = self._loop.time()

    def _calm(self) -> None:
        """Go on as before the flood if it is over."""
        assert self._refused_at is not None  # noqa: S101  # it was noted
        left_s = self._refused_at + _CALM_S - self._loop.time()
        if left_s > 0:
            self._calming = self._loop.call_later(left_s, self._calm)
        else:
            self._refused_at = None
            self.socket.listen(_BACKLOG)

    def _let_in_soon(self, delay_s: float) -> None:
        if self._letting_in is not None:
            self._letting_in.cancel()
        self._letting_in = self._loop.call_later(delay_s, self._let_in)

    def _let_in(self) -> None:
        """Let in one connection of each client that waits and whose turn it is."""
        now = self._loop.time()
        turns = {client: self._pace.turn(client, len(self._waiting)) for client in self._waiting}
        for client in [client for client, turn in turns.items() if turn <= now]:
            waiting = self._waiting[client]
            self._pace.note(client, now)
            accepted, peer = waiting.popleft()
            if _has_gone(accepted):
                accepted.close()  # nobody is there to be answered
            else:
                self._welcome(accepted, peer, client)
            if not waiting:
                del self._waiting[client]
        if self._waiting:
            count = len(self._waiting)
            soonest = min(self._pace.turn(client, count) for client in self._waiting)
            self._let_in_soon(max(soonest - now, 0.0))

    def _welcome(
        self, accepted: socket.socket, peer: Peer, client: ClientIdentity, *, full: bool = False
    ) -> None:
        """Let a client in if there is room, or can be; else refuse it.

        Args:
            full: no files are left for one more.
        """
        joining = (one for one in self._joining.values() if one.stage is Stage.JOINING)
        if not make_room([*self._connections(), *joining], client, full=full):
            _refuse(accepted)
            return
        accepted.setblocking(False)
        connection = self._connect(peer, client)
        task = self._loop.create_task(
            self._loop.connect_accepted_socket(lambda: connection, accepted)
        )
        self._joining[task] = connection
        task.add_done_callback(self._joined)

    def _joined(self, task: asyncio.Task[object]) -> None:
        del self._joining[task]
        if not task.cancelled() and (error := task.exception()):
            logger.debug("a client was not let in: %s", error)

    def _refuse_one(self) -> bool:
        """Refuse a client with the file that is kept for it; return whether that was possible."""
        self._files.run_out()
        make_room(self._connections(), STRANGER, full=True)
        if self._spare is None:
            return False
        os.close(self._spare)
        self._spare = None
        with contextlib.suppress(OSError):
            _refuse(self.socket.accept()[0])
        with contextlib.suppress(OSError):
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        return self._spare is not None

    def _pause(self, pause_s: float) -> None:
        """Look away for a moment: a client that is not accepted stays there."""
        bound = self.socket
        self._loop.remove_reader(bound.fileno())

        def resume() -> None:
            if self.socket is bound and bound.fileno() >= 0:
                if self._spare is None:
                    with contextlib.suppress(OSError):
                        self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
                self._loop.add_reader(bound.fileno(), self._accept)

        self._resuming = self._loop.call_later(pause_s, resume)


def _has_gone(accepted: socket.socket) -> bool:
    """Return whether the other end has hung up, whatever it has sent before."""
    looking = select.poll()
    looking.register(accepted, 0)  # that it hung up, or broke off, is always told
    return bool(looking.poll(0))


def _refuse(accepted: socket.socket) -> None:
    """Tell a client that there is no place, as far as it takes that at once."""
    with accepted, contextlib.suppress(OSError):
        accepted.send(BUSY_ANSWER, socket.MSG_DONTWAIT)
