"""The Unix socket file: made private, never taken from a live daemon, removed at the end.

Others could put a socket of their own in the place of ours, and hear what is asked, if they could
write to a folder on its way: so who owns these folders is looked at first.

Who may connect is asked in `peer_credentials`, who may ask what in `access`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import socket
import stat

from imgvecd.errors import AlreadyRunningError, ConfigError
from imgvecd.folder_trust import unsafe_folder

logger = logging.getLogger(__name__)

# Connecting to a live daemon on the same machine takes microseconds unless its backlog is full.
_PROBE_TIMEOUT_S = 1.0


class OwnedSocket:
    """A bound socket at a path, held by a lock beside it (`PATH.lock`, which stays)."""

    def __init__(self, path: str, group: int | None = None) -> None:
        """Bind `path`, mode 0600; missing folders are made with mode 0700.

        Args:
            group: shall be able to connect as well: the modes are then 0660 and 0710.

        Raises:
            AlreadyRunningError: another process holds the path.
            ConfigError: the path cannot be used.
        """
        self.path = path
        self._group = group
        try:
            _prepare_directory(os.path.dirname(path), group)
            self._lock = _lock(path + ".lock")
        except OSError as error:
            raise ConfigError(_cannot(path, error)) from error
        try:
            _remove_stale(path)
            self.socket = _bind(path, group)
        except OSError as error:
            os.close(self._lock)
            raise ConfigError(_cannot(path, error)) from error
        except BaseException:
            os.close(self._lock)
            raise
        self._identity = _identity(path)

    def restore(self) -> socket.socket | None:
        """Return a new socket if the one at the path is gone or not ours; None if all is well.

        Raises:
            AlreadyRunningError: another daemon has taken the path meanwhile.
            ConfigError: the path cannot be used any more.
        """
        try:
            if self._is_ours():
                return None
            logger.warning("the socket %s is gone or was replaced; it is made anew", self.path)
            _prepare_directory(os.path.dirname(self.path), self._group)
            if not _is_at(self.path + ".lock", os.fstat(self._lock)):
                renewed = _lock(self.path + ".lock")
                os.close(self._lock)
                self._lock = renewed
            _remove_stale(self.path)
            self.socket = _bind(self.path, self._group)
            self._identity = _identity(self.path)
        except OSError as error:
            raise ConfigError(_cannot(self.path, error)) from error
        return self.socket

    def _is_ours(self) -> bool:
        try:
            same = _identity(self.path) == self._identity
        except (FileNotFoundError, NotADirectoryError):
            return False
        return same and _is_at(self.path + ".lock", os.fstat(self._lock))

    def close(self) -> None:
        """Remove the socket, if it is still ours, and let go of the path."""
        self.socket.close()
        with contextlib.suppress(FileNotFoundError):
            if _identity(self.path) == self._identity:
                os.unlink(self.path)
        os.close(self._lock)


def _prepare_directory(directory: str, group: int | None) -> None:
    if not os.path.isdir(directory):
        parent = os.path.dirname(directory)
        os.makedirs(parent, exist_ok=True)
        os.mkdir(directory, 0o700)
        if group is not None:
            os.chown(directory, -1, group)
            os.chmod(directory, 0o710)  # noqa: S103  # to pass through, not to look around
    if (fault := unsafe_folder(directory)) is not None:
        raise ConfigError(
            f"server.socket: {fault}, so they could put their own socket there; choose another "
            f"folder or run `chmod 700` on it."
        )


def _lock(path: str) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        socket_path = path.removesuffix(".lock")
        raise AlreadyRunningError(
            f"Another imgvecd is running on {socket_path}; stop it, or give this one its own "
            "--socket and --state-dir."
        ) from None
    return descriptor


def _remove_stale(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"server.socket: {path} exists and is not a socket; it is left alone.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_TIMEOUT_S)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except TimeoutError:
            pass  # somebody lives there and is busy
    raise AlreadyRunningError(f"Another program answers on {path}; choose another --socket.")


def _bind(path: str, group: int | None) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)
    try:
        listener.bind(path)
        if group is not None:
            os.chown(path, -1, group)
            os.chmod(path, 0o660)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(previous)
    return listener


def _is_at(path: str, status: os.stat_result) -> bool:
    """Return whether what a path leads to is the file of that status."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return (found.st_dev, found.st_ino) == (status.st_dev, status.st_ino)


def _identity(path: str) -> tuple[int, int]:
    status = os.lstat(path)
    return status.st_dev, status.st_ino


def _cannot(path: str, error: OSError) -> str:
    if error.errno is None or error.errno == errno.ENAMETOOLONG:  # bind checks the length itself
        return f"server.socket: {path} is longer than a socket's path may be (107 bytes on Linux)."
    return f"server.socket: cannot make {path}: {error.strerror}."
