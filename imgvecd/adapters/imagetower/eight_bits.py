"""Image towers rewritten so that OpenVINO multiplies their matrices in whole numbers of 8 bits.

Weights are rounded by their largest number in each row that is multiplied with; what they are
multiplied with is rounded by the range that it had on a few pictures. The sums stay exact.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from imgvecd.adapters.imagetower.openvino_runtime import load_openvino
from imgvecd.types import Float32Array

Node: TypeAlias = Any  # OpenVINO's classes have no types

_LEVELS = 256
# the first axis that the sums of a product run over, in its weights
_SUMMED = {"MatMul": 1, "Convolution": 1, "GroupConvolution": 2}
_LARGEST = 127
# Without VNNI two products are summed in 16 bits, which do not hold two of 8 bits each.
_LARGEST_WITHOUT_VNNI = 63
_LEAST_RANGE = 1e-6
_AT_ONCE = 2  # pictures


def use_eight_bits(model: Node, pictures: NDArray[np.uint8], *, vnni: bool) -> Float32Array:
    """Have products with weights computed in int8: the model then computes nearly the same.

    Args:
        model: an `openvino.Model` with plain weights in fp32.
        pictures: that show what there is to be multiplied, shape (n, size, size, 3).
        vnni: the processor sums products of 8 bits in 32.

    Returns: embeddings of the pictures as they were before, of any length: shape (n, dim).
    """
    load_openvino()
    import openvino.opset13 as ops  # noqa: PLC0415  # after the line above

    products = [node for node in model.get_ordered_ops() if _has_weights(node)]
    sources = {_key(node): node.input_value(0) for node in products}
    rows, ranges = _watched(model, list(sources.values()), pictures)
    rounded = {}
    for (key, source), (low, high) in zip(sources.items(), ranges, strict=True):
        bounds = np.array([low, high], np.float32)
        rounded[key] = ops.fake_quantize(source, *bounds, *bounds, _LEVELS)
    largest = _LARGEST if vnni else _LARGEST_WITHOUT_VNNI
    for node in products:
        weights = node.input_value(1).get_node().get_data()
        axes = tuple(range(_SUMMED[node.get_type_name()], weights.ndim))
        most = np.maximum(np.abs(weights).max(axes, keepdims=True), np.float32(_LEAST_RANGE))
        scale = most / np.float32(largest)
        whole = ops.constant(np.rint(weights / scale).astype(np.int8))
        wide = ops.multiply(ops.convert(whole, np.float32), ops.constant(scale))
        source = rounded[_key(node)].output(0)
        node.input(0).replace_source_output(source)
        node.input(1).replace_source_output(wide.output(0))
    model.validate_nodes_and_infer_types()
    return rows


def _has_weights(node: Node) -> bool:
    if node.get_type_name() not in _SUMMED:
        return False
    return bool(node.input_value(1).get_node().get_type_name() == "Constant")


def _key(node: Node) -> tuple[str, int]:
    source = node.input_value(0)
    return source.get_node().get_name(), source.get_index()


def _watched(
    model: Node, sources: list[Node], pictures: NDArray[np.uint8]
) -> tuple[Float32Array, list[tuple[float, float]]]:
    """Return embeddings, and the range in which the numbers of each source lie; 0 is a level."""
    openvino = load_openvino()
    import openvino.opset13 as ops  # noqa: PLC0415

    results = [model.get_results()[0].input_value(0)]
    for source in sources:
        axes = np.arange(source.get_partial_shape().rank.get_length())
        both = ops.reduce_min(source, axes), ops.reduce_max(source, axes)
        results += [each.output(0) for each in both]
    watched = openvino.Model(results, model.get_parameters())
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(watched, "CPU", settings)
    # a few at a time: what lies between layers is large
    parts = np.array_split(pictures, -(-len(pictures) // _AT_ONCE))
    outputs = [list(compiled([part]).values()) for part in parts]
    limits = np.array([numbers for _, *numbers in outputs])
    lows, highs = limits[:, ::2].min(axis=0), limits[:, 1::2].max(axis=0)
    found = []
    for low, high in zip(map(float, lows), map(float, highs), strict=True):
        if low >= 0:
            found.append((0.0, max(high, _LEAST_RANGE)))
        else:
            half = max(-low, high)
            found.append((-half, half * (_LEVELS - 2) / _LEVELS))
    return np.concatenate([rows for rows, *_ in outputs]), found
