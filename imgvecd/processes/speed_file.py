"""What was learnt of a model's speed, kept over restarts: one file a model."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import Annotated

import msgspec
from msgspec import Meta

from imgvecd.core.files.durable import DurableFile, read_whole
from imgvecd.types import EncoderSpeed

logger = logging.getLogger(__name__)

_MOST_DEVICES = 8  # that are remembered: a machine has a processor and a graphics card or two


class _Kept(msgspec.Struct, frozen=True):
    images: Annotated[int, Meta(ge=1, le=4096)]
    seconds_each: Annotated[float, Meta(gt=0, le=3600)]


_decoder = msgspec.json.Decoder(dict[str, _Kept])


class SpeedFile:
    """Speeds by what the model ran on. What cannot be read or written costs a few slow steps.

    Args:
        path: of the file; empty keeps nothing.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def read(self, runs_on: str) -> EncoderSpeed | None:
        """Return what was learnt there, if anything was."""
        kept = self._all().get(runs_on)
        return None if kept is None else EncoderSpeed(runs_on, kept.images, kept.seconds_each)

    def write(self, speed: EncoderSpeed) -> None:
        """Keep it, in the place of what was kept for the same device."""
        if not self._path:
            return
        others = {device: kept for device, kept in self._all().items() if device != speed.runs_on}
        latest = dict(list(others.items())[1 - _MOST_DEVICES :])
        latest[speed.runs_on] = _Kept(speed.images, speed.seconds_each)
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            with DurableFile(self._path, parsed=True) as file:
                file.write(msgspec.json.encode(latest))
        except OSError as error:
            logger.debug("the encoder's speed is not kept: %s", error)

    def _all(self) -> dict[str, _Kept]:
        if self._path:
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                return _decoder.decode(read_whole(self._path))
        return {}
