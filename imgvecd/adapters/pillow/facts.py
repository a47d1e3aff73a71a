"""All that a picture's file says of it, from EXIF, XMP and IPTC, by one set of names.

Where they differ: what the camera measured is taken from EXIF, what people wrote from XMP, which is
where programs write today. Keywords and people are put together.
"""

from __future__ import annotations

import itertools
import logging
from collections import ChainMap
from collections.abc import Callable, Sequence
from functools import partial

from PIL import Image

from imgvecd.adapters import xmp
from imgvecd.adapters.pillow import exif, iptc
from imgvecd.core.files.photo_facts import said
from imgvecd.types import Facts

logger = logging.getLogger(__name__)

_WRITTEN = ("title", "description", "creator", "copyright", "city", "country", "rating")
_LISTS = ("keywords", "people")
_OF_PEOPLE = ("xmp", "iptc", "exif")  # the surest first
_PACKETS = ("xmp", "XML:com.adobe.xmp")  # where Pillow leaves XMP; the latter in PNG


def read(image: Image.Image, fields: Sequence[Image.Exif]) -> tuple[str | None, Facts]:
    """Return (when it was taken, further facts); what cannot be read is left out.

    Args:
        fields: its EXIF; of a RAW file also that of its preview.
    """
    return merged(
        [
            *(("exif", _tried(partial(exif.facts, each))) for each in fields),
            ("xmp", _tried(partial(_xmp, image))),
            ("iptc", _tried(partial(iptc.facts, image))),
            *(("exif", _tried(partial(exif.modification, each))) for each in fields),
        ]
    )


def merged(sources: Sequence[tuple[str, Facts]]) -> tuple[str | None, Facts]:
    """Return (when it was taken, the facts), each from the first source that has it."""
    by_camera = ChainMap(*(facts for _, facts in sources))
    of_people = sorted(sources, key=lambda source: _OF_PEOPLE.index(source[0]))
    by_people = ChainMap(*(facts for _, facts in of_people))
    facts = {**by_camera, **{name: by_people[name] for name in _WRITTEN if name in by_people}}
    for name in _LISTS:
        values = (value for _, each in of_people if isinstance(value := each.get(name), list))
        if found := list(dict.fromkeys(itertools.chain.from_iterable(values))):
            facts[name] = found
    taken_at = facts.pop("taken_at", None)
    if not isinstance(taken_at, str):
        return None, said(facts)
    source = next(name for name, each in sources if "taken_at" in each)
    return taken_at, {**said(facts), "taken_at_source": source}


def _xmp(image: Image.Image) -> Facts:
    for key in _PACKETS:
        packet = image.info.get(key)
        if packet:
            return xmp.read(packet.encode() if isinstance(packet, str) else packet)
    return {}


def _tried(read_: Callable[[], Facts]) -> Facts:
    """Return what is read; damaged metadata is no reason not to show a picture."""
    try:
        return read_()
    except MemoryError:
        raise
    except Exception:  # what bad bytes make the readers raise is anything
        logger.debug("unreadable metadata", exc_info=True)
        return {}
