"""The library at work: catalog, workers and index wired into the two straight lines.

What has to be read and encoded is read and encoded, what is indexed can be searched. The daemon
adds watching and a socket to it, `VectorDatabase` adds files by name.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from imgvecd.core.files.beneath import open_file
from imgvecd.core.indexing import Embedder, Reader
from imgvecd.core.indexing.embedder import VectorsElsewhere
from imgvecd.core.indexing.idle_reader import (
    FILES_FAULT,
    MACHINES_FAULT,
    IdleReader,
    read_metadata,
    read_text,
)
from imgvecd.core.indexing.indexing_gate import IndexingGate
from imgvecd.core.library.generation import Generation, GenerationIndex
from imgvecd.core.library.index_maintenance import IndexMaintenance
from imgvecd.core.library.target_model import DownloadTerms, TargetModel
from imgvecd.core.search import Searcher
from imgvecd.core.search.elsewhere import Elsewhere
from imgvecd.core.threads import BULK
from imgvecd.core.timing.retrying import DISK_ERRORS, DISK_LONGEST_S, Retrying
from imgvecd.errors import ModelError, NotFoundError
from imgvecd.protocols import (
    Decoder,
    EmbeddingSource,
    Encoder,
    IdleQueue,
    ImageStore,
    ModelTable,
    RemoteEncoder,
    SearchStore,
    TextRecogniser,
    WorkQueue,
)
from imgvecd.types import EncoderSpeed, FileRow, ImageInfo, ModelInfo, RootRow

logger = logging.getLogger(__name__)

Found = TypeVar("Found")

_LOST_NAMES_S = 3600.0  # a damaged table of names, made anew, is filled in by then


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model that may not be known yet, and what runs it.

    Attributes:
        servers: other machines that encode images with it.
        encodes_here: whether `encoder` encodes the library's images, too; else they wait.
    """

    fingerprint: str
    encoder: Encoder
    servers: tuple[RemoteEncoder, ...] = ()
    encodes_here: bool = True

    async def close(self) -> None:
        """Stop workers, hang up on servers."""
        servers = (server.close() for server in self.servers)
        await asyncio.gather(self.encoder.close(), *servers)


@dataclass(frozen=True, slots=True)
class Parts:
    """What an engine is made of.

    Attributes:
        serving: the model that answers queries.
        target: the model that shall take its place once every image is encoded with it, or None.
        download: whether the target may be fetched.
        open_index: opens or builds the index of a model; blocks.
        in_flight: decodes running or waiting at the same time.
        checkpoint_interval_s: longest time that a change stays without a checkpoint.
        gate: the gate in front of reading, decoding and encoding; by default always open.
        at_reading_start: called in each thread that reads files, before it does.
        opener: opens a file of the library by its path; see `FileOpener.open`.
        fetch: returns the image at a URL that a search names; None refuses it.
        texts: whose text is to be read.
        recogniser: reads it; None where text is not read.
        elsewhere: searches other libraries; None where there are none.
        vectors_elsewhere: what knows vectors of others; None for the catalog alone.
    """

    work: WorkQueue
    rereading: IdleQueue[ImageInfo]
    embeddings: EmbeddingSource
    models: ModelTable
    image_store: ImageStore
    searching: SearchStore
    decoder: Decoder
    serving: ModelSource
    target: ModelSource | None
    open_index: Callable[[ModelInfo], GenerationIndex]
    in_flight: int
    checkpoint_interval_s: float
    gate: IndexingGate = field(default_factory=IndexingGate)
    at_reading_start: Callable[[], None] = lambda: None
    opener: Callable[[bytes], int] = open_file
    fetch: Callable[[str], bytes] | None = None
    download: DownloadTerms = field(default_factory=DownloadTerms)
    texts: IdleQueue[str] | None = None
    recogniser: TextRecogniser | None = None
    elsewhere: Elsewhere | None = None
    vectors_elsewhere: VectorsElsewhere | None = None


class Engine:
    """Runs from `start` to `stop` in one event loop; its methods are for that loop.

    Args:
        on_stale: called with files that are not on disk as the catalog has them.

    Attributes:
        generation: answers queries; None until the model is known and its index is open.
        upcoming: takes its place once it is complete, or None.
        opened: set once there is a generation.
        move_stopped: whether a person has stopped the move to the target model.
    """

    def __init__(self, parts: Parts, *, on_stale: Callable[[list[FileRow]], None]) -> None:
        self._parts = parts
        self._on_stale = on_stale
        self._sources = {source.fingerprint: source for source in _sources(parts)}
        self._roots: dict[int, RootRow] = {}
        self._task: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._running: asyncio.Task[None] | None = None
        self._move: asyncio.Task[None] | None = None
        self._taking_over = asyncio.Lock()
        self._idle = asyncio.Event()
        self._completed = asyncio.Event()
        self._learning = Retrying(ModelError)
        self._opening = Retrying(DISK_ERRORS, longest_s=DISK_LONGEST_S)
        self._target = TargetModel(parts.target.encoder, parts.download) if parts.target else None
        self._reader = Reader(
            parts.work,
            parts.decoder,
            path_of=self.path_of,
            opener=parts.opener,
            room=self._room,
            at_start=parts.at_reading_start,
            on_linked=self._wake_generations,
            on_stale=on_stale,
            on_idle=self._note_idle,
        )
        self._rereader = self._idle_reader(
            "the metadata",
            parts.rereading,
            read_metadata(parts.decoder, self.path_of),
            MACHINES_FAULT,
        )
        self._text_reader: IdleReader[str] | None = None
        if parts.texts is not None and parts.recogniser is not None:
            read = read_text(parts.decoder, parts.recogniser, self.path_of)
            self._text_reader = self._idle_reader("the text", parts.texts, read, FILES_FAULT)
        self.generation: Generation | None = None
        self.upcoming: Generation | None = None
        self.move_stopped = False
        self.opened = asyncio.Event()

    @property
    def model_loaded(self) -> bool:
        """Whether the serving model is in memory now."""
        return self.generation is not None and self._serving_encoder.loaded

    @property
    def encoder_speed(self) -> EncoderSpeed | None:
        """How fast the serving model encodes images; None until that was learnt."""
        return self._serving_encoder.speed

    @property
    def runtime_note(self) -> str | None:
        """Why the serving model encodes images with the runtime that it does, if that is known."""
        return self._serving_encoder.runtime_note

    @property
    def encoder_sandbox(self) -> tuple[str, ...]:
        """What confines the serving model's workers; see `Encoder.sandbox`."""
        return self._serving_encoder.sandbox

    @property
    def encode_servers(self) -> tuple[RemoteEncoder, ...]:
        """Other machines that encode for the models at work."""
        return tuple(server for source in self._at_work() for server in source.servers)

    @property
    def waits_for_servers(self) -> bool:
        """Whether images of a model at work are encoded by other machines only."""
        return not all(source.encodes_here for source in self._at_work())

    @property
    def moving_error(self) -> str | None:
        """What keeps the target model from being built; None when all is well."""
        upcoming, target = self.upcoming, self._target
        return (target and target.error) or (upcoming.error if upcoming is not None else None)

    @property
    def move_next_try_at(self) -> float | None:
        """When the target model is tried again, in seconds of `time.time`; else None."""
        return self._target.next_try_at if self._target else None

    @property
    def move_to_fetch_mb(self) -> int:
        """Size of a download that waits for a person's yes, by `resume_move`; else 0."""
        return self._target.to_fetch_mb if self._target else 0

    @property
    def move_progress(self) -> str:
        """How fetching and loading the target model goes on; else empty."""
        return self._parts.target.encoder.progress if self._parts.target is not None else ""

    @property
    def rereading(self) -> int:
        """Of how many images the metadata is still to be read again, since another version did."""
        return self._rereader.waiting

    @property
    def texts_waiting(self) -> int:
        """How many pictures' text is still to be read."""
        return 0 if self._text_reader is None else self._text_reader.waiting

    @property
    def text_error(self) -> str | None:
        """What keeps texts from being read; None when all is well."""
        return None if self._text_reader is None else self._text_reader.error

    @property
    def recogniser_sandbox(self) -> tuple[str, ...]:
        """What confines the worker that reads text; see `TextRecogniser.sandbox`."""
        recogniser = self._parts.recogniser
        return () if recogniser is None else recogniser.sandbox

    @property
    def busy(self) -> bool:
        """Whether anything that can be read, encoded or indexed is not yet."""
        return self._reader.busy or self.generation is None or self.generation.busy

    @property
    def error(self) -> str | None:
        """What keeps the work from going on; None when all is well."""
        return (
            self._learning.error
            or self._opening.error
            or self._reader.error
            or (self.generation.error if self.generation else None)
            or self._serving_encoder.error
        )

    def _at_work(self) -> list[ModelSource]:
        generations = filter(None, (self.generation, self.upcoming))
        return [self._sources[each.model.fingerprint] for each in generations] or [
            self._parts.serving
        ]

    @property
    def _serving_encoder(self) -> Encoder:
        generation = self.generation
        if generation is None:
            return self._parts.serving.encoder
        return self._sources[generation.model.fingerprint].encoder

    def use_roots(self, roots: list[RootRow]) -> None:
        """Take these as the roots that files lie under, besides those taken before.

        What is on its way may still lie under a root that has just been dropped.
        """
        self._roots |= {root.id: root for root in roots}

    def path_of(self, file: FileRow) -> bytes:
        """Return the absolute path of a file."""
        return os.path.join(self._roots[file.root_id].path, file.relative)

    def start(self) -> asyncio.Task[None]:
        """Begin to work.

        The task ends only by an error that nobody foresaw, or by `stop`.
        """
        self._task = asyncio.create_task(self._run())
        return self._task

    async def stop(self) -> None:
        """Stop everything, write a last checkpoint, stop the workers."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        sources = (source.close() for source in self._sources.values())
        others = [self._parts.decoder, self._parts.recogniser]
        await asyncio.gather(*sources, *(other.close() for other in others if other is not None))
        for generation in (self.generation, self.upcoming):
            if generation is not None:
                await self._close_generation(generation)

    def wake(self) -> None:
        """The catalog's files have changed."""
        self._reader.wake()
        self._rereader.wake()
        if self._text_reader is not None:
            self._text_reader.wake()
        self._wake_generations()

    async def idle(self) -> None:
        """Return once everything that can be read, encoded and indexed is."""
        while self.busy:
            self._idle.clear()
            await self._idle.wait()

    async def stop_move(self) -> None:
        """Give up the move to the target model, for later starts as well; embeddings made stay.

        Raises:
            NotFoundError: no move is under way or to come.
        """
        target = self._moving_to()
        async with self._taking_over:
            self._moving_to()  # it may have been completed meanwhile
            await self._decide(target, wanted=False)
            self.move_stopped = True
            move, self._move = self._move, None
            if move is not None:
                move.cancel()
                await asyncio.wait([move])
            upcoming, self.upcoming = self.upcoming, None
            if upcoming is not None and self.generation is not None:
                await BULK.run(self._parts.models.activate, [self.generation.model])
                await self._close_generation(upcoming)
            await target.close()
        logger.info("the move to another model is stopped")

    async def resume_move(self) -> None:
        """Take up a move that was stopped, where it was; agree to the download that it takes.

        Raises:
            NotFoundError: no move is under way or to come.
        """
        target = self._moving_to()
        async with self._taking_over:
            self._moving_to()
            await self._decide(target, wanted=True)
            self.move_stopped = False
            if self._target is not None:
                self._target.agree()
            self._begin_move()

    async def _decide(self, target: ModelSource, *, wanted: bool) -> None:
        decide = self._parts.models.decide_move
        await BULK.run(partial(decide, target.fingerprint, wanted=wanted))

    def _moving_to(self) -> ModelSource:
        target, generation = self._parts.target, self.generation
        if target is None or (generation and generation.model.fingerprint == target.fingerprint):
            raise NotFoundError("no move to another model is under way: `model` names what serves")
        return target

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._reader.run())
            tasks.create_task(self._fill_names())
            tasks.create_task(self._rereader.run())
            if self._text_reader is not None:
                tasks.create_task(self._text_reader.run())
            serving = await self._learn(self._parts.serving, self._learning)
            await self._activate(serving)
            self.generation = await self._open(serving)
            self.opened.set()
            self._running = tasks.create_task(self.generation.run())
            self._wake_generations()
            tasks.create_task(self._verify(self.generation))
            await self._set_serving(serving)
            if self._parts.target is not None:
                fingerprint = self._parts.target.fingerprint
                wanted = await BULK.run(self._parts.models.move_decision, fingerprint)
                self.move_stopped = wanted is False
                if wanted and self._target is not None:
                    self._target.agree()
                self._begin_move()

    async def _fill_names(self) -> None:
        """Have names looked for that the catalog held before, or that it lost."""
        retrying = Retrying(DISK_ERRORS, longest_s=DISK_LONGEST_S)
        while True:
            more = await retrying.call(BULK.run, self._parts.searching.fill_names)
            await asyncio.sleep(0 if more else _LOST_NAMES_S)

    def _idle_reader(
        self,
        what: str,
        queue: IdleQueue[Found],
        read: Callable[[FileRow], Awaitable[Found]],
        later: frozenset[str],
    ) -> IdleReader[Found]:
        return IdleReader(
            what,
            queue,
            read,
            later=later,
            idle=self.idle,
            gate=self._parts.gate,
            on_recorded=self._wake_generations,
        )

    def _begin_move(self) -> None:
        target, old = self._parts.target, self.generation
        if target is None or old is None or self._move is not None or self.move_stopped:
            return
        assert self._tasks is not None  # noqa: S101  # the generation was opened in it
        self._move = self._tasks.create_task(self._move_to(target, old, self._tasks))

    async def _move_to(
        self, target: ModelSource, old: Generation, tasks: asyncio.TaskGroup
    ) -> None:
        """Build the target's generation beside the serving one, and put it in its place."""
        assert self._target is not None  # noqa: S101  # it is made of `target`
        model = await self._known(target)
        if model is None:
            await self._target.agreed()
        await self.idle()  # what can be searched soon comes before what is searched better
        target.encoder.may_fetch |= model is not None  # it was here, and was agreed to then
        model = model or await self._target.info()
        logger.info("building the index of %s; %s answers meanwhile", model.name, old.model.name)
        await self._activate(old.model, model)
        self.upcoming = upcoming = await self._open(model)
        running = tasks.create_task(upcoming.run())
        try:
            self._wake_generations()
            while not await self._is_complete(upcoming):
                await self._completed.wait()
            async with self._taking_over:
                await self._take_over(upcoming, running, old)
        except asyncio.CancelledError:
            running.cancel()
            raise

    async def _take_over(
        self, upcoming: Generation, running: asyncio.Task[None], old: Generation
    ) -> None:
        self.generation, self.upcoming = upcoming, None
        await self._set_serving(upcoming.model)
        await self._activate(upcoming.model)
        if self._running is not None:
            self._running.cancel()
        self._running = running
        old.embedder.room.set()
        await self._close_generation(old)
        await self._sources[old.model.fingerprint].close()
        logger.info("%s answers from now on", upcoming.model.name)

    async def _verify(self, generation: Generation) -> None:
        """Have the files behind the index read through; a damaged index is built anew."""
        if not await BULK.run(generation.index.verify):
            logger.error("the index on disk is damaged; building it anew from the catalog")
            generation.index_maintenance.wake()

    async def _is_complete(self, upcoming: Generation) -> bool:
        """Return whether every file is in it, those of offline roots included."""
        self._completed.clear()
        if self._reader.busy or upcoming.busy:
            return False
        counts = await BULK.run(self._parts.image_store.counts, upcoming.model.fingerprint)
        return not counts.pending

    async def _learn(self, source: ModelSource, retrying: Retrying) -> ModelInfo:
        model = await self._known(source)
        return model if model is not None else await retrying.call(source.encoder.info)

    async def _known(self, source: ModelSource) -> ModelInfo | None:
        return await self._opening.call(BULK.run, self._parts.models.get, source.fingerprint)

    async def _activate(self, *models: ModelInfo) -> None:
        await self._opening.call(BULK.run, self._parts.models.activate, models)

    async def _set_serving(self, model: ModelInfo) -> None:
        record = self._parts.models.set_serving
        await self._opening.call(BULK.run, record, model.fingerprint)

    async def _close_generation(self, generation: Generation) -> None:
        await generation.searcher.close()
        try:
            await generation.index_maintenance.checkpoint()
        except DISK_ERRORS as error:
            logger.error("no checkpoint at the end: %s; the next start catches up", error)  # noqa: TRY400
        await BULK.run(generation.index.close)

    async def _room(self) -> None:
        """Return once the serving generation has little enough left to encode, and no pause is."""
        await self._parts.gate.over()
        if self.generation is not None:
            await self.generation.embedder.room.wait()

    def _note_idle(self) -> None:
        self._idle.set()
        self._completed.set()
        if self.generation is not None:
            self.generation.searcher.wake()
        if self._text_reader is not None:
            self._text_reader.wake()  # what has just been decoded may have some

    async def _open(self, model: ModelInfo) -> Generation:
        index = await self._opening.call(BULK.run, self._parts.open_index, model)
        return self._make_generation(model, index)

    def _make_generation(self, model: ModelInfo, index: GenerationIndex) -> Generation:
        parts, source = self._parts, self._sources[model.fingerprint]
        encoder = source.encoder
        for server in source.servers:
            server.expect(model)
        index_maintenance = IndexMaintenance(
            index, interval_s=parts.checkpoint_interval_s, on_idle=self._note_idle
        )
        embedder = Embedder(
            parts.work,
            parts.decoder,
            encoder,
            model,
            gate=parts.gate,
            path_of=self.path_of,
            in_flight=parts.in_flight,
            on_committed=index_maintenance.wake,
            on_stale=self._on_stale,
            on_idle=self._note_idle,
            servers=source.servers,
            encodes_here=source.encodes_here,
            elsewhere=parts.vectors_elsewhere,
        )
        searcher = Searcher(
            model,
            index,
            encoder=encoder,
            decoder=parts.decoder,
            embeddings=parts.embeddings,
            image_store=parts.image_store,
            store=parts.searching,
            fetch=parts.fetch,
            elsewhere=parts.elsewhere,
        )
        return Generation(model, index, embedder, index_maintenance, searcher)

    def _wake_generations(self) -> None:
        for generation in (self.generation, self.upcoming):
            if generation is not None:
                generation.wake()


def _sources(parts: Parts) -> list[ModelSource]:
    return [parts.serving] if parts.target is None else [parts.serving, parts.target]
