"""All that decoding may ever load, loaded: a process that gives up its paths cannot later."""

from __future__ import annotations

import codecs
import contextlib
import email.utils
import importlib
import io
import time

from PIL import AvifImagePlugin, Image

from imgvecd.adapters.pillow.decoder import examine
from imgvecd.core.files.photo_texts import KNOWN_ENCODINGS

_LATE_IMPORTS = (
    "PIL.ImageOps", "PIL.ImageSequence", "PIL.ImagePalette", "PIL.ImageMode", "PIL.ExifTags",
    "PIL.TiffTags", "PIL._imagingcms", "rawpy", "rawpy._rawpy", "pillow_jxl.JpegXLImagePlugin",
    "brotli", "defusedxml.ElementTree", "packaging.version", "linecache", "traceback", "_strptime",
)  # fmt: skip
_NOISE_SIDE, _NOISE = 64, 90  # pixels, and grey levels: enough for every measurement


def preload() -> None:
    """Import every module, and look up every codec and the time zone, that pictures may ask for."""
    Image.init()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # the pool runs pictures, not their parts, side by side
    for name in _LATE_IMPORTS:
        with contextlib.suppress(ImportError):  # an extra that is not installed
            importlib.import_module(name)
    for encoding in KNOWN_ENCODINGS:
        codecs.lookup(encoding)
    time.tzset()
    email.utils.parsedate_tz("Sun, 04 Jul 2021 18:30:11 +0200")
    _examine_something()


def _examine_something() -> None:
    """Have numpy import what it imports at first use."""
    picture = io.BytesIO()
    noise = Image.effect_noise((_NOISE_SIDE, _NOISE_SIDE), _NOISE)
    noise.convert("RGB").save(picture, "JPEG", quality=50)
    picture.seek(0)
    examine(picture, _NOISE_SIDE**2)
