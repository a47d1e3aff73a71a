"""Who is at the other end of a connection, and whether it may be there."""

from __future__ import annotations

import grp
import os
import socket
import struct
import sys
from dataclasses import dataclass
from typing import NamedTuple

from imgvecd.errors import ConfigError

_UCRED = struct.Struct("3i")  # pid, uid, gid: struct ucred in unix(7)
_SO_PEERGROUPS = 59  # asm-generic/socket.h; Python has no name for it
_MOST_BYTES = 1024  # that Python passes to getsockopt: 256 groups
_GID_BYTES = 4


class ClientIdentity(NamedTuple):
    """Whom places are given to: a process of the owner's, all of another user's, or a stranger.

    Another user could start any number of processes; who comes by TCP is a stranger until the
    token was seen.
    """

    kind: str
    number: int = 0

    @property
    def is_owner(self) -> bool:
        """Whether it is the daemon's own user, or root."""
        return self.kind == "process"


STRANGER = ClientIdentity("stranger")


@dataclass(frozen=True, slots=True)
class Peer:
    """A client's process, as the kernel vouches for it.

    Attributes:
        pid: 0 where the system does not tell, and over TCP.
        uid: None over TCP: whoever has the token.
        groups: every group that another user's process was in when it connected.
    """

    pid: int
    uid: int | None
    groups: frozenset[int] = frozenset()

    @property
    def is_owner(self) -> bool:
        """Whether it may read what the daemon may read: the same user, the token, or root."""
        return self.uid in (None, 0, os.geteuid())

    @property
    def client(self) -> ClientIdentity:
        """Whom this connection's places are counted for."""
        if not self.is_owner and self.uid is not None:
            return ClientIdentity("user", self.uid)
        return ClientIdentity("process", self.pid)


class Admission:
    """Who may connect to the Unix socket: the daemon's own user, root, and one group.

    Args:
        group: name or number of the group; empty for none.

    Raises:
        ConfigError: there is no such group.
    """

    def __init__(self, group: str = "") -> None:
        self.group = _group_id(group) if group else None

    def allows(self, peer: Peer) -> bool:
        """Return whether `peer` may connect."""
        return peer.is_owner or (self.group is not None and self.group in peer.groups)


def peer_of(peer: socket.socket) -> Peer:
    """Return who is at the other end of a Unix socket or of a TCP connection."""
    if peer.family != socket.AF_UNIX:
        return Peer(0, None)
    if not hasattr(socket, "SO_PEERCRED"):
        return Peer(0, os.geteuid())  # the socket's mode is the guard
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, gid = _UCRED.unpack(raw)
    known = Peer(pid, uid)
    return known if known.is_owner else Peer(pid, uid, frozenset({gid, *_other_groups(peer)}))


def _other_groups(peer: socket.socket) -> tuple[int, ...]:
    if sys.platform != "linux":
        return ()
    try:
        raw = peer.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_BYTES)
    except OSError:  # too many, or before Linux 4.13: the primary group is what is known
        return ()
    return struct.unpack(f"{len(raw) // _GID_BYTES}I", raw)


def _group_id(name: str) -> int:
    try:
        return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise ConfigError(f"server.group: there is no group {name!r} on this system.") from None
