"""From pairs to groups of files, each with the one to keep."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from imgvecd.api import (
    KEEPER_RULES,
    DuplicateFile,
    DuplicateGroup,
    DuplicateKind,
    DuplicatesRequest,
    Image,
    ImageFile,
    Path,
)
from imgvecd.core.duplicates.folder_set import FolderSet

KINDS: tuple[DuplicateKind, ...] = get_args(DuplicateKind)
"""From the surest to the loosest."""

# Pictures that are one picture belong together however many steps apart; what is only near in time
# or look would chain whole holidays together, so it must be near the same one.
_CHAINING = frozenset(KINDS[: KINDS.index("burst")])
# What an original most likely is; a lossless copy of a JPEG is rarer than a JPEG of a raw.
_FORMATS = ("heif", "jpeg", "avif", "webp", "tiff", "png", "jpeg2000", "bmp", "gif")


@dataclass(frozen=True, slots=True)
class Link:
    """Two contents, by id, and how they relate."""

    first: int
    second: int
    kind: DuplicateKind
    similarity: float


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


def group_ids(
    links: Iterable[Link], copied: Iterable[int] = ()
) -> list[tuple[DuplicateKind, list[int]]]:
    """Return (loosest kind, content ids) of groups; what only repeats a surer group is left out.

    Args:
        copied: contents that several files bear.
    """
    ordered = sorted(links, key=lambda link: (KINDS.index(link.kind), -link.similarity))
    sure = [link for link in ordered if link.kind in _CHAINING]
    groups = _chained(sure)
    grouped = {identity for _, ids in groups for identity in ids}
    groups += [("same_bytes", [identity]) for identity in copied if identity not in grouped]
    known = {frozenset(pair) for _, ids in groups for pair in _pairs(ids)}
    for kind in KINDS:
        if kind not in _CHAINING:
            loose = [
                link
                for link in ordered
                if link.kind == kind and frozenset((link.first, link.second)) not in known
            ]
            groups += [(kind, ids) for ids in _stars(loose)]
    return groups


def _chained(links: Sequence[Link]) -> list[tuple[DuplicateKind, list[int]]]:
    parents: dict[int, int] = {}

    def find(identity: int) -> int:
        while parents.setdefault(identity, identity) != identity:
            parents[identity] = identity = parents[parents[identity]]
        return identity

    loosest: dict[int, DuplicateKind] = {}
    for link in links:  # the surest first, so the last to join something is the loosest needed
        one, other = find(link.first), find(link.second)
        if one != other:
            parents[max(one, other)] = min(one, other)
            loosest[min(one, other)] = link.kind
    members: dict[int, list[int]] = defaultdict(list)
    for identity in sorted(parents):
        members[find(identity)].append(identity)
    return [(loosest[top], ids) for top, ids in members.items()]


def _stars(links: Sequence[Link]) -> list[list[int]]:
    """Return groups around the contents with the most links, each content in one group."""
    near: dict[int, set[int]] = defaultdict(set)
    for link in links:
        near[link.first].add(link.second)
        near[link.second].add(link.first)
    free = set(near)
    groups = []
    for centre in sorted(near, key=lambda identity: (-len(near[identity]), identity)):
        around = near[centre] & free
        if centre in free and around:
            groups.append(sorted({centre, *around}))
            free -= {centre, *around}
    return groups


def _pairs(ids: Sequence[int]) -> Iterable[tuple[int, int]]:
    # pairs of a group of thousands (one picture, everywhere) are not worth remembering
    some = ids[:200]
    return ((one, other) for place, one in enumerate(some) for other in some[place + 1 :])


def make_group(
    kind: DuplicateKind,
    images: Sequence[Image],
    related: Mapping[frozenset[int], tuple[DuplicateKind, float]],
    request: DuplicatesRequest,
    stay: Collection[int] = (),
    folders: ChosenFolders | None = None,
) -> DuplicateGroup:
    """Return the group of all files of `images`, the keeper first.

    Args:
        related: kind and similarity of pairs of content ids.
        stay: content ids whose files are all to be kept.
        folders: of the request.
    """
    files = [(image, file) for image in images for file in image.files]
    folders = folders or ChosenFolders(request)
    keys = {id(file): keeper_key(image, file, request, folders) for image, file in files}
    files.sort(key=lambda pair: keys[id(pair[1])])
    keeper = files[0]
    listed = tuple(
        _listed(kind, (image, file), keeper, related, folders, stays=image.id in stay)
        for image, file in files
    )
    return DuplicateGroup(kind=kind, files=listed)


def _listed(
    kind: DuplicateKind,
    pair: tuple[Image, ImageFile],
    keeper: tuple[Image, ImageFile],
    related: Mapping[frozenset[int], tuple[DuplicateKind, float]],
    folders: ChosenFolders,
    *,
    stays: bool,
) -> DuplicateFile:
    image, file = pair
    if image.id == keeper[0].id:
        how: tuple[DuplicateKind, float] = ("same_bytes", 1.0)
    else:
        how = related.get(frozenset((image.id, keeper[0].id)), (kind, 0.0))
    protected = folders.protects(file)
    keep = protected or stays or file is keeper[1]
    return listed_file(image, file, *how, keep=keep, protected=protected)


def listed_file(
    image: Image,
    file: ImageFile,
    kind: DuplicateKind,
    similarity: float,
    *,
    keep: bool = False,
    protected: bool = False,
) -> DuplicateFile:
    """Return what is told of one file."""
    return DuplicateFile(
        id=image.id,
        hash=image.hash,
        path=file.path,
        path_base64=file.path_base64,
        offline=file.offline,
        size_bytes=file.size_bytes,
        modified_at=file.modified_at,
        format=image.format,
        width=image.width,
        height=image.height,
        taken_at=image.taken_at,
        kind=kind,
        similarity=round(similarity, 4),
        keep=keep,
        protected=protected,
    )


def keeper_key(
    image: Image, file: ImageFile, request: DuplicatesRequest, folders: ChosenFolders
) -> tuple[object, ...]:
    """Return what files are sorted by: the one to keep comes first.

    Protected files and files that are there precede; then the rules in their order; then the path.
    """
    values = {
        "folder": folders.preference(file),
        "resolution": -(image.width or 0) * (image.height or 0),
        "format": _FORMATS.index(image.format) if image.format in _FORMATS else len(_FORMATS),
        "metadata": -(len(image.metadata) + 10 * len(image.user_metadata)),
        "age": image.taken_at or file.modified_at,
    }
    protected = folders.protects(file)
    rules = KEEPER_RULES if request.rules is None else request.rules
    return (not protected, file.offline, *(values[rule] for rule in rules), file.path)
