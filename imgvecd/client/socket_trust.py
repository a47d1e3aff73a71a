"""Whether what answers on a socket may hear what is asked: no third party put it there."""

from __future__ import annotations

import os
import socket
import stat
import struct

from imgvecd.errors import DaemonUnreachableError
from imgvecd.folder_trust import others_can_write, trusted_users, unsafe_folder

_CREDENTIALS = struct.Struct("3i")  # struct ucred: process, user, group


def require_safe_folder(path: str) -> None:
    """Look at the folders above a socket, before anything is asked.

    They are this user's or root's. Those of another user will do where that one shares the socket
    with a group of ours (`server.group`), and for root.

    Raises:
        DaemonUnreachableError: somebody else could put a socket of their own there.
        OSError: a folder cannot be looked at.
    """
    directory = os.path.dirname(os.path.realpath(path))
    owner = os.stat(directory).st_uid
    fault = unsafe_folder(directory, {owner} if _is_shared_by(owner, path) else ())
    if fault is not None:
        raise DaemonUnreachableError(
            f"{path} is not used: {fault}, so they could put their own socket there; have the "
            "daemon use another folder (server.socket) or run `chmod 700` on it."
        )


def require_known_peer(path: str, connection: socket.socket) -> None:
    """Look at who listens: this user, root, or whoever alone can have put the socket there.

    Raises:
        DaemonUnreachableError: it is somebody else.
        OSError: the socket has gone meanwhile.
    """
    if not hasattr(socket, "SO_PEERCRED"):  # the folders have to do
        return
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    peer = _CREDENTIALS.unpack(data)[1]
    folder = os.stat(os.path.dirname(os.path.realpath(path)))
    known = trusted_users()
    if folder.st_uid not in known:
        known = {folder.st_uid}
    elif not others_can_write(folder):
        known.add(os.stat(path).st_uid)
    if peer not in known:
        raise DaemonUnreachableError(
            f"{path} is not used: the program that listens there belongs to another user"
            f" (uid {peer})."
        )


def _is_shared_by(owner: int, path: str) -> bool:
    if owner in trusted_users():
        return False
    status = os.stat(path)
    if status.st_uid != owner:
        return False
    ours = {os.getegid(), *os.getgroups()}
    return os.geteuid() == 0 or (status.st_gid in ours and bool(status.st_mode & stat.S_IWGRP))
