"""Terms of a query to vectors: texts, image files, uploads, stored images, each with a weight."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from imgvecd.api import Path, Term
from imgvecd.core.search.known_texts import KnownTexts
from imgvecd.core.search.wording import (
    UNRELATED,
    all_but_the_end,
    is_read_to_the_end,
    is_same_word,
    singular,
    without_signs,
)
from imgvecd.core.threads import INTERACTIVE
from imgvecd.errors import BadRequestError, NotFoundError, UnreadableImageError
from imgvecd.protocols import Decoder, EmbeddingSource, Encoder, SearchStore
from imgvecd.types import Float32Array, Lane, ModelInfo

# Texts of different people that are encoded together: enough for all who may be connected at once.
_BATCH = 256
# Who asks for so few waits for the batch that is being encoded, not for all that others wait for.
# All searches that are encoded at once, 32 of them, leave half of a batch to those.
_FEW = 4
# Models read some 50 words; what is far beyond would be cleaned and split into tokens for nothing.
_LONGEST_TEXT = 2000
_NO_DIRECTION = 1e-6  # terms that cancel each other out leave a vector shorter than this


_EMPTY = "`text` is empty: say what to look for"
Fetch = Callable[[str], bytes]


class TermEncoder:
    """Makes vectors of terms, with one model. For one event loop.

    A text is encoded once: afterwards it is found in memory, or in the catalog, and needs no model.

    Args:
        fetch: returns the image at a URL, and blocks; None where that is not wanted.
    """

    def __init__(
        self,
        model: ModelInfo,
        encoder: Encoder,
        decoder: Decoder,
        embeddings: EmbeddingSource,
        store: SearchStore,
        fetch: Fetch | None = None,
    ) -> None:
        self._fetch = fetch
        self._model = model
        self._encoder = encoder
        self._decoder = decoder
        self._embeddings = embeddings
        self._waiting: dict[str, asyncio.Future[Float32Array]] = {}
        self._encoding: asyncio.Task[None] | None = None
        self._known_texts = KnownTexts(model.fingerprint, store)

    async def vectors(self, terms: Sequence[Term]) -> Float32Array:
        """Return one unit vector a term: shape (number of terms, dim).

        Raises:
            BadRequestError: a text is empty; a URL is not allowed.
            NotFoundError: a stored image that is not there.
            UnreadableImageError: an image that cannot be decoded or fetched.
            TooLargeError: what is at a URL is too large.
            ModelError, WorkerError: the terms cannot be encoded.
        """
        words = _words_of(terms)
        if not all(map(str.strip, words)):
            raise BadRequestError(_EMPTY)
        images = [term for term in terms if term.text is None]
        texts, others = await asyncio.gather(
            self.texts(_asked(words), Lane.INTERACTIVE), asyncio.gather(*map(self._image, images))
        )
        pictures = iter(others)
        spoken = (_meant(word, texts) for word in words)
        return np.stack([next(pictures if term.text is None else spoken) for term in terms])

    async def prepare(self, terms: Sequence[Term]) -> None:
        """Encode the texts of many requests at once, so that `vectors` finds them."""
        words = [word for word in _words_of(terms) if word.strip()]
        await self.texts(_asked(words), Lane.INTERACTIVE)

    def remembers(self, terms: Sequence[Term]) -> bool:
        """Return whether nothing has to be encoded for terms, as far as can be told at once."""
        if any(term.text is None and term.id is None for term in terms):
            return False
        asked = _asked(_words_of(terms))
        return self._known_texts.remembered(asked).keys() >= set(asked)

    def known(self, terms: Sequence[Term]) -> Float32Array | None:
        """Return what `vectors` does, if nothing has to be encoded for it, else None; blocks.

        Any thread may ask. Errors as for `vectors`.
        """
        words = _words_of(terms)
        if not all(map(str.strip, words)):
            raise BadRequestError(_EMPTY)
        if any(term.text is None and term.id is None for term in terms):
            return None
        asked = _asked(words)
        texts = self._known_texts.find(asked)
        if not texts.keys() >= set(asked):
            return None
        spoken = (_meant(word, texts) for word in words)
        return np.stack(
            [next(spoken) if term.id is None else self._stored(term.id) for term in terms]
        )

    def unread(self, terms: Sequence[Term]) -> list[str]:
        """Return those texts of which the model does not read the end, as far as known; blocks."""
        pairs = [(word, all_but_the_end(word)) for word in _words_of(terms)]
        long = [(word, shorter) for word, shorter in pairs if shorter is not None]
        texts = self._known_texts.find([text for pair in long for text in pair])
        return [
            word
            for word, some in long
            if word in texts and some in texts and not is_read_to_the_end(texts[word], texts[some])
        ]

    async def texts(self, texts: Sequence[str], lane: Lane) -> Mapping[str, Float32Array]:
        """Return the unit vectors of texts; errors as for `vectors`."""
        found = self._known_texts.remembered(texts)
        new = [text for text in dict.fromkeys(texts) if text not in found]
        if new and not self._known_texts.are_unknown(new):
            found = await INTERACTIVE.run(self._known_texts.find, texts)
            new = [text for text in new if text not in found]
        if new:
            found |= await self._together(new, lane)
        return found

    async def _together(self, texts: Sequence[str], lane: Lane) -> dict[str, Float32Array]:
        """Encode texts, in one batch with those of other requests that wait for the encoder."""
        if lane is Lane.BULK:
            encoded = await self._encode_and_keep(texts, lane)
            await self._known_texts.written()  # nobody waits for these
            return encoded
        loop = asyncio.get_running_loop()
        own = {text: self._waiting.get(text) or loop.create_future() for text in texts}
        few = len(own) <= _FEW
        self._waiting = own | self._waiting if few else self._waiting | own
        futures = [own[text] for text in texts]
        if self._encoding is None or self._encoding.done():
            self._encoding = asyncio.create_task(self._encode_waiting())
        # not all at once: what is encoded in one batch costs the event loop one turn, not one each
        vectors = [await asyncio.shield(future) for future in futures]
        return dict(zip(texts, vectors, strict=True))

    async def _encode_waiting(self) -> None:
        while self._waiting:
            batch = dict(itertools.islice(self._waiting.items(), _BATCH))
            self._waiting = dict(itertools.islice(self._waiting.items(), _BATCH, None))
            try:
                encoded = await self._encode_and_keep(list(batch), Lane.INTERACTIVE)
            except BaseException as error:
                for future in batch.values():
                    if isinstance(error, Exception):
                        future.set_exception(error)
                        future.exception()  # whoever asked may have left
                    else:
                        future.cancel()
                if not isinstance(error, Exception):
                    raise
                continue
            for text, future in batch.items():
                future.set_result(encoded[text])

    async def _encode_and_keep(self, texts: Sequence[str], lane: Lane) -> dict[str, Float32Array]:
        rows = await self._encoder.encode_texts(texts, lane)
        encoded = dict(zip(texts, rows, strict=True))
        await self._known_texts.keep(encoded)
        return encoded

    async def kept_texts(self, texts: Sequence[str]) -> Mapping[str, Float32Array]:
        """Return the unit vectors of those texts that were encoded before."""
        return await INTERACTIVE.run(self._known_texts.find_once, texts)

    async def close(self) -> None:
        """Return once the texts that were encoded are in the catalog; it may be closed then."""
        await self._known_texts.written()

    async def _image(self, term: Term) -> Float32Array:
        if term.id is not None:
            return await INTERACTIVE.run(self._stored, term.id)
        spec = self._model.preprocess
        data = term.data
        if term.url is not None:
            if self._fetch is None:
                raise BadRequestError(
                    "the daemon fetches no URLs: send the image itself, or set server.fetch_urls"
                )
            data = await INTERACTIVE.run(self._fetch, term.url)
        try:
            if data is not None:
                image = await self._decoder.decode_bytes(data, spec)
            else:
                image = await self._decoder.decode(term.raw_path(), None, spec)
        except UnreadableImageError as error:
            named = term.url or Path.of(term.raw_path()).path or "the image of the query"
            raise UnreadableImageError(error.reason, f"{named}: {error}") from error
        rows = await self._encoder.encode_images([image.pixels], Lane.INTERACTIVE)
        return np.asarray(rows[0])

    def _stored(self, content_id: int) -> Float32Array:
        found = self._embeddings.embeddings(self._model.fingerprint, [content_id])
        if content_id not in found:
            raise NotFoundError(f"there is no indexed image {content_id}")
        return found[content_id]


def _words_of(terms: Sequence[Term]) -> list[str]:
    """Return what is encoded of the texts."""
    return [without_signs(term.text[:_LONGEST_TEXT]) for term in terms if term.text is not None]


def _asked(words: Sequence[str]) -> list[str]:
    """Return what is to be encoded for some texts: all at once, in one batch."""
    asked = list(words)
    for word in words:
        if (one := singular(word)) is not None:
            asked += [one, *UNRELATED]
        if (shorter := all_but_the_end(word)) is not None:
            asked.append(shorter)
    return asked


def _meant(word: str, texts: Mapping[str, Float32Array]) -> Float32Array:
    """Return the vector of a text; of its singular where it is a plural and nothing else."""
    one = singular(word)
    if one is not None and is_same_word(texts[one], texts[word], [texts[t] for t in UNRELATED]):
        return texts[one]
    return texts[word]


def combine(vectors: Float32Array, weights: Sequence[float]) -> tuple[Float32Array, float]:
    """Return (unit vector, length before) of the weighted sum of the rows of `vectors` (n, dim).

    Raises:
        BadRequestError: the terms cancel each other out.
    """
    total = np.zeros(vectors.shape[1], np.float32)
    for weight, vector in zip(weights, vectors, strict=True):
        total += np.float32(weight) * vector
    length = float(np.linalg.norm(total))
    if not length >= _NO_DIRECTION:  # NaN is none either
        raise BadRequestError("the terms cancel each other out: change a weight")
    total /= np.float32(length)
    return total, length
