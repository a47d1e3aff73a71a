"""One writer per state directory: a lock that the kernel lets go of when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import weakref

from imgvecd.closing import ContextManaged
from imgvecd.core.files.disk_errors import describe
from imgvecd.errors import AlreadyRunningError, CatalogError


def require_target(directory: str) -> None:
    """Raise CatalogError if a link in the state directory's place leads nowhere."""
    if os.path.islink(directory) and not os.path.exists(directory):
        raise CatalogError(
            f"the state directory {directory} leads to {os.path.realpath(directory)}, which is not"
            " there: is a disk missing?"
        )


class StateLock(ContextManaged):
    """Holds `directory`/lock until closed; a process that is forked meanwhile does not.

    Raises:
        AlreadyRunningError: another process holds it; the message says which.
        CatalogError: the directory cannot be made or written.
    """

    def __init__(self, directory: str) -> None:
        self._path = path = os.path.join(directory, "lock")
        require_target(directory)
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CatalogError(
                f"the state directory {directory} cannot be written: {describe(error)}, or use"
                " another one (`state_dir`)"
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise AlreadyRunningError(
                f"{directory} is in use by process {holder or 'unknown'}: stop it first"
            ) from None
        _held.add(self)
        with contextlib.suppress(OSError):  # a full disk: the lock holds without a name on it
            os.truncate(self._descriptor, 0)
            os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)

    def require(self) -> None:
        """Raise CatalogError if another directory has taken the place of this one.

        One that is merely gone may be put back: the daemon goes on with what it has in memory.
        """
        try:
            found, own = os.stat(self._path), os.fstat(self._descriptor)
        except OSError:
            return
        if (found.st_dev, found.st_ino) != (own.st_dev, own.st_ino):
            raise CatalogError(
                f"{os.path.dirname(self._path)} was replaced by another directory while it was in "
                "use: put it back, or set `state_dir` to where it is now, and start again"
            )

    def close(self) -> None:
        """Let go; harmless when repeated."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


_held: weakref.WeakSet[StateLock] = weakref.WeakSet()


def _after_fork() -> None:
    """Leave the locks to the process that took them: else they last as long as this one."""
    for lock in _held:
        lock.close()


os.register_at_fork(after_in_child=_after_fork)
