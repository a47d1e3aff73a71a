"""From a configuration to concrete parts: the one place that knows every adapter."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from imgvecd.adapters import mounts, parquet, web_images
from imgvecd.adapters.faiss_segments import FaissSegments
from imgvecd.adapters.this_machine import ThisMachine, lower
from imgvecd.adapters.thumbnail_cache import ThumbnailCache
from imgvecd.adapters.trash import FreedesktopTrash
from imgvecd.adapters.watchdog_platform import make_watcher
from imgvecd.api import ModelStatus, Status
from imgvecd.catalog import Backups, Catalog, CatalogRecovery, is_there
from imgvecd.config import paths
from imgvecd.config.schema import Config, ModelConfig, RootConfig, expand
from imgvecd.core.duplicates import DuplicateFinder
from imgvecd.core.duplicates.undo_journal import Trash
from imgvecd.core.files.beneath import FileOpener
from imgvecd.core.files.formats import curable_reasons
from imgvecd.core.index import LibraryIndex
from imgvecd.core.index.readonly_index import ReadonlyIndex
from imgvecd.core.indexing.indexing_gate import IndexingGate
from imgvecd.core.library.catalog_maintenance import CatalogMaintenance
from imgvecd.core.library.engine import Engine, ModelSource, Parts
from imgvecd.core.library.model_choice import ModelChoice, choose_model, plan_models
from imgvecd.core.library.state_lock import StateLock
from imgvecd.core.library.thumbnails import Thumbnails
from imgvecd.core.search import Searcher
from imgvecd.core.threads import BULK
from imgvecd.core.watch import Reconciler
from imgvecd.core.watch.inclusion_rules import links_followed
from imgvecd.daemon.daemon import Daemon
from imgvecd.daemon.service import DaemonService
from imgvecd.daemon.systemd_notify import passed_sockets
from imgvecd.errors import CatalogDamagedError, ImgvecdError, ModelError, NotFoundError
from imgvecd.processes import DecoderPool, SplitEncoder
from imgvecd.server.app import RunningServer
from imgvecd.server.app import serve as serve_http
from imgvecd.types import FileRow, ModelInfo, Priority

logger = logging.getLogger(__name__)

# A catalog restored from a backup that was read through is sound for longer than this.
_RESTORED_S = 60.0
# Decodes asked for at the same time, for each worker: one runs, one waits, so that none starves.
_DECODES_PER_WORKER = 2
# Settings that a reload puts in force; the others are read at the start.
_RELOADED = {"roots", "exclude", "watch", "indexing", "duplicates"}
_MEGABYTE = 1_000_000
# A search lets go of the interpreter at each look into the catalog, and gets it back after this at
# the latest if other threads compute; Python's own 5 ms add up to a fifth of a second.
_SWITCH_S = 0.0005
# More than connections, watches, segments and workers can take together.
_OPEN_FILES = 65_536

Progress = Callable[[Callable[[], Awaitable[Status]]], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Assembly:
    """An engine and what it stands on; whoever assembled it closes it."""

    lock: StateLock
    catalog: Catalog
    engine: Engine
    serving: ModelChoice
    target: ModelChoice | None
    decoder: DecoderPool
    rest: IndexingGate
    safekeeping: CatalogRecovery
    opener: FileOpener

    def close(self, *, in_order: bool = True) -> None:
        """Close the catalog and let go of the state directory; the engine has stopped before.

        Args:
            in_order: nothing has failed that the next start should read the catalog through for.
        """
        self.catalog.close()
        if in_order and not self.catalog.damaged:
            self.safekeeping.seal()
        self.lock.close()


def assemble(
    config: Config,
    *,
    on_doubt: Callable[[list[FileRow]], None],
    moving: bool = False,
    pausing: bool = False,
    condemned: str | None = None,
) -> Assembly:
    """Return the parts for `config`, with nothing running yet.

    Args:
        moving: have the model that answered last go on until the configured one is complete.
        pausing: rest by request and as `indexing` says.
        condemned: what was found to be wrong with the catalog; a backup takes its place.

    Raises:
        AlreadyRunningError: another process writes to the state directory.
        CatalogError: the catalog cannot be opened.
        ModelError: the model's local file is missing.
    """
    state = expand(config.state_dir) if config.state_dir else paths.state_dir()
    lock = StateLock(state)
    try:
        safekeeping = CatalogRecovery(state)
        safekeeping.prepare(condemned=condemned)
        catalog = Catalog(state, backups=config.catalog.backups)
        catalog.failures.retry_curable(curable_reasons())
        if moving:
            serving, target = plan_models(config.model, catalog.models.serving())
        else:
            serving, target = choose_model(config.model), None
        opener = FileOpener()
        decoder = _decoder(config)
        rest = (
            IndexingGate(config.indexing, ThisMachine(), catalog.pauses)
            if pausing
            else IndexingGate()
        )

        def open_index(model: ModelInfo) -> LibraryIndex:
            return LibraryIndex.open(
                os.path.join(state, "index", model.fingerprint),
                model.fingerprint,
                model.dim,
                catalog.embeddings,
                config.index,
                FaissSegments(),
            )

        parts = Parts(
            work=catalog.work,
            embeddings=catalog.embeddings,
            models=catalog.models,
            library=catalog.library,
            searching=catalog.searching,
            decoder=decoder,
            serving=_source(serving, config, state),
            target=None if target is None else _source(target, config, state),
            open_index=open_index,
            in_flight=_DECODES_PER_WORKER * decoder.size,
            checkpoint_interval_s=config.index.checkpoint_interval_s,
            rest=rest,
            at_reading_start=partial(lower, _priority(config)),
            opener=opener.open,
            fetch=fetch_image if config.server.fetch_urls else None,
        )
        engine = Engine(parts, on_doubt=on_doubt)
        return Assembly(lock, catalog, engine, serving, target, decoder, rest, safekeeping, opener)
    except BaseException:
        lock.close()
        raise


@dataclass(frozen=True, slots=True)
class ReadingAssembly:
    """What answers questions beside the process that writes; whoever assembled it closes it."""

    catalog: Catalog
    model: ModelInfo
    index: ReadonlyIndex
    searcher: Searcher
    encoder: SplitEncoder
    decoder: DecoderPool

    async def close(self) -> None:
        """Stop the workers and close the catalog."""
        await asyncio.gather(self.encoder.close(), self.decoder.close())
        self.catalog.close()


def assemble_reading(config: Config) -> ReadingAssembly:
    """Return parts that only read the state directory of `config`.

    Raises:
        CatalogError: there is no catalog that can be read.
        ModelError: the catalog has no embeddings of the model.
    """
    state = expand(config.state_dir)
    choice = choose_model(config.model)
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
        encoder, decoder = _encoder(choice, config, state), _decoder(config)
        searcher = Searcher(
            model,
            index,
            encoder=encoder,
            decoder=decoder,
            embeddings=catalog.embeddings,
            library=catalog.library,
            store=catalog.searching,
            fetch=fetch_image if config.server.fetch_urls else None,
        )
        return ReadingAssembly(catalog, model, index, searcher, encoder, decoder)
    except BaseException:
        catalog.close()
        raise


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


def write_parquet(path: str, columns: Sequence[str], records: Iterable[dict[str, object]]) -> None:
    """Write a table to a Parquet file: see `adapters.parquet.write`."""
    parquet.write(path, columns, records)


def filesystem_type(path: str) -> str:
    """Return the type of the file system that a path lies on; empty if unknown."""
    return mounts.filesystem_type(os.fsencode(path), mounts.read_mounts())


def make_trash() -> Trash:
    """Return the trash of the user's desktop."""
    return FreedesktopTrash()


def fetch_image(url: str) -> bytes:
    """Return the image at a public URL: see `adapters.web_images.fetch`."""
    return web_images.fetch(url)


def serve(config: Config, *, reload: Callable[[], Config], progress: Progress | None = None) -> int:
    """Run the daemon until it is told to stop; return the exit code.

    Args:
        reload: reads the configuration again; what `_RELOADED` names is applied.
        progress: draws the status that it is given a way to ask for; None draws nothing.
    """
    _raise_open_files()
    sys.setswitchinterval(_SWITCH_S)
    condemned: str | None = None
    while True:
        started = time.monotonic()
        try:
            asyncio.run(_serve(config, reload, progress, condemned))
        except CatalogDamagedError as error:
            if condemned is not None and time.monotonic() - started < _RESTORED_S:
                raise  # what was restored is no better: a person has to look
            faulthandler.cancel_dump_traceback_later()  # it has stopped in time, and goes on
            condemned = str(error)
            logger.error("%s; starting again with a backup", condemned)  # noqa: TRY400
        else:
            return 0


def _raise_open_files() -> None:
    """Allow ourselves as many open files as the system lets us, within reason."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def _serve(
    config: Config,
    reload: Callable[[], Config],
    progress: Progress | None,
    condemned: str | None,
) -> None:
    reconciler: Reconciler | None = None

    def on_doubt(files: list[FileRow]) -> None:
        if reconciler is not None:
            reconciler.doubt(files)

    assembly = assemble(config, on_doubt=on_doubt, moving=True, pausing=True, condemned=condemned)
    try:
        seal = assembly.safekeeping.unread
        held = seal is not None and assembly.catalog.hold(seal)  # before anything is written
        reconciler = Reconciler(
            assembly.catalog.files,
            _use_roots(assembly, config),
            config.watch,
            config.exclude,
            make_watcher(),
            assembly.engine.wake,
        )
        caretaker = CatalogMaintenance(
            assembly.catalog,
            backup_interval_s=config.catalog.backup_interval_h * 3600,
            check_interval_s=config.catalog.check_interval_d * 86_400,
            check_now=assembly.safekeeping.unchecked or held,
            report=assembly.safekeeping.report,
        )
        loop = asyncio.get_running_loop()

        def on_damage() -> None:
            caretaker.suspect()
            loop.call_soon_threadsafe(assembly.engine.wake)  # what was dropped is encoded again

        assembly.catalog.call_when_damaged(on_damage)
        service = _service(assembly, reconciler, caretaker, config)

        async def apply_new_config() -> None:
            try:
                new = await BULK.run(reload)
                await reconciler.set_config(_use_roots(assembly, new), new.watch, new.exclude)
            except ImgvecdError as error:
                service.refused_config = str(error)
                raise
            service.refused_config = None
            service.awaiting_restart = _awaiting_restart(config, new)
            assembly.rest.use(new.indexing)
            service.duplicates.config = new.duplicates
            assembly.engine.wake()

        def start_server() -> Awaitable[RunningServer]:
            listener = next(iter(passed_sockets()), None)
            return serve_http(service, config.server, listener=listener)

        draw = None if progress is None else lambda: progress(service.status)
        daemon = Daemon(
            assembly.engine,
            reconciler,
            caretaker,
            start_server,
            apply_new_config,
            service,
            expand(config.state_dir) if config.state_dir else paths.state_dir(),
            assembly.lock.require,
            draw,
        )
        await daemon.run()
    except BaseException:
        assembly.close(in_order=False)
        raise
    assembly.close()


def _awaiting_restart(running: Config, new: Config) -> tuple[str, ...]:
    """Return the settings, by name, that a reload cannot put in force."""
    names = (name for name in Config.__struct_fields__ if name not in _RELOADED)
    changed = tuple(name for name in names if getattr(running, name) != getattr(new, name))
    if changed:
        logger.warning("%s: in force after a restart only", ", ".join(changed))
    return changed


def _use_roots(assembly: Assembly, config: Config) -> dict[int, RootConfig]:
    """Make the configured folders the roots; return their settings by id."""
    configs = {os.fsencode(root.path): root for root in config.root_configs()}
    rows = assembly.catalog.files.set_roots(list(configs))
    assembly.engine.use_roots(rows)
    assembly.opener.use_roots({path: links_followed(root) for path, root in configs.items()})
    return {row.id: configs[row.path] for row in rows}


def _service(
    assembly: Assembly, reconciler: Reconciler, caretaker: CatalogMaintenance, config: Config
) -> DaemonService:
    return DaemonService(
        assembly.catalog.files,
        assembly.catalog.library,
        assembly.catalog.embeddings,
        assembly.catalog.changes,
        assembly.catalog.failures,
        assembly.catalog.searching,
        assembly.catalog.saved_searches,
        assembly.catalog.user_metadata,
        finder=DuplicateFinder(
            store=assembly.catalog.duplicates,
            library=assembly.catalog.library,
            embeddings=assembly.catalog.embeddings,
            decoder=assembly.decoder,
        ),
        decisions=assembly.catalog.duplicates,
        duplicates=config.duplicates,
        engine=assembly.engine,
        opener=assembly.opener,
        reconciler=reconciler,
        rest=assembly.rest,
        caretaker=caretaker,
        models=tuple(map(_status, filter(None, [assembly.serving, assembly.target]))),
        thumbnails=Thumbnails(
            assembly.catalog.library,
            assembly.decoder,
            _thumbnail_cache(config.server.thumbnails_mb * _MEGABYTE),
        ),
    )


def _thumbnail_cache(limit_bytes: int) -> ThumbnailCache | None:
    directory = os.path.join(paths.cache_dir(), "thumbnails")
    return ThumbnailCache(directory, limit_bytes) if limit_bytes else None


def _status(choice: ModelChoice) -> ModelStatus:
    return ModelStatus(
        name=choice.name,
        pretrained=choice.pretrained,
        fingerprint=choice.fingerprint,
        note=choice.note or None,
    )


def _source(choice: ModelChoice, config: Config, state: str) -> ModelSource:
    return ModelSource(choice.fingerprint, _encoder(choice, config, state))


def _encoder(choice: ModelChoice, config: Config, state: str) -> SplitEncoder:
    priority = _priority(config)
    # it serves searches too: ahead of the decoders, behind a person's programs
    priority = replace(priority, niceness=priority.niceness // 2)
    tower = os.path.join(state, "texttower", f"{choice.fingerprint}.safetensors")
    speed = os.path.join(state, "speed", f"{choice.fingerprint}.json")
    return SplitEncoder(choice, config.encode, tower, priority, speed_file=speed)


def _decoder(config: Config) -> DecoderPool:
    return DecoderPool(config.decode, _priority(config))


def _priority(config: Config) -> Priority:
    return Priority(config.indexing.niceness, config.indexing.io_priority)
