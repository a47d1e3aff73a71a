"""Image towers as OpenVINO graphs, from the weights in a checkpoint: what torch would compute.

Graphs take bytes of pixels, shape (n, size, size, 3), and give embeddings of any length, (n, dim).
"""

from __future__ import annotations

import itertools
from typing import Any, TypeAlias

import numpy as np

from imgvecd.adapters.checkpoint import Architecture, EfficientNet, VisionTransformer, Weights
from imgvecd.adapters.imagetower.openvino_runtime import load_openvino
from imgvecd.errors import NotBuiltError
from imgvecd.types import Float32Array, PreprocessSpec

Node: TypeAlias = Any  # OpenVINO's classes have no types
_EPSILON = 1e-5  # of torch's layer normalisation
_QUICK = 1.702
_BN_EPSILON = 1e-3  # of what comes from TensorFlow
_STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of EfficientNet's stages


def build_graph(architecture: Architecture, weights: Weights) -> Node:
    """Return the image tower, an `openvino.Model`.

    Raises:
        NotBuiltError: the architecture cannot be built, or the checkpoint is of another one.
    """
    vision = architecture.vision
    if vision is None:
        raise NotBuiltError("the image tower is of an unusual kind")
    graph = _Graph(weights)
    pixels, images = graph.input(architecture.preprocess)
    if isinstance(vision, EfficientNet):
        rows = _efficient_net(graph, vision, architecture.dim, images)
    else:
        quick = architecture.quick_gelu
        rows = _VisionGraph(graph, vision, quick=quick).rows(images, architecture.dim)
    weights.require_all_taken("visual.")
    return load_openvino().Model([rows], [pixels])


class _Graph:
    """The layers that both kinds are made of, by the names of their weights."""

    def __init__(self, weights: Weights) -> None:
        load_openvino()
        import openvino.opset13 as ops  # noqa: PLC0415  # after the line above

        self.ops = ops
        self.weights = weights

    def constant(self, array: Float32Array) -> Node:
        """Return weights as a node, which keeps the array; else they would be copied, or lists."""
        return self.ops.constant(np.ascontiguousarray(array), shared_memory=True)

    def input(self, spec: PreprocessSpec) -> tuple[Node, Node]:
        """Return the pixels, and the images that are made of them, (n, 3, size, size)."""
        ops, shape = self.ops, (1, 3, 1, 1)
        pixels = ops.parameter([-1, spec.size, spec.size, 3], np.uint8)
        images = ops.convert(ops.transpose(pixels, np.array([0, 3, 1, 2])), np.float32)
        mean, std = (np.array(x, np.float32).reshape(shape) * 255 for x in (spec.mean, spec.std))
        return pixels, ops.divide(ops.subtract(images, mean), std)

    def linear(self, x: Node, name: str, out: int, *, bias: bool = True) -> Node:
        """Return x · weightᵀ + bias, where `name` is that of the layer."""
        product = self.product(x, self.weights.take(f"{name}.weight", out, -1))
        return self.plus(product, self.weights.take(f"{name}.bias", out)) if bias else product

    def plus(self, x: Node, array: Float32Array) -> Node:
        return self.ops.add(x, self.constant(array))

    def product(self, x: Node, weight: Float32Array) -> Node:
        return self.ops.matmul(x, self.constant(weight), transpose_a=False, transpose_b=True)

    def gelu(self, x: Node) -> Node:
        return self.ops.gelu(x, "erf")

    def norm(self, x: Node, name: str, width: int) -> Node:
        ops, take = self.ops, self.weights.take
        normal = ops.mvn(x, np.array([-1]), True, _EPSILON, "inside_sqrt")
        scaled = ops.multiply(normal, self.constant(take(f"{name}.weight", width)))
        return self.plus(scaled, take(f"{name}.bias", width))


class _VisionGraph:
    """open_clip's VisionTransformer."""

    def __init__(self, graph: _Graph, config: VisionTransformer, *, quick: bool) -> None:
        self._graph, self._config, self._quick = graph, config, quick
        self._ops, self._take = graph.ops, graph.weights.take

    def rows(self, images: Node, dim: int) -> Node:
        """Return the embeddings of images."""
        config, width = self._config, self._config.width
        x = self._tokens(images)
        if not config.no_ln_pre:
            x = self._graph.norm(x, "visual.ln_pre", width)
        for i in range(config.layers):
            # of the last one only the row that stands for the image is looked at
            first_only = config.pool_type == "tok" and i == config.layers - 1
            x = self._block(x, f"visual.transformer.resblocks.{i}.", first_only=first_only)
        if config.final_ln_after_pool:
            x = self._graph.norm(self._pooled(x), "visual.ln_post", width)
        else:
            x = self._pooled(self._graph.norm(x, "visual.ln_post", width))
        return self._graph.product(x, self._take("visual.proj", width, dim).T)

    def _tokens(self, images: Node) -> Node:
        ops, config = self._ops, self._config
        width, side, grid = config.width, config.patch_size, config.image_size // config.patch_size
        patches = ops.convolution(
            images,
            self._graph.constant(self._take("visual.conv1.weight", width, 3, side, side)),
            [side, side],
            [0, 0],
            [0, 0],
            [1, 1],
        )
        rows = ops.reshape(patches, np.array([0, width, grid * grid]), special_zero=True)
        rows = ops.transpose(rows, np.array([0, 2, 1]))
        # the class token goes before them: as a row of zeros that its position is added to
        rows = ops.pad(rows, np.array([0, 1, 0]), np.array([0, 0, 0]), "constant")
        positions = self._take("visual.positional_embedding", grid * grid + 1, width).copy()
        positions[0] += self._take("visual.class_embedding", width)
        return self._graph.plus(rows, positions[None])

    def _block(self, x: Node, name: str, *, first_only: bool) -> Node:
        ops, graph, width = self._ops, self._graph, self._config.width
        normal = graph.norm(x, f"{name}ln_1", width)
        if first_only:
            x = ops.gather(x, np.array([0]), np.array(1))
        x = ops.add(x, self._attention(normal, f"{name}attn.", first_only=first_only))
        inner = graph.norm(x, f"{name}ln_2", width)
        inner = graph.linear(inner, f"{name}mlp.c_fc", int(width * self._config.mlp_ratio))
        inner = ops.swish(inner, np.float32(_QUICK)) if self._quick else graph.gelu(inner)
        return ops.add(x, graph.linear(inner, f"{name}mlp.c_proj", width))

    def _attention(self, x: Node, name: str, *, first_only: bool) -> Node:
        ops, width = self._ops, self._config.width
        weight = self._take(f"{name}in_proj_weight", 3 * width, width)
        bias = self._take(f"{name}in_proj_bias", 3 * width)
        if first_only:
            first = ops.gather(x, np.array([0]), np.array(1))
            queries = self._heads(first, weight[:width], bias[:width])
            parts = [*queries, *self._heads(x, weight[width:], bias[width:])]
        else:
            parts = self._heads(x, weight, bias)
        heads = ops.scaled_dot_product_attention(*parts)
        heads = ops.transpose(heads, np.array([0, 2, 1, 3]))
        together = ops.reshape(heads, np.array([0, 0, width]), special_zero=True)
        return self._graph.linear(together, f"{name}out_proj", width)

    def _heads(self, x: Node, weight: Float32Array, bias: Float32Array) -> list[Node]:
        """Return each product of as many as lie in a weight, by heads: (n, heads, rows, width)."""
        ops, count = self._ops, len(weight) // self._config.width
        joined = self._graph.plus(self._graph.product(x, weight), bias)
        shape = np.array([0, 0, count, -1, self._config.head_width])
        apart = ops.transpose(
            ops.reshape(joined, shape, special_zero=True), np.array([2, 0, 3, 1, 4])
        )
        parts = ops.split(apart, np.array(0), count).outputs()
        return [ops.squeeze(part, np.array([0])) for part in parts]

    def _pooled(self, x: Node) -> Node:
        ops = self._ops
        if self._config.pool_type == "tok":
            return ops.gather(x, np.array(0), np.array(1))
        patches = ops.slice(x, np.array([1]), np.array([2**31]), np.array([1]), np.array([1]))
        return ops.reduce_mean(patches, np.array([1]), keep_dims=False)


def _efficient_net(graph: _Graph, config: EfficientNet, dim: int, images: Node) -> Node:
    """Return the embeddings of images by timm's EfficientNet-Lite, batch norms folded."""
    ops, weights = graph.ops, graph.weights
    layers = _Convolutions(graph)
    x = layers.apply(images, "conv_stem", "bn1", stride=2)
    for stage, stride in enumerate(_STRIDES):
        for number in itertools.count():
            name = f"blocks.{stage}.{number}."
            if f"visual.trunk.{name}conv_dw.weight" not in weights:
                break
            x = layers.block(x, name, 1 if number else stride)
    x = layers.apply(x, "conv_head", "bn2")
    x = ops.reduce_mean(x, np.array([2, 3]), keep_dims=False)
    if config.timm_proj == "linear":
        return graph.linear(x, "visual.head.proj", dim, bias=config.timm_proj_bias)
    x = graph.gelu(graph.linear(x, "visual.head.mlp.fc1", 2 * dim))
    return graph.linear(x, "visual.head.mlp.fc2", dim, bias=config.timm_proj_bias)


class _Convolutions:
    """Convolutions with the batch norm behind them folded in, and ReLU6."""

    def __init__(self, graph: _Graph) -> None:
        self._graph, self._ops, self._weights = graph, graph.ops, graph.weights

    def block(self, x: Node, name: str, stride: int) -> Node:
        """Return what a block of depthwise convolutions gives."""
        if f"visual.trunk.{name}conv_pwl.weight" in self._weights:
            inner = self.apply(x, f"{name}conv_pw", f"{name}bn1")
            inner = self.apply(inner, f"{name}conv_dw", f"{name}bn2", stride, depthwise=True)
            inner = self.apply(inner, f"{name}conv_pwl", f"{name}bn3", active=False)
        else:
            inner = self.apply(x, f"{name}conv_dw", f"{name}bn1", stride, depthwise=True)
            inner = self.apply(inner, f"{name}conv_pw", f"{name}bn2", active=False)
        before, after = (node.get_output_partial_shape(0)[1] for node in (x, inner))
        return self._ops.add(x, inner) if stride == 1 and before == after else inner

    def apply(
        self,
        x: Node,
        name: str,
        norm: str,
        stride: int = 1,
        *,
        depthwise: bool = False,
        active: bool = True,
    ) -> Node:
        ops, take = self._ops, self._weights.take
        weight = take(f"visual.trunk.{name}.weight", -1, -1, -1, -1)
        n = len(weight)
        gain, shift, mean, variance = (
            take(f"visual.trunk.{norm}.{part}", n)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        self._weights.ignore(f"visual.trunk.{norm}.num_batches_tracked")
        scale = gain / np.sqrt(variance + np.float32(_BN_EPSILON))
        folded = weight * scale[:, None, None, None]
        convolution = ops.convolution
        if depthwise:
            folded, convolution = folded[:, None], ops.group_convolution
        rest = [[stride] * 2, [0, 0], [0, 0], [1, 1]]
        x = convolution(x, self._graph.constant(folded), *rest, auto_pad="same_upper")
        x = self._graph.plus(x, (shift - mean * scale).reshape(1, n, 1, 1))
        return ops.clamp(x, 0.0, 6.0) if active else x
