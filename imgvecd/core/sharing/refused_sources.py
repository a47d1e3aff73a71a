"""Which sources of a shared engine nothing is taken from, in files that outlive the daemon."""

from __future__ import annotations

import contextlib
import logging
import os

from imgvecd.core.files.disk_errors import describe
from imgvecd.core.files.durable import make_folder
from imgvecd.errors import CatalogError

logger = logging.getLogger(__name__)

_FOLDER = "refused-sources"


class RefusedSources:
    """An empty file for each in `state_dir`/refused-sources, named by the source's UUID.

    Thread-safe, and beside other processes: each change is one file that comes or goes.
    """

    def __init__(self, state_dir: str) -> None:
        self._folder = os.path.join(state_dir, _FOLDER)
        self._unwritten: set[str] = set()

    def all(self) -> frozenset[str]:
        """Return their UUIDs; a folder that cannot be read has none."""
        try:
            return frozenset(os.listdir(self._folder)) | self._unwritten
        except OSError:
            return frozenset(self._unwritten)

    def add(self, uuid: str) -> None:
        """Refuse a source: until it is believed again, or to the end of the process if need be."""
        try:
            make_folder(self._folder)
            os.close(os.open(self._path(uuid), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            logger.warning(
                "%s cannot be written (%s): the source is refused until the next start",
                self._path(uuid),
                describe(error),
            )
            self._unwritten.add(uuid)

    def discard(self, uuid: str) -> None:
        """Believe a source again, once some of it was compared.

        Raises:
            CatalogError: its file cannot be deleted.
        """
        self._unwritten.discard(uuid)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path(uuid))
        except OSError as error:
            raise CatalogError(
                f"{self._path(uuid)} cannot be deleted: {describe(error)}"
            ) from error

    def _path(self, uuid: str) -> str:
        return os.path.join(self._folder, uuid)
