"""Zero-shot labels: which of some texts fit stored images best."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from imgvecd.api import ClassifyRequest, ClassifyResponse, Filters, Image, Label, Labelled, Path
from imgvecd.core.search.relevance import TEXT
from imgvecd.core.search.searcher import Searcher
from imgvecd.core.small_products import matrix_times
from imgvecd.core.threads import FILTERING, INTERACTIVE
from imgvecd.errors import BadRequestError
from imgvecd.protocols import EmbeddingSource, ImageStore, UserMetadataStore
from imgvecd.types import Float32Array, Lane

# Shares are a softmax of cosines over a third of the deviation that texts have in the library: for
# imgvecd-mini and for OpenAI's models this comes near the temperature that they were trained with.
_TEMPERATURE = 1 / 3
_DEVIATION = 0.1  # where the library is too small to measure it
_AT_ONCE = 64  # images: their scores of a thousand labels take a quarter of a megabyte


class Labeller:
    """Labels stored images. For one event loop."""

    def __init__(
        self, image_store: ImageStore, embeddings: EmbeddingSource, user_metadata: UserMetadataStore
    ) -> None:
        self._image_store = image_store
        self._embeddings = embeddings
        self._user_metadata = user_metadata

    async def classify(self, searcher: Searcher, request: ClassifyRequest) -> ClassifyResponse:
        """Return the images that `request` names, each with its best labels.

        Raises:
            BadRequestError: the template has no place for a label, or a filter makes no sense.
            ModelError, WorkerError: the labels cannot be encoded.
        """
        if "{}" not in request.template:
            raise BadRequestError("`template` needs a `{}` for the label")
        texts = [request.template.replace("{}", label) for label in request.labels]
        vectors = await searcher.terms.texts(texts, Lane.INTERACTIVE)
        ordinary = await searcher.scales.ordinary(TEXT)
        temperature = _TEMPERATURE * (ordinary.deviation if ordinary else _DEVIATION)
        matrix = np.stack([vectors[text] for text in texts])
        ids, images = await FILTERING.run(self._images, searcher, request)
        labelled = await INTERACTIVE.run(
            self._label, searcher.model.fingerprint, request, images, matrix, temperature
        )
        if request.write_tags:
            await INTERACTIVE.run(self._write_tags, labelled)
        full = not request.ids and len(ids) == request.limit
        return ClassifyResponse(images=tuple(labelled), next_after=ids[-1] if full else None)

    def _write_tags(self, labelled: list[Labelled]) -> None:
        for image in labelled:
            self._user_metadata.tag([image.id], [label.label for label in image.labels])

    def _images(
        self, searcher: Searcher, request: ClassifyRequest
    ) -> tuple[list[int], Mapping[int, Image]]:
        """Return (ids of a page, those images of it that are there, by id)."""
        if request.ids:
            ids = list(request.ids)
        elif request.filters == Filters():
            page = self._image_store.page(request.after, request.limit, searcher.model.fingerprint)
            return [image.id for image in page], {image.id: image for image in page}
        else:
            allowed = searcher.allowed_ids(request.filters)
            assert allowed is not None  # noqa: S101  # there are filters
            ids = allowed[allowed > request.after][: request.limit].tolist()
        return ids, self._image_store.images(ids, companions=False, facts=False)

    def _label(
        self,
        fingerprint: str,
        request: ClassifyRequest,
        images: Mapping[int, Image],
        matrix: Float32Array,
        temperature: float,
    ) -> list[Labelled]:
        vectors = self._embeddings.embeddings(fingerprint, list(images))
        there = [image for image in images.values() if image.id in vectors]
        labelled = []
        for start in range(0, len(there), _AT_ONCE):
            some = there[start : start + _AT_ONCE]
            scores = np.stack([matrix_times(matrix, vectors[image.id]) for image in some])
            for image, labels in zip(some, _best(scores, request, temperature), strict=True):
                path = Path(image.files[0].path, image.files[0].path_base64)
                labelled.append(Labelled(id=image.id, path=path, labels=labels))
        return labelled


def _best(
    scores: Float32Array, request: ClassifyRequest, temperature: float
) -> list[tuple[Label, ...]]:
    """Return the best labels of each image, for scores of shape (images, labels)."""
    weights = np.exp((scores - scores.max(axis=1, keepdims=True)) / temperature)
    shares = weights / weights.sum(axis=1, keepdims=True)
    order = np.argsort(-scores, axis=1, kind="stable")[:, : request.top]
    best = (order, np.take_along_axis(scores, order, 1), np.take_along_axis(shares, order, 1))
    least = request.least_share()
    return [
        tuple(
            Label(label=request.labels[place], score=round(score, 4), share=round(share, 4))
            for place, score, share in zip(*image, strict=True)
            if share >= least
        )
        for image in zip(*(each.tolist() for each in best), strict=True)
    ]
