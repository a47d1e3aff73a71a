"""All that a picture's file says of it, from EXIF, XMP, IPTC and texts, by one set of names.

Where they differ: what the camera measured is taken from EXIF, what people wrote from XMP, which is
where programs write today. Keywords and people are put together.
"""

from __future__ import annotations

import itertools
from collections import ChainMap
from collections.abc import Sequence
from functools import partial

from imgvecd.adapters import xmp
from imgvecd.adapters.pillow import exif, iptc, png_texts
from imgvecd.adapters.pillow.blocks import Blocks
from imgvecd.adapters.pillow.tiff_fields import Fields
from imgvecd.core.files.photo_facts import said, tried
from imgvecd.core.files.photo_texts import by_people, legible
from imgvecd.types import Facts

_WRITTEN = ("title", "description", "creator", "copyright", "city", "country", "rating")
_LISTS = ("keywords", "people")
_EARLIEST_RAW = "1980"  # no digital camera is older
_OF_PEOPLE = ("xmp", "iptc", "png", "exif", "comment")  # the surest first


def read(blocks: Blocks) -> tuple[str | None, Facts]:
    """Return (when it was taken, further facts); what cannot be read is left out."""
    return merged(
        [
            *(("exif", tried(partial(exif.facts, each))) for each in blocks.exif),
            ("exif", tried(partial(_of_preview, blocks.preview)) if blocks.preview else {}),
            *(("xmp", tried(partial(xmp.read, each))) for each in blocks.xmp),
            ("iptc", tried(partial(iptc.facts, blocks.iptc))),
            ("png", tried(partial(png_texts.facts, blocks.texts))),
            *(("exif", tried(partial(exif.modification, each))) for each in blocks.exif),
            ("comment", said({"description": by_people(map(legible, blocks.comments))})),
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


def _of_preview(fields: Fields) -> Facts:
    """Return what a RAW file's preview says: LibRaw writes 1970 where it knows no time."""
    found = exif.facts(fields)
    return {k: v for k, v in found.items() if k != "taken_at" or str(v) >= _EARLIEST_RAW}
