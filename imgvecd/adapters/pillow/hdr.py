"""High dynamic range and wide gamut → sRGB, for pictures that say what they are by code points.

Transfer functions, primaries and HLG's system gamma are those of ITU-R BT.2100. Light is mapped as
BT.2408 has it: reference white is 203 cd/m², a nominal peak of 1,000 is brought down to it by the
curve of its annex 5 (that of BT.2390), on the largest of the three colours, so that hues stay.
"""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np
from PIL import Image

from imgvecd.types import Float32Array

PQ: Final = 16
HLG: Final = 18
_LINEAR = 8
_SDR = frozenset({1, 6, 13, 14, 15})  # BT.709, 601, sRGB, 2020: shown by the curve of sRGB
_WHITE, _PEAK = 203.0, 1000.0  # cd/m²
_HLG_GAMMA = 1.2
_PQ_M1, _PQ_M2, _PQ_C1, _PQ_C2, _PQ_C3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
_HLG_A, _HLG_B, _HLG_C = 0.17883277, 0.28466892, 0.55991073
_LUMINANCE_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
# Linear light of these primaries → of BT.709's.
_TO_709 = {
    1: np.eye(3, dtype=np.float32),
    9: np.array(
        [
            [1.660491, -0.587641, -0.072850],
            [-0.124550, 1.132900, -0.008349],
            [-0.018151, -0.100579, 1.118730],
        ],
        np.float32,
    ),
    12: np.array(
        [
            [1.224940, -0.224940, 0.0],
            [-0.042057, 1.042057, 0.0],
            [-0.019638, -0.078636, 1.098274],
        ],
        np.float32,
    ),
}
_STRIP_PIXELS = 1 << 18  # at a time, which bounds memory


def is_known(primaries: int, transfer: int) -> bool:
    """Return whether `to_srgb` has something to do."""
    if transfer in _SDR:
        return primaries in _TO_709 and primaries != 1
    return transfer in {PQ, HLG, _LINEAR}


def to_srgb(rgb: Image.Image, primaries: int, transfer: int) -> Image.Image:
    """Return an "RGB" picture of these code points as sRGB; HDR has BT.2020's unless known."""
    is_hdr = transfer in {PQ, HLG}
    matrix = _TO_709.get(primaries, _TO_709[9 if is_hdr else 1])
    values = np.asarray(rgb)
    shown = np.empty_like(values)
    rows = max(1, _STRIP_PIXELS // max(1, rgb.width))
    for top in range(0, rgb.height, rows):
        light = _light(transfer)[values[top : top + rows]]
        if transfer == HLG:
            luminance = np.einsum("...c,c", light, _LUMINANCE_2020)
            light *= (_PEAK / _WHITE) * (luminance ** (_HLG_GAMMA - 1))[..., None]
        if is_hdr:
            light *= _tone(light.max(axis=-1))[..., None]
        linear = np.clip(np.einsum("...c,rc->...r", light, matrix), 0, 1)
        shown[top : top + rows] = _srgb_codes()[(linear * 65535 + 0.5).astype(np.uint16)]
    return Image.fromarray(shown)


@functools.cache
def _light(transfer: int) -> Float32Array:
    """Return for each of 256 values the light: 1 is white, for HLG that of the scene's peak."""
    value = np.arange(256) / 255
    if transfer == PQ:
        light = _of_pq(value)
    elif transfer == HLG:
        high = (np.exp((value - _HLG_C) / _HLG_A) + _HLG_B) / 12
        light = np.where(value <= 0.5, value**2 / 3, high)  # noqa: PLR2004  # of BT.2100
    elif transfer == _LINEAR:
        light = value
    else:
        light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)  # noqa: PLR2004
    return light.astype(np.float32)


def srgb_curve(light: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the values in sRGB, 0 to 1, of linear light, 0 to 1 (IEC 61966-2-1)."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)  # noqa: PLR2004


@functools.cache
def _srgb_codes() -> np.ndarray[Any, Any]:
    """Return the value in sRGB of each of 65,536 steps of linear light."""
    return (srgb_curve(np.linspace(0, 1, 65536)) * 255 + 0.5).astype(np.uint8)


def _of_pq(value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    root = value ** (1 / _PQ_M2)
    light = (np.maximum(root - _PQ_C1, 0) / (_PQ_C2 - _PQ_C3 * root)) ** (1 / _PQ_M1)
    return np.asarray(light * (10_000 / _WHITE))


def _pq(light: Float32Array) -> Float32Array:
    power = (np.maximum(light, 0) * (_WHITE / 10_000)) ** _PQ_M1
    return np.asarray(((_PQ_C1 + _PQ_C2 * power) / (1 + _PQ_C3 * power)) ** _PQ_M2)


def _tone(light: Float32Array) -> Float32Array:
    """Return what each light, in shares of white, is to be multiplied by."""
    table = _tones()
    place = np.clip(_pq(light) * (len(table) - 1), 0, len(table) - 1)
    return np.asarray(table[(place + 0.5).astype(np.int32)])


@functools.cache
def _tones() -> Float32Array:
    """Return the factors for 4,096 values of PQ, by the curve of BT.2390."""
    values = np.linspace(0, 1, 4096)
    white, peak = map(float, _pq(np.array([1, _PEAK / _WHITE], np.float32)))
    share, most = np.minimum(values / peak, 1), white / peak
    knee = 1.5 * most - 0.5
    t = np.maximum(share - knee, 0) / (1 - knee)
    curve = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (3 * t**2 - 2 * t**3) * most
    )
    mapped = np.where(share < knee, share, curve) * peak
    factors = _of_pq(mapped) / np.maximum(_of_pq(values), 1e-9)
    return np.asarray(factors, np.float32)
