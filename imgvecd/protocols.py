"""The seams of imgvecd: small Protocols that the core speaks to and that adapters implement.

The catalog's methods are synchronous and may be called from any thread; asynchronous callers use
`core.threads`. Encoder and decoder are asynchronous, since they live in other processes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from imgvecd.api import (
    Change,
    EncodeServerStatus,
    Failure,
    FileCounts,
    Filters,
    Image,
    SavedSearch,
    Stats,
)
from imgvecd.types import (
    ContentFiles,
    Coverage,
    DecodedImage,
    EncoderSpeed,
    ExaminedImage,
    Facts,
    FileChanges,
    FileRow,
    Float32Array,
    Hint,
    ImageInfo,
    IndexChanges,
    Int64Array,
    KnownName,
    Lane,
    ModelInfo,
    MountRow,
    Pixels,
    PreprocessSpec,
    RootRow,
    Stamp,
    Town,
)

Read_contra = TypeVar("Read_contra", contravariant=True)


class Decoder(Protocol):
    """Turns image files into pixels, at a distance safe from what is wrong with them."""

    async def decode(self, path: bytes, stamp: Stamp | None, spec: PreprocessSpec) -> DecodedImage:
        """Return the image at `path`, oriented, resized and cropped as `spec` says.

        Args:
            path: absolute.
            stamp: what the file must still be; None if any state will do.

        Raises:
            UnreadableImageError: with reason "changed" if the stamp does not fit any more.
            WorkerError: no worker could be started.
        """
        ...

    async def decode_bytes(self, data: bytes, spec: PreprocessSpec) -> DecodedImage:
        """Return the image in `data`, an encoded file's content; otherwise like `decode`."""
        ...

    async def examine(self, path: bytes, stamp: Stamp) -> ExaminedImage:
        """Return what tells copies of a picture apart; errors as for `decode`."""
        ...

    async def examine_bytes(self, data: bytes) -> ExaminedImage:
        """Return what `examine` does of an encoded file's content."""
        ...

    async def pixels(self, path: bytes, stamp: Stamp, longest: int) -> Pixels:
        """Return the image at `path` as it is seen, its longer side `longest` pixels at the most.

        Errors as for `decode`.
        """
        ...

    async def read_sidecar(self, path: bytes, stamp: Stamp) -> Facts:
        """Return what the sidecar at `path` says, with `taken_at`; errors as for `decode`."""
        ...

    async def close(self) -> None:
        """Stop every worker."""
        ...


class TextRecogniser(Protocol):
    """Reads the text in pictures.

    Attributes:
        fingerprint: names the function from pixels to text; what was read is kept with it.
        longest: pixels of the longer side that it wants pictures to have, at the most.
    """

    fingerprint: str
    longest: int

    @property
    def sandbox(self) -> tuple[str, ...]:
        """What keeps its worker from doing anything else; empty before the first one."""
        ...

    async def read(self, pixels: Pixels) -> str:
        """Return the lines of text in a picture, from the top down; empty where there is none.

        Raises:
            UnreadableImageError: it takes too long or too much memory, or its worker dies of it.
            WorkerError: no worker could be started.
        """
        ...

    async def close(self) -> None:
        """Stop the worker."""
        ...


class Encoder(Protocol):
    """The CLIP model. Rows of results are L2-normalised float32.

    Attributes:
        may_fetch: whether a model that is not on this machine may be fetched; when it next loads.
    """

    may_fetch: bool

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory now."""
        ...

    @property
    def loaded_for_images(self) -> bool:
        """Whether what encodes images is in memory now."""
        ...

    @property
    def progress(self) -> str:
        """The latest of a model that is being fetched or loaded, for a person; else empty."""
        ...

    @property
    def error(self) -> str | None:
        """What keeps the model from working, such as a worker that keeps dying; else None."""
        ...

    @property
    def batch(self) -> int:
        """How many images to hand over at once, so that it is neither idle nor overrun."""
        ...

    @property
    def speed(self) -> EncoderSpeed | None:
        """How fast images are encoded; None until that was learnt."""
        ...

    @property
    def runtime_note(self) -> str | None:
        """Why images are encoded with the runtime that they are; None until that was found out."""
        ...

    @property
    def sandbox(self) -> tuple[str, ...]:
        """What keeps each of its workers from doing anything else; empty before the first one."""
        ...

    async def info(self) -> ModelInfo:
        """Return what the model is, loading it if that was never learnt.

        Raises:
            ModelError: it cannot be loaded; the message names the ways out.
        """
        ...

    def expect_images(self) -> None:
        """Have what encodes images loaded while they are still being decoded; return at once."""
        ...

    async def encode_images(self, pixels: Sequence[bytes], lane: Lane) -> Float32Array:
        """Return embeddings, shape (n, dim), of `DecodedImage.pixels`.

        Raises:
            ModelError: the model cannot be loaded or run.
            WorkerError: the worker died on these images; fewer at a time may pass.
        """
        ...

    async def encode_texts(self, texts: Sequence[str], lane: Lane) -> Float32Array:
        """Return embeddings, shape (n, dim); errors as for `encode_images`."""
        ...

    async def close(self) -> None:
        """Stop the worker."""
        ...


class RemoteEncoder(Protocol):
    """The model on another machine, which encodes the library's images while it can be reached."""

    @property
    def batch(self) -> int:
        """How many images to hand over at once."""
        ...

    @property
    def in_flight(self) -> int:
        """How many batches to hand over before the first is answered, so that it is never idle."""
        ...

    @property
    def undecided(self) -> bool:
        """Whether it was not yet found out if it can be used; that takes seconds."""
        ...

    def status(self) -> EncodeServerStatus:
        """Return how it is, for a person."""
        ...

    def expect(self, model: ModelInfo) -> None:
        """Take no vectors of a model that differs from this one in anything."""
        ...

    @property
    def checks(self) -> int:
        """How often it was found to encode as the model does."""
        ...

    def when_wrong(self, told: Callable[[], None]) -> None:
        """Call this, in the event loop, when it is found not to: what it gave is in doubt."""
        ...

    def retry_now(self) -> None:
        """Try again at once what was to be tried later."""
        ...

    async def ready(self) -> None:
        """Return once it can be given work, however long that takes; call it with work waiting."""
        ...

    async def encode_images(self, pixels: Sequence[bytes], lane: Lane) -> Float32Array:
        """Return embeddings, shape (n, dim), as `Encoder.encode_images` does.

        Raises:
            WorkerError: its worker died on these images, and not on others.
            EncoderAwayError: it is not to be had, or encodes wrongly, which says nothing of the
                images.
        """
        ...

    async def close(self) -> None:
        """Hang up; a later request connects again."""
        ...


class Machine(Protocol):
    """What indexing makes room for. Thread-safe; both methods may read files, but never wait."""

    def on_battery(self) -> bool:
        """Return whether the machine runs on battery now."""
        ...

    def other_load(self) -> float:
        """Return the share (0 to 1) of all cores that other programs used since the last call."""
        ...


class PauseStore(Protocol):
    """Remembers the pause that a person asked for. Thread-safe."""

    def load(self) -> int | None:
        """Return until when (ns since the epoch, 0 for no end); None if there is no pause."""
        ...

    def save(self, until_ns: int | None) -> None:
        """Remember that, instead of what was."""
        ...


class FileStore(Protocol):
    """What watching and planning need of the catalog. Thread-safe."""

    def roots(self) -> list[RootRow]:
        """Return every root that is not dropped, by id."""
        ...

    def remove_dropped(self, most: int) -> bool:
        """Remove at most so many files of dropped roots; return whether there may be more."""
        ...

    def update_root(self, root: RootRow) -> None:
        """Replace the stored identity and online state of `root.id`."""
        ...

    def mounts(self, root_id: int) -> list[MountRow]:
        """Return the file systems that are, or were, mounted below a root, by folder."""
        ...

    def put_mount(self, mount: MountRow) -> None:
        """Keep what is known of a mount; replaces what was."""
        ...

    def drop_mount(self, root_id: int, directory: bytes) -> None:
        """Forget that something was mounted on this folder."""
        ...

    def iter_files(self, root_id: int, directory: bytes, *, recursive: bool) -> Iterator[FileRow]:
        """Yield the files in `directory` (and below, if recursive), ordered by (dir, name)."""
        ...

    def sample_files(
        self, root_id: int, directory: bytes, most: int
    ) -> list[tuple[FileRow, bytes | None]]:
        """Return some files in `directory` and below, drawn at random, each with its hash.

        The hash is that of the bytes at the file's stamp; None if they were not read.
        """
        ...

    def files_named(
        self, root_id: int, directory: bytes, names: Collection[bytes]
    ) -> list[FileRow]:
        """Return those files in `directory` that bear one of `names`."""
        ...

    def subdirectories(self, root_id: int, directory: bytes) -> set[bytes]:
        """Return the full relative paths of all folders strictly below that hold known files."""
        ...

    def files_by_inode(self, inode: int) -> list[FileRow]:
        """Return every known file with that inode number, on whatever root."""
        ...

    def apply(self, changes: FileChanges) -> int:
        """Commit `changes` in one transaction and return the clock after it."""
        ...


class Watcher(Protocol):
    """Hears of changes in single folders. What it tells are hints: the disk is always asked.

    Thread-safety: any thread; `on_hint` is called on a thread of the watcher's own and must
    not block.
    """

    def start(self, on_hint: Callable[[Hint], None]) -> None:
        """Begin to listen."""
        ...

    def watch(self, directory: bytes) -> Coverage:
        """Hear of changes in `directory` (not below) from now on; harmless when repeated.

        What happens after this returns is heard of, so list the folder only then.
        """
        ...

    def forget(self, directory: bytes) -> None:
        """Stop hearing of `directory`; harmless if it was never watched."""
        ...

    def watch_above(self, root: bytes) -> None:
        """Hear of it when a folder above `root` is renamed or deleted; harmless when repeated."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Wait until every change made before the call was told; False if that cannot be known."""
        ...

    def told_all(self) -> bool:
        """Return whether every change made before the call was told, as far as is known.

        Never blocks.
        """
        ...

    def mount_points(self) -> Mapping[bytes, str]:
        """Return the type of the file system on each mount point, by absolute path.

        Empty where the system tells none.
        """
        ...

    def limit(self) -> tuple[str, int] | None:
        """Return (name, value) of the setting that bounds the number of watches, if one does."""
        ...

    def stop(self) -> None:
        """Stop listening; nothing is heard after this returns."""
        ...


class EmbeddingSource(Protocol):
    """What the index needs of the catalog. Thread-safe."""

    def clock(self) -> int:
        """Return the catalog's change counter."""
        ...

    def instance(self) -> str:
        """Return the catalog's own name, made with it; a clock means nothing under another."""
        ...

    def live_count(self, fingerprint: str) -> int:
        """Return how many contents borne by at least one file have an embedding."""
        ...

    def stream_embeddings(
        self, fingerprint: str, batch_size: int
    ) -> tuple[int, Iterator[IndexChanges]]:
        """Return (clock, batches): all live embeddings at that clock, by ascending id.

        The batches come from one read snapshot, carry that clock and remove nothing.
        """
        ...

    def embedding_changes(
        self, fingerprint: str, since: int, limit: int
    ) -> tuple[int, IndexChanges]:
        """Return (number, changes): what changed after clock `since`, at most about `limit` ids.

        `changes.clock` is how far they reach; call again from there until it stands still.
        """
        ...

    def embeddings(self, fingerprint: str, ids: Sequence[int]) -> dict[int, Float32Array]:
        """Return the vectors (shape (dim,), float32, L2-normalised) of those ids that have one."""
        ...


class VectorIndex(Protocol):
    """Nearest neighbours by inner product over L2-normalised vectors, ids int64 ≥ 0.

    Thread-safety: searches from any number of threads, beside one writer; a search sees each
    `apply` whole or not at all.
    """

    @property
    def dim(self) -> int:
        """Length of every vector."""
        ...

    @property
    def clock(self) -> int:
        """Catalog clock up to which this index is complete."""
        ...

    def __len__(self) -> int:
        """Return the number of vectors that a search can find."""
        ...

    def search(
        self, queries: Float32Array, k: int, *, allowed: Int64Array | None = None
    ) -> tuple[Float32Array, Int64Array]:
        """Return the k best per query, best first, ties by ascending id.

        Args:
            queries: shape (n, dim), float32, rows L2-normalised within 1e-3, finite.
            allowed: sorted unique ids; only these may be found. None allows all.

        Returns:
            (scores, ids), both (n, k'), k' = min(k, number that can be found); score is the exact
            cosine (of the fp16 vectors) in [-1, 1].

        Raises:
            DimensionError: queries' second dimension is not `dim`.
            BadRequestError: k < 1, or a query that is not finite.
        """
        ...

    def apply(self, changes: IndexChanges) -> None:
        """Take in one step of changes; `clock` moves to `changes.clock`."""
        ...


class WorkQueue(Protocol):
    """What ingestion needs of the catalog. Thread-safe."""

    def pending_files(self, limit: int) -> list[FileRow]:
        """Return files that wait to be read, on online roots: live events first, then by age."""
        ...

    def link_contents(self, read: Sequence[tuple[FileRow, bytes]]) -> int:
        """Record (file, BLAKE2b-256 of its bytes) in one transaction; return the clock.

        A file whose row has changed since it was handed out stays pending.
        """
        ...

    def keep_companions(self, read: Sequence[tuple[FileRow, Facts | None]]) -> int:
        """Record files beside images, and what sidecars among them say; return the clock."""
        ...

    def fail_files(self, failures: Sequence[tuple[FileRow, str, str]]) -> int:
        """Record (file, reason, message) of files that could not be read; return the clock."""
        ...

    def contents_to_encode(
        self, fingerprint: str, limit: int, skip: set[int]
    ) -> list[tuple[int, FileRow]]:
        """Return (content id, a file that bears it) lacking an embedding, on online roots."""
        ...

    def vectors_of_pixels(
        self, fingerprint: str, digests: Sequence[bytes]
    ) -> dict[bytes, Float32Array]:
        """Return the vectors (shape (dim,)) that the model gave these very pixels, by digest."""
        ...

    def encode_again(self, fingerprint: str, digests: Sequence[bytes]) -> int:
        """Drop the vectors that the model gave these pixels; return how many images are queued."""
        ...

    def commit_embeddings(
        self,
        fingerprint: str,
        encoded: Sequence[tuple[int, ImageInfo]],
        vectors: Float32Array,
        failures: Sequence[tuple[int, str, str]],
        pixels: Mapping[int, bytes],
    ) -> int:
        """Commit a batch in one transaction; return the clock.

        Args:
            encoded: content ids, in the order of the rows of `vectors` (n, dim).
            failures: (content id, reason, message) of contents that cannot be decoded.
            pixels: digests of what was encoded, by content id, for `vectors_of_pixels`.
        """
        ...


class IdleQueue(Protocol[Read_contra]):
    """Images of which something is to be read while nothing else waits. Thread-safe."""

    def fill(self) -> int:
        """Have all read that is not yet, or was by another version; return how many wait."""
        ...

    def waiting(self) -> int:
        """Return how many images that a file bears wait."""
        ...

    def contents_to_read(self, limit: int, skip: Collection[int]) -> list[tuple[int, FileRow]]:
        """Return (content id, a file that bears it) on online roots, the newest first."""
        ...

    def record(self, read: Sequence[tuple[int, Read_contra | None]]) -> int:
        """Record what was read in one transaction, None for what cannot be; return the clock."""
        ...


class ImageStore(Protocol):
    """Questions about the images that at least one file bears. Thread-safe.

    Where a model's fingerprint is given, "indexed" means: with an embedding of that model.
    """

    def images(
        self,
        ids: Sequence[int],
        fingerprint: str | None = None,
        *,
        companions: bool = True,
        facts: bool = True,
    ) -> dict[int, Image]:
        """Return those of `ids` that a file bears, each with its online files first.

        Args:
            companions: False leaves out what lies beside the files, which is a third of the work.
            facts: False leaves out all that a hit does not show.
        """
        ...

    def page(self, after: int, limit: int, fingerprint: str | None = None) -> list[Image]:
        """Return up to `limit` images with ids above `after`, ascending."""
        ...

    def content_files(self, content_id: int) -> ContentFiles | None:
        """Return the files that bear an image; None if there are none."""
        ...

    def films(self, content_id: int) -> list[tuple[bytes, Stamp]]:
        """Return (path, stamp) of the films that belong to an image, online ones only."""
        ...

    def counts(self, fingerprint: str | None) -> FileCounts:
        """Return how many files are in which state."""
        ...

    def files_per_root(self) -> dict[int, int]:
        """Return the number of files by root id."""
        ...

    def stats(self, index_bytes: int) -> Stats:
        """Return what the library holds; `index_bytes` is passed through."""
        ...


class FailureLog(Protocol):
    """Files that cannot be searched. Thread-safe."""

    def page(self, after: int, limit: int) -> tuple[int | None, list[Failure]]:
        """Return (last file id, None at the end; failures) of files with ids above `after`."""
        ...

    def reasons(self) -> dict[str, int]:
        """Return how many files have failed, by reason."""
        ...

    def retry(self) -> int:
        """Forget every failure, so that all of these are tried again; return how many files."""
        ...


class ChangeLog(Protocol):
    """What happened to files, in the order of the catalog's clock. Thread-safe."""

    def covers(self, clock: int) -> bool:
        """Return whether every change after `clock` is still in the log."""
        ...

    def since(self, clock: int, until: int, limit: int) -> tuple[int, list[Change]]:
        """Return (clock reached, changes) after `clock`, whole transactions only."""
        ...

    def state(self, after_file: int, limit: int) -> tuple[int | None, list[Change]]:
        """Return (last file id, None at the end; every file as if just added), page by page."""
        ...


class ModelTable(Protocol):
    """The models that the catalog has embeddings of. Thread-safe."""

    def get(self, fingerprint: str) -> ModelInfo | None:
        """Return what is known of a model, or None."""
        ...

    def activate(self, models: Sequence[ModelInfo]) -> None:
        """Make these the models that every live content is encoded with, and no others."""
        ...

    def set_serving(self, fingerprint: str) -> None:
        """Record that this model answers queries from now on."""
        ...

    def move_decision(self, fingerprint: str) -> bool | None:
        """Return whether a person wants to move to that model; None if nobody has said."""
        ...

    def decide_move(self, fingerprint: str, *, wanted: bool) -> None:
        """Record whether a person wants to move to that model, and to no other."""
        ...


class SearchStore(Protocol):
    """What searching needs of the catalog besides vectors. Thread-safe."""

    @property
    def state(self) -> Hashable:
        """What answers depend on: while it is the same, images and files are. Costs nothing."""
        ...

    def one_moment(self) -> contextlib.AbstractContextManager[None]:
        """Have all that this thread asks here, of images and of embeddings be of one moment."""
        ...

    def matching(self, filters: Filters) -> Int64Array:
        """Return the sorted ids of live contents that pass.

        Args:
            filters: `taken_from` and `taken_to` are local times, beginning and end (left out).
        """
        ...

    def order_keys(self, ids: Sequence[int]) -> dict[int, tuple[str | None, bytes]]:
        """Return (taken_at, path of a file, an online one if there is one) by content id."""
        ...

    def developed(self, ids: Sequence[int]) -> dict[int, set[int]]:
        """Return those of `ids` that are RAW, with the pictures made from each."""
        ...

    def named(self, text: str, limit: int, *, whole_words: bool = False) -> Int64Array:
        """Return the sorted ids of live contents whose names and metadata have all words of a text.

        Where none has, those that have words which begin so.

        Args:
            limit: the newest of them, if there are more.
            whole_words: no beginnings.
        """
        ...

    def named_by(self, columns: str, text: str, ids: Sequence[int]) -> set[int]:
        """Return those of `ids` of which some columns of the names have all words of a text.

        Args:
            columns: of "file" (files and folders), "told" (metadata), "seen" (text in pictures).
        """
        ...

    def fill_names(self) -> bool:
        """Take in some names and places not yet looked for; return whether there are more."""
        ...

    def places(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Return those folded names that places of images have, with each such place."""
        ...

    def towns(self, name: str) -> Sequence[Town]:
        """Return the towns of the world with a name, in any language, the largest first.

        A few at most. Blocks, for 0.2 s at the first time.
        """
        ...

    def called(self, names: Sequence[str]) -> dict[str, list[KnownName]]:
        """Return those folded names that something in the library has, and what has them."""
        ...

    def spellings(self) -> Sequence[str]:
        """Return names that something in the library or one of its places has, folded.

        With them stand the single words that they are made of, and what places are called in other
        languages comes last.
        """
        ...

    def bearing(self, names: Sequence[KnownName]) -> Int64Array:
        """Return the sorted ids of live images, the newest if there are many, that bear one."""
        ...

    def sample_ids(self, fingerprint: str, count: int) -> list[int]:
        """Return up to `count` live contents with an embedding, drawn evenly from all.

        The order in which images came is no matter: the same library has the same sample.
        """
        ...

    def new_embeddings(
        self, fingerprint: str, after: tuple[int, int], limit: int
    ) -> list[tuple[int, int]]:
        """Return (clock, content id) of images first encoded after that pair, in this order."""
        ...

    def texts(self, fingerprint: str, texts: Sequence[str]) -> dict[str, Float32Array]:
        """Return the embeddings, shape (dim,), of those texts that are kept."""
        ...

    def keep_texts(self, fingerprint: str, vectors: Mapping[str, Float32Array]) -> None:
        """Keep embeddings of texts; does nothing where the catalog is read only."""
        ...


class SavedSearchStore(Protocol):
    """Searches with names. Thread-safe."""

    def saved(self) -> list[SavedSearch]:
        """Return all, by name."""
        ...

    def save(self, search: SavedSearch) -> None:
        """Keep a search; one of the same name is replaced."""
        ...

    def forget(self, name: str) -> None:
        """Drop a search.

        Raises:
            NotFoundError: there is none of this name.
        """
        ...


class UserMetadataStore(Protocol):
    """What the user says of images, by content id. Thread-safe."""

    def replace(self, metadata: Mapping[int, Mapping[str, Any]]) -> None:
        """Replace everything that the user says of contents.

        Raises:
            BadRequestError: a value that JSON cannot hold, or too much; nothing was changed.
        """
        ...

    def change(self, content_id: int, changes: Mapping[str, Any]) -> None:
        """Set some of the values; None takes one away. Errors as for `replace`."""
        ...

    def tag(
        self, content_ids: Iterable[int], add: Sequence[str], remove: Sequence[str] = ()
    ) -> None:
        """Add and remove tags, whatever their case; those that an image has already stay."""
        ...
