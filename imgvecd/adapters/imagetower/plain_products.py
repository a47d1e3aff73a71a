"""Image towers rewritten so that OpenVINO multiplies their matrices faster without AVX-512.

In fp32 it has two libraries for that. On AVX2 MLAS is a fifth faster than oneDNN, but is taken only
where weights are plain fp32 and nothing but a bias follows.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from imgvecd.adapters.imagetower.openvino_runtime import load_openvino

Node: TypeAlias = Any  # OpenVINO's classes have no types
# marks weights that are to stay in the number format of the file
_KEPT_NARROW = "decompression_0"
_HALF, _ROOT_OF_HALF = np.float32(0.5), np.float32(0.5**0.5)


def use_plain_products(model: Node) -> None:
    """Have weights made fp32 when they are read, and GELU computed apart from the product before.

    Args:
        model: an `openvino.Model`, which is changed; it computes the same.
    """
    load_openvino()
    import openvino.opset13 as ops  # noqa: PLC0415  # after the line above

    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind == "Convert" and _KEPT_NARROW in list(node.get_rt_info().keys()):
            del node.get_rt_info()[_KEPT_NARROW]
        elif kind == "Gelu" and node.get_attributes()["approximation_mode"] == "ERF":
            half = ops.multiply(node.input_value(0), _HALF)
            share = ops.erf(ops.multiply(node.input_value(0), _ROOT_OF_HALF))
            # written as x · (1 + erf) / 2 it would be taken for the one operation that it was
            apart = ops.add(half, ops.multiply(half, share))
            for reader in node.output(0).get_target_inputs():
                reader.replace_source_output(apart.output(0))
    model.validate_nodes_and_infer_types()
