"""Duplicates, and the plans that move them to the trash."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import msgspec

from imgvecd.api.fields import BurstSeconds, CursorText, Folders, GroupsPerPage, Hash, Share

DuplicateKind = Literal[
    "same_bytes", "same_pixels", "reencoded", "transformed", "edited", "burst", "similar"
]
"""From the surest to the loosest; "reencoded" is also resized, "transformed" is turned by a quarter
or more, "edited" is cropped, mirrored, or changed in colour, tone, sharpness or parts."""

SURE_KINDS: tuple[DuplicateKind, ...] = ("same_bytes", "same_pixels", "reencoded")
"""What is the same picture; the others are in a plan only where somebody asks for them."""

KeeperRule = Literal["folder", "resolution", "quality", "metadata", "format", "age"]
"""What the file of a group that is kept may be chosen by."""

KEEPER_RULES: tuple[KeeperRule, ...] = get_args(KeeperRule)
"""All of them, the most important first where nobody says otherwise."""


class DuplicatesRequest(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True
):
    """`POST /v1/duplicates`: what counts, and which file of a group to keep.

    Attributes:
        kinds: all of them if empty.
        min_similarity: of "similar": cosine of the embeddings.
        burst_s: of "burst": longest time between two shots.
        rules: by which a keeper is chosen, the most important first; None takes the
            configuration's.
        prefer: folders to keep files in, the best first; the configuration's if empty.
        protect: folders whose files are always kept, as are those of the configuration's.
        limit: groups a page; all of them if null.
        cursor: `next_cursor` of the page before, with the request otherwise unchanged.
    """

    kinds: tuple[DuplicateKind, ...] = ()
    min_similarity: Share = 0.95
    burst_s: BurstSeconds = 10
    rules: tuple[KeeperRule, ...] | None = None
    prefer: Folders = ()
    protect: Folders = ()
    limit: GroupsPerPage | None = None
    cursor: CursorText | None = None


class DuplicateFile(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One file of a group.

    Attributes:
        kind: how it relates to the group's keeper.
        similarity: cosine of its embedding to the keeper's.
        keep: stays, since it is the keeper or protected.
        quality: about how well it was saved, 1 to 100; null where nothing tells, or needs to.
        why: what speaks for or against it, for people.
    """

    id: int
    hash: str
    path: str
    path_base64: str | None = None
    offline: bool = False
    size_bytes: int
    modified_at: str
    format: str | None = None
    width: int | None = None
    height: int | None = None
    taken_at: str | None = None
    kind: DuplicateKind
    similarity: float
    keep: bool = False
    protected: bool = False
    quality: int | None = None
    why: str = ""


class DuplicateGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Files that are the same picture, or nearly; the keeper comes first.

    Attributes:
        kind: the loosest that joins them.
    """

    kind: DuplicateKind
    files: tuple[DuplicateFile, ...]


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """A picture that could not be compared, and why."""

    path: str
    why: str


class Duplicates(msgspec.Struct, frozen=True, kw_only=True):
    """Groups, the surest first.

    Attributes:
        images: in the library.
        compared: of these, pictures that could be compared by now; ask again for the others.
        missing: the others, 100 of them at most.
        waiting: files that are not indexed yet: `POST /v1/sync` waits for them.
        protect: folders, absolute, whose files were always kept.
        groups_in_all: on every page together.
        next_cursor: asks for the next page; null on the last one.
    """

    groups: tuple[DuplicateGroup, ...]
    groups_in_all: int = 0
    next_cursor: str | None = None
    images: int
    compared: int
    missing: tuple[Missing, ...] = ()
    waiting: int = 0
    protect: tuple[str, ...] = ()
    took_ms: float


class DuplicateMatches(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /v1/duplicates/check`: files of the library that are the given picture."""

    matches: tuple[DuplicateFile, ...]


class DedupPlan(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /v1/duplicates/plan`: which files could go to the trash; nothing moves.

    Attributes:
        files: on lines that begin with "trash".
        size_bytes: of these.
        text: the plan, a line for each file, as `imgvecd dedup plan` writes it; may be edited.
    """

    name: str
    files: int
    size_bytes: int
    text: str


class DedupApplyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/duplicates/apply`: a plan's text, with lines left out or changed to "keep"."""

    plan: str


class DedupUndoRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/duplicates/undo`: a plan by its name; the last one that moved files if null."""

    name: str | None = None


class FileLeft(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A file that was not moved, and why."""

    path: str
    path_base64: str | None = None
    why: str


class DedupDone(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a plan's files.

    Attributes:
        files: that were moved, to the trash or back.
        size_bytes: of these.
        gone: files that were not there any more.
        left: files that stay where they are.
    """

    name: str
    files: int
    size_bytes: int
    gone: int
    left: tuple[FileLeft, ...] = ()


class DuplicateDecision(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/duplicates/decisions`: what a person decided about images, for good.

    Attributes:
        hashes: of the contents, each decided about with each other.
        decision: "undecided" takes an earlier one back.
    """

    hashes: Annotated[tuple[Hash, ...], msgspec.Meta(min_length=2, max_length=100)]
    decision: Literal["not_duplicates", "keep_both", "undecided"]
