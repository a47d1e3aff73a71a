"""Who a state directory is among those that share an engine: a UUID, and what tells a copy."""

from __future__ import annotations

import hashlib
import os
import socket
import uuid

from imgvecd.core.files.disk_errors import describe
from imgvecd.core.files.durable import DurableFile, read_whole, sync_directory
from imgvecd.errors import CatalogError

_FILE = "source"
_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")


class SourceIdentity:
    """The UUID in `state_dir`/source, made if there is none. For one thread."""

    def __init__(self, state_dir: str) -> None:
        self._path = os.path.join(state_dir, _FILE)

    def uuid(self) -> str:
        """Return the UUID.

        Raises:
            CatalogError: the file cannot be read or made.
        """
        return self.known_uuid() or self.renew()

    def known_uuid(self) -> str | None:
        """Return the UUID; None if none was made yet."""
        try:
            return str(uuid.UUID(read_whole(self._path).decode("ascii", "replace").strip()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise CatalogError(
                f"{self._path} does not hold the UUID of this library ({_reason(error)}): put it"
                " back, or delete it to publish as a new source"
            ) from error

    def writer(self) -> str:
        """Return what stays as long as the file does; a copy of it has another."""
        try:
            return _writer(self._path)
        except OSError as error:
            raise CatalogError(f"{self._path} cannot be read: {describe(error)}") from error

    def renew(self) -> str:
        """Become another source, which has published nothing yet; return its UUID."""
        made = str(uuid.uuid4())
        try:
            with DurableFile(self._path, parsed=True) as file:
                file.write(f"{made}\n".encode())
            sync_directory(os.path.dirname(self._path))
        except OSError as error:
            raise CatalogError(f"{self._path} cannot be written: {describe(error)}") from error
        return made


def default_name() -> str:
    """Return what a source is called unless the configuration says: the machine's name."""
    return socket.gethostname().partition(".")[0] or "imgvecd"


def _writer(path: str) -> str:
    """Return what names the file at `path` on its machine: a copy has another inode."""
    machine = ""
    for named in _MACHINE_IDS:
        try:
            with open(named, encoding="ascii", errors="replace") as file:
                machine = file.read(64).strip()
                break
        except OSError:
            continue
    return hashlib.blake2b(f"{machine} {os.stat(path).st_ino}".encode(), digest_size=16).hexdigest()


def _reason(error: OSError | ValueError) -> str:
    return error.strerror or "unreadable" if isinstance(error, OSError) else "it holds another text"
