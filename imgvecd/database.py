"""`VectorDatabase`: the library for programs, over the same parts as the daemon.

Works in scripts, threads and notebooks: everything asynchronous runs on a thread of its own.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from imgvecd import api, arguments, library_ops
from imgvecd.catalog import require_no_fork
from imgvecd.closing import ContextManaged
from imgvecd.command_hints import runnable
from imgvecd.config.schema import Config, EncodeConfig, ModelConfig, ServerConfig
from imgvecd.core.library import export
from imgvecd.core.library.model_choice import EMBEDDED
from imgvecd.embedded_runtime import DEFAULT_MODEL, EmbeddedRuntime, open_runtime, release
from imgvecd.errors import (
    BadRequestError,
    ConfigError,
    DimensionError,
    ImgvecdError,
    ModelError,
    NotFoundError,
    UnreadableImageError,
)
from imgvecd.former_names import also_called
from imgvecd.picture_input import AnyPath, AnyPicture, content_of
from imgvecd.processes.legacy_import import is_legacy
from imgvecd.validation_messages import validation_message
from imgvecd.wiring.assembly import stored_model
from imgvecd.wiring.parts import fetch_image, write_parquet

logger = logging.getLogger(__name__)


class _ModelsOwn(int):
    """The former default, which now means: whatever the model has."""


class _Stored(str):
    """The former default, which now means: the model that the database has, if it exists."""

    __slots__ = ()


_MOST = 2**31 - 1  # results that are asked for: all, that is
_LARGEST_THUMBNAIL = 4096  # pixels, as the API has it
_DEFAULT_DIMENSION = _ModelsOwn(512)
_DEFAULT_NAME = _Stored(DEFAULT_MODEL.name)
_DEFAULT_PRETRAINED = _Stored(DEFAULT_MODEL.pretrained)


class VectorDatabase(ContextManaged):
    """Images in a folder of its own, found by text or by image.

    Safe to use from any thread, and any number of times on one folder. Close it, or use it as a
    context manager; what was added is on disk when the adding method returns. While another
    process writes to the folder (a running `imgvecd serve`, say), it is open for reading only.

    Args:
        model_name, pretrained: as for open_clip; `pretrained` may be a checkpoint file. Left out,
            they mean the model that the database has, if it exists. "imgvecd-mini" needs no other
            argument and no network. Where a new database's default model cannot be fetched, it
            starts on that one, with a warning, and stays on it.
        db_path: folder of the catalog and index, made if missing. A folder of the former layout
            (`index.faiss`, `metadata.pkl`) is taken over when first opened.
        dimension: if given, must be the model's.
        device: "auto" takes CUDA where there is one; "cpu", "cuda", "mps".
        encode: further settings of how pictures are encoded, as in the section `encode` of
            `imgvecd.yaml`: `{"remote": [{"url": …, "token_file": …}], "without_remote": "wait"}`
            has encode servers do it.
        read_only: write nothing, even where no other process does.

    Raises:
        NotFoundError: it is to be read only, and is not there.
        ConfigError: `encode` has a setting that there is not, or one that makes no sense.
        ModelError: the model cannot be loaded; the message names the ways out.
        DimensionError: `dimension` does not fit the model.
        AlreadyRunningError: another process has just begun to make a database there.
        BadRequestError: this process was forked while a database was open; so do all methods of
            that one.
    """

    def __init__(
        self,
        model_name: str = _DEFAULT_NAME,
        pretrained: str = _DEFAULT_PRETRAINED,
        db_path: str | os.PathLike[str] = "vector_db",
        dimension: int = _DEFAULT_DIMENSION,
        *,
        device: str = "auto",
        encode: Mapping[str, Any] | None = None,
        read_only: bool = False,
    ) -> None:
        require_no_fork()
        self.db_path = os.path.abspath(arguments.path(db_path, "db_path"))
        arguments.text(model_name, "model_name")
        arguments.text(pretrained, "pretrained")
        encoding = _encoding(device, encode)
        stored = stored_model(self.db_path, restore=not read_only)
        if read_only and stored is None:
            raise NotFoundError(f"there is no database in {self.db_path}")
        unsaid = isinstance(model_name, _Stored) and isinstance(pretrained, _Stored)
        wanted = ModelConfig(name=str(model_name), pretrained=str(pretrained))
        legacy = is_legacy(self.db_path) and stored is None
        config = Config(
            state_dir=self.db_path,
            model=stored if stored and unsaid else wanted,
            encode=encoding,
            server=ServerConfig(fetch_urls=True),
        )
        made = not os.path.lexists(self.db_path)
        try:
            self._runtime: EmbeddedRuntime | None = _opened(
                config, read_only=read_only, unsaid=unsaid and stored is None
            )
        except BaseException as error:
            if made:  # nothing of anybody's is in it yet
                shutil.rmtree(self.db_path, ignore_errors=True)
            if isinstance(error, ImgvecdError):
                error.args = (runnable(str(error)), *error.args[1:])
            if isinstance(error, ModelError):  # the way out is in its message, not in our frames
                raise error.with_traceback(None) from None
            raise
        try:
            self.dimension = self._checked(dimension)
            if legacy:
                self.import_legacy(self.db_path)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        if self._runtime is None:
            return f"<VectorDatabase {self.db_path!r}, closed>"
        return f"<VectorDatabase {self.db_path!r}, {self._runtime.model.name}>"

    @property
    def read_only(self) -> bool:
        """Whether nothing can be changed: another process writes, or it was opened so."""
        return self._opened().read_only

    @property
    def clock(self) -> str:
        """The database's change counter now, for `export_metadata(since=…)` later."""
        embeddings = self._opened().catalog.embeddings
        return api.clock_text(embeddings.instance(), embeddings.clock())

    def add_image(self, image_path: AnyPicture, metadata: Mapping[str, Any] | None = None) -> int:
        """Add an image and return its id; the same bytes have the same id everywhere.

        Args:
            image_path: a path or URL, or the picture itself: bytes, a file open for reading, a
                `PIL.Image`, a numpy array (see `imgvecd.picture_input`), which the database keeps.
            metadata: JSON values by name, kept with the image; replaces what it had.

        Raises:
            FileNotFoundError: there is no such file.
            UnreadableImageError: it cannot be fetched or decoded.
            BadRequestError: the URL leads to no public address; the metadata is no JSON.
            ReadOnlyError: the database is open for reading only.
        """
        (result,) = self._add([image_path], library_ops.checked_metadatas([metadata], 1))
        if isinstance(result, UnreadableImageError):
            raise result
        return result

    def add_images_batch(
        self,
        image_paths: Sequence[AnyPicture],
        metadatas: Sequence[Mapping[str, Any] | None] | None = None,
    ) -> list[int | None]:
        """Add image files and URLs; return their ids in order, None where one is no image.

        Raises:
            FileNotFoundError: one of the files does not exist; none was added.
            BadRequestError: `metadatas` has another length; a URL leads to no public address.
        """
        paths = library_ops.required_list(image_paths)
        results = self._add(paths, library_ops.checked_metadatas(metadatas, len(paths)))
        return [None if isinstance(result, UnreadableImageError) else result for result in results]

    def add_images_explained(
        self,
        image_paths: Sequence[AnyPicture],
        *,
        progress: Callable[[int], None] | None = None,
    ) -> list[int | UnreadableImageError]:
        """Add image files and URLs; return, in order, their ids or what is wrong with them.

        A file that is not there is wrong like any other, and does not keep the others out.

        Args:
            progress: told now and then how many images were encoded so far, on another thread.
        """
        paths = library_ops.required_list(image_paths)
        if not (progress is None or callable(progress)):
            raise BadRequestError(f"progress must be callable, not {type(progress).__name__}")
        return library_ops.add(self._opened(), paths, skip_missing=True, progress=progress)

    def remove_image(self, image_id: int) -> None:
        """Take an image out of the database; its files stay where they are.

        Raises:
            NotFoundError: there is no such image.
        """
        self.remove_images([image_id])

    def remove_images(self, image_ids: Sequence[int]) -> int:
        """Take images out of the database and return how many.

        Raises:
            NotFoundError: one of them is not there; none was removed.
        """
        known = library_ops.require_known(self._opened(), image_ids)
        return library_ops.remove(self._opened(), known)

    def relocate(self, old_prefix: AnyPath, new_prefix: AnyPath) -> dict[str, int]:
        """Follow files that have moved from one folder (or name) to another; encodes nothing.

        Returns: `moved`, `changed` (moved, but with other bytes: read anew), `missing` (not found
            at the new place either: left as they were).
        """
        return library_ops.relocate(self._opened(), old_prefix, new_prefix)

    def import_legacy(self, directory: str | os.PathLike[str]) -> dict[str, int]:
        """Take over vectors, paths and metadata of a folder of the former layout; encodes nothing.

        Returns: `imported`, `files_missing` (imported all the same), `unusable` (left out).

        Raises:
            BadRequestError: the folder's files are missing, damaged or hostile.
            DimensionError: its vectors are not of this database's model.
        """
        folder = arguments.path(directory, "directory")
        return library_ops.import_legacy(self._opened(), folder)

    def set_metadata(self, image_id: int, metadata: Mapping[str, Any]) -> None:
        """Replace what you say of an image; it stays with it through renames and model changes.

        Raises:
            NotFoundError: there is no such image.
            BadRequestError: a value that JSON cannot hold.
        """
        values = arguments.mapping(metadata, "metadata")
        runtime = self._opened()
        runtime.require_writing()
        (known,) = library_ops.require_known(runtime, [image_id])
        runtime.catalog.user_metadata.replace({known: values})

    def tag(
        self, image_ids: Sequence[int], add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> None:
        """Add and remove tags (`metadata["tags"]`) of images; case does not matter.

        Raises:
            NotFoundError: one of the images is not there; none was changed.
        """
        runtime = self._opened()
        runtime.require_writing()
        added, removed = arguments.texts(add, "add"), arguments.texts(remove, "remove")
        known = library_ops.require_known(runtime, image_ids)
        runtime.catalog.user_metadata.tag(known, added, removed)

    def get_image(self, image_id: int) -> dict[str, Any]:
        """Return what is known of an image: as in results of searches, without `similarity`.

        Raises:
            NotFoundError: there is no such image.
        """
        runtime = self._opened()
        (found,) = self._described(library_ops.require_known(runtime, [image_id]))
        return found

    def thumbnail(self, image_id: int, size: int = 256) -> bytes:
        """Return an image as a small JPEG, upright, in sRGB, at most `size` pixels a side.

        Raises:
            NotFoundError: there is no such image.
            BadRequestError: a size that is no whole number of 1 to 4096.
            OfflineError, UnreadableImageError: none of its files can be read.
        """
        runtime = self._opened()
        side = arguments.whole(size, "size", least=1, most=_LARGEST_THUMBNAIL)
        (known,) = library_ops.require_known(runtime, [image_id])

        async def made() -> bytes:
            return await runtime.thumbnails.picture(await runtime.thumbnails.find(known, side))

        return runtime.run(made())

    def search(
        self,
        query: str | api.SearchRequest,
        **fields: Any,  # noqa: ANN401  # of `api.SearchRequest`
    ) -> api.SearchResponse:
        """Return a page of hits for the query that `imgvec`, `Client` and the API also take.

        Other than `search_by_text` it leaves out what is not relevant; `all=True` does not.

        Args:
            query: a text or a request.
            fields: further fields of the request, such as `filters`, `order`, `limit`.

        Raises:
            BadRequestError: a field that there is not, or that makes no sense.
            NotFoundError, UnreadableImageError: an image that is not there, or is none.
        """
        runtime = self._opened()
        request = api.search_request(query, fields)
        return runtime.run(runtime.searcher.search(request))

    @also_called(query="query_text", text="query_text")
    def search_by_text(self, query_text: str, k: int = 10) -> list[dict[str, Any]]:
        """Return the k images nearest to a text, best first: see `search_by_image`."""
        return self._search([_text_term(query_text)], k)

    @also_called(query_image_path="query_image", image_path="query_image", query="query_image")
    def search_by_image(self, query_image: AnyPicture, k: int = 10) -> list[dict[str, Any]]:
        """Return the k images nearest to an image file or URL, best first.

        Returns: dicts with `id`, `image_path` (the URL of an image that was fetched from one),
            `similarity` (cosine, -1 to 1), `metadata` (as given to `add_image`), `format`,
            `width`, `height`, `size_bytes`, `date` (when taken, else when last modified),
            `local_path` and `file_metadata` (what the file says: docs/formats.md).

        Raises:
            BadRequestError: k < 1.
            FileNotFoundError, UnreadableImageError: the query image cannot be read.
        """
        return self._search([_image_term(query_image)], k)

    @also_called(text="query_text", query_image_path="query_image", image_path="query_image")
    def search_combined(
        self,
        query_text: str,
        query_image: AnyPicture,
        k: int = 10,
        *,
        text_weight: float = 1.0,
        image_weight: float = 1.0,
    ) -> list[dict[str, Any]]:
        """Return the k images nearest to a text and an image together; a negative weight averts."""
        image = _image_term(query_image, image_weight)
        return self._search([_text_term(query_text, text_weight), image], k)

    @also_called(threshold="similarity_threshold")
    def find_duplicates(
        self,
        similarity_threshold: float = 0.95,
        **choices: Any,  # noqa: ANN401  # see below
    ) -> list[list[dict[str, Any]]]:
        """Return groups of files that are the same picture, or nearly; deletes nothing.

        The first call looks at every picture once, which takes a while.

        Args:
            similarity_threshold: cosine from which pictures that are not the same are "similar".
            choices: further fields of `api.DuplicatesRequest`: `kinds`, `rules`, `prefer`,
                `protect`, `burst_s`.

        Returns: groups, the surest first; of each the file to keep first. Files are dicts with
            `id`, `image_path`, `kind` ("same_bytes", "same_pixels", "reencoded", "transformed",
            "burst", "similar"), `similarity`, `keep`, `hash`, `format`, `width`, `height`,
            `size_bytes`, `date`.

        Raises:
            BadRequestError: a choice that makes no sense.
        """
        return [
            [_duplicate(file) for file in group.files]
            for group in self.duplicates(similarity_threshold, **choices).groups
        ]

    def duplicates(
        self,
        similarity_threshold: float = 0.95,
        **choices: Any,  # noqa: ANN401  # see above
    ) -> api.Duplicates:
        """Return what `find_duplicates` does, as the API tells it."""
        least = arguments.number(similarity_threshold, "similarity_threshold")
        try:
            fields = {"min_similarity": least, **choices}
            request = msgspec.convert(fields, api.DuplicatesRequest)
        except msgspec.ValidationError as error:
            raise BadRequestError(
                f"duplicates: {validation_message(error, api.DuplicatesRequest)}"
            ) from error
        except UnicodeEncodeError as error:
            raise BadRequestError(f"duplicates: a choice is not text: {error.object!r}") from error
        runtime = self._opened()
        runtime.run(runtime.duplicates.prepare())
        return runtime.run(runtime.duplicates.find(request, runtime.model, runtime.index))

    def check_duplicate(
        self, image: AnyPicture, similarity_threshold: float = 0.95
    ) -> list[dict[str, Any]]:
        """Return the files that are this picture already, as in `find_duplicates`.

        Raises:
            FileNotFoundError, UnreadableImageError: the image cannot be read.
        """
        runtime = self._opened()
        least = arguments.number(similarity_threshold, "similarity_threshold")
        if library_ops.is_url(image):
            data = fetch_image(str(image))
        elif (content := content_of(image)) is not None:
            data = content
        else:
            with open(library_ops.absolute(image), "rb") as file:
                data = file.read()
        runtime.run(runtime.duplicates.prepare())
        found = runtime.run(runtime.duplicates.check(data, runtime.searcher.search, least))
        return [_duplicate(file) for file in found.matches]

    def decide_duplicates(self, hashes: Sequence[str], decision: str) -> None:
        """Record permanently what images with these hashes are to each other.

        Args:
            decision: "not_duplicates" or "keep_both", which both leave them out of groups from
                now on, or "undecided". A hash given twice means the copies of one image.

        Raises:
            BadRequestError: a hash that is none, fewer than 2 or more than 100 of them; another
                decision.
        """
        runtime = self._opened()
        runtime.require_writing()
        fields = {
            "hashes": arguments.texts(hashes, "hashes"),
            "decision": arguments.text(decision, "decision"),
        }
        try:
            wanted = msgspec.convert(fields, api.DuplicateDecision)
        except msgspec.ValidationError as error:
            raise BadRequestError(validation_message(error, api.DuplicateDecision)) from error
        runtime.catalog.duplicates.decide(
            [bytes.fromhex(name) for name in wanted.hashes], wanted.decision
        )

    @also_called(output_file="path", output_path="path")
    def export_metadata(
        self,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,  # noqa: A002  # what it is
        embeddings: bool = False,
        since: str | None = None,
    ) -> int:
        """Write what is known of every image to a file; return how many images.

        Args:
            format: "json", "jsonl", "csv" or "parquet"; None goes by the path's extension.
            embeddings: write them too, to a `.npy` beside it, in the same order.
            since: a clock, as the API tells it: only images that changed after it.

        Raises:
            BadRequestError: no such format, or a clock of another database.
        """
        runtime = self._opened()
        target = arguments.path(path, "path")
        wanted = None if format is None else arguments.text(format, "format")
        kind = export.export_format(target, wanted)
        clock = None if since is None else arguments.text(since, "since")
        after = export.since(clock, runtime.catalog.embeddings.instance())
        ids: list[int] = []

        def noting() -> Iterator[export.Record]:
            catalog = runtime.catalog
            for record in export.records(catalog.images, catalog.collection, after):
                ids.append(record["id"])
                yield record

        count = export.write(target, kind, noting(), write_parquet)
        if embeddings:
            beside = os.path.splitext(target)[0] + ".npy"
            model = runtime.model
            source = runtime.catalog.embeddings
            export.write_embeddings(beside, ids, source, model.fingerprint, model.dim)
        return count

    def get_stats(self) -> dict[str, Any]:
        """Return what the database holds: images that can be found, files, model, bytes on disk."""
        runtime = self._opened()
        stats = runtime.catalog.images.stats(runtime.index.size_bytes)
        return {
            "total_images": len(runtime.index),
            "total_files": stats.files,
            "failures": stats.failures,
            "dimension": self.dimension,
            "model_name": runtime.model.name,
            "pretrained": runtime.model.pretrained,
            "formats": stats.formats,
            "size_bytes": stats.size_bytes,
            "db_path": self.db_path,
            "db_bytes": stats.catalog_bytes + stats.index_bytes,
        }

    def close(self) -> None:
        """Write a checkpoint and, once a day, a backup, and close. Harmless when repeated.

        What other threads do with the database ends with an error of `imgvecd.errors`.
        A backup takes about a second for each 100,000 images.
        """
        runtime, self._runtime = self._runtime, None
        if runtime is not None:
            release(runtime)

    def _checked(self, dimension: int) -> int:
        model = self._opened().model
        if isinstance(dimension, _ModelsOwn):
            return model.dim
        if arguments.whole(dimension, "dimension", least=1, most=_MOST) != model.dim:
            raise DimensionError(
                f"dimension={dimension} does not fit {model.name}, whose embeddings have"
                f" {model.dim}: leave it out"
            )
        return model.dim

    def _opened(self) -> EmbeddedRuntime:
        runtime = self._runtime  # once: another thread may close
        if runtime is None:
            raise BadRequestError(f"the database {self.db_path} is closed")
        require_no_fork()
        return runtime

    def _add(
        self, paths: Sequence[AnyPicture], metadatas: Sequence[Mapping[str, Any] | None]
    ) -> list[int | UnreadableImageError]:
        runtime = self._opened()
        results = library_ops.add(runtime, paths)
        known = {
            result: metadata
            for result, metadata in zip(results, metadatas, strict=True)
            if metadata is not None and isinstance(result, int)
        }
        if known:
            runtime.catalog.user_metadata.replace(known)
        return results

    def _search(self, terms: Sequence[api.Term], k: int) -> list[dict[str, Any]]:
        runtime = self._opened()
        limit = arguments.whole(k, "k", least=1, most=_MOST)
        request = api.SearchRequest(terms=tuple(terms), limit=limit, all=True)
        response = runtime.run(runtime.searcher.search(request))
        scores = {hit.id: hit.score for hit in response.hits}
        return [
            {**found, "similarity": scores[found["id"]]} for found in self._described(list(scores))
        ]

    def _described(self, image_ids: Sequence[int]) -> list[dict[str, Any]]:
        catalog = self._opened().catalog
        images = catalog.images.images(image_ids)
        origins = catalog.collection.origins(image_ids)
        return [
            _described(images[image_id], origins.get(image_id))
            for image_id in image_ids
            if image_id in images
        ]


def _described(image: api.Image, origin: str | None) -> dict[str, Any]:
    file = image.files[0]
    path = os.fsdecode(api.Path(file.path, file.path_base64).raw())
    return {
        "id": image.id,
        "image_path": origin or path,
        "local_path": path,
        "metadata": image.user_metadata,
        "file_metadata": image.metadata,
        "format": image.format,
        "width": image.width,
        "height": image.height,
        "size_bytes": file.size_bytes,
        "date": image.taken_at or file.modified_at,
    }


def _duplicate(file: api.DuplicateFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "image_path": os.fsdecode(api.Path(file.path, file.path_base64).raw()),
        "kind": file.kind,
        "similarity": file.similarity,
        "keep": file.keep,
        "hash": file.hash,
        "format": file.format,
        "width": file.width,
        "height": file.height,
        "size_bytes": file.size_bytes,
        "date": file.taken_at or file.modified_at,
    }


def _text_term(text: str, weight: float = 1.0) -> api.Term:
    return _weighted(api.Term(text=arguments.text(text, "the text of a query")), weight)


def _weighted(term: api.Term, weight: float) -> api.Term:
    return msgspec.structs.replace(term, weight=arguments.number(weight, "a weight"))


def _image_term(image: AnyPicture, weight: float = 1.0) -> api.Term:
    if library_ops.is_url(image):
        return _weighted(api.Term(data=fetch_image(str(image))), weight)
    content = content_of(image)
    if content is not None:
        return _weighted(api.Term(data=content), weight)
    raw = library_ops.absolute(image)
    os.stat(os.fsdecode(raw))  # a missing file is Python's own error
    path = api.Path.of(raw)
    if path.path_base64 is None:
        return _weighted(api.Term(path=path.path), weight)
    return _weighted(api.Term(path_base64=path.path_base64), weight)


def _encoding(device: str, settings: Mapping[str, Any] | None) -> EncodeConfig:
    more = {} if settings is None else arguments.mapping(settings, "encode")
    try:
        return msgspec.convert({"device": device, **more}, EncodeConfig)
    except msgspec.ValidationError as error:
        raise ConfigError(f"encode: {error}") from None


def _opened(config: Config, *, read_only: bool, unsaid: bool) -> EmbeddedRuntime:
    """Open the state directory; with the model of the package where the default cannot be had.

    Args:
        unsaid: the model was left to us, and the database is new.
    """
    try:
        return open_runtime(config, read_only=read_only)
    except ModelError as error:
        if not unsaid:
            raise
        logger.warning(
            "%s is not available here; the new database starts on %s, and stays on it: %s",
            DEFAULT_MODEL.name,
            EMBEDDED,
            error,
        )
        embedded = ModelConfig(name=EMBEDDED)
        return open_runtime(msgspec.structs.replace(config, model=embedded), read_only=read_only)
