"""Which file of a group is the best copy, and why."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from imgvecd.api import KEEPER_RULES, DuplicatesRequest, Image, ImageFile, Path
from imgvecd.core.duplicates.folder_set import FolderSet
from imgvecd.core.duplicates.saved_from import saved_from
from imgvecd.core.duplicates.true_size import SAME_SIDE, TrueSize, shown_by
from imgvecd.types import CopyFacts

# What an original most likely is; a lossless copy of a JPEG is rarer than a JPEG of a raw.
_FORMATS = (
    "raw",
    "heif",
    "jpeg",
    "jpegxl",
    "tiff",
    "png",
    "jpeg2000",
    "webp",
    "avif",
    "bmp",
    "gif",
)
# Formats that no camera writes: a picture in one is most likely a copy, however well saved.
_DERIVED = {"webp", "avif", "gif"}
_BEST_DERIVED = 74
# Above, pixels no longer show how a picture was saved before, so none is better than another.
_BEST_LOSSY = 88
_LOSSLESS = 100
_GOOD = 85  # quality of a JPEG that its camera, or its owner, may have saved
_MOST_PAIRS = 5_000  # that are looked at in one group, some 0.1 ms each
_AS_WELL_EXPLAINED = 0.005
_DEEP = 8  # added for more than 8 bits a channel
_SAME_QUALITY = 6  # differences that say nothing
_CAMERA = ("camera", "lens", "iso", "exposure_s", "f_number", "focal_length_mm", "gps_latitude")


@dataclass(frozen=True, slots=True)
class Copy:
    """One file of a group."""

    image: Image
    file: ImageFile
    facts: CopyFacts | None


class ChosenFolders:
    """The folders that a request prefers and protects."""

    def __init__(self, request: DuplicatesRequest) -> None:
        self._prefer, self._protect = (
            FolderSet([os.fsencode(os.path.abspath(os.path.expanduser(each))) for each in folders])
            for folders in (request.prefer, request.protect)
        )

    def preference(self, file: ImageFile) -> float:
        """Return the place of the folder that it lies in, the most preferred first."""
        place = self._prefer.place_of(Path(file.path, file.path_base64).raw())
        return math.inf if place is None else place

    def protects(self, file: ImageFile) -> bool:
        """Return whether it lies in a protected folder."""
        return self._protect.place_of(Path(file.path, file.path_base64).raw()) is not None


class Chooser:
    """Puts the files of one group in order."""

    def __init__(
        self, copies: Sequence[Copy], request: DuplicatesRequest, folders: ChosenFolders
    ) -> None:
        self._copies = copies
        self._folders = folders
        shown = _shown(copies)
        self._sides = {identity: each.side for identity, each in shown.items()}
        self._enlarged = {identity for identity, each in shown.items() if each.enlarged}
        self._qualities = _qualities(copies)
        for identity in self._enlarged & self._qualities.keys():
            self._qualities[identity] = min(self._qualities[identity], _BEST_DERIVED)
        rules = KEEPER_RULES if request.rules is None else request.rules
        steps: dict[str, Callable[[Sequence[Copy]], list[Copy]]] = {
            "folder": self._lowest(lambda copy: folders.preference(copy.file)),
            "resolution": self._largest,
            "quality": self._finest,
            "metadata": self._lowest(lambda copy: -_said(copy.image)),
            "format": self._lowest(lambda copy: _format(copy.image)),
            "age": self._lowest(lambda copy: copy.image.taken_at or copy.file.modified_at),
        }
        self._steps = [
            self._lowest(lambda copy: not folders.protects(copy.file)),
            self._lowest(lambda copy: copy.file.offline),
            *(steps[rule] for rule in rules),
            self._lowest(lambda copy: (copy.file.modified_at, copy.file.path)),
        ]

    def ordered(self) -> list[Copy]:
        """Return the copies, the one to keep first, then by quality."""
        best = self._best()
        others = [copy for copy in self._copies if copy is not best]
        others.sort(
            key=lambda copy: (
                not self._folders.protects(copy.file),
                copy.file.offline,
                copy.image.id != best.image.id,
                -self._sides[copy.image.id],
                -self._qualities.get(copy.image.id, 0),
                copy.image.taken_at or copy.file.modified_at,
                copy.file.path,
            )
        )
        return [best, *others]

    def quality(self, image: Image) -> int | None:
        """Return about how well a picture was saved, 1 to 100; None if nobody knows."""
        return self._qualities.get(image.id)

    def why(self, copy: Copy) -> str:
        """Return what speaks for or against a copy, for a person."""
        image = copy.image
        said = []
        if image.width and image.height:
            said.append(f"{image.width} × {image.height}")
        if image.id in self._enlarged:
            said.append("enlarged")
        if copy.facts and copy.facts.lossless:
            said.append("lossless")
        quality = self.quality(image)
        if copy.facts and quality is not None and quality < _LOSSLESS:
            told = min(copy.facts.quality, copy.facts.remembered)
            said.append(f"quality {'about ' if copy.facts.remembered <= told else ''}{told}")
        said.append("camera metadata" if _said(image) else "no camera metadata")
        return ", ".join(said)

    def _best(self) -> Copy:
        left = list(self._copies)
        for step in self._steps:
            left = step(left)
        return left[0]

    def _lowest(self, key: Callable[[Copy], object]) -> Callable[[Sequence[Copy]], list[Copy]]:
        def keep(copies: Sequence[Copy]) -> list[Copy]:
            keys = [key(copy) for copy in copies]
            least = min(keys)  # type: ignore[type-var]  # of one type each
            return [copy for copy, each in zip(copies, keys, strict=True) if each == least]

        return keep

    def _largest(self, copies: Sequence[Copy]) -> list[Copy]:
        most = max(self._sides[copy.image.id] for copy in copies)
        return [copy for copy in copies if self._sides[copy.image.id] >= SAME_SIDE * most]

    def _finest(self, copies: Sequence[Copy]) -> list[Copy]:
        if any(copy.image.id not in self._qualities for copy in copies):
            return list(copies)
        most = max(self._qualities[copy.image.id] for copy in copies)
        return [copy for copy in copies if self._qualities[copy.image.id] >= most - _SAME_QUALITY]


def _nominal(image: Image) -> float:
    """Return the side of a square with as many pixels as the picture has."""
    return math.sqrt((image.width or 0) * (image.height or 0))


def _shown(copies: Sequence[Copy]) -> dict[int, TrueSize]:
    """Return by image id what each really shows."""
    images = {copy.image.id: copy for copy in copies}
    bands = {each: copy.facts.bands if copy.facts else () for each, copy in images.items()}
    sizes = [(_nominal(copy.image), bands[each]) for each, copy in images.items()]
    return {
        each: shown_by(bands[each], _nominal(copy.image), sizes) for each, copy in images.items()
    }


def _qualities(copies: Sequence[Copy]) -> dict[int, int]:
    """Return by image id about how well each was saved, as far as that makes a difference."""
    known = {copy.image.id: copy for copy in copies if copy.facts is not None}
    told = any(_said(copy.image) for copy in known.values())
    found = {}
    for identity, copy in known.items():
        facts = copy.facts
        assert facts is not None  # noqa: S101  # above
        if copy.image.format == "raw":
            found[identity] = 2 * _LOSSLESS
            continue
        quality = min(facts.quality, facts.remembered)
        # a lossless file without the camera's words, beside one with them, was made from that
        original = (
            facts.lossless
            and facts.remembered == _LOSSLESS
            and not (told and not _said(copy.image))
        )
        if not original:
            quality = min(quality, _BEST_LOSSY)
        # phones write HEIC, with all that they know; a tag to turn is what a camera leaves as well
        nameless = not any(name in copy.image.metadata for name in _CAMERA)
        derived = copy.image.format in _DERIVED or (copy.image.format == "heif" and nameless)
        if nameless and copy.image.metadata.get("orientation", 1) != 1:
            quality -= _SAME_QUALITY + 1
        if derived and not facts.lossless:
            quality = min(quality, _BEST_DERIVED)
        found[identity] = quality + (_DEEP if facts.depth > 8 else 0)  # noqa: PLR2004  # bits
    _level_the_same_pixels(known, found)
    _lower_what_was_made_from_others(known, found)
    _level_the_same_pixels(known, found)
    return found


def _level_the_same_pixels(known: Mapping[int, Copy], found: dict[int, int]) -> None:
    """Make copies as good as each other that have the same pixels, in whatever file."""
    worst: dict[bytes, int] = {}
    for identity, copy in known.items():
        if copy.facts and copy.facts.pixels and copy.facts.depth <= 8:  # noqa: PLR2004
            pixels = copy.facts.pixels
            worst[pixels] = min(worst.get(pixels, found[identity]), found[identity])
    for identity, copy in known.items():
        if copy.facts and copy.facts.pixels in worst and copy.facts.depth <= 8:  # noqa: PLR2004
            found[identity] = worst[copy.facts.pixels]


def _lower_what_was_made_from_others(known: Mapping[int, Copy], found: dict[int, int]) -> None:
    """Put copies behind those of the same size that their own pixels show they were made from."""
    made = _made_from(known)
    for origin in sorted(made, key=lambda each: -found[each]):
        for one in made[origin]:
            found[one] = min(found[one], found[origin] - _SAME_QUALITY - 1)
    children = {one for ones in made.values() for one in ones}
    origins = [each for each in known if each not in children and made[each]]
    if origins:
        most = max(len(made[each]) for each in origins)
        strangers = [each for each in known if each not in children and 2 * len(made[each]) < most]
    else:  # nothing of a lossless file explains a good JPEG beside it
        origins = [each for each in known if _is_good_jpeg(known[each])]
        strangers = [each for each in known if _is_lossless(known[each])]
    for origin in sorted(origins, key=lambda each: (-len(made[each]), -found[each]))[:1]:
        for one in strangers:
            if _is_comparable(known[one], known[origin]):
                found[one] = min(found[one], found[origin] - _SAME_QUALITY - 1)


def _made_from(known: Mapping[int, Copy]) -> dict[int, list[int]]:
    """Return by image id the copies that were saved from it, as far as that is sure."""
    explained: dict[int, dict[int, float]] = {identity: {} for identity in known}
    for one, other in itertools.islice(itertools.permutations(known, 2), _MOST_PAIRS):
        facts, others = known[one].facts, known[other].facts
        if facts and others and _is_comparable(known[one], known[other]):
            share = saved_from(facts, others)
            explained[one] |= {other: share} if share else {}
    made: dict[int, list[int]] = {identity: [] for identity in known}
    for one, shares in explained.items():
        for origin, share in shares.items():
            if share > max(shares.values()) - _AS_WELL_EXPLAINED:
                made[origin].append(one)
    return made


def _is_comparable(one: Copy, other: Copy) -> bool:
    """Return whether the two are of one size, and not the very same pixels."""
    sizes = [(each.image.width, each.image.height) for each in (one, other)]
    pixels = [each.facts.pixels if each.facts else b"" for each in (one, other)]
    return sizes[0] == sizes[1] and pixels[0] != pixels[1]


def _is_lossless(copy: Copy) -> bool:
    """Return whether it is, with no more than 8 bits a channel, which a JPEG has as well."""
    return copy.facts is not None and copy.facts.lossless and copy.facts.depth <= 8  # noqa: PLR2004


def _is_good_jpeg(copy: Copy) -> bool:
    facts = copy.facts
    if facts is None or copy.image.format != "jpeg":
        return False
    return min(facts.quality, facts.remembered) >= _GOOD


def _said(image: Image) -> int:
    """Return how much a file says that only the camera, or its owner, knows."""
    taken = image.taken_at is not None and image.metadata.get("taken_at_source") not in {
        "file",
        "name",
    }
    camera = sum(name in image.metadata for name in _CAMERA)
    return camera + taken + 10 * len(image.user_metadata)


def _format(image: Image) -> int:
    return _FORMATS.index(image.format) if image.format in _FORMATS else len(_FORMATS)
