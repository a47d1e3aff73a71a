"""A CLIP model by open_clip's name and checkpoint: pixels and texts to embeddings."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from imgvecd.adapters.imagetower.pictures import SAME, comparison_pictures
from imgvecd.adapters.openclip import image_tower, text_tower
from imgvecd.adapters.openclip.device import choose_device, choose_dtype
from imgvecd.adapters.openclip.fusing import fused
from imgvecd.adapters.openclip.loading import Model, load, load_tokenizer, preprocess_spec
from imgvecd.config.schema import EncodeConfig
from imgvecd.core.library.model_choice import ModelChoice
from imgvecd.core.library.runtime_choice import RuntimeChoice
from imgvecd.core.small_products import likeness
from imgvecd.errors import ModelError
from imgvecd.types import Float32Array, ModelInfo

logger = logging.getLogger(__name__)

_LEAST_NORM = 1e-6  # of an embedding before normalisation: below, it points nowhere
_PROBE_TEXT = "a photo of a dog"
_COMPARED = 4  # pictures, in each number format: a tenth of a second with a small model

Batch = TypeVar("Batch", NDArray[np.uint8], Tensor)


class OpenClipModel:
    """A loaded model on its device. Thread-safety: one thread at a time.

    Attributes:
        info: what the model is.
        device: moves to the CPU when the GPU's memory does not even hold one image.
        dtype: of weights and activations.
    """

    runtime = "torch"

    def __init__(
        self,
        choice: ModelChoice,
        config: EncodeConfig,
        text_tower_path: str = "",
        *,
        may_fetch: bool = True,
    ) -> None:
        """Load the model, fetching it if its checkpoint is a tag, and try it out.

        Args:
            text_tower_path: file to keep the text tower in, if it is not there yet; or empty.
            may_fetch: else only what is on this machine is taken.

        Raises:
            NotFetchedError: it is not on this machine, and may not be fetched.
            ModelError: it cannot be loaded, or its embeddings are no numbers.
        """
        self.device = choose_device(config.device)
        self.dtype = choose_dtype(config.precision, self.device)
        if config.threads:
            torch.set_num_threads(config.threads)
        self._choice, self._config = choice, config
        self._text_tower = text_tower_path
        self._may_fetch = may_fetch
        self._load(choice)
        if self._rounds_too_much(choice):
            self.dtype = torch.float32
            self._load(choice)
        if self.dtype != torch.float32 and not self._works():
            logger.warning("%s gives no finite vectors in %s; using fp32", choice.name, self.dtype)
            self.dtype = torch.float32
            self._load(choice)
        if not self._works():
            raise ModelError(f"{choice.name} ({choice.pretrained}) gives no finite vectors")
        self.info = ModelInfo(
            fingerprint=choice.fingerprint,
            name=choice.name,
            pretrained=choice.pretrained,
            dim=self.encode_texts([_PROBE_TEXT]).shape[1],
            preprocess=self._spec,
        )

    def encode_images(self, pixels: NDArray[np.uint8]) -> Float32Array:
        """Return embeddings, shape (n, dim); a row that is no direction is NaN.

        Args:
            pixels: shape (n, size, size, 3), RGB.
        """
        return self._rows(self._forward_images, pixels)

    def encode_texts(self, texts: list[str]) -> Float32Array:
        """Return embeddings, shape (n, dim); a row that is no direction is NaN."""
        return self._rows(self._forward_texts, self._tokenize(texts))

    def keep_image_tower(self, directory: str) -> RuntimeChoice:
        """Have images encoded without this model from now on, where that is as good and as fast.

        Raises:
            OSError: `directory` cannot be written.
        """
        encode = self.encode_images if self.device.type == "cpu" else None
        return image_tower.keep(self._choice, self._config, self.info, directory, encode)

    def _load(self, choice: ModelChoice) -> None:
        model = load(choice, may_fetch=self._may_fetch)
        self._spec = preprocess_spec(model)
        self._tokenizer = load_tokenizer(choice, may_fetch=self._may_fetch)
        if self._text_tower and not os.path.exists(self._text_tower):
            text_tower.keep(model, self._tokenizer, choice, self._spec, self._text_tower)
        mean, std = (torch.tensor(values) for values in (self._spec.mean, self._spec.std))
        self._mean = mean.view(1, 3, 1, 1).to(self.device) * 255
        self._std = std.view(1, 3, 1, 1).to(self.device) * 255
        # not in inference mode: tensors made there could not be put into modules used outside
        with torch.no_grad():
            probe = torch.randn(2, 3, self._spec.size, self._spec.size)
            model.visual = fused(model.visual, probe)
            if self._may_round:
                self._expected = self._in_fp32(model)
        model.to(device=self.device, dtype=self.dtype)
        self._model = model.to(memory_format=torch.channels_last)

    @property
    def _may_round(self) -> bool:
        """Whether bf16 was our choice: its 8 bits of digits are too few for some models."""
        return self.dtype == torch.bfloat16 and self._config.precision == "auto"

    def _in_fp32(self, model: Model) -> Float32Array:
        pixels = comparison_pictures(self._spec)[:_COMPARED]
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
        images = (images - self._mean.cpu()) / self._std.cpu()
        rows = nn.functional.normalize(model.encode_image(images), dim=-1)
        return np.asarray(rows.numpy())

    def _rounds_too_much(self, choice: ModelChoice) -> bool:
        if not self._may_round:
            return False
        rows = self.encode_images(comparison_pictures(self._spec)[:_COMPARED])
        cosine = likeness(rows, self._expected)
        if not cosine >= SAME:  # nor is NaN
            logger.info("%s in %s: cosine %.5f; using fp32", choice.name, self.dtype, cosine)
            return True
        return False

    def _works(self) -> bool:
        size = self._spec.size
        grey_ramp = np.linspace(0, 255, size * size * 3).reshape(1, size, size, 3).astype(np.uint8)
        vectors = self.encode_images(grey_ramp), self.encode_texts([_PROBE_TEXT])
        return all(bool(np.isfinite(rows).all()) for rows in vectors)

    def _tokenize(self, texts: list[str]) -> Tensor:
        return self._tokenizer(texts)  # type: ignore[no-any-return]  # open_clip is untyped

    def _forward_images(self, pixels: NDArray[np.uint8]) -> Tensor:
        # (n, height, width, 3), seen as (n, 3, height, width), already is "channels last"
        images = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2).float()
        images = images.sub_(self._mean).div_(self._std).to(self.dtype)
        return self._model.encode_image(images)  # type: ignore[no-any-return]

    def _forward_texts(self, tokens: Tensor) -> Tensor:
        """Encode texts without their padding where nothing after a text's end can matter."""
        model = self._model
        causal = isinstance(model, open_clip.CLIP) and model.attn_mask is not None
        if causal and model.text_pool_type == "argmax":
            # causal attention, and the end token, which has the highest id, stands for the text
            length = int(tokens.argmax(dim=-1).max()) + 1
            shorter = {
                "positional_embedding": model.positional_embedding[:length],
                "attn_mask": model.attn_mask[:length, :length],
            }
            # the model's forward for texts alone, with these in the places of the full ones
            answer = functional_call(model, shorter, (None, tokens[:, :length].to(self.device)))
            vectors: Tensor = answer["text_features"] if isinstance(answer, dict) else answer[1]
            return vectors
        return model.encode_text(tokens.to(self.device))  # type: ignore[no-any-return]

    def _rows(self, forward: Callable[[Batch], Tensor], batch: Batch) -> Float32Array:
        with torch.inference_mode():
            vectors = self._in_parts(forward, batch).float()
            norms = vectors.norm(dim=-1, keepdim=True)
            vectors = torch.where(norms > _LEAST_NORM, vectors / norms, torch.nan)
            return np.asarray(vectors.cpu().numpy(), dtype=np.float32)

    def _in_parts(self, forward: Callable[[Batch], Tensor], batch: Batch) -> Tensor:
        """Encode a batch, or its halves if the device's memory is too small, or on the CPU."""
        try:
            return forward(batch)
        except RuntimeError as error:
            if self.device.type == "cpu" or "out of memory" not in str(error):
                raise
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if len(batch) == 1:
            self._move_to_cpu()
            return forward(batch)
        half = len(batch) // 2
        parts = [self._in_parts(forward, part) for part in (batch[:half], batch[half:])]
        return torch.cat([part.cpu() for part in parts])

    def _move_to_cpu(self) -> None:
        logger.warning("the memory of %s is too small for one image; using the CPU", self.device)
        self.device, self.dtype = torch.device("cpu"), torch.float32
        self._model.to(device=self.device, dtype=self.dtype)
        self._mean, self._std = self._mean.cpu(), self._std.cpu()
