"""The values that every part of imgvecd speaks: small, frozen, free of behaviour and of libraries.

Paths of photos are bytes everywhere below the API, since names on disk need not be UTF-8.
Times are nanoseconds (`_ns`) since the Unix epoch or seconds (`_s`), as the name says.
"""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Float32Array: TypeAlias = NDArray[np.float32]
Float64Array: TypeAlias = NDArray[np.float64]
Float16Array: TypeAlias = NDArray[np.float16]
Int64Array: TypeAlias = NDArray[np.int64]
UInt32Array: TypeAlias = NDArray[np.uint32]
UInt8Array: TypeAlias = NDArray[np.uint8]
PackedVectors: TypeAlias = NDArray[np.void]
"""Shape (n,); see `core.index.packed_vectors`."""
StoredVectors: TypeAlias = PackedVectors | Float16Array
"""Packed, shape (n,), or as an older imgvecd has written them, shape (n, dim)."""

Fact: TypeAlias = str | int | float | bool | list[str] | None
Facts: TypeAlias = dict[str, Fact]
"""What is known of an image besides its pixels, by standard names; None is nothing."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What stat says of one file's state; two equal stamps mean that nobody touched the file.

    `ctime_ns` is the witness against tools that restore mtime after a write. A rename moves ctime
    and nothing else, so `same_bytes` leaves it out.
    """

    size_bytes: int
    mtime_ns: int
    inode: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """Return the stamp in a stat result."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)

    def same_bytes(self, other: Stamp) -> bool:
        """Return whether size, mtime and inode agree: the same file, perhaps under a new name."""
        return (self.size_bytes, self.mtime_ns, self.inode) == (
            other.size_bytes,
            other.mtime_ns,
            other.inode,
        )


@dataclass(frozen=True, slots=True)
class FoundFile:
    """An image file that a directory listing found: `name` is its last path component."""

    name: bytes
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file as the catalog knows it.

    Attributes:
        dir: folder relative to the root, `b""` for the root itself, no leading or trailing slash.
        content_id: the content last read under this path; None before the first reading.
        pending: whether the file waits to be read (again).
        failure: why it could not be read or decoded; None if it could.
    """

    id: int
    root_id: int
    dir: bytes
    name: bytes
    stamp: Stamp
    content_id: int | None
    pending: bool
    failure: str | None = None

    @property
    def relative(self) -> bytes:
        """Path relative to the root."""
        return join(self.dir, self.name)


@dataclass(frozen=True, slots=True)
class RootRow:
    """A watched folder and what identifies it.

    Attributes:
        path: absolute path, no trailing slash.
        device, inode: of the folder itself when it was last seen online; None before that.
        filesystem_id: `statvfs.f_fsid` in hexadecimal, stable across reboots where the file
            system has a UUID; None where it says nothing (0).
        offline_since_ns, offline_reason: None while online.
        mount_point: absolute path of the mount that the folder lay on then; None if unknown.
    """

    id: int
    path: bytes
    device: int | None = None
    inode: int | None = None
    filesystem_id: str | None = None
    offline_since_ns: int | None = None
    offline_reason: str | None = None
    mount_point: bytes | None = None

    @property
    def online(self) -> bool:
        """Whether the folder was reachable, and itself, when last looked at."""
        return self.offline_since_ns is None


@dataclass(frozen=True, slots=True)
class MountRow:
    """A file system that is mounted on a folder of a root, or was when it was last seen.

    Attributes:
        dir: the folder, as in `FileRow`.
        device, inode, filesystem_id: of the mounted folder, as in `RootRow`.
        offline_since_ns, offline_reason: None while it is mounted.
    """

    root_id: int
    dir: bytes
    device: int
    inode: int
    filesystem_id: str | None = None
    offline_since_ns: int | None = None
    offline_reason: str | None = None

    @property
    def online(self) -> bool:
        """Whether it was mounted when last looked at."""
        return self.offline_since_ns is None


@dataclass(frozen=True, slots=True)
class ContentFiles:
    """The files that bear one content.

    Attributes:
        hash: of the content, BLAKE2b-256.
        online: (path, stamp) of those that can be reached and are as they were when they were read.
        offline_reason: of the root of one that cannot be reached; None if there is none.
        failure: (reason, message) if the bytes cannot be decoded.
    """

    hash: bytes
    online: tuple[tuple[bytes, Stamp], ...]
    offline_reason: str | None = None
    failure: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class FileMove:
    """A file known by its inode that was found under another path; nothing is read for it."""

    file_id: int
    root_id: int
    dir: bytes
    name: bytes
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class FileChanges:
    """What one look at the disk means for the catalog; committed in one transaction.

    Attributes:
        added: new files as (root_id, dir, file); they become pending.
        linked: new names of bytes already known (hard links): (root_id, dir, file, content_id).
        changed: (file_id, new stamp); the file becomes pending and keeps its old content meanwhile.
        moved: renames; a file may be moved and changed.
        removed: ids of files that are gone from an online root.
    """

    added: tuple[tuple[int, bytes, FoundFile], ...] = ()
    linked: tuple[tuple[int, bytes, FoundFile, int], ...] = ()
    changed: tuple[tuple[int, Stamp], ...] = ()
    moved: tuple[FileMove, ...] = ()
    removed: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.added or self.linked or self.changed or self.moved or self.removed)


@dataclass(frozen=True, slots=True)
class PreprocessSpec:
    """How a model wants its pixels, as open_clip's `preprocess_cfg` says it.

    Attributes:
        size: side of the square input, in pixels.
        mean, std: per channel, on the 0–1 scale.
        interpolation: "bicubic" or "bilinear".
        resize_mode: "shortest" (then centre crop), "longest" (then pad with `fill`) or "squash".
        fill: 0–255, for padding.
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bicubic"
    resize_mode: str = "shortest"
    fill: int = 0


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of a model without loading it.

    Attributes:
        fingerprint: names the function from pixels to vectors; embeddings are kept per fingerprint.
    """

    fingerprint: str
    name: str
    pretrained: str
    dim: int
    preprocess: PreprocessSpec


@dataclass(frozen=True, slots=True)
class EncoderSpeed:
    """How fast images are encoded, as far as was learnt on this machine.

    Attributes:
        runs_on: runtime, device and number format: "torch, cpu, bfloat16".
        images: how many are encoded in one step.
        seconds_each: that an image takes in such a step.
    """

    runs_on: str
    images: int
    seconds_each: float


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What decoding learnt about an image besides its pixels.

    Attributes:
        format: Pillow's name in lower case: "jpeg", "png", "heif".
        width, height: in pixels, after EXIF orientation.
        taken_at: local time as `core.files.photo_dates` writes it, ISO 8601 as precise as the file
            says: "1950", "1950-07", "2023-05-17T18:30:11.25+02:00"; None if it says nothing.
        truncated: the file ended early and the rest of the picture is grey.
        metadata: further facts by the names in docs/formats.md ("camera", "gps_latitude").
    """

    format: str
    width: int
    height: int
    taken_at: str | None = None
    truncated: bool = False
    metadata: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A decoded, resized, cropped image.

    `pixels` is RGB uint8, row-major, size × size × 3 bytes.
    """

    info: ImageInfo
    pixels: bytes


@dataclass(frozen=True, slots=True)
class Pixels:
    """A picture as it is seen, upright, in sRGB.

    `data` is RGB uint8, row-major, height × width × 3 bytes.
    """

    width: int
    height: int
    data: bytes


@dataclass(frozen=True, slots=True)
class CopyFacts:
    """How good a file is as a copy of its picture.

    Attributes:
        pixels: digest of all pixels, upright, in 8-bit sRGB, of all frames and pages; empty for
            camera RAW.
        quality: 1 to 100, that it was saved at, as far as can be told.
        remembered: the JPEG quality that the pixels show; 100 where they show none.
        lossless: nothing was lost when it was saved.
        depth: bits of each channel.
        full_colour: colour is stored at the resolution of brightness.
        bands: strength of ever finer structure, up to the finest that the pixels can hold.
        steps: of quantisation of brightness, 64 by rows; empty where it is no JPEG.
        sample: brightness of some 8 × 8 blocks, of places that depend on the size only.
        strengths: of ever finer structure within 8 × 8 blocks, in five bands, as logarithms; of
            brightness, then of the blue and the red difference at half the resolution.
        repeats: frequencies, per pixel, at which differences between neighbours repeat both across
            and down, as interpolation makes them; of those of JPEG's own grid a half and a quarter.
        further: looks of the frames, pages or views beside the picture, 32 × 32 grey levels each,
            16 of them at most, evenly chosen.
        pictures: how many there are in all, as far as they can be read.
    """

    pixels: bytes = b""
    quality: int = 100
    remembered: int = 100
    lossless: bool = False
    depth: int = 8
    full_colour: bool = True
    bands: tuple[float, ...] = ()
    steps: tuple[int, ...] = ()
    sample: bytes = b""
    strengths: tuple[float, ...] = ()
    repeats: tuple[float, ...] = ()
    further: tuple[bytes, ...] = ()
    pictures: int = 1

    @property
    def worst_quality(self) -> int:
        """The lower one of what it was saved at and what its pixels show."""
        return min(self.quality, self.remembered)


@dataclass(frozen=True, slots=True)
class ExaminedImage:
    """A picture as duplicates are compared by.

    Attributes:
        side: pixels a side that it was squashed to.
        pixels: RGB, side × side × 3 bytes.
    """

    info: ImageInfo
    facts: CopyFacts
    side: int
    pixels: bytes


@dataclass(frozen=True, slots=True)
class Town:
    """A town of the world.

    Attributes:
        latitude, longitude: of its middle, in degrees.
        reach_km: from there to its edge.
    """

    name: str
    latitude: float
    longitude: float
    reach_km: float


@dataclass(frozen=True, slots=True)
class KnownName:
    """A name that images of the library bear.

    Attributes:
        kind: "person", "tag" (keywords as well), "camera" or "folder".
        name: as the catalog has it; of a folder its path below a root.
        shown: for a person.
    """

    kind: str
    name: str
    shown: str


@dataclass(frozen=True, slots=True)
class IndexChanges:
    """A step of the index: everything that changed in the catalog up to and including `clock`.

    Attributes:
        clock: catalog clock after these changes.
        added: shape (n,), int64 content ids, each replacing an older vector of the same id.
        vectors: shape (n,), packed, L2-normalised.
        removed: shape (m,), int64 content ids that no file bears any more.
    """

    clock: int
    added: Int64Array
    vectors: PackedVectors
    removed: Int64Array


class HintKind(enum.Enum):
    """What a watcher has heard.

    CHANGED: an entry appeared, went or changed its attributes; without a name, the folder itself.
    WRITTEN: bytes were written, and whoever wrote them may go on.
    CLOSED: the writer has closed the file, or it was moved here in one piece.
    MOVED: the entry was moved to where it is heard of, too.
    LOST: events were lost, anywhere.
    ROOTS: something was mounted or unmounted, or a folder above a root was renamed or deleted.
    """

    CHANGED = enum.auto()
    WRITTEN = enum.auto()
    CLOSED = enum.auto()
    MOVED = enum.auto()
    LOST = enum.auto()
    ROOTS = enum.auto()


@dataclass(frozen=True, slots=True)
class Hint:
    """A reason to look at a folder; never a fact about what is in it.

    Attributes:
        directory: absolute path as it was given to `Watcher.watch`; None if it may be anywhere.
        name: the entry in it; None for the folder itself.
        is_directory: whether the entry is a folder.
    """

    kind: HintKind
    directory: bytes | None = None
    name: bytes | None = None
    is_directory: bool = False


class Coverage(enum.Enum):
    """Whether a folder's changes will be heard of, and why not.

    LIMIT: the system's number of watches is used up.
    FILESYSTEM: the file system tells of local changes at most, as network file systems do.
    UNAVAILABLE: the folder cannot be watched (gone, unreadable, or no such service here).
    """

    EVENTS = enum.auto()
    LIMIT = enum.auto()
    FILESYSTEM = enum.auto()
    UNAVAILABLE = enum.auto()


@dataclass(frozen=True, slots=True)
class Priority:
    """How much a process or thread makes room for others.

    Attributes:
        niceness: 0 to 19, the humblest.
        disk: "normal", "low" or "idle".
    """

    niceness: int = 0
    disk: str = "normal"


class Lane(enum.IntEnum):
    """Whose turn it is in the encoder: a waiting person before the backlog."""

    INTERACTIVE = 0
    BULK = 1


def join(directory: bytes, name: bytes) -> bytes:
    """Return a path relative to the root from its folder and last component."""
    return directory + b"/" + name if directory else name
