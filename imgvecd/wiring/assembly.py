"""From a configuration to concrete parts that nothing drives yet."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from imgvecd.adapters.faiss_segments import FaissSegments
from imgvecd.adapters.this_machine import ThisMachine, lower
from imgvecd.catalog import Backups, Catalog, CatalogRecovery, is_there
from imgvecd.config.schema import Config, ModelConfig, expand
from imgvecd.core.files.beneath import FileOpener
from imgvecd.core.files.formats import curable_reasons
from imgvecd.core.index import LibraryIndex
from imgvecd.core.index.readonly_index import ReadonlyIndex
from imgvecd.core.indexing.indexing_gate import IndexingGate
from imgvecd.core.library.checkpoint_digests import CheckpointDigests
from imgvecd.core.library.engine import Engine, Parts
from imgvecd.core.library.model_choice import ModelChoice, choose_model, plan_models
from imgvecd.core.library.state_lock import StateLock
from imgvecd.core.library.target_model import DownloadTerms
from imgvecd.core.search import Searcher
from imgvecd.errors import CatalogDamagedError, CatalogError, ConfigError, ModelError, NotFoundError
from imgvecd.processes.decoder_pool import DecoderPool
from imgvecd.processes.split_encoder import SplitEncoder
from imgvecd.processes.text_recogniser import TextRecogniserProcess
from imgvecd.types import FileRow, ModelInfo
from imgvecd.wiring.model_hub import download_terms
from imgvecd.wiring.parts import (
    DECODES_PER_WORKER,
    drop_image_towers,
    fetch_image,
    make_decoder,
    make_encoder,
    make_recogniser,
    make_source,
    priority_of,
)
from imgvecd.wiring.sharing import Sharing, make_sharing

logger = logging.getLogger(__name__)

_YOUNG_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Assembly:
    """An engine and what it stands on; the caller closes it.

    Attributes:
        ocr_error: why the text in pictures is not read although it should; None if all is well.
    """

    lock: StateLock
    catalog: Catalog
    engine: Engine
    serving: ModelChoice
    target: ModelChoice | None
    decoder: DecoderPool
    gate: IndexingGate
    recovery: CatalogRecovery
    opener: FileOpener
    ocr_error: str | None = None
    sharing: Sharing | None = None

    def close(self, *, in_order: bool = True) -> None:
        """Close the catalog and let go of the state directory; the engine has stopped before.

        Args:
            in_order: nothing has failed that the next start should read the catalog through for.
        """
        self.catalog.close()
        if in_order and not self.catalog.damaged:
            self.recovery.write_checksum()
        self.lock.close()


def assemble(
    config: Config,
    *,
    on_stale: Callable[[list[FileRow]], None],
    moving: bool = False,
    pausing: bool = False,
    sharing: bool = False,
    condemned: str | None = None,
    digests: CheckpointDigests | None = None,
) -> Assembly:
    """Return the parts for `config`, with nothing running yet.

    Args:
        moving: have the model that answered last go on until the configured one is complete.
        pausing: rest by request and as `indexing` says.
        sharing: with other libraries, as `shared` says.
        condemned: what was found to be wrong with the catalog; a backup takes its place.
        digests: of checkpoints, by the state directory, where one may be read already.

    Raises:
        AlreadyRunningError: another process writes to the state directory.
        CatalogError: the catalog cannot be opened.
        ModelError: the model's local file is missing.
    """
    state = config.state_path()
    lock = StateLock(state)
    try:
        recovery = CatalogRecovery(state)
        recovery.prepare(condemned=condemned)
        catalog = Catalog(state, backups=config.catalog.backups)
        catalog.failures.retry_curable(curable_reasons())
        digest = (digests or CheckpointDigests(state)).of
        if moving:
            serving, target = plan_models(
                config.model, catalog.models.serving(), digest, config.encode.precision
            )
        else:
            serving, target = choose_model(config.model, digest, config.encode.precision), None
        young_until_s = catalog.made_at_s() + _YOUNG_S
        opener = FileOpener()
        drop_image_towers(state, [serving, target])
        decoder = make_decoder(config, opener.open)
        recogniser, ocr_error = _recogniser(config)
        catalog.texts.use(None if recogniser is None else recogniser.fingerprint)
        gate = (
            IndexingGate(config.indexing, ThisMachine(), catalog.pauses)
            if pausing
            else IndexingGate()
        )

        def serving_model() -> ModelInfo | None:
            return engine.generation.model if engine.generation is not None else None

        def open_index(model: ModelInfo) -> LibraryIndex:
            return LibraryIndex.open(
                os.path.join(state, "index", model.fingerprint),
                model.fingerprint,
                model.dim,
                catalog.embeddings,
                config.index,
                FaissSegments(),
            )

        shared = make_sharing(config.shared, state, catalog, serving_model) if sharing else None
        # what other machines encode is fetched by them
        here = config.encode.without_remote == "local"
        terms = download_terms(target, config) if target and here else DownloadTerms()
        parts = Parts(
            work=catalog.work,
            rereading=catalog.rereading,
            embeddings=catalog.embeddings,
            models=catalog.models,
            image_store=catalog.images,
            searching=catalog.searching,
            decoder=decoder,
            serving=make_source(serving, config, state, young_until_s),
            target=None if target is None else make_source(target, config, state, young_until_s),
            open_index=open_index,
            in_flight=DECODES_PER_WORKER * decoder.size,
            checkpoint_interval_s=config.index.checkpoint_interval_s,
            gate=gate,
            at_reading_start=partial(lower, priority_of(config)),
            opener=opener.open,
            fetch=fetch_image if config.server.fetch_urls else None,
            download=terms,
            texts=catalog.texts,
            recogniser=recogniser,
            elsewhere=shared.everywhere if shared else None,
            vectors_elsewhere=shared.known if shared else None,
        )
        engine = Engine(parts, on_stale=on_stale)
        return Assembly(
            lock,
            catalog,
            engine,
            serving,
            target,
            decoder,
            gate,
            recovery,
            opener,
            ocr_error,
            shared,
        )
    except BaseException:
        lock.close()
        raise


def _recogniser(config: Config) -> tuple[TextRecogniserProcess | None, str | None]:
    """Return (what reads text, why nothing does): all else works without it."""
    try:
        return make_recogniser(config), None
    except (ConfigError, OSError) as error:
        logger.error("the text in pictures is not read: %s", error)  # noqa: TRY400
        return None, f"the text in pictures is not read: {error}"


@dataclass(frozen=True, slots=True)
class ReadingAssembly:
    """What answers questions beside the process that writes; the caller closes it."""

    catalog: Catalog
    model: ModelInfo
    index: ReadonlyIndex
    searcher: Searcher
    encoder: SplitEncoder
    decoder: DecoderPool

    async def close(self) -> None:
        """Stop the workers and close the catalog."""
        await asyncio.gather(self.encoder.close(), self.decoder.close())
        await self.searcher.close()
        self.catalog.close()


def assemble_reading(config: Config) -> ReadingAssembly:
    """Return parts that only read the state directory of `config`.

    Raises:
        CatalogError: there is no catalog that can be read.
        ModelError: the catalog has no embeddings of the model.
    """
    state = expand(config.state_dir)
    digest = CheckpointDigests(state, read_only=True).of
    choice = choose_model(config.model, digest, config.encode.precision)
    catalog = Catalog(state, read_only=True)
    try:
        model = catalog.models.get(choice.fingerprint)
        if model is None:
            raise ModelError(  # noqa: TRY301  # the catalog is to be closed
                f"{state} has no embeddings of {choice.name}, and is open for reading only"
            )
        directory = os.path.join(state, "index", model.fingerprint)
        index = ReadonlyIndex(
            directory, model.fingerprint, model.dim, catalog.embeddings, FaissSegments()
        )
        encoder, decoder = make_encoder(choice, config, state), make_decoder(config)
        searcher = Searcher(
            model,
            index,
            encoder=encoder,
            decoder=decoder,
            embeddings=catalog.embeddings,
            image_store=catalog.images,
            store=catalog.searching,
            fetch=fetch_image if config.server.fetch_urls else None,
        )
        return ReadingAssembly(catalog, model, index, searcher, encoder, decoder)
    except BaseException:
        catalog.close()
        raise


def watched_before(config: Config) -> set[bytes] | None:
    """Return the absolute paths of the folders that the catalog has; None if it cannot be read.

    One of an older imgvecd cannot be read before it is brought up to date.
    """
    state = config.state_path()
    try:
        if not is_there(os.path.join(state, "catalog.sqlite")):
            return set()
        catalog = Catalog(state, read_only=True)
    except NotFoundError:
        return set()
    except CatalogError:
        return None
    try:
        return {row.path for row in catalog.files.roots()}
    finally:
        catalog.close()


def stored_model(state_dir: str, *, restore: bool = False) -> ModelConfig | None:
    """Return the model that the database in `state_dir` answers with; None if there is none.

    Args:
        restore: put the latest sound backup in the place of a catalog that is damaged or lost.

    Raises:
        CatalogDamagedError: it is damaged, and not to be restored.
        AlreadyRunningError: it is to be restored, and another process uses it.
    """
    path = os.path.join(state_dir, "catalog.sqlite")
    condemned: str | None = None
    if is_there(path):
        try:
            catalog = Catalog(state_dir, read_only=True)
            try:
                model = catalog.models.serving()
            finally:
                catalog.close()
            return ModelConfig(name=model.name, pretrained=model.pretrained) if model else None
        except NotFoundError:
            return None  # who was about to make it was killed
        except CatalogDamagedError:
            if not restore:
                raise
            condemned = "it cannot be read"
    if condemned is None and not (restore and Backups(state_dir).paths()):
        return None
    with StateLock(state_dir):
        CatalogRecovery(state_dir).prepare(condemned=condemned)
    return stored_model(state_dir)
