"""What is done for the catalog's file before it is opened and after it is closed.

A damaged file is never opened as the catalog: it is kept aside, and the latest sound backup takes
its place. What has changed since that backup is found again by the scan that every start begins
with. The restored catalog gets a new name (`instance`), so that neither an index nor a client takes
its clock for the clock of the one before.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import sqlite3

from imgvecd.catalog.integrity.file_check import EMPTY, examine, is_there
from imgvecd.catalog.recovery.backups import Backups, made_at, stamp
from imgvecd.catalog.recovery.checksum import (
    CHANGED,
    SMALL_BYTES,
    CatalogChecksum,
    matches_checksum,
    read_checksum,
    remove_checksum,
    write_checksum,
)
from imgvecd.catalog.recovery.disk_advice import advice
from imgvecd.core.files.disk_errors import describe
from imgvecd.core.files.durable import TEMPORARY_SUFFIX, sync_directory, sync_file
from imgvecd.core.index import checkpoint
from imgvecd.core.library.disk_reserve import hold_reserve, release_reserve
from imgvecd.errors import CatalogError

logger = logging.getLogger(__name__)

_NO_BACKUP = "there is no sound backup"
_CHECKSUM_S = 15.0  # 10 GB in memory; a stop has 45 s in all
_KEPT_DAMAGED = 2  # each is as large as the catalog
_DAMAGED = "catalog-damaged-"
_BESIDE = ("-wal", "-shm", "")  # the file last: without it, what lies beside means nothing


class CatalogRecovery:
    """Looks after the catalog in `state`; for whoever holds the state directory's lock.

    Attributes:
        report: what a person is told of a catalog that had to be restored; None if it was sound.
        unchecked: whether the file was not closed in order and is too large to be read before it
            is used: that is to be done beside.
        unread: the checksum of a file that seems untouched and is too large to be read before it is
            used: that is to be done beside, too.
        aside: where the damaged file was put; None if there was none.
    """

    def __init__(self, state: str) -> None:
        self._state = state
        self._path = os.path.join(state, "catalog.sqlite")
        self.backups = Backups(state)
        self.report: str | None = None
        self.unchecked = False
        self.unread: CatalogChecksum | None = None
        self.aside: str | None = None

    def prepare(self, *, condemned: str | None = None) -> None:
        """Make sure that there is no catalog, or a sound one; nobody may have it open.

        Args:
            condemned: what was found to be wrong with it while it was open.

        Raises:
            CatalogError: what must be done cannot be written.
        """
        release_reserve(self._state)
        try:
            if is_there(self._path):
                damage = condemned or self._damage()
                remove_checksum(self._path)
                if damage is None:
                    self._disown_newer_indexes()
                    return
                if self.is_better_than_nothing(damage):
                    self.report = f"the catalog ({damage}) is used all the same: {_NO_BACKUP}"
                    logger.error("%s", self.report)
                    return
                self._put_aside(damage)
            if (
                self.aside is not None
                or self.backups.paths()
                or read_checksum(self._path) is not None
            ):
                self._restore()
        except OSError as error:
            raise CatalogError(f"the catalog cannot be made ready: {describe(error)}") from error
        except sqlite3.Error as error:
            why = f"{error}{advice(self._path, error)}"
            raise CatalogError(f"the catalog cannot be made ready: {why}") from error

    def write_checksum(self) -> None:
        """Write the checksum of the closed file; one with a log beside it is still in use."""
        hold_reserve(self._state)
        if is_there(self._path) and not os.path.exists(self._path + "-wal"):
            try:
                write_checksum(self._path, within_s=_CHECKSUM_S)
            except OSError as error:  # the next start reads the file through instead
                logger.warning("the checksum of the catalog is not written: %s", error)

    def damage(self) -> str | None:
        """Return what is wrong with the file, read through whatever its size; None if nothing.

        Raises:
            CatalogError: it cannot be read, which says nothing of its bytes.
        """
        try:
            return self._damage(thorough=True)
        except OSError as error:
            raise CatalogError(f"the catalog cannot be read: {describe(error)}") from error

    def is_better_than_nothing(self, damage: str) -> bool:
        """Return whether a changed file can be read, and no sound backup take its place.

        One changed bit is then no reason to encode everything again, and to forget what the user
        said.
        """
        return (
            damage == CHANGED
            and self.backups.sound() is None
            and not examine(self._path, thorough=True)
        )

    def _damage(self, *, thorough: bool = False) -> str | None:
        checksum, status = read_checksum(self._path), os.stat(self._path)
        large = not thorough and status.st_size > SMALL_BYTES
        if checksum is not None:
            untouched = status.st_mtime_ns == checksum.mtime_ns
            if large and untouched and status.st_size == checksum.size_bytes:
                self.unread = checksum if checksum.blake2b else None
                return None
            kept = not large and matches_checksum(self._path)
            if not kept and untouched:
                return CHANGED
            if kept and not thorough:
                return None
        if large:
            self.unchecked = True
            return None
        found = examine(self._path, thorough=True)
        if found == [EMPTY] and not self.backups.paths():
            return None  # the very first start was killed
        return found[0] if found else None

    def _disown_newer_indexes(self) -> None:
        """Give an older copy that somebody has put here a new name.

        Its clock will tell of other changes than the one that the indexes and clients have seen.
        """
        with contextlib.closing(sqlite3.connect(self._path)) as connection:
            try:
                meta = dict(connection.execute("SELECT key, value FROM meta"))
            except sqlite3.Error:
                return  # whoever opens it as the catalog will say why
            name, clock = meta.get("instance"), meta.get("clock")
            for manifest in checkpoint.manifests(os.path.join(self._state, "index")):
                if manifest.instance == name and isinstance(clock, int) and manifest.clock > clock:
                    logger.warning("the catalog is an older copy; its index is built anew")
                    with connection:
                        _rename(connection)
                    return

    def _put_aside(self, damage: str) -> None:
        self.aside = os.path.join(self._state, f"{_DAMAGED}{stamp()}.sqlite")
        self.report = f"the catalog was damaged ({damage}) and is kept as {self.aside}"
        logger.error("%s", self.report)
        for suffix in _BESIDE:
            with contextlib.suppress(FileNotFoundError):
                os.rename(self._path + suffix, self.aside + suffix)
        sync_directory(self._state)
        others = sorted(  # by name, of which a wrong clock makes whatever it likes
            name
            for name in os.listdir(self._state)
            if name.startswith(_DAMAGED)
            and name.endswith(".sqlite")
            and name != os.path.basename(self.aside)
        )
        for name in others[: 1 - _KEPT_DAMAGED]:
            for suffix in _BESIDE:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self._state, name + suffix))

    def _restore(self) -> None:
        backup = self.backups.sound()
        remove_checksum(self._path)
        for suffix in _BESIDE:  # a log without its file would be replayed into the next one
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path + suffix)
        found = self.report or "the catalog was lost"
        if backup is None:
            self.report = f"{found}; {_NO_BACKUP}, so everything is looked at anew"
        else:
            self._put_in_place(backup)
            date = made_at(backup).strftime("%Y-%m-%d %H:%M UTC")
            self.report = f"{found}; it was restored from the backup of {date}"
        logger.error("%s", self.report)

    def _put_in_place(self, backup: str) -> None:
        temporary = self._path + TEMPORARY_SUFFIX
        try:
            shutil.copyfile(backup, temporary)
            os.chmod(temporary, 0o600)
            with contextlib.closing(sqlite3.connect(temporary)) as connection, connection:
                connection.execute("PRAGMA journal_mode=DELETE")
                _rename(connection)
            sync_file(temporary)
            os.replace(temporary, self._path)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # half a copy only fills the disk further
        sync_directory(self._state)


def _rename(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE meta SET value = ? WHERE key = 'instance'", (secrets.token_hex(4),))
