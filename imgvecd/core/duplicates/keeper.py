"""Which file of a group is the best copy, and why."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Sequence

from imgvecd.api import KEEPER_RULES, DuplicatesRequest, Image, ImageFile, Path
from imgvecd.core.duplicates.copies import (
    Copy,
    is_of_camera,
    nominal_side,
    said_by_camera,
    written_in,
)
from imgvecd.core.duplicates.copy_quality import BEST_DERIVED, LOSSLESS, SAME_QUALITY, qualities
from imgvecd.core.duplicates.folder_set import FolderSet
from imgvecd.core.duplicates.true_size import (
    SAME_SIDE,
    Fineness,
    TrueSize,
    fineness,
    shown_by,
)

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
_SOFT = 15  # quality that a smaller copy has to be better by


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
        judged = qualities(copies)
        self._qualities, self._reasons = judged.found, judged.reasons
        for identity in self._enlarged & self._qualities.keys():
            self._qualities[identity] = min(self._qualities[identity], BEST_DERIVED)
        rules = KEEPER_RULES if request.rules is None else request.rules
        steps: dict[str, Callable[[Sequence[Copy]], list[Copy]]] = {
            "folder": self._lowest(lambda copy: folders.preference(copy.file)),
            "resolution": self._largest,
            "quality": self._finest,
            "metadata": self._lowest(
                lambda copy: (-said_by_camera(copy.image), -len(written_in(copy.image)))
            ),
            "format": self._lowest(lambda copy: _format(copy.image)),
            "age": self._lowest(lambda copy: copy.image.taken_at or copy.file.modified_at),
        }
        self._steps = [
            self._lowest(lambda copy: not folders.protects(copy.file)),
            self._lowest(lambda copy: copy.file.offline),
            *(steps[rule] for rule in rules),
            self._lowest(lambda copy: copy.file.modified_at),
            _plainly_named,
            self._lowest(lambda copy: copy.file.path),
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
        quality, facts = self.quality(image), copy.facts
        untouched = facts is not None and facts.lossless and facts.remembered == LOSSLESS
        if facts and quality is not None and quality < LOSSLESS and not untouched:
            told = facts.worst_quality
            said.append(f"quality {'about ' if facts.remembered <= told < LOSSLESS else ''}{told}")
        if image.id in self._reasons:
            said.append(self._reasons[image.id])
        said.append("camera metadata" if said_by_camera(image) else "no camera metadata")
        said += written_in(image)
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
        large = [copy for copy in copies if self._sides[copy.image.id] >= SAME_SIDE * most]
        return [copy for copy in large if copy.image.id not in self._enlarged] or large

    def _finest(self, copies: Sequence[Copy]) -> list[Copy]:
        if any(copy.image.id not in self._qualities for copy in copies):
            return list(copies)
        # a smaller copy shows as much as a soft picture, but it was made from that
        widest = max(nominal_side(copy.image) for copy in copies)
        wide = [nominal_side(copy.image) >= SAME_SIDE * widest for copy in copies]
        ranks = [
            self._qualities[copy.image.id] + (_SOFT if is_wide else 0)
            for copy, is_wide in zip(copies, wide, strict=True)
        ]
        small = [each for each, is_wide in zip(ranks, wide, strict=True) if not is_wide]
        alone = max(ranks) > max(small, default=0)
        return [
            copy
            for copy, each, is_wide in zip(copies, ranks, wide, strict=True)
            if each >= max(ranks) - SAME_QUALITY and (is_wide or not alone)
        ]


def _plainly_named(copies: Sequence[Copy]) -> list[Copy]:
    """Return the copies whose names are not another's with something behind: "cat (1).jpg"."""
    stems = [os.path.splitext(os.path.basename(copy.file.path))[0] for copy in copies]
    names = set(stems)
    return [
        copy
        for copy, stem in zip(copies, stems, strict=True)
        if not any(stem[:length] in names for length in range(1, len(stem)))
    ]


def _shown(copies: Sequence[Copy]) -> dict[int, TrueSize]:
    """Return by image id what each really shows."""
    seen = {copy.image.id: fineness(nominal_side(copy.image), copy.facts) for copy in copies}
    of_camera = {copy.image.id: seen[copy.image.id] for copy in copies if is_of_camera(copy.image)}
    shown = {
        identity: _camera_shows(each, of_camera.values())
        if identity in of_camera and len(of_camera) < len(seen)
        else shown_by(each, seen.values())
        for identity, each in seen.items()
    }
    sides: dict[float, float] = {}
    most = 0.0
    for nominal in sorted({each.side for each in seen.values()}):
        same = [identity for identity, each in seen.items() if each.side == nominal]
        # smaller copies show no more than what they were made from
        sound = [shown[each].side for each in same if not shown[each].enlarged]
        most = max([most, *sound])
        for each in same:
            side = shown[each].side
            # what it was enlarged from may have been enlarged itself
            side = sides.get(side, side) if shown[each].enlarged else most
            shown[each] = shown[each]._replace(side=side)
        sides[nominal] = min(shown[each].side for each in same)
    return shown


def _camera_shows(picture: Fineness, of_camera: Collection[Fineness]) -> TrueSize:
    """Return what a picture shows that a camera wrote into, beside others of which that is true.

    It was made from no copy without the camera's words, whatever rhythm it has.
    """
    smaller = [each for each in of_camera if each.side < SAME_SIDE * picture.side]
    return shown_by(picture, smaller) if smaller else TrueSize(picture.side, enlarged=False)


def _format(image: Image) -> int:
    return _FORMATS.index(image.format) if image.format in _FORMATS else len(_FORMATS)
