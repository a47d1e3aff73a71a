"""The daemon from a configuration: assembled, served, started again with a backup if need be."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import logging
import os
import resource
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from imgvecd.adapters.watchdog_platform import make_watcher
from imgvecd.api import ModelStatus
from imgvecd.config import paths
from imgvecd.config.schema import Config
from imgvecd.core.duplicates.finder import DuplicateFinder
from imgvecd.core.library.catalog_maintenance import CatalogMaintenance
from imgvecd.core.library.checkpoint_digests import CheckpointDigests
from imgvecd.core.library.model_choice import ModelChoice
from imgvecd.core.library.thumbnails import Thumbnails
from imgvecd.core.threads import BULK
from imgvecd.core.watch import Reconciler
from imgvecd.daemon.daemon import Daemon
from imgvecd.daemon.service import DaemonService, RunningParts
from imgvecd.daemon.systemd_notify import passed_sockets
from imgvecd.errors import CatalogDamagedError, ImgvecdError
from imgvecd.server.app import RunningServer
from imgvecd.server.app import serve as serve_http
from imgvecd.types import FileRow
from imgvecd.wiring.assembly import Assembly, assemble
from imgvecd.wiring.parts import make_dedup, make_pair_file, make_thumbnail_cache
from imgvecd.wiring.reloading import awaiting_restart, reloaded, use_roots
from imgvecd.wiring.sharing import publishing

logger = logging.getLogger(__name__)

# A catalog restored from a backup that was read through is sound for longer than this.
_RESTORED_S = 60.0
_MEGABYTE = 1_000_000
# More than connections, watches, segments and workers can take together.
_OPEN_FILES = 65_536

Beside = Callable[[DaemonService], Coroutine[Any, Any, None]]


def serve(
    config: Config,
    *,
    reload: Callable[[], Config],
    digests: CheckpointDigests,
    beside: Beside | None = None,
) -> int:
    """Run the daemon until it is told to stop; return the exit code.

    Args:
        digests: of checkpoints; that of the configured one may be on its way.
        reload: reads the configuration again; what `reloading.RELOADED` names is applied.
        beside: runs beside the daemon, for a person who looks on.
    """
    _raise_open_files()
    condemned: str | None = None
    in_force = config

    def put_in_force(new: Config) -> None:
        nonlocal in_force
        in_force = new

    while True:
        started = time.monotonic()
        try:
            asyncio.run(_serve(in_force, reload, put_in_force, digests, beside, condemned))
        except CatalogDamagedError as error:
            if condemned is not None and time.monotonic() - started < _RESTORED_S:
                raise  # what was restored is no better: a person has to look
            faulthandler.cancel_dump_traceback_later()  # it has stopped in time, and goes on
            gc.unfreeze()  # most of what was there does not stay
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
    put_in_force: Callable[[Config], None],
    digests: CheckpointDigests,
    beside: Beside | None,
    condemned: str | None,
) -> None:
    reconciler: Reconciler | None = None

    def on_stale(files: list[FileRow]) -> None:
        if reconciler is not None:
            reconciler.recheck(files)

    assembly = assemble(
        config,
        on_stale=on_stale,
        moving=True,
        pausing=True,
        sharing=True,
        condemned=condemned,
        digests=digests,
    )
    try:
        checksum = assembly.recovery.unread
        held = checksum is not None and assembly.catalog.hold(
            checksum
        )  # before anything is written
        reconciler = Reconciler(
            assembly.catalog.files,
            await BULK.run(use_roots, assembly, config),
            config.watch,
            config.exclude,
            make_watcher(),
            assembly.engine.wake,
            (os.path.dirname(assembly.catalog.path), *paths.off_limits()),
        )
        catalog_maintenance = CatalogMaintenance(
            assembly.catalog,
            backup_interval_s=config.catalog.backup_interval_h * 3600,
            check_interval_s=config.catalog.check_interval_d * 86_400,
            keep_s=config.catalog.keep_days * 86_400,
            check_now=assembly.recovery.unchecked or held,
            report=assembly.recovery.report,
        )
        loop = asyncio.get_running_loop()

        def on_damage() -> None:
            catalog_maintenance.suspect()
            loop.call_soon_threadsafe(assembly.engine.wake)  # what was dropped is encoded again

        assembly.catalog.call_when_damaged(on_damage)
        service = _service(assembly, reconciler, catalog_maintenance, config)

        async def apply_new_config() -> None:
            try:
                new = await BULK.run(reload)
                await reconciler.set_config(
                    partial(use_roots, assembly, new), new.watch, new.exclude
                )
            except ImgvecdError as error:
                service.refused_config = str(error)
                raise
            put_in_force(reloaded(config, new))
            service.refused_config = None
            service.awaiting_restart = awaiting_restart(config, new)
            assembly.gate.use(new.indexing)
            service.duplicates.config = new.duplicates
            assembly.engine.wake()

        def start_server() -> Awaitable[RunningServer]:
            listener = next(iter(passed_sockets()), None)
            return serve_http(service, config.server, listener=listener)

        daemon = Daemon(
            assembly.engine,
            reconciler,
            catalog_maintenance,
            start_server,
            apply_new_config,
            service,
            config.state_path(),
            assembly.lock.require,
            None if beside is None else partial(beside, service),
        )
        # What is there by now stays: a hundred thousand objects. Looking through them takes 50 ms,
        # in which no thread goes on, and it happens whenever clients ask for much.
        gc.freeze()
        with publishing(assembly.sharing):
            await daemon.run()
    except BaseException:
        assembly.close(in_order=False)
        raise
    assembly.close()


def _service(
    assembly: Assembly,
    reconciler: Reconciler,
    catalog_maintenance: CatalogMaintenance,
    config: Config,
) -> DaemonService:
    return DaemonService(
        assembly.catalog,
        RunningParts(
            assembly.engine,
            reconciler,
            assembly.opener,
            assembly.gate,
            catalog_maintenance,
            lambda: assembly.decoder.sandbox,
            assembly.ocr_error,
            assembly.sharing,
        ),
        finder=DuplicateFinder(
            store=assembly.catalog.duplicates,
            image_store=assembly.catalog.images,
            embeddings=assembly.catalog.embeddings,
            decoder=assembly.decoder,
            pairs=make_pair_file(config),
        ),
        duplicates=config.duplicates,
        dedup=make_dedup(config.state_path()),
        models=tuple(map(_status, filter(None, [assembly.serving, assembly.target]))),
        thumbnails=Thumbnails(
            assembly.catalog.images,
            assembly.decoder,
            make_thumbnail_cache(config.server.thumbnails_mb * _MEGABYTE),
        ),
    )


def _status(choice: ModelChoice) -> ModelStatus:
    return ModelStatus(
        name=choice.name,
        pretrained=choice.pretrained,
        fingerprint=choice.fingerprint,
        note=choice.note or None,
    )
