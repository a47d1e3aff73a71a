"""Zero-shot labels: which of some texts fit stored images best."""

from __future__ import annotations

import numpy as np

from imgvecd.api import ClassifyRequest, ClassifyResponse, Filters, Label, Labelled, Path
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
        ids = await FILTERING.run(self._ids, searcher, request)
        labelled = await INTERACTIVE.run(
            self._label, searcher.model.fingerprint, request, ids, matrix, temperature
        )
        if request.write_tags:
            await INTERACTIVE.run(self._write_tags, labelled)
        full = not request.ids and len(ids) == request.limit
        return ClassifyResponse(images=tuple(labelled), next_after=ids[-1] if full else None)

    def _write_tags(self, labelled: list[Labelled]) -> None:
        for image in labelled:
            self._user_metadata.tag([image.id], [label.label for label in image.labels])

    def _ids(self, searcher: Searcher, request: ClassifyRequest) -> list[int]:
        if request.ids:
            return list(request.ids)
        if request.filters == Filters():
            page = self._image_store.page(request.after, request.limit, searcher.model.fingerprint)
            return [image.id for image in page]
        allowed = searcher.allowed_ids(request.filters)
        assert allowed is not None  # noqa: S101  # there are filters
        return [int(i) for i in allowed[allowed > request.after][: request.limit]]

    def _label(
        self,
        fingerprint: str,
        request: ClassifyRequest,
        ids: list[int],
        matrix: Float32Array,
        temperature: float,
    ) -> list[Labelled]:
        vectors = self._embeddings.embeddings(fingerprint, ids)
        known = [identity for identity in ids if identity in vectors]
        images = self._image_store.images(known, companions=False, facts=False)
        return [
            Labelled(
                id=identity,
                path=Path(image.files[0].path, image.files[0].path_base64),
                labels=_best(matrix_times(matrix, vectors[identity]), request, temperature),
            )
            for identity, image in images.items()
        ]


def _best(scores: Float32Array, request: ClassifyRequest, temperature: float) -> tuple[Label, ...]:
    weights = np.exp((scores - scores.max()) / temperature)
    shares = weights / weights.sum()
    order = np.argsort(-scores, kind="stable")[: request.top]
    return tuple(
        Label(
            label=request.labels[i],
            score=round(float(scores[i]), 4),
            share=round(float(shares[i]), 4),
        )
        for i in order
        if shares[i] >= request.least_share()
    )
