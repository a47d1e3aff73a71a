"""Reads text in pictures with RapidOCR: models of PaddleOCR that its wheel brings, on ONNX Runtime.

Its own pipeline is not used, since it looks for text at full scale in every picture. Here a first
look at a small scale decides whether there may be any.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import importlib.util
import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

LONGEST = 1600
"""Pixels of the longer side that text is read at."""

_READER_VERSION = 1  # of what this module makes of the models' answers
_TASKS = ("det", "rec")  # finding lines, and reading them
# Pixels of the longer side. At 480, a printed page that fills the picture is taken for grey.
_FIRST_LOOK = 640
_SECOND_LOOK = 1280
_MAYBE_TEXT = 0.2  # of a pixel to be text, as the model sees it
_LEAST_SURE = 0.6  # of a line; what is less sure is mostly no text
_SURE = 0.95  # what upright lines are read with, on average; upside down, 0.6 to 0.9
_BATCH = 6  # lines read together
_MOST_S = 20.0  # of processor for a picture; what was read by then is kept
_MOST_LINES = 400  # of a picture: a page of a newspaper
_MOST_CHARACTERS = 10_000

Picture = NDArray[np.uint8]


@functools.cache
def fingerprint() -> str | None:
    """Return what names the models and what is made of their answers; None without the extra.

    Raises:
        OSError: the models cannot be read.
    """
    models = _models()
    if models is None:
        return None
    digest = hashlib.blake2b(str(_READER_VERSION).encode(), digest_size=8)
    for path in models:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return f"rapidocr-{digest.hexdigest()}"


def _models() -> list[str] | None:
    """Return the paths of the models that find and read, without importing what is slow."""
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or spec.origin is None or importlib.util.find_spec("onnxruntime") is None:
        return None
    folder = os.path.join(os.path.dirname(spec.origin), "models")
    names = [glob.glob(os.path.join(folder, f"*_{task}_*.onnx")) for task in _TASKS]
    return [max(some) for some in names] if all(names) else None


class Recogniser:
    """The models in memory. For one thread.

    Args:
        threads: that compute.
    """

    def __init__(self, threads: int) -> None:
        import cv2  # noqa: PLC0415  # an extra
        from rapidocr import RapidOCR  # noqa: PLC0415

        models = _models()
        if models is None:
            raise RuntimeError("this version of rapidocr brings no models")
        cv2.setNumThreads(threads)
        found, read = models
        self._engine: Any = RapidOCR(
            params={
                # given by their paths, none is ever fetched
                "Det.model_path": found,
                "Rec.model_path": read,
                "Global.log_level": "error",
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "Det.limit_type": "max",
                "Det.limit_side_len": _SECOND_LOOK,
            }
        )
        page = np.full((96, 480, 3), 255, np.uint8)
        cv2.putText(page, "0123456789", (8, 64), cv2.FONT_HERSHEY_SIMPLEX, 2, (0, 0, 0), 3)
        if not self.read(page):  # loads all that is loaded late
            raise RuntimeError("the models do not read plain digits")

    def read(self, picture: Picture) -> list[str]:
        """Return the lines of text, from the top down.

        Args:
            picture: shape (height, width, 3), RGB.
        """
        bgr = np.ascontiguousarray(picture[:, :, ::-1])
        if not self._may_have_text(bgr):
            return []
        return list(_within(self._lines(bgr, time.process_time() + _MOST_S)))

    def _may_have_text(self, bgr: Picture) -> bool:
        from rapidocr.ch_ppocr_det.utils import DetPreProcess  # noqa: PLC0415

        detector = self._engine._load_det_model()  # noqa: SLF001
        look = DetPreProcess(_FIRST_LOOK, "max", detector.mean, detector.std)(bgr)
        return look is not None and bool(detector.session(look).max() >= _MAYBE_TEXT)

    def _lines(self, bgr: Picture, until_s: float) -> Iterator[str]:
        """Yield the lines of text that are read by then, in processor time."""
        from rapidocr.main import RapidOCRError  # noqa: PLC0415

        engine = self._engine
        picture, scaled = engine.preprocess_img(bgr)
        try:
            lines, _ = engine.detect_and_crop(picture, scaled)
        except RapidOCRError:  # there are none
            return
        lines = self._upright(lines[:_MOST_LINES])
        for start in range(0, len(lines), _BATCH):
            for text, sure in self._read_lines(lines[start : start + _BATCH]):
                if sure >= _LEAST_SURE:
                    yield text
            if time.process_time() > until_s:
                return

    def _upright(self, lines: list[Picture]) -> list[Picture]:
        """Return lines turned upside down if some of them are read better so.

        The model that tells which lines are upside down errs on long ones.
        """
        some = sorted(lines, key=lambda line: -line.size)[:_BATCH]
        sure = self._sureness(some)
        if sure >= _SURE or sure >= self._sureness(list(map(_turned, some))):
            return lines
        return list(map(_turned, reversed(lines)))

    def _sureness(self, lines: list[Picture]) -> float:
        return float(np.mean([sure for _, sure in self._read_lines(lines)]))

    def _read_lines(self, lines: list[Picture]) -> list[tuple[str, float]]:
        read = self._engine.recognize_txt(lines)
        return list(zip(read.txts, read.scores, strict=True))


def _turned(line: Picture) -> Picture:
    return np.ascontiguousarray(line[::-1, ::-1])


def _within(lines: Iterator[str]) -> Iterator[str]:
    room = _MOST_CHARACTERS
    for line in lines:
        text = " ".join(line.split())[:room]
        room -= len(text) + 1
        if text:
            yield text
        if room <= 0:
            return
