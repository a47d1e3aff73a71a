"""What clients can ask of a running daemon: implements `imgvecd.server.services.Service`."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

import imgvecd
from imgvecd import api
from imgvecd.asked_files import asked_first
from imgvecd.config.schema import DuplicatesConfig
from imgvecd.core.duplicates.dedup_steps import DedupSteps
from imgvecd.core.duplicates.finder import DuplicateFinder
from imgvecd.core.files.beneath import FileOpener
from imgvecd.core.files.disk_errors import describe
from imgvecd.core.indexing.indexing_gate import IndexingGate
from imgvecd.core.library.catalog_maintenance import CatalogMaintenance
from imgvecd.core.library.doctor import Doctor
from imgvecd.core.library.engine import Engine
from imgvecd.core.library.generation import Generation
from imgvecd.core.library.originals import Originals
from imgvecd.core.library.thumbnails import Thumbnails
from imgvecd.core.live.change_feed import ChangeFeed
from imgvecd.core.live.live_queries import LiveQueries
from imgvecd.core.search import EmptySearcher, FilterIds, Labeller, Searcher
from imgvecd.core.threads import ALIVE, FILTERING, HEAVY, INTERACTIVE
from imgvecd.core.timing.duration_histogram import DurationHistogram
from imgvecd.core.watch import Reconciler, RootWatch
from imgvecd.daemon import encode_servers
from imgvecd.daemon.browsing import DaemonBrowsing, FacetStore, TimelineStore
from imgvecd.daemon.duplicates import DaemonDuplicates, DecisionStore
from imgvecd.daemon.events import Events
from imgvecd.daemon.library_counts import Counter, Figures
from imgvecd.daemon.searching import DaemonSearching
from imgvecd.daemon.user_metadata import DaemonMetadata
from imgvecd.errors import ModelError, NotFoundError, NotInTimeError, PausedError, StorageError
from imgvecd.protocols import (
    ChangeLog,
    EmbeddingSource,
    FailureLog,
    FileStore,
    ImageStore,
    SavedSearchStore,
    SearchStore,
    UserMetadataStore,
)
from imgvecd.terminal_output import counted
from imgvecd.types import RootRow

# Mapping an index takes a second or two; loading a model for the first time may take longer.
_OPENING_S = 20.0


class Stores(Protocol):
    """What is asked of the catalog, by what it is about: `imgvecd.catalog.Catalog`."""

    @property
    def files(self) -> FileStore: ...  # noqa: D102  # the types say what they are
    @property
    def images(self) -> ImageStore: ...  # noqa: D102
    @property
    def embeddings(self) -> EmbeddingSource: ...  # noqa: D102
    @property
    def changes(self) -> ChangeLog: ...  # noqa: D102
    @property
    def failures(self) -> FailureLog: ...  # noqa: D102
    @property
    def searching(self) -> SearchStore: ...  # noqa: D102
    @property
    def saved_searches(self) -> SavedSearchStore: ...  # noqa: D102
    @property
    def user_metadata(self) -> UserMetadataStore: ...  # noqa: D102
    @property
    def duplicates(self) -> DecisionStore: ...  # noqa: D102
    @property
    def timeline(self) -> TimelineStore: ...  # noqa: D102
    @property
    def facets(self) -> FacetStore: ...  # noqa: D102


class SharingState(Protocol):
    """What tells how sharing fares."""

    def status(self) -> api.SharedStatus:
        """Return what clients are told; blocks."""
        ...

    def trouble(self) -> str | None:
        """Return why publishing does not go on, and what waits; None when all is well."""
        ...


@dataclass(frozen=True, slots=True)
class RunningParts:
    """What runs in the daemon and is asked how it is.

    Attributes:
        sandbox: tells what confines the decoders; see `api.Status`.
        ocr_error: why the text in pictures is not read although it should.
        sharing: None where nothing is shared.
    """

    engine: Engine
    reconciler: Reconciler
    opener: FileOpener
    gate: IndexingGate
    maintenance: CatalogMaintenance
    sandbox: Callable[[], tuple[str, ...]]
    ocr_error: str | None = None
    sharing: SharingState | None = None


class DaemonService:
    """Answers from the parts of one daemon. For its event loop.

    Attributes:
        refused_config: why the configuration on disk is not the one in force; None if it is.
        awaiting_restart: settings that have changed there and are in force after a restart only.
    """

    def __init__(
        self,
        stores: Stores,
        running: RunningParts,
        *,
        finder: DuplicateFinder,
        duplicates: DuplicatesConfig,
        dedup: DedupSteps,
        models: tuple[api.ModelStatus, ...],
        thumbnails: Thumbnails,
    ) -> None:
        image_store, embeddings = stores.images, stores.embeddings
        self._files = stores.files
        self._image_store = image_store
        self._embeddings = embeddings
        self._counter = Counter(image_store, embeddings)
        self._engine = running.engine
        self._reconciler = running.reconciler
        self._opener = running.opener
        self._sandbox = running.sandbox
        self._ocr_error = running.ocr_error
        self._gate = running.gate
        self._sharing = running.sharing
        self.refused_config: str | None = None
        self.awaiting_restart: tuple[str, ...] = ()
        self._catalog_maintenance = running.maintenance
        self._models = {model.fingerprint: model for model in models}
        self._first = models[0]
        self._started_at = _timestamp(time.time_ns())
        self._instance = embeddings.instance()
        self._failures = stores.failures
        self._allowed = FilterIds(stores.searching)
        self._change_feed = ChangeFeed(stores.changes, embeddings)
        self.duplicates = DaemonDuplicates(
            self._generation, finder, stores.duplicates, embeddings, duplicates, dedup
        )
        self.thumbnails = thumbnails
        self.browsing = DaemonBrowsing(
            image_store,
            embeddings,
            stores.timeline,
            stores.facets,
            Originals(image_store, running.opener.open),
            self._allowed,
            self._fingerprint,
        )
        self.searching = DaemonSearching(
            self._searcher,
            self.search,
            lambda: self.working,
            LiveQueries(self._loaded_searcher, stores.searching, embeddings),
            stores.saved_searches,
            Labeller(image_store, embeddings, stores.user_metadata),
        )
        self.metadata = DaemonMetadata(image_store, stores.user_metadata, self.image, self._done)
        self.events = Events(
            self.status, lambda: INTERACTIVE.run(embeddings.clock), lambda: self.working
        )

    async def health(self) -> api.Health:
        """Return "ok", or "degraded" with what stands in the way of the work."""
        reasons = (*self._troubles(), *await self._servers_wanted())
        return api.Health(status="degraded" if reasons else "ok", reasons=reasons)

    @property
    def working(self) -> bool:
        """Whether anything is going on that changes the status; asking costs nothing."""
        return self._engine.busy or self._engine.upcoming is not None or self._reconciler.behind

    async def alive(self) -> None:
        """Return once catalog and index have answered.

        Raises:
            CatalogError: the catalog cannot be read.
        """
        await ALIVE.run(self._embeddings.clock)
        if self._engine.generation is not None:
            await ALIVE.run(self._engine.generation.answers)

    async def status(self) -> api.Status:
        """Return what the daemon is doing."""
        engine = self._engine
        generation = engine.generation
        # What ends while files are counted, the start too, is not over for who reads the counts.
        behind, busy = self._reconciler.behind, engine.busy
        figures, clock, rows = await INTERACTIVE.run(self._numbers, self._fingerprint())
        outdated = figures.clock != clock  # such figures do, but cannot say that nothing is to do
        if outdated and not (figures.files.pending or behind or self._reconciler.behind):
            figures = await INTERACTIVE.run(self._figures_now, self._fingerprint())
        counts, per_root = figures.files, figures.files_per_root
        rate = generation.embedder.rate.per_s if generation else 0.0
        watches = self._reconciler.status()
        roots = tuple(_root_status(row, watches.get(row.id), per_root) for row in rows)
        warnings = [
            *self._troubles(),
            *encode_servers.warnings(self._engine, counts.pending),
            self._catalog_maintenance.report,
            self._ocr_error or engine.text_error,
            *(root.warning for root in roots),
        ]
        if self.awaiting_restart:
            changed = ", ".join(self.awaiting_restart)
            warnings.append(f"changed in the configuration, in force after a restart: {changed}")
        pause = await self._gate.look()
        waiting = counts.pending if pause is None else 0
        behind = behind or self._reconciler.behind
        busy = busy or engine.busy
        return api.Status(
            version=imgvecd.__version__,
            pid=os.getpid(),
            started_at=self._started_at,
            state=self._state(pause, opened=generation is not None, behind=behind, busy=busy),
            pause=pause,
            clock=self._clock(clock),
            model=self._model_status(),
            move=await INTERACTIVE.run(self._move_status),
            roots=roots,
            files=counts,
            index=self._index_status(),
            encoded=generation.embedder.rate.total if generation else 0,
            rate_per_s=round(rate, 1),
            eta_s=round(counts.pending / rate, 1) if rate and waiting else None,
            rereading=engine.rereading,
            encode_servers=tuple(server.status() for server in engine.encode_servers),
            sandbox=self._sandbox(),
            encoder_sandbox=engine.encoder_sandbox,
            texts_waiting=engine.texts_waiting,
            recogniser_sandbox=engine.recogniser_sandbox,
            warnings=tuple(filter(None, warnings)),
            shared=await INTERACTIVE.run(self._sharing.status) if self._sharing else None,
        )

    async def stats(self) -> api.Stats:
        """Return what the library holds."""
        generation = self._engine.generation
        size = generation.index.size_bytes if generation else 0
        return await INTERACTIVE.run(self._image_store.stats, size)

    def kept(self, request: api.SearchRequest) -> api.SearchResponse | None:
        """Return the answer that was given before, if it still is the answer; at once."""
        generation = self._engine.generation
        found = None if generation is None else generation.searcher.kept(request)
        return None if found is None else msgspec.structs.replace(found, indexing=self.working)

    def remembers(self, request: api.SearchRequest) -> bool:
        """Return whether nothing has to be encoded for a search, as far as can be told at once."""
        generation = self._engine.generation
        return generation is not None and generation.searcher.remembers(request)

    async def search(self, request: api.SearchRequest) -> api.SearchResponse:
        """Return the hits, best first; while there is nothing to search, that is said at once."""
        if request.everywhere or request.sources:  # this library may be empty, others are not
            found = await (await self._loaded_searcher()).search(request)
        else:
            found = await (await self._searcher()).search(request)
        return msgspec.structs.replace(found, indexing=self.working)

    def _is_empty(self) -> bool:
        for fingerprint in self._models:
            with contextlib.suppress(NotFoundError):  # a model that has not encoded anything yet
                if self._embeddings.live_count(fingerprint):
                    return False
        return True

    async def images(self, after: int, limit: int, filters: api.Filters) -> api.ImageList:
        """Return up to `limit` images that pass, with ids above `after`, ascending.

        Raises:
            BadRequestError: a filter makes no sense.
        """
        pool = INTERACTIVE if filters == api.Filters() else FILTERING
        return await pool.run(self._images, after, limit, filters, self._fingerprint())

    def _images(
        self, after: int, limit: int, filters: api.Filters, fingerprint: str | None
    ) -> api.ImageList:
        allowed = self._allowed.ids(filters, self._embeddings.clock())
        if allowed is None:
            page = self._image_store.page(after, limit, fingerprint)
            ids = [image.id for image in page]
        else:
            ids = allowed[allowed > after][:limit].tolist()
            found = self._image_store.images(ids, fingerprint)
            page = [asked_first(found[one], filters) for one in ids if one in found]
        return api.ImageList(images=tuple(page), next_after=ids[-1] if len(ids) == limit else None)

    async def image(self, image_id: int) -> api.Image:
        """Return one image.

        Raises:
            NotFoundError: no such id.
        """
        found = await INTERACTIVE.run(self._image_store.images, [image_id], self._fingerprint())
        if image_id not in found:
            raise NotFoundError(f"there is no image {image_id}")
        return found[image_id]

    async def rescan(self, request: api.RescanRequest) -> api.Done:
        """Look for changes on disk; with `wait`, return when they are searchable.

        Raises:
            PausedError: there is something to index, and indexing rests.
        """
        named = api.Path(request.path or "", request.path_base64).raw()
        await self._reconciler.rescan(named or None)
        if request.wait:
            await self._all_done()
        return await self._done("rescan")

    async def sync(self, request: api.SyncRequest) -> api.Done:
        """Return when everything that was on disk at the call is searchable or has failed.

        Raises:
            NotInTimeError: not within the time given; the work goes on.
            PausedError: something waits, and indexing rests.
        """
        try:
            async with asyncio.timeout(request.timeout_s):
                await self._reconciler.barrier()
                self._engine.wake()
                await self._all_done()
        except TimeoutError:
            raise NotInTimeError(
                f"not all is indexed after {request.timeout_s:g} s; `imgvec status` shows how far"
            ) from None
        return await self._done("sync")

    async def changes(self, since: str | None, limit: int) -> api.Changes:
        """Return what happened to files after a clock."""
        return await INTERACTIVE.run(self._change_feed.changes, since, limit)

    async def failures(self, after: int, limit: int) -> api.FailureList:
        """Return files that cannot be searched."""
        last, page = await INTERACTIVE.run(self._failures.page, after, limit)
        return api.FailureList(failures=tuple(page), next_after=last)

    def encode_times(self) -> DurationHistogram | None:
        """Return how long batches took to encode with the serving model; None while none serves."""
        generation = self._engine.generation
        return generation.embedder.batch_times if generation else None

    async def failure_reasons(self) -> dict[str, int]:
        """Return how many files cannot be searched, by reason."""
        return await INTERACTIVE.run(self._failures.reasons)

    async def retry(self) -> api.Done:
        """Try every failure again."""
        count = await INTERACTIVE.run(self._failures.retry)
        for server in self._engine.encode_servers:
            server.retry_now()
        self._engine.wake()
        return await self._done(f"retry of {counted(count, 'file')}")

    async def pause(self, request: api.PauseRequest) -> api.Pausing:
        """Have indexing rest."""
        return api.Pausing(pause=await self._gate.pause(request.for_s))

    async def resume(self, request: api.ResumeRequest) -> api.Pausing:
        """End a pause that was asked for, or whatever keeps indexing from going on."""
        return api.Pausing(pause=await self._gate.resume(force=request.force))

    async def forget(self, request: api.ForgetRequest) -> api.Forgotten:
        """Forget what is of no use any more."""
        texts, images = await self._catalog_maintenance.forget(request.older_than_s)
        return api.Forgotten(texts=texts, images=images)

    async def doctor(self) -> api.Diagnosis:
        """Compare disk, catalog and index."""
        generation = await self._generation()
        doctor = Doctor(
            self._files,
            self._image_store,
            self._reconciler.listers(),
            await HEAVY.run(generation.index.ids),
            generation.model.fingerprint,
            self._opener.open,
        )
        return await HEAVY.run(doctor.examine)

    async def checkpoint(self) -> api.Done:
        """Write the index to disk."""
        try:
            written = await (await self._generation()).index_maintenance.checkpoint()
        except OSError as error:
            raise StorageError(f"The index cannot be written: {describe(error)}.") from error
        return await self._done("checkpoint", written)

    async def rebuild(self) -> api.Done:
        """Build a new generation of the index from the catalog."""
        await (await self._generation()).index_maintenance.rebuild()
        return await self._done("rebuild")

    async def stop_move(self) -> api.Done:
        """Give up the move to another model."""
        await self._engine.stop_move()
        return await self._done("the move is stopped")

    async def resume_move(self) -> api.Done:
        """Take up a move that was stopped, or that waits for a yes to its download."""
        await self._engine.resume_move()
        return await self._done("the move goes on")

    async def _all_done(self) -> None:
        """Return when everything known is searchable; raise PausedError if a pause is in the way.

        Who waits is told at once: a pause may take all night.
        """
        idle = asyncio.ensure_future(self._engine.idle())
        try:
            while not idle.done():
                held_up = asyncio.ensure_future(self._gate.holds_up())
                await asyncio.wait([idle, held_up], return_when=asyncio.FIRST_COMPLETED)
                held_up.cancel()
                pause = await self._gate.look()
                if pause is not None and not idle.done():
                    force = "" if pause.cause == "request" else " --force"
                    raise PausedError(
                        f"indexing is paused ({pause.reason}), and not all is indexed;"
                        f" `imgvec resume{force}` has it go on"
                    )
        finally:
            idle.cancel()

    async def _generation(self) -> Generation:
        """Return what answers; who asks while the daemon starts waits rather than fails."""
        if self._engine.error is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_OPENING_S):
                    await self._engine.opened.wait()
        if self._engine.generation is None:
            waiting = "the model is being loaded; try again in a moment"
            raise ModelError(self._engine.error or waiting)
        return self._engine.generation

    async def _servers_wanted(self) -> list[str]:
        """Return what encode servers keep from being done."""
        if not self._engine.encode_servers:
            return []
        figures, _, _ = await INTERACTIVE.run(self._numbers, self._fingerprint())
        return encode_servers.troubles(self._engine, figures.files.pending)

    def _troubles(self) -> list[str]:
        """Return what stands in the way of the work, or of what the user wants, each once."""
        refused = self.refused_config
        told = f"the new configuration is refused, the old one stays: {refused}"
        troubles = (
            self._engine.error,
            self._reconciler.error,
            self._catalog_maintenance.error,
            self._sharing.trouble() if self._sharing else None,
            told if refused else None,
        )
        return list(dict.fromkeys(filter(None, troubles)))

    async def _loaded_searcher(self) -> Searcher:
        return (await self._generation()).searcher

    async def _searcher(self) -> Searcher | EmptySearcher:
        """Return what answers searches, at once where there is nothing to search."""
        if self._engine.generation is None and await INTERACTIVE.run(self._is_empty):
            clock = await INTERACTIVE.run(self._embeddings.clock)
            return EmptySearcher(self._first.name, self._clock(clock))
        return await self._loaded_searcher()

    def _fingerprint(self) -> str | None:
        generation = self._engine.generation
        return generation.model.fingerprint if generation else None

    def _index_status(self) -> api.IndexStatus:
        generation = self._engine.generation
        if generation is None:
            return api.IndexStatus()
        return msgspec.structs.replace(
            generation.index.status(), rebuilding=generation.index_maintenance.rebuilding
        )

    async def _done(self, what: str, bytes_written: int | None = None) -> api.Done:
        clock = await INTERACTIVE.run(self._embeddings.clock)
        return api.Done(done=what, clock=self._clock(clock), bytes_written=bytes_written)

    def _clock(self, clock: int) -> str:
        return api.clock_text(self._instance, clock)

    def _figures_now(self, fingerprint: str | None) -> Figures:
        return self._counter.figures(fingerprint, changing=False)

    def _numbers(self, fingerprint: str | None) -> tuple[Figures, int, list[RootRow]]:
        changing = self._engine.busy or self._reconciler.behind
        return (
            self._counter.figures(fingerprint, changing=changing),
            self._embeddings.clock(),
            self._files.roots(),
        )

    def _state(self, pause: api.Pause | None, *, opened: bool, behind: bool, busy: bool) -> str:
        if not (opened and self._engine.generation):
            return "starting"
        if behind:
            return "scanning"
        if not busy:
            return "idle"
        return "indexing" if pause is None else "paused"

    def _move_status(self) -> api.MoveStatus | None:
        serving = self._fingerprint() or self._first.fingerprint
        target = next((m for m in self._models.values() if m is not self._first), None)
        if target is None or target.fingerprint == serving:
            return None
        upcoming, next_try_at = self._engine.upcoming, self._engine.move_next_try_at
        counts = api.FileCounts()
        if upcoming is not None:
            counts = self._counter.figures(target.fingerprint, changing=True).files
        return api.MoveStatus(
            name=target.name,
            pretrained=target.pretrained,
            indexed=counts.indexed,
            pending=counts.pending,
            rate_per_s=round(upcoming.embedder.rate.per_s, 1) if upcoming else 0.0,
            loading=self._engine.move_progress,
            stopped=self._engine.move_stopped,
            to_fetch_mb=self._engine.move_to_fetch_mb,
            error=self._engine.moving_error,
            next_try_at=_timestamp(round(next_try_at * 1e9)) if next_try_at else None,
        )

    def _model_status(self) -> api.ModelStatus:
        generation = self._engine.generation
        model = self._models[generation.model.fingerprint] if generation else self._first
        speed = self._engine.encoder_speed
        return msgspec.structs.replace(
            model,
            dim=generation.model.dim if generation else 0,
            loaded=self._engine.model_loaded,
            runs_on=speed.runs_on if speed else "",
            images_per_step=speed.images if speed else 0,
            ms_per_image=round(1000 * speed.seconds_each, 1) if speed else 0.0,
            runtime_note=self._engine.runtime_note,
            error=self._engine.error,
        )


def _root_status(row: RootRow, watch: RootWatch | None, files: dict[int, int]) -> api.RootStatus:
    path = api.Path.of(row.path)
    return api.RootStatus(
        path=path.path,
        path_base64=path.path_base64,
        online=row.online,
        offline_since=_timestamp(row.offline_since_ns) if row.offline_since_ns else None,
        offline_reason=row.offline_reason,
        files=files.get(row.id, 0),
        watching=watch.watching if watch else "none",
        warning=watch.warning if watch else None,
    )


def _timestamp(time_ns: int) -> str:
    moment = datetime.datetime.fromtimestamp(time_ns / 1e9, datetime.UTC)
    return moment.isoformat(timespec="seconds")
