"""`imgvecd serve`: runs the daemon in the foreground."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from imgvecd.cli.download_question import DownloadQuestion, somebody_there
from imgvecd.cli.settings import add_flags, load_servable
from imgvecd.command_hints import runnable
from imgvecd.config.schema import Config, expand
from imgvecd.errors import ConfigError
from imgvecd.processes.malloc import use_one_malloc_arena
from imgvecd.spelling import on_disk
from imgvecd.terminal_output import record_lines

if TYPE_CHECKING:
    from imgvecd.core.library.checkpoint_digests import CheckpointDigests
    from imgvecd.daemon.service import DaemonService

# A search lets go of the interpreter at each look into the catalog, and gets it back after this at
# the latest if other threads compute; Python's own 5 ms add up to a fifth of a second.
_SWITCH_S = 0.0005
# syslog's numbers, the most serious first
_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.NOTSET, 7),
)


def add_parser(commands: Any) -> None:  # noqa: ANN401  # argparse's own type is private
    """Add the command."""
    command = commands.add_parser(
        "serve",
        help="watch, index and answer searches",
        description="Watch the folders, keep the index, and answer searches on the socket, "
        "until SIGTERM or Ctrl-C.",
    )
    add_flags(command)
    command.add_argument("--progress", action="store_true", help="draw a progress bar")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until told to stop."""
    os.umask(0o077)  # catalog, index, thumbnails, sockets: nobody else's, wherever they lie
    # they would end us until somebody listens; the daemon hears then that they came, so a
    # configuration that is changed after it was read here is read again
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGUSR1})
    for number in (signal.SIGHUP, signal.SIGUSR1):  # what is ignored, as under nohup, does not wait
        signal.signal(number, signal.SIG_DFL)
    use_one_malloc_arena()
    config = load_servable(options)
    _require_folders(options.root or (), config)
    start_logging(config.log_level, drawing=options.progress and sys.stderr.isatty())
    sys.setswitchinterval(_SWITCH_S)
    digests = _digests(config)
    from imgvecd.wiring import serving  # noqa: PLC0415  # Faiss and aiohttp, which other commands can do without

    return serving.serve(
        config,
        reload=lambda: load_servable(options),
        digests=digests,
        beside=partial(_accompany, progress=options.progress)
        if options.progress or somebody_there()
        else None,
    )


def _digests(config: Config) -> CheckpointDigests:
    """Return digests of checkpoints; the configured one is read while all else is imported."""
    from imgvecd.core.library.checkpoint_digests import CheckpointDigests, no_digest  # noqa: PLC0415  # see `settings.load_servable`
    from imgvecd.core.library.model_choice import choose_model  # noqa: PLC0415

    digests = CheckpointDigests(config.state_path())
    digests.read_ahead(choose_model(config.model, no_digest).checkpoint_path)
    return digests


async def _accompany(service: DaemonService, *, progress: bool) -> None:
    """Tell the person at the terminal how it goes, and ask what only a person can say."""
    question = DownloadQuestion(service.resume_move, service.stop_move)
    if progress:
        from imgvecd.cli.progress import show_progress  # noqa: PLC0415  # tqdm, which services can do without

        await show_progress(service.status, question.ask_if_due)
    await question.watch(service.status)


def _require_folders(given: Sequence[str], config: Config) -> None:
    """Refuse a folder of the command line that is not there, unless it was watched before.

    A folder that was watched may lie on a drive that is away for now; any other is a slip.

    Raises:
        ConfigError: it names the folder.
    """
    missing = [each for each in given if not os.path.isdir(on_disk(os.fsencode(expand(each))))]
    if not missing:
        return
    from imgvecd.wiring.assembly import watched_before  # noqa: PLC0415  # see `run`

    known = watched_before(config)
    if known is None:  # what cannot be told is not refused: the drive may be away for now
        return
    for each in missing:
        if on_disk(os.fsencode(expand(each)), known) not in known:
            what = "is not a folder" if os.path.lexists(expand(each)) else "does not exist"
            raise ConfigError(f"{each} {what}: name the folder that your photos are in.")


class _Lines(logging.Formatter):
    """For a person at a terminal."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record; whoever reads it gets no commands from names in it."""
        return "\n".join(record_lines(runnable(super().format(record))))


class _JournalLines(logging.Formatter):
    """For systemd's journal, which reads a priority before each line: see sd-daemon(3)."""

    def __init__(self) -> None:
        super().__init__("%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record, every line of it with its priority."""
        priority = next(p for level, p in _PRIORITIES if record.levelno >= level)
        lines = record_lines(runnable(super().format(record)))
        return "\n".join(f"<{priority}>{line}" for line in lines)


def _in_journal() -> bool:
    """Return whether standard error is the journal: a terminal inherits the variable as well."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except OSError:  # it is closed, or no file at all
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def start_logging(level: str, *, drawing: bool = False) -> None:
    """Log to standard error; the journal adds the time, and a bar leaves room for warnings only."""
    handler: logging.Handler = logging.StreamHandler()
    if drawing:
        from imgvecd.cli.progress import BarHandler  # noqa: PLC0415  # see `_accompany`

        handler = BarHandler()
    handler.setFormatter(_JournalLines() if _in_journal() else _Lines())
    logging.basicConfig(handlers=[handler], level=level.upper())
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it tells which variant it tries to load
    if drawing and level != "debug":
        logging.getLogger().setLevel(logging.WARNING)
