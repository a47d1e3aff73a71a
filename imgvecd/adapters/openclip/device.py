"""Which device and which number format a model runs on."""

from __future__ import annotations

import torch

from imgvecd.core.library.runtime_choice import computes_bf16
from imgvecd.errors import ModelError

_DTYPES = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "int8": torch.float32,  # of texts; images are the image tower's
}


def choose_device(setting: str) -> torch.device:
    """Return the device that `encode.device` means.

    Raises:
        ModelError: torch does not know it or cannot use it.
    """
    if setting == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(setting)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"encode.device: {setting} cannot be used here: {reason}") from error
    return device


def choose_dtype(setting: str, device: torch.device) -> torch.dtype:
    """Return the number format that `encode.precision` means on that device."""
    if setting != "auto":
        return _DTYPES[setting]
    if device.type in {"cuda", "mps"}:
        return torch.float16
    return torch.bfloat16 if computes_bf16() else torch.float32
