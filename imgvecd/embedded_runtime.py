"""An open state directory on a thread of its own, shared by everything in one process that uses it.

The first process to come writes; the others read what it has written.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol, TypeVar

from imgvecd.catalog import Catalog
from imgvecd.command_hints import runnable
from imgvecd.config.schema import Config, ModelConfig
from imgvecd.core.duplicates.finder import DuplicateFinder
from imgvecd.core.library.catalog_maintenance import maintain_at_end
from imgvecd.core.library.checkpoint_digests import CheckpointDigests, no_digest
from imgvecd.core.library.generation import Generation
from imgvecd.core.library.model_choice import choose_model
from imgvecd.core.library.thumbnails import Thumbnails
from imgvecd.core.search import Searcher
from imgvecd.core.threads import BULK, INTERACTIVE
from imgvecd.errors import AlreadyRunningError, BadRequestError, ModelError, ReadOnlyError
from imgvecd.protocols import Decoder, VectorIndex
from imgvecd.types import ModelInfo, RootRow
from imgvecd.wiring.assembly import (
    Assembly,
    ReadingAssembly,
    assemble,
    assemble_reading,
    stored_model,
)
from imgvecd.wiring.model_hub import require_fetchable
from imgvecd.wiring.parts import make_pair_file

T = TypeVar("T")

DEFAULT_MODEL = ModelConfig(name="ViT-B-32", pretrained="laion2b_s34b_b79k")
"""What a database made anew uses if nobody says otherwise."""

_LOOK_S = 0.1  # how often a waiting caller looks whether something stands in the way
_CLOSED = "the database was closed, by another thread"
_WHOLE_DISK = b"/"  # the root of files that lie under no watched folder


class SearchedIndex(VectorIndex, Protocol):
    """The index that answers, of a writing or a reading process."""

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        ...


class EmbeddedRuntime:
    """Thread-safe; `run` is how other threads reach what lives on its event loop.

    Args:
        read_only: leave writing to others, even if there are none.

    Attributes:
        adding: held by whoever adds files, so that each sees the result of its own.
    """

    def __init__(self, config: Config, *, read_only: bool = False) -> None:
        self.adding = threading.Lock()
        self._calls: set[concurrent.futures.Future[Any]] = set()
        self._gate = threading.Lock()  # of the calls, and of whether there may be any
        self._is_closing = False
        self._process = os.getpid()
        self._config = config
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._writing: Assembly | None = None
        self._reading: ReadingAssembly | None = None
        self._finder: DuplicateFinder | None = None
        try:
            self.run(self._open(config, read_only))
        except BaseException:
            self.close()
            raise

    async def _open(self, config: Config, read_only: bool) -> None:
        if not read_only:
            # what encode servers have is not fetched here
            if config.encode.without_remote == "local" and stored_model(config.state_dir) is None:
                await INTERACTIVE.run(require_fetchable, choose_model(config.model, no_digest))
            try:
                # a file that is not as the catalog has it shows in the result of whoever added it
                self._writing = assemble(config, on_stale=lambda _: None)
            except AlreadyRunningError:
                if stored_model(config.state_dir) is None:
                    raise
        if self._writing is None:
            self._reading = assemble_reading(config)
            await BULK.run(self._reading.index.catch_up)
            return
        self._writing.engine.use_roots(self.catalog.files.roots())
        self._writing.engine.start()
        await self._indexed()

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written, since another process does or nobody asked for it."""
        return self._writing is None

    @property
    def catalog(self) -> Catalog:
        """The catalog."""
        return self._parts.catalog

    @property
    def decoder(self) -> Decoder:
        """The decode workers; for `run`."""
        return self._parts.decoder

    @property
    def model(self) -> ModelInfo:
        """The model that answers."""
        return self._reading.model if self._reading else self._generation.model

    @property
    def index(self) -> SearchedIndex:
        """The index of that model."""
        return self._reading.index if self._reading else self._generation.index

    @property
    def searcher(self) -> Searcher:
        """Answers searches; for `run`."""
        return self._reading.searcher if self._reading else self._generation.searcher

    @property
    def duplicates(self) -> DuplicateFinder:
        """Finds duplicates; for `run`."""
        if self._finder is None:
            self._finder = DuplicateFinder(
                store=self.catalog.duplicates,
                image_store=self.catalog.images,
                embeddings=self.catalog.embeddings,
                decoder=self.decoder,
                pairs=make_pair_file(self._config, keep=not self.read_only),
                keep=not self.read_only,
            )
        return self._finder

    @property
    def thumbnails(self) -> Thumbnails:
        """Makes small pictures, and keeps none; for `run`."""
        return Thumbnails(self.catalog.images, self._parts.decoder, None)

    @property
    def encoded(self) -> int:
        """How many images were encoded since the session was opened."""
        return 0 if self._reading else self._generation.embedder.rate.total

    @property
    def _parts(self) -> Assembly | ReadingAssembly:
        parts = self._writing or self._reading
        assert parts is not None  # noqa: S101  # opened by `__init__`
        return parts

    @property
    def _generation(self) -> Generation:
        assert self._writing is not None  # noqa: S101  # callers looked
        generation = self._writing.engine.generation
        assert generation is not None  # noqa: S101  # `_open` waited for it
        return generation

    @property
    def own(self) -> bool:
        """Whether this is the process that opened it."""
        return os.getpid() == self._process

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work`, done on the session's event loop.

        Raises:
            BadRequestError: another thread has closed the session, perhaps meanwhile.
        """
        with self._gate:
            if self._is_closing:
                work.close()
                raise BadRequestError(_CLOSED)
            call = asyncio.run_coroutine_threadsafe(work, self._loop)
            self._calls.add(call)
        try:
            return call.result()
        except concurrent.futures.CancelledError:
            raise BadRequestError(_CLOSED) from None
        finally:
            with self._gate:
                self._calls.discard(call)

    def require_writing(self) -> None:
        """Raise ReadOnlyError unless this process writes."""
        if self.read_only:
            path = os.path.dirname(self.catalog.path)
            raise ReadOnlyError(
                runnable(
                    f"{path} is open for reading only: by choice, or since another process (a"
                    " running `imgvecd serve`?) writes to it, which must end first"
                )
            )

    def wait_until_indexed(self, progress: Callable[[int], None] | None = None) -> None:
        """Return once all is read, encoded and indexed; raise what keeps it from being so.

        Args:
            progress: told now and then how many images were encoded so far, on any thread.
        """
        self.run(self._indexed(progress))

    def place(self, path: bytes) -> tuple[RootRow, bytes, bytes]:
        """Return (root, folder in it, name) of an absolute path; the nearest root there is."""
        roots = self.catalog.files.roots()
        above = [root for root in roots if path.startswith(root.path.rstrip(b"/") + b"/")]
        if not above:
            above = self.catalog.files.set_roots([*(root.path for root in roots), _WHOLE_DISK])[-1:]
            self.run(self._use_roots())
        root = max(above, key=lambda row: len(row.path))
        directory, name = os.path.split(path[len(root.path.rstrip(b"/")) + 1 :])
        return root, directory, name

    def close(self) -> None:
        """Write a checkpoint, tidy and back up once a day, and close; harmless when repeated.

        Calls of other threads under way are cancelled.
        """
        with self._gate:
            if self._is_closing:
                return
            self._is_closing = True
            calls = list(self._calls)
        for call in calls:
            call.cancel()
        try:
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _use_roots(self) -> None:
        assert self._writing is not None  # noqa: S101  # only a writer adds roots
        self._writing.engine.use_roots(self.catalog.files.roots())

    async def _indexed(self, progress: Callable[[int], None] | None = None) -> None:
        assert self._writing is not None  # noqa: S101  # only a writer has anything to wait for
        engine = self._writing.engine
        before = engine.generation.embedder.rate.total if engine.generation else 0
        engine.wake()
        idle = asyncio.ensure_future(engine.idle())
        try:
            while not (await asyncio.wait([idle], timeout=_LOOK_S))[0]:
                if engine.error is not None:
                    raise ModelError(engine.error)
                if progress is not None and engine.generation is not None:
                    progress(engine.generation.embedder.rate.total - before)
        finally:
            idle.cancel()

    async def _close(self) -> None:
        if self._reading is not None:
            await self._reading.close()
        if self._writing is not None:
            opened = self._writing.engine.opened.is_set()
            await self._writing.engine.stop()
            if opened:
                maintain = partial(
                    maintain_at_end,
                    self.catalog,
                    backup_interval_s=self._config.catalog.backup_interval_h * 3600,
                    keep_s=self._config.catalog.keep_days * 86_400,
                )
                await BULK.run(maintain)
            self._writing.close()
        # whatever listens to a worker that is no more would be destroyed with the loop, noisily
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._loop.shutdown_default_executor()


class _Shared:
    def __init__(self, runtime: EmbeddedRuntime) -> None:
        self.runtime = runtime
        self.users = 0


# by folder, and by whether it was to be read only
_open: dict[tuple[str, bool], _Shared] = {}
_opening = threading.Lock()


def open_runtime(config: Config, *, read_only: bool = False) -> EmbeddedRuntime:
    """Return the process's session of `config.state_dir`, opened if need be; `release` it.

    Raises:
        BadRequestError: it is open in this process with another model.
        AlreadyRunningError, CatalogError, ModelError: it cannot be opened.
    """
    state = os.path.realpath(config.state_dir)
    with _opening:
        key = state, read_only
        shared = _open.get(key)
        if shared is None:
            shared = _open[key] = _Shared(EmbeddedRuntime(config, read_only=read_only))
        else:
            digest = CheckpointDigests(state, read_only=True).of
            wanted = choose_model(config.model, digest, config.encode.precision)
            if shared.runtime.model.fingerprint != wanted.fingerprint:
                raise BadRequestError(
                    f"{state} is open with {shared.runtime.model.name}: close it before opening it"
                    " with another model"
                )
        shared.users += 1
        return shared.runtime


def release(runtime: EmbeddedRuntime) -> None:
    """Give back what `open_runtime` returned; the last one closes it, in its own process."""
    if not runtime.own:
        return
    with _opening:
        for key, shared in list(_open.items()):
            if shared.runtime is runtime:
                shared.users -= 1
                if shared.users == 0:
                    del _open[key]
                    runtime.close()


def _after_fork() -> None:
    global _opening  # noqa: PLW0603  # another thread may have held it
    _opening = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
