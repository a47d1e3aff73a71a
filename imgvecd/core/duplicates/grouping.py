"""From pairs to groups of files, each with the one to keep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import msgspec

from imgvecd.api import (
    DuplicateFile,
    DuplicateGroup,
    DuplicateKind,
    DuplicatesRequest,
    Image,
    ImageFile,
)
from imgvecd.core.duplicates.keeper import Chooser, ChosenFolders, Copy
from imgvecd.types import CopyFacts

KINDS: tuple[DuplicateKind, ...] = get_args(DuplicateKind)
"""From the surest to the loosest."""

# Pictures that are one picture belong together however many steps apart; what is only near in time
# or look would chain whole holidays together, so it must be near the same one.
_CHAINING = frozenset(KINDS[: KINDS.index("edited")])


@dataclass(frozen=True, slots=True)
class Link:
    """Two contents, by id, and how they relate."""

    first: int
    second: int
    kind: DuplicateKind
    similarity: float


def group_ids(
    links: Iterable[Link], copied: Iterable[int] = (), apart: Collection[frozenset[int]] = ()
) -> list[tuple[DuplicateKind, list[int]]]:
    """Return (loosest kind, content ids) of groups; what only repeats a surer group is left out.

    Args:
        copied: contents that several files bear.
        apart: pairs that are never in one sure group, whatever third picture is like both: at a
            third of its size, a blurred picture is what the sharp one is.
    """
    ordered = sorted(links, key=lambda link: (KINDS.index(link.kind), -link.similarity))
    sure = [link for link in ordered if link.kind in _CHAINING]
    groups = _chained(sure, apart)
    grouped = {identity for _, ids in groups for identity in ids}
    belongs = {identity: place for place, (_, ids) in enumerate(groups) for identity in ids}
    groups += [("same_bytes", [identity]) for identity in copied if identity not in grouped]
    known = {frozenset(pair) for _, ids in groups for pair in _pairs(ids)}
    for kind in KINDS:
        if kind not in _CHAINING:
            loose = [
                link
                for link in ordered
                if link.kind == kind and frozenset((link.first, link.second)) not in known
            ]
            groups += [(kind, ids) for ids in _stars(_once(loose, belongs))]
    return groups


def _once(links: Iterable[Link], belongs: Mapping[int, int]) -> list[Link]:
    """Return one link, the closest, of those that join the same two pictures by other copies."""
    found: dict[frozenset[int], Link] = {}
    for link in links:
        # negative, so that no content is taken for a group
        ends = (
            -belongs[each] - 1 if each in belongs else each for each in (link.first, link.second)
        )
        found.setdefault(frozenset(ends), link)
    return list(found.values())


def _chained(
    links: Sequence[Link], apart: Collection[frozenset[int]]
) -> list[tuple[DuplicateKind, list[int]]]:
    parents: dict[int, int] = {}

    def find(identity: int) -> int:
        while parents.setdefault(identity, identity) != identity:
            parents[identity] = identity = parents[parents[identity]]
        return identity

    loosest: dict[int, DuplicateKind] = {}
    joined: dict[int, list[int]] = {}
    for link in links:  # the surest first, so the last to join something is the loosest needed
        one, other = find(link.first), find(link.second)
        groups = joined.get(one, [one]), joined.get(other, [other])
        pairs = (frozenset((first, second)) for first in groups[0] for second in groups[1])
        if one != other and not (apart and any(pair in apart for pair in pairs)):
            joined[min(one, other)] = groups[0] + groups[1]
            parents[max(one, other)] = min(one, other)
            loosest[min(one, other)] = link.kind
    members: dict[int, list[int]] = defaultdict(list)
    for identity in sorted(parents):
        members[find(identity)].append(identity)
    return [(loosest[top], ids) for top, ids in members.items() if len(ids) > 1]


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
    facts: Mapping[int, CopyFacts] | None = None,
) -> DuplicateGroup:
    """Return the group of all files of `images`, the keeper first.

    Args:
        related: kind and similarity of pairs of content ids.
        stay: content ids whose files are all to be kept.
        folders: of the request.
        facts: how good copies are, by content id.
    """
    folders = folders or ChosenFolders(request)
    facts = facts or {}
    copies = [Copy(image, file, facts.get(image.id)) for image in images for file in image.files]
    chooser = Chooser(copies, request, folders)
    ordered = chooser.ordered()
    keeper = ordered[0]
    listed = []
    for copy in ordered:
        how: tuple[DuplicateKind, float] = ("same_bytes", 1.0)
        if copy.image.id != keeper.image.id:
            pair = frozenset((copy.image.id, keeper.image.id))
            how = related.get(pair, (kind, 0.0))
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
