"""Examines a state directory that nobody uses, and mends what is wrong with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import TracebackType

from imgvecd.adapters.faiss_segments import FaissSegments
from imgvecd.catalog import Catalog, CatalogRecovery, is_there
from imgvecd.catalog.recovery.backups import damage_of, delete_backup, made_at
from imgvecd.closing import ContextManaged
from imgvecd.config.schema import IndexConfig
from imgvecd.core.index import LibraryIndex, checkpoint
from imgvecd.core.index.readonly_index import ReadonlyIndex
from imgvecd.core.library.state_lock import StateLock, require_target
from imgvecd.errors import CatalogError, IndexDamagedError
from imgvecd.types import ModelInfo


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        where: file or folder, relative to the state directory.
        what: is wrong with it.
        remedy: what `mend` does, as an order.
        mend: does it; blocks. Raises OSError if the disk refuses.
    """

    where: str
    what: str
    remedy: str
    mend: Callable[[], None]


class StateCheck(ContextManaged):
    """Holds the state directory while it looks; a context manager. For one thread.

    Raises:
        AlreadyRunningError: a daemon, or a program, uses the directory.
        CatalogError: there is no state directory, or a newer program wrote it.
    """

    def __init__(self, state: str, index: IndexConfig) -> None:
        require_target(state)
        if not os.path.isdir(state):
            raise CatalogError(f"there is no state directory {state}: nothing was ever kept there")
        self._state = state
        self._index_config = index
        self._path = os.path.join(state, "catalog.sqlite")
        self._lock = StateLock(state)
        self._recovery = CatalogRecovery(state)

    def close(self) -> None:
        """Release the state directory."""
        self._lock.close()

    def findings(self) -> list[Finding]:
        """Return everything that is wrong; reads all that lies there, and changes nothing.

        Raises:
            CatalogError: the catalog needs another program, or the disk fails.
        """
        found = list(self._backups())
        damage = self._recovery.damage() if is_there(self._path) else "it is missing"
        if damage is not None:
            return [*self._catalog(damage), *found]
        found += self._rows()
        return [*found, *self._indexes(compare=not found)]

    def _backups(self) -> Iterator[Finding]:
        for path in self._recovery.backups.paths():
            damage = damage_of(path)
            if damage:
                where = os.path.join("backups", os.path.basename(path))
                yield Finding(where, damage[0], "delete it", partial(delete_backup, path))

    def _catalog(self, damage: str) -> Iterator[Finding]:
        backup = self._recovery.backups.sound()
        if backup is not None:
            remedy = f"put the backup of {made_at(backup):%Y-%m-%d %H:%M} UTC in its place"
        elif damage == "it is missing":
            return
        elif self._recovery.is_better_than_nothing(damage):
            remedy = "use it as it is: there is no sound backup, and it can be read"
            yield Finding("catalog.sqlite", damage, remedy, lambda: self._restore(damage))
            return
        else:
            remedy = "begin anew, since there is no sound backup; every image is encoded again"
        if is_there(self._path):
            remedy = f"keep it aside, and {remedy}"
        yield Finding("catalog.sqlite", damage, remedy, lambda: self._restore(damage))

    def _restore(self, damage: str) -> None:
        self._recovery.prepare(condemned=damage)
        if os.path.exists(self._path):
            self._recovery.write_checksum()

    def _rows(self) -> Iterator[Finding]:
        catalog = Catalog(self._state, read_only=True)
        try:
            found = catalog.row_repair.findings()
        finally:
            catalog.close()
        for what, remedy in found:
            yield Finding("catalog.sqlite", what, remedy, self._mend_rows)

    def _mend_rows(self) -> None:
        with self._opened() as catalog:
            catalog.row_repair.mend()

    def _indexes(self, *, compare: bool) -> Iterator[Finding]:
        """Yield what is wrong with the indexes.

        Args:
            compare: with the catalog as well, which is consistent.
        """
        folder = os.path.join(self._state, "index")
        if os.path.lexists(folder) and not os.path.isdir(folder):
            yield Finding("index", "it is no folder", "delete it", lambda: _delete(folder))
            return
        catalog = Catalog(self._state, read_only=True)
        try:
            for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
                finding = self._index(catalog, os.path.join(folder, name), name, compare)
                if finding is not None:
                    yield finding
        finally:
            catalog.close()

    def _index(
        self, catalog: Catalog, directory: str, fingerprint: str, compare: bool
    ) -> Finding | None:
        where = os.path.join("index", fingerprint)
        model = catalog.models.get(fingerprint)
        if model is None:
            stray = "it belongs to no model of the catalog"
            return Finding(where, stray, "delete it", lambda: _delete(directory))
        what = _damage_of_index(directory)
        if what is None and compare:
            what = self._differences(catalog, directory, model)
        if what is None:
            return None
        remedy = "build it anew from the catalog; nothing is encoded"
        return Finding(where, what, remedy, lambda: self._rebuild(directory, model))

    def _differences(self, catalog: Catalog, directory: str, model: ModelInfo) -> str | None:
        index = ReadonlyIndex(
            directory, model.fingerprint, model.dim, catalog.embeddings, FaissSegments()
        )
        count = index.differences()
        return f"{count} vectors are not those of the catalog" if count else None

    def _rebuild(self, directory: str, model: ModelInfo) -> None:
        with self._opened() as catalog:
            _delete(directory)
            index = LibraryIndex.open(
                directory,
                model.fingerprint,
                model.dim,
                catalog.embeddings,
                self._index_config,
                FaissSegments(),
            )
            if index.needs_rebuild:
                index.rebuild()
            index.checkpoint()
            index.close()

    def _opened(self) -> _Opened:
        return _Opened(self._state, self._recovery)


class _Opened:
    """The catalog, open for writing with a new checksum afterwards."""

    def __init__(self, state: str, recovery: CatalogRecovery) -> None:
        self._recovery = recovery
        recovery.prepare()
        self._catalog = Catalog(state)

    def __enter__(self) -> Catalog:
        return self._catalog

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._catalog.close()
        self._recovery.write_checksum()


def _delete(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _damage_of_index(directory: str) -> str | None:
    try:
        manifest = checkpoint.read_manifest(directory)
        if manifest is not None:
            checkpoint.load_layers(directory, manifest, FaissSegments())
            checkpoint.verify_unparsed(directory, manifest, lambda: True)
    except IndexDamagedError as error:
        return str(error)
    return None
