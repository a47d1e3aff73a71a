"""What was learnt of a model's speed, kept over restarts: one file a model."""

from __future__ import annotations

import contextlib
import os
from typing import Annotated

import msgspec
from msgspec import Meta

from imgvecd.core.files.durable import make_folder
from imgvecd.core.files.remembered_table import RememberedTable
from imgvecd.types import EncoderSpeed

_MOST_DEVICES = 8  # that are remembered: a machine has a processor and a graphics card or two


class _Kept(msgspec.Struct, frozen=True):
    images: Annotated[int, Meta(ge=1, le=4096)]
    seconds_each: Annotated[float, Meta(gt=0, le=3600)]


class SpeedFile:
    """Speeds by what the model ran on. What cannot be read or written costs a few slow steps.

    Args:
        path: of the file; empty keeps nothing.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._table = RememberedTable(path, _Kept, _MOST_DEVICES)

    def read(self, runs_on: str) -> EncoderSpeed | None:
        """Return what was learnt there, if anything was."""
        kept = self._table.get(runs_on)
        return None if kept is None else EncoderSpeed(runs_on, kept.images, kept.seconds_each)

    def write(self, speed: EncoderSpeed) -> None:
        """Keep it, in the place of what was kept for the same device."""
        if self._path:
            with contextlib.suppress(OSError):  # then nothing can be kept, which costs little
                make_folder(os.path.dirname(self._path))
        self._table.put(speed.runs_on, _Kept(speed.images, speed.seconds_each))
