"""From pairs to groups of files, each with the one to keep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import get_args

import msgspec
import numpy as np

from imgvecd.api import (
    DuplicateFile,
    DuplicateGroup,
    DuplicateKind,
    DuplicatesRequest,
    Image,
    ImageFile,
)
from imgvecd.core.duplicates.best_copies import Link, SamePicture
from imgvecd.core.duplicates.compared_images import ordered
from imgvecd.core.duplicates.copies import Copy
from imgvecd.core.duplicates.keeper import Chooser, ChosenFolders
from imgvecd.types import CopyFacts

KINDS: tuple[DuplicateKind, ...] = get_args(DuplicateKind)
"""From the surest to the loosest."""

SURE = frozenset(KINDS[: KINDS.index("edited")])
"""Of one picture."""


def group_ids(
    links: Iterable[Link], copied: Iterable[int] = (), worth: Mapping[int, float] | None = None
) -> list[tuple[DuplicateKind, list[int]]]:
    """Return (loosest kind, content ids) of groups; what only repeats a surer group is left out.

    Args:
        copied: contents that several files bear.
        worth: how good a copy each is, by id; what is one picture with the best belongs to it.
    """
    by_kind = _surest_first(list(links))
    groups = _sure([link for link in by_kind if link.kind in SURE], worth or {})
    grouped = {identity for _, ids in groups for identity in ids}
    belongs = {identity: place for place, (_, ids) in enumerate(groups) for identity in ids}
    groups += [("same_bytes", [identity]) for identity in copied if identity not in grouped]
    for kind in KINDS:
        if kind not in SURE:
            loose = [
                link
                for link in by_kind
                if link.kind == kind
                and (link.first not in belongs or belongs[link.first] != belongs.get(link.second))
            ]
            groups += [(kind, ids) for ids in _stars(_once(loose, belongs))]
    return groups


def _surest_first(links: Sequence[Link]) -> list[Link]:
    """Return links by kind, then by similarity; other threads run while a million are sorted."""
    kinds = np.fromiter((KINDS.index(link.kind) for link in links), np.int8, len(links))
    unlike = np.fromiter((-link.similarity for link in links), np.float64, len(links))
    return [links[place] for place in np.lexsort((unlike, kinds)).tolist()]


def _sure(
    links: Sequence[Link], worth: Mapping[int, float]
) -> list[tuple[DuplicateKind, list[int]]]:
    same = SamePicture(links)
    found = []
    for group in same.groups(worth):
        best, *others = group.ids
        kinds = [same.kind(best, other) or "same_pixels" for other in others]
        found.append((max(kinds, key=KINDS.index), sorted(group.ids)))
    return found


def _once(links: Iterable[Link], belongs: Mapping[int, int]) -> list[Link]:
    """Return one link, the closest, of those that join the same two pictures by other copies."""
    found: dict[tuple[int, int], Link] = {}
    for link in links:
        # negative, so that no content is taken for a group
        one, other = (
            -belongs[each] - 1 if each in belongs else each for each in (link.first, link.second)
        )
        found.setdefault(ordered(one, other), link)
    return list(found.values())


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


def make_group(
    kind: DuplicateKind,
    images: Sequence[Image],
    related: Mapping[tuple[int, int], tuple[DuplicateKind, float]],
    request: DuplicatesRequest,
    stay: Collection[int] = (),
    folders: ChosenFolders | None = None,
    facts: Mapping[int, CopyFacts] | None = None,
    cosine: Callable[[int, int], float] = lambda *_: 0.0,
) -> DuplicateGroup:
    """Return the group of all files of `images`, the keeper first.

    Args:
        related: kind and similarity of pairs of content ids, the lower id first.
        stay: content ids whose files are all to be kept.
        folders: of the request.
        facts: how good copies are, by content id.
        cosine: of two content ids, for those that met by way of a third.
    """
    folders = folders or ChosenFolders(request)
    facts = facts or {}
    copies = [Copy(image, file, facts.get(image.id)) for image in images for file in image.files]
    chooser = Chooser(copies, request, folders)
    best_first = chooser.ordered()
    keeper = best_first[0]
    listed = []
    for copy in best_first:
        how: tuple[DuplicateKind, float] = ("same_bytes", 1.0)
        if copy.image.id != keeper.image.id:
            pair = ordered(copy.image.id, keeper.image.id)
            how = related.get(pair) or (kind, cosine(copy.image.id, keeper.image.id))
            if kind in SURE and how[0] not in SURE:  # by way of the best copy
                how = kind, how[1]
        protected = folders.protects(copy.file)
        keep = protected or copy.image.id in stay or copy is keeper
        file = listed_file(copy.image, copy.file, *how, keep=keep, protected=protected)
        quality = chooser.quality(copy.image)
        listed.append(msgspec.structs.replace(file, quality=quality, why=chooser.why(copy)))
    return DuplicateGroup(kind=kind, files=tuple(listed))


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
