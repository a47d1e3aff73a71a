"""Backups of the catalog: whole, checked, dated, and only a few.

    backups/catalog-20260102T030405Z.sqlite                       one of the latest
    backups/catalog-20260102T030405Z-before-0006-step.sqlite      made before a change of schema
    backups/….seal                                                what the file must be

A backup appears under its name once it was read through and is on the disk.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import re
import shutil
import sqlite3
from urllib.parse import quote

from imgvecd.catalog.integrity.file_check import examine
from imgvecd.catalog.recovery.checksum import CHECKSUM_SUFFIX, matches_checksum, write_checksum
from imgvecd.core.files.disk_errors import describe
from imgvecd.core.files.durable import TEMPORARY_SUFFIX, make_folder, sync_directory, sync_file
from imgvecd.errors import CatalogDamagedError, CatalogError

logger = logging.getLogger(__name__)

_NAME = re.compile(r"catalog-(\d{8}T\d{6}Z)(-before-[\w-]+)?\.sqlite")
_STAMP = "%Y%m%dT%H%M%SZ"


class Backups:
    """The backups of the catalog in `state`. For one thread at a time."""

    def __init__(self, state: str) -> None:
        self._directory = os.path.join(state, "backups")

    def make(self, source: sqlite3.Connection, *, keep: int | None = None, before: str = "") -> str:
        """Write a backup of what `source` sees; return its path.

        Args:
            keep: how many remain, the latest; None deletes none.
            before: the step that is about to change the schema; of these only the last is kept.

        Raises:
            CatalogDamagedError: what was copied is damaged.
            CatalogError: it cannot be written; the others are as they were.
        """
        name = f"catalog-{stamp()}{f'-before-{before}' if before else ''}.sqlite"
        path = os.path.join(self._directory, name)
        temporary = path + TEMPORARY_SUFFIX
        try:
            make_folder(self._directory)
            self._require_space(source)
            _copy(source, temporary)
            damage = examine(temporary, alone=True)
            if damage:
                raise CatalogDamagedError(f"the catalog is damaged: {damage[0]}")
            write_checksum(temporary)
            os.replace(temporary + CHECKSUM_SUFFIX, path + CHECKSUM_SUFFIX)
            os.replace(temporary, path)  # last: what has this name has its checksum
            sync_directory(self._directory)
        except (OSError, sqlite3.Error) as error:
            why = describe(error) if isinstance(error, OSError) else str(error)
            raise CatalogError(f"no backup of the catalog can be written: {why}") from error
        finally:
            delete_backup(temporary)
        self._rotate(keep)
        return path

    def paths(self) -> list[str]:
        """Return every backup, the latest first.

        What was made before the machine's clock was set back comes last: how old it is, nobody
        knows, and it must not be in the way of those that are made from now on.

        Raises:
            CatalogError: they may not be read: nothing is to be begun anew without them.
        """
        try:
            names = os.listdir(self._directory)
        except PermissionError as error:
            raise CatalogError(f"the backups cannot be read: {describe(error)}") from error
        except OSError:
            return []
        latest = f"catalog-{stamp()}~"  # after every name of this moment
        names = sorted(filter(_NAME.fullmatch, names), reverse=True)
        names.sort(key=lambda name: name > latest)
        paths = [os.path.join(self._directory, name) for name in names]
        return [path for path in paths if os.path.isfile(path)]

    def sound(self) -> str | None:
        """Return the latest backup that is what was written; None if there is none.

        Raises:
            CatalogError: one may not be read, as in `paths`.
        """
        for path in self.paths():
            try:
                if not damage_of(path):
                    return path
            except CatalogError as error:
                if isinstance(error.__cause__, PermissionError):
                    raise
                logger.warning("%s", error)  # an older one may do
        return None

    def age_s(self) -> float | None:
        """Return how old the latest backup is; None if there is none, or nobody knows."""
        latest = next(iter(self.paths()), None)
        if latest is None:
            return None
        age_s = (datetime.datetime.now(datetime.UTC) - made_at(latest)).total_seconds()
        return age_s if age_s >= 0 else None

    def has(self, source: sqlite3.Connection) -> bool:
        """Return whether the latest backup holds all that is worth one of what `source` sees."""
        latest = next(iter(self.paths()), None)
        if latest is None:
            return False
        try:
            with contextlib.closing(
                sqlite3.connect(f"file:{quote(latest)}?mode=ro&immutable=1", uri=True)
            ) as connection:
                return _worth_keeping(connection) == _worth_keeping(source)
        except sqlite3.Error:
            return False

    def _require_space(self, source: sqlite3.Connection) -> None:
        ((pages,),) = source.execute("PRAGMA page_count")
        ((page_bytes,),) = source.execute("PRAGMA page_size")
        needed = 2 * pages * page_bytes  # as much again stays free for everybody else
        if shutil.disk_usage(self._directory).free < needed:
            raise CatalogError(
                f"no backup of the catalog is made with less than {needed >> 20} MB free: free some"
                " space on the disk"
            )

    def _rotate(self, keep: int | None) -> None:
        matches = [(path, _NAME.fullmatch(os.path.basename(path))) for path in self.paths()]
        plain = [path for path, match in matches if match and not match[2]]
        before = [path for path, match in matches if match and match[2]]
        for path in (*(plain[keep:] if keep else ()), *before[1:]):
            delete_backup(path)


def delete_backup(path: str) -> None:
    """Delete a backup and its checksum; what cannot be deleted stays."""
    for name in (path, path + CHECKSUM_SUFFIX):
        with contextlib.suppress(OSError):
            os.unlink(name)


def stamp() -> str:
    """Return the moment as names of files have it."""
    return datetime.datetime.now(datetime.UTC).strftime(_STAMP)


def made_at(path: str) -> datetime.datetime:
    """Return when a backup was made, by its name."""
    match = _NAME.fullmatch(os.path.basename(path))
    assert match is not None  # noqa: S101  # `paths` lists no others
    return datetime.datetime.strptime(match[1], _STAMP).replace(tzinfo=datetime.UTC)


def damage_of(path: str) -> list[str]:
    """Return what is wrong with a backup; nothing if it is what was written.

    Raises:
        CatalogError: it cannot be read, which says nothing of its bytes.
    """
    try:
        kept = matches_checksum(path)
    except OSError as error:
        raise CatalogError(f"a backup cannot be read: {describe(error)}") from error
    return examine(path, alone=True) if kept else ["it is damaged"]


def _worth_keeping(connection: sqlite3.Connection) -> list[list[tuple[object, ...]]]:
    """Return the clock, and what a person has said that moves no clock."""
    return [
        connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
        for table in ("saved_searches", "duplicate_decisions")
    ] + [connection.execute("SELECT value FROM meta WHERE key = 'clock'").fetchall()]


def _copy(source: sqlite3.Connection, path: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as target:
        target.execute("PRAGMA synchronous=OFF")  # flushed below, as a whole
        source.backup(target)  # in one step, of one moment: writers go on beside it
    os.chmod(path, 0o600)
    sync_file(path)
