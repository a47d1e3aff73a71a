"""Plan, apply, undo: the three steps, with everything that is kept between them in one folder."""

from __future__ import annotations

import datetime
import os
import secrets
from collections.abc import Sequence

from imgvecd.api import Duplicates
from imgvecd.core.duplicates import removal, undo_journal, written_plans
from imgvecd.core.duplicates.dedup_plan import parse, render
from imgvecd.core.duplicates.folder_set import require_folders
from imgvecd.core.duplicates.removal import Outcome, Progress
from imgvecd.core.duplicates.undo_journal import Journal, Trash
from imgvecd.errors import BadRequestError


class DedupSteps:
    """The steps. Thread-safe; one process at a time applies or undoes a plan.

    Args:
        folder: of the plans as they were written, and of the journals.
    """

    def __init__(self, folder: str, trash: Trash) -> None:
        self._folder = folder
        self._trash = trash

    def plan(self, found: Duplicates) -> tuple[str, str]:
        """Return (name, text) of a plan for the groups found, which is kept as it is written.

        Raises:
            OSError: it cannot be kept.
        """
        now = datetime.datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
        name = f"{now}-{secrets.token_hex(2)}"
        text = "".join(f"{line}\n" for line in render(name, found))
        written_plans.keep(self._folder, name, text)
        return name, text

    def apply(
        self, text: str, source: str, protected: Sequence[str], moved: Progress
    ) -> tuple[str, Outcome]:
        """Move what a plan, perhaps edited, says; return its name and what became of the files.

        Args:
            source: of the text, for messages.
            protected: folders, absolute, that lose nothing.

        Raises:
            BadRequestError: the plan is none, or not of what was planned; nothing was moved.
            AlreadyRunningError: it is being applied or undone by another process.
        """
        planned = parse(text, source)
        require_folders(map(os.fsdecode, planned.protected), f"{source}: protect")
        require_folders(protected, "protect")
        written = written_plans.find(self._folder, planned.name)
        journal = Journal(self._folder, planned.name)
        try:
            guarded = list(map(os.fsencode, protected))
            done = removal.apply(planned, self._trash, journal, guarded, moved, written)
        finally:
            journal.close()
        return planned.name, done

    def undo(self, name: str | None, moved: Progress) -> tuple[str, Outcome]:
        """Put back what a plan moved; without a name, the last plan that has files in the trash.

        Raises:
            BadRequestError: there is nothing to undo, or the journal is not as it was written.
            AlreadyRunningError: it is being applied or undone by another process.
        """
        name = undo_journal.known(self._folder, name) if name else self._last()
        journal = Journal(self._folder, name)
        try:
            done = removal.undo(self._trash, journal, moved)
        finally:
            journal.close()
        return name, done

    def away(self) -> dict[str, int]:
        """Return, by name of plan, the last one first, how many files are in the trash."""
        found = {}
        for name in undo_journal.names(self._folder):
            journal = Journal(self._folder, name)
            try:
                found[name] = len(journal.away())
            finally:
                journal.close()
        return found

    def _last(self) -> str:
        for name, count in self.away().items():
            if count:
                return name
        raise BadRequestError("there is nothing to undo")
