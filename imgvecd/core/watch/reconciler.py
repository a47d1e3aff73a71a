"""Keeps the catalog's files equal to the disk, for as long as the daemon runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TypeVar, TypeVarTuple

from imgvecd.config.schema import RootConfig, WatchConfig
from imgvecd.core.files.beneath import Links
from imgvecd.core.threads import BULK
from imgvecd.core.timing.retrying import backoff_s
from imgvecd.core.watch.debounce import Debounce
from imgvecd.core.watch.disk_calls import DiskCalls
from imgvecd.core.watch.disk_truth import below, make_lister
from imgvecd.core.watch.event_router import EventRouter
from imgvecd.core.watch.listing import Lister
from imgvecd.core.watch.mounts import Mounts
from imgvecd.core.watch.replacement import SAMPLE, KnownFiles
from imgvecd.core.watch.scan_queue import ScanQueue
from imgvecd.core.watch.scan_step import ScanStep
from imgvecd.core.watch.step_thread import StepThread
from imgvecd.core.watch.watch_status import RootWatch, describe
from imgvecd.core.watch.watched_root import WatchedRoot
from imgvecd.errors import CatalogError, NotFoundError
from imgvecd.protocols import FileStore, Watcher
from imgvecd.types import FileRow

logger = logging.getLogger(__name__)

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")

COALESCE_S = 0.02
"""Events come in bursts; waiting so long after the first makes one look of many."""

OFFLINE_CHECK_S = 2.0
"""How often a root that is not there is looked for, where no mount event tells."""

REMOVE_FILES = 500
"""Files of a dropped root that are removed at once: a tenth of a second, others have their turn."""

FLUSH_S = 10.0
"""If the watcher has not told all it knows by then, everything is scanned instead."""

DOUBT_PAUSES = 100
"""Between two scans for the sake of names that nobody has seen, so many times as long as one took:
a program that makes such names all day costs a hundredth of the time. Who waits has it at once."""

LEAVE_S = 5.0
"""How long the end waits for a step; what it would have found, the next start finds."""

RETRY_S = (1.0, 30.0)
"""First and longest pause after a step that failed, as on a full disk."""


class Reconciler:
    """Watches roots and commits what differs. Its methods are for one event loop.

    Args:
        roots: settings of the catalog's roots by their ids.
        exclude: globs for all roots.
        on_change: called on the event loop after each commit, and after a root came or went.
        own: absolute paths of folders that are never part of a library.

    Attributes:
        error: why changes on disk do not reach the catalog; None when all is well.
    """

    def __init__(
        self,
        store: FileStore,
        roots: Mapping[int, RootConfig],
        watch: WatchConfig,
        exclude: Sequence[str],
        watcher: Watcher,
        on_change: Callable[[], None],
        own: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._watcher = watcher
        self._on_change = on_change
        self._own = tuple(own)
        self._calls = DiskCalls()
        self._watch = watch
        self._scan_queue = ScanQueue(self._wake)
        self._debounce = Debounce(watch.settle_ms)
        self._event_router = EventRouter(self._scan_queue, self._debounce, self._recheck_roots)
        self._scan_step = ScanStep(store, watcher, self._scan_queue, self._debounce)
        self._configs = (roots, watch, exclude)
        self._in_force = False  # `_configs`: a catalog that cannot be read keeps them waiting
        self._removing = False  # files of dropped roots
        self._step_lock = asyncio.Lock()
        self._thread = StepThread()  # used with the lock only
        self._woken = asyncio.Event()
        self._awake = False
        self._roots_in_doubt = True
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._rescan_at = self._poll_at = self._look_for_offline_at = 0.0
        self._doubt_since: float | None = None  # scanning for the sake of doubt
        self._next_doubt_at = 0.0
        self._starting = True
        self.error: str | None = None

    @property
    def behind(self) -> bool:
        """Whether anything that was heard of, or is to be scanned, is not in the catalog yet.

        What is done is told by `on_change` before this turns false. Folders that nothing is heard
        of count while they are looked at.
        """
        # in this order: what is heard goes into the queue before the watcher has told all
        return (
            not self._watcher.told_all()
            or self._starting
            or self._roots_in_doubt
            or not self._in_force
            or self._removing
            or self._scan_queue.behind
        )

    @property
    def seen(self) -> int:
        """Image files that scans have found so far."""
        return self._scan_step.seen

    def status(self) -> dict[int, RootWatch]:
        """Return how each root is watched, by id."""
        roots = self._scan_step.roots
        poll_interval_s = self._watch.poll_interval_s
        return {
            root_id: describe(root, self._watcher, poll_interval_s)
            for root_id, root in tuple(roots.items())  # a reload may change them on its thread
        }

    async def start(self) -> None:
        """Begin to watch; the first scan goes on after this returns."""
        self._loop = asyncio.get_running_loop()
        self._rescan_at = time.monotonic() + self._watch.rescan_interval_s
        await BULK.run(self._watcher.start, self._event_router.route)
        try:
            await self._check_roots()
        except CatalogError as error:
            self._note(error)
        self._starting = False
        self._task = asyncio.create_task(self._run(), name="reconciler")

    async def stop(self) -> None:
        """Stop watching, after the step that is being committed, unless its disk hangs."""
        self._stopping = True
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        async with self._step_lock:
            await BULK.run(self._watcher.stop)
        self._thread.close()
        self._calls.close()
        for _, future in self._waiting:
            future.cancel()

    async def rescan(self, path: bytes | None = None) -> None:
        """Compare everything, or all at and below an absolute path, with the disk; then return.

        Naming the very path of a root takes whatever folder is there for that root.

        Raises:
            NotFoundError: the path is in no root.
        """
        if path is None:
            await self._check_roots()
            for root_id in self._scan_step.roots:
                self._scan_queue.scan(root_id)
        else:
            root, directory = self._locate(path)
            await self._exclusively(root.mounts.forget, directory)
            await self._check_roots({root.id} if not directory else ())
            self._scan_queue.scan(root.id, directory)
        await self._wait_for(self._scan_queue.ticket())

    def listers(self) -> dict[int, Lister]:
        """Return what lists each root, by id: the files that belong to the library."""
        return {root_id: root.lister for root_id, root in tuple(self._scan_step.roots.items())}

    def recheck(self, files: Sequence[FileRow]) -> None:
        """Look again at files that turned out not to be as the catalog has them."""
        for file in files:
            self._scan_queue.add(file.root_id, file.dir, [file.name])

    async def barrier(self) -> None:
        """Return when everything that was on disk at the call has settled into the catalog."""
        await self._check_roots()
        if await BULK.run(self._watcher.flush, FLUSH_S):
            await self._exclusively(self._look_at_unwatched)
        else:
            for root_id in self._scan_step.roots:
                self._scan_queue.scan(root_id)
        await self._wait_for(self._scan_queue.ticket())

    async def set_config(
        self,
        set_roots: Callable[[], Mapping[int, RootConfig]],
        watch: WatchConfig,
        exclude: Sequence[str],
    ) -> None:
        """Take new settings; what they leave out is removed, what they let in is added.

        That goes on after this returns: `barrier` waits for it.

        Args:
            set_roots: changes the catalog's roots and returns their settings by id, on a thread.

        Raises:
            CatalogError: the catalog's roots cannot be changed; the old settings stay.
        """

        def change() -> None:
            self._configs = (set_roots(), watch, exclude)
            self._in_force = False
            try:
                self._check(())
            except CatalogError as error:  # tried again, like all that fails for the catalog's sake
                self._note(error)

        await self._exclusively(change)
        self._watch = watch
        self._debounce.settle_s = watch.settle_ms / 1000
        self._on_change()
        self._wake()

    async def _run(self) -> None:
        failures = 0
        while True:
            await self._wait()
            try:
                await self._work()
                failures = 0
                self.error = None
            except Exception as error:  # whatever fails, watching goes on, a scan makes good for it
                if not isinstance(error, CatalogError):
                    logger.exception("watching failed")
                self._note(error)
                failures += 1
                for root_id in self._scan_step.roots:
                    self._scan_queue.scan(root_id)
                await asyncio.sleep(backoff_s(failures, *RETRY_S))

    def _note(self, error: Exception) -> None:
        self._roots_in_doubt = True
        self.error = str(error) or type(error).__name__
        logger.error("changes on disk wait, everything is scanned afterwards: %s", self.error)

    async def _wait(self) -> None:
        self._awake = False
        due_s = 0.0 if self._roots_in_doubt else self._due_s()
        if due_s != 0:
            # not wait_for, which in Python 3.11 may swallow the cancellation that `stop` sends
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(due_s):
                    await self._woken.wait()
        self._awake = True
        self._woken.clear()
        await asyncio.sleep(COALESCE_S)

    def _due_s(self) -> float | None:
        """Return in how many seconds there is something to do; None if only a hint can tell."""
        due = [self._poll_at]
        if self._watch.rescan_interval_s:
            due.append(self._rescan_at)
        if self._any_offline():
            due.append(self._look_for_offline_at)
        if self._scan_step.doubt is not None:
            due.append(self._next_doubt_at)
        due_s = max(0.0, min(due) - time.monotonic())
        queue_s = self._scan_queue.next_due_s()
        return due_s if queue_s is None else min(queue_s, due_s)

    async def _work(self) -> None:
        await self._keep_time()
        while True:
            if self._roots_in_doubt:
                await self._check_roots()
            try:
                removed = await self._exclusively(self._remove_some)
                committed = await self._exclusively(self._scan_step.step)
                if removed or committed:
                    self._on_change()
            finally:
                self._scan_queue.done()
            doubted = self._in_doubt and await self._exclusively(self._settle_doubt)
            self._release()
            if committed is None and not removed and not doubted:
                return

    async def _keep_time(self) -> None:
        now = time.monotonic()
        if now >= self._poll_at:
            self._poll_at = now + self._watch.poll_interval_s
            self._roots_in_doubt = True
            await self._exclusively(self._look_at_unwatched)
        if self._any_offline() and now >= self._look_for_offline_at:
            self._look_for_offline_at = now + OFFLINE_CHECK_S
            self._roots_in_doubt = True
        if self._watch.rescan_interval_s and now >= self._rescan_at:
            self._rescan_at = now + self._watch.rescan_interval_s
            for root_id in self._scan_step.roots:
                self._scan_queue.scan(root_id)

    async def _check_roots(self, accept: Collection[int] = ()) -> None:
        self._roots_in_doubt = False
        if await self._exclusively(self._check, accept):
            self._on_change()

    def _check(self, accept: Collection[int]) -> bool:
        if not self._in_force:
            self._use_roots(*self._configs)
            self._in_force = self._removing = True
        self._scan_step.check_mounts()
        return self._scan_step.check_roots(accept)

    @property
    def _in_doubt(self) -> bool:
        return self._scan_step.doubt is not None or self._doubt_since is not None

    def _settle_doubt(self) -> bool:
        """Begin to scan for the sake of doubt, if it is time or somebody waits; return whether."""
        now = time.monotonic()
        if self._doubt_since is not None and not self._scan_queue.scanning:
            self._next_doubt_at = now + DOUBT_PAUSES * (now - self._doubt_since)
            self._doubt_since = None
        due = bool(self._waiting) or now >= self._next_doubt_at
        if self._scan_step.doubt is None or not due:
            return False
        self._scan_step.look_for_unseen_links()
        self._doubt_since = self._doubt_since or now
        return True

    def _look_at_unwatched(self) -> None:
        for root in self._scan_step.roots.values():
            for directory in (*root.tree.unwatched(), *root.unread):
                self._scan_queue.add(root.id, directory, None)

    def _remove_some(self) -> bool:
        """Remove some files of dropped roots; return whether there were any."""
        if self._removing:
            self._removing = self._store.remove_dropped(REMOVE_FILES)
        return self._removing

    def _use_roots(
        self, configs: Mapping[int, RootConfig], watch: WatchConfig, exclude: Sequence[str]
    ) -> None:
        rows = {row.id: row for row in self._store.roots() if row.id in configs}
        known = self._scan_step.roots
        for root_id in known.keys() - rows.keys():
            self._scan_step.drop_root(root_id)
        for root_id, row in rows.items():
            lister = make_lister(
                configs[root_id], configs.values(), exclude, watch, self._own, self._calls
            )
            if (
                root_id not in known
                or known[root_id].lister.rules.settings != lister.rules.settings
            ):
                mounts = Mounts(self._store, self._watcher, root_id, row.path, self._calls)
                sample = KnownFiles(partial(self._store.sample_files, root_id, b"", SAMPLE))
                self._scan_step.put_root(WatchedRoot(row, lister, mounts, sample, self._calls))
        self._event_router.use_roots(
            {
                row.path: (row.id, known[row.id].lister.rules.links is not Links.NONE)
                for row in rows.values()
            }
        )

    def _locate(self, path: bytes) -> tuple[WatchedRoot, bytes]:
        path = os.path.normpath(path)
        roots = sorted(self._scan_step.roots.values(), key=lambda root: -len(root.row.path))
        for root in roots:
            if path == root.row.path:
                return root, b""
            if directory := below(path, root.row.path):
                return root, directory
        raise NotFoundError(f"{os.fsdecode(path)!r} lies in none of the watched folders")

    def _any_offline(self) -> bool:
        return any(not root.online for root in tuple(self._scan_step.roots.values()))

    async def _exclusively(self, work: Callable[[*Arguments], Result], *args: *Arguments) -> Result:
        """Run on a thread what only one thread at a time may do, to its end if cancelled."""
        async with self._step_lock:
            running = self._thread.do(partial(work, *args))
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                # at the end a disk that does not answer is left behind
                await asyncio.wait([running], timeout=LEAVE_S if self._stopping else None)
                if not running.done():
                    self._thread.close()  # it is left behind, the next one begins with another
                running.cancel()  # nobody waits for what comes of it
                raise

    async def _wait_for(self, ticket: int) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((ticket, future))
        self._wake()
        await future

    def _release(self) -> None:
        for entry in list(self._waiting):
            ticket, future = entry
            if future.done() or (not self._removing and self._scan_queue.reached(ticket)):
                self._waiting.remove(entry)
                if not future.done():
                    future.set_result(None)

    def _recheck_roots(self) -> None:
        self._roots_in_doubt = True
        self._wake()

    def _wake(self) -> None:
        if not self._awake and self._loop is not None:
            self._awake = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: there is nobody to wake
                self._loop.call_soon_threadsafe(self._woken.set)
