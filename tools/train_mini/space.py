"""The joint space of the shipped model: an image head of one hidden layer, a text projection."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tools.train_mini.class_units import ClassUnits, mean_of_groups
from tools.train_mini.heads import Standard
from tools.train_mini.recipe import Recipe

# Where GELU is as good as straight: free units begin as the linear head that they come from.
_STRAIGHT = 2.0


class Space(nn.Module):
    """Both towers' last layers; the embeddings are unit rows of shape (n, 512).

    The hidden layer of the image head has two kinds of units: those of classes, which are fixed and
    add the vectors of their names, and free ones, which are trained.
    """

    vectors: Tensor
    class_gain: Tensor

    def __init__(
        self, units: ClassUnits, features: Standard, texts: Standard, recipe: Recipe
    ) -> None:
        super().__init__()
        width = len(texts.mean)
        self.units, self.features, self.texts = units, features, texts
        self.free_in = nn.Linear(len(features.mean), recipe.free_units)
        self.free_out = nn.Linear(recipe.free_units, recipe.dim)
        # A shift before the projection can be folded into the norm, a bias behind it could not.
        self.text_shift = nn.Parameter(torch.zeros(width))
        self.text = nn.Linear(width, recipe.dim, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(recipe.start_scale).log())
        self.image_dropout = nn.Dropout(recipe.space_dropout)
        self.class_dropout = nn.Dropout(recipe.space_class_dropout)
        self.text_dropout = nn.Dropout(recipe.space_text_dropout)
        self.register_buffer("vectors", torch.zeros(len(units), recipe.dim))
        self.register_buffer("class_gain", torch.ones(()))

    def free_part(self, features: Tensor) -> Tensor:
        """Return the free units' share of an embedding, for standardised features."""
        hidden = functional.gelu(self.free_in(self.image_dropout(features)))
        part: Tensor = self.free_out(hidden)
        return part

    def class_part(self, fired: Tensor) -> Tensor:
        """Return the class units' share of an embedding."""
        return self.class_gain * self.class_dropout(fired) @ self.vectors

    def embed_images(self, features: Tensor) -> Tensor:
        """Embed pooled features, shape (n, 1280)."""
        free = self.free_part(self.features(features))
        return functional.normalize(free + self.class_part(self.units(features)), dim=-1)

    def embed_texts(self, texts: Tensor) -> Tensor:
        """Embed what the text tower's last norm gives."""
        shifted = self.text_dropout(self.texts(texts) + self.text_shift)
        return functional.normalize(self.text(shifted), dim=-1)

    @torch.no_grad()
    def name_units(self, class_texts: Tensor, class_of_text: Tensor) -> None:
        """Give each class unit the vector that its classes' texts have in common."""
        self.eval()
        group = self.units.group[class_of_text]
        vectors = functional.normalize(mean_of_groups(self.embed_texts(class_texts), group), dim=1)
        self.vectors.copy_(functional.normalize(vectors - vectors.mean(dim=0), dim=1))
        self.train()

    @torch.no_grad()
    def set_class_gain(self, features: Tensor, share: float) -> None:
        """Make the class units' share so long, on the average of photos; the free one has 1."""
        raw = self.units(features) @ self.vectors
        self.class_gain.copy_(share / raw.norm(dim=1).mean())

    @torch.no_grad()
    def start(self, linear: Tensor, bias: Tensor, projection: Tensor, features: Tensor) -> None:
        """Begin where the first heads are: their embedding in the first dimensions.

        Args:
            linear, bias: shape (256, 1280) and (256,), the image head's, of standard features.
            projection: shape (width, 256), the text tower's into the heads' space.
            features: shape (n, 1280), of photos.
        """
        standard = self.features(features)
        axes = torch.linalg.svd(standard @ linear.T, full_matrices=False).Vh
        axes = axes[: self.free_in.out_features]
        outputs = standard @ linear.T @ axes.T
        self.free_in.weight.copy_(axes @ linear / outputs.std())
        self.free_in.bias.fill_(_STRAIGHT)
        hidden = functional.gelu(self.free_in(standard))
        spread = (hidden - hidden.mean(dim=0)).norm(dim=1).mean()
        offset = bias / (standard @ linear.T + bias).norm(dim=1).mean()
        self.free_out.weight.zero_()
        self.free_out.bias.zero_()
        into = slice(0, len(linear))
        self.free_out.weight[into] = axes.T / spread
        self.free_out.bias[into] = offset - axes.T @ hidden.mean(dim=0) / spread
        own = (projection * self.texts.std[:, None]).T
        self.text.weight[into] = own
        self.text.weight[len(linear) :] = 0.7 * own
        self.text_shift.copy_(self.texts.mean / self.texts.std / 2)
