"""Files to embeddings without a library: for millions of pictures in one go, on many machines."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from imgvecd.adapters import parquet_shards
from imgvecd.closing import ContextManaged
from imgvecd.config import paths
from imgvecd.config.schema import Config, ModelConfig
from imgvecd.core.indexing import Embedder
from imgvecd.core.indexing.indexing_gate import IndexingGate
from imgvecd.core.indexing.listed_files import EncodedFile, ListedFiles
from imgvecd.core.library.model_choice import choose_model, plan_models
from imgvecd.errors import BadRequestError
from imgvecd.picture_input import AnyPath
from imgvecd.types import ModelInfo
from imgvecd.wiring.parts import DECODES_PER_WORKER, make_decoder, make_source

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

_LOOK_S = 0.5


class BatchEncoder(ContextManaged):
    """A model and its workers, which turn files into embeddings; any thread, one call at a time.

    An instance is a callable from tables with a column `path` to tables with embeddings, as Ray
    Data's and Dask's `map_batches` take it. Nothing is kept but the model's towers.

    Args:
        model: as the setting `model`; "auto" is the model that it moves to.
        config: for everything else; None is the default.

    Raises (from all methods but `close`):
        BadRequestError: it was made before this process was forked.
    """

    def __init__(self, model: str | ModelConfig = "auto", *, config: Config | None = None) -> None:
        settings = config or Config()
        precision = settings.encode.precision
        serving, target = (
            plan_models(model, None, precision=precision)
            if model == "auto"
            else (choose_model(model, precision=precision), None)
        )
        self._process = os.getpid()
        self._decoder = make_decoder(settings)
        self._source = make_source(target or serving, settings, paths.encoders_dir())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            self.model: ModelInfo = self._run(self._source.encoder.info())
        except BaseException:
            self.close()
            raise

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Return the table of `encode` for the paths in column `path`."""
        found = batch.column("path").to_pylist()
        return parquet_shards.table(self.model, self.encode(found))

    def encode(
        self, files: Iterable[AnyPath], progress: Callable[[int], None] | None = None
    ) -> list[EncodedFile]:
        """Return what became of the files, in order.

        Args:
            progress: told now and then how many images were encoded so far, on another thread.
        """
        work = ListedFiles(os.fsencode(path) for path in files)
        self._run(self._encode(work, progress))
        return work.results()

    def close(self) -> None:
        """Stop the workers; harmless when repeated."""
        if self._loop.is_closed() or self._process != os.getpid():
            return
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _encode(self, work: ListedFiles, progress: Callable[[int], None] | None) -> None:
        done = asyncio.Event()
        embedder = Embedder(
            work,
            self._decoder,
            self._source.encoder,
            self.model,
            gate=IndexingGate(),
            path_of=work.path_of,
            in_flight=DECODES_PER_WORKER * self._decoder.size,
            on_committed=lambda: None,
            on_stale=work.give_up,
            on_idle=done.set,
            servers=self._source.servers,
            encodes_here=self._source.encodes_here,
        )
        running = asyncio.create_task(embedder.run())
        waiting = asyncio.create_task(done.wait())
        try:
            ended: set[asyncio.Task[Any]] = set()
            while not ended:
                ended, _ = await asyncio.wait(
                    {running, waiting}, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED
                )
                if progress is not None:
                    progress(embedder.rate.total)
            if running in ended:
                running.result()
        finally:
            running.cancel()
            waiting.cancel()
            await asyncio.wait({running, waiting})

    async def _stop(self) -> None:
        await asyncio.gather(self._source.close(), self._decoder.close())
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._process != os.getpid():  # where the thread is missing
            work.close()
            raise BadRequestError(
                "this BatchEncoder was made before this process was forked: make one in here, or"
                ' start processes with multiprocessing.get_context("spawn")'
            )
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
