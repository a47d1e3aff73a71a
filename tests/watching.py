"""A reconciler over real folders, the real catalog and the real watcher."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence

from imgvecd.adapters.watchdog_inotify import InotifyWatcher
from imgvecd.catalog import Catalog
from imgvecd.config.schema import RootConfig, WatchConfig
from imgvecd.core.watch import Reconciler, expected_files, make_lister
from imgvecd.protocols import Watcher
from imgvecd.types import FileRow, Stamp


class Watching:
    """What a test works with: a library folder per root, and the catalog that follows them."""

    def __init__(
        self,
        catalog: Catalog,
        configs: Sequence[RootConfig],
        watch: WatchConfig,
        exclude: Sequence[str],
        watcher: Watcher,
    ) -> None:
        self.catalog = catalog
        self.configs = tuple(configs)
        self.watch = watch
        self.exclude = tuple(exclude)
        self.rows = catalog.files.set_roots([os.fsencode(config.path) for config in configs])
        self.changes = 0
        self.changed = asyncio.Event()
        by_id = {row.id: config for row, config in zip(self.rows, self.configs, strict=True)}
        self.reconciler = Reconciler(
            catalog.files, by_id, watch, self.exclude, watcher, self._count
        )

    async def reload(
        self, configs: Sequence[RootConfig], watch: WatchConfig, exclude: Sequence[str]
    ) -> None:
        """Do what the daemon does on SIGHUP."""
        self.configs, self.watch, self.exclude = tuple(configs), watch, tuple(exclude)

        def set_roots() -> dict[int, RootConfig]:
            paths = [os.fsencode(config.path) for config in configs]
            self.rows = self.catalog.files.set_roots(paths)
            return {row.id: config for row, config in zip(self.rows, configs, strict=True)}

        await self.reconciler.set_config(set_roots, watch, exclude)

    def _count(self) -> None:
        self.changes += 1
        self.changed.set()

    def files(self, root: int = 0) -> dict[str, FileRow]:
        """Return the catalog's files of a root by relative path."""
        rows = self.catalog.files.iter_files(self.rows[root].id, b"", recursive=True)
        return {os.fsdecode(row.relative): row for row in rows}

    def pending(self) -> set[str]:
        """Return the relative paths of files that wait to be read."""
        return {
            path
            for root in range(len(self.rows))
            for path, row in self.files(root).items()
            if row.pending
        }

    def read_all(self) -> None:
        """Do what ingestion does: link every pending file to a content made from its bytes."""
        read = []
        for row in self.catalog.work.pending_files(1_000_000):
            path = os.path.join(os.fsencode(self._config(row).path), row.relative)
            with open(path, "rb") as file:
                read.append((row, file.read().ljust(32, b"\0")[:32]))
        self.catalog.work.link_contents(read)

    def contents(self, root: int = 0) -> dict[str, int | None]:
        """Return the contents of a root's files by relative path, everything pending read."""
        self.read_all()
        return {path: row.content_id for path, row in self.files(root).items()}

    def on_disk(self, root: int = 0) -> dict[str, tuple[int, int, int]]:
        """Return relative path → (inode, size, mtime) of the files that belong to a root."""
        lister = make_lister(self.configs[root], self.configs, self.exclude, self.watch)
        return {
            os.fsdecode(os.path.join(directory, file.name)): _bytes_of(file.stamp)
            for directory, file in expected_files(lister)
        }

    def agrees(self, root: int = 0) -> bool:
        """Return whether catalog and disk hold the same files."""
        in_catalog = {path: _bytes_of(row.stamp) for path, row in self.files(root).items()}
        return in_catalog == self.on_disk(root)

    def _config(self, row: FileRow) -> RootConfig:
        (number,) = (n for n, root in enumerate(self.rows) if root.id == row.root_id)
        return self.configs[number]


def _bytes_of(stamp: Stamp) -> tuple[int, int, int]:
    return stamp.inode, stamp.size_bytes, stamp.mtime_ns


@contextlib.asynccontextmanager
async def watching(
    state: str,
    *roots: str | RootConfig,
    watch: WatchConfig | None = None,
    exclude: Sequence[str] = (),
    watcher: Watcher | None = None,
) -> AsyncIterator[Watching]:
    """Watch `roots` with the catalog in the folder `state`, settled at the start."""
    catalog = Catalog(state)
    configs = [RootConfig(path=root) if isinstance(root, str) else root for root in roots]
    subject = Watching(
        catalog, configs, watch or WatchConfig(), exclude, watcher or InotifyWatcher()
    )
    try:
        await subject.reconciler.start()
        await subject.reconciler.barrier()
        yield subject
    finally:
        await subject.reconciler.stop()
        catalog.close()
