"""The colour profile that PNG's chunks `gAMA` and `cHRM` stand for, where there is no other.

As browsers have it: without `sRGB`, `iCCP` or `cICP`, a gamma means a curve, and primaries those of
`cHRM`, else sRGB's.
"""

from __future__ import annotations

import functools
import struct

import numpy as np
from PIL import Image

_GAMMA = 1 / 2.2  # which programs write for sRGB
_NEARLY = 0.01
_OF_SRGB = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)  # x, y of white, red, green, blue
_LEAST, _MOST = 0.1, 10.0  # of a gamma; others are accidents
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_GREY = {"1", "L", "LA", "I", "I;16"}
_HEADER_BYTES, _ENTRY_BYTES = 128, 12


def profile(image: Image.Image) -> bytes | None:
    """Return an ICC profile for a PNG; None if it needs none, has one, or makes no sense."""
    info = image.info
    if image.format != "PNG" or not info.keys().isdisjoint({"srgb", "icc_profile"}):
        return None
    gamma, places = info.get("gamma"), info.get("chromaticity") or _OF_SRGB
    if gamma is None or not _LEAST <= gamma <= _MOST:
        return None
    if abs(gamma - _GAMMA) < _NEARLY and np.allclose(places, _OF_SRGB, atol=_NEARLY):
        return None
    is_grey = image.mode in _GREY and "transparency" not in info
    return _made(gamma, tuple(places), is_grey=is_grey)


@functools.lru_cache(maxsize=16)
def _made(gamma: float, places: tuple[float, ...], *, is_grey: bool) -> bytes | None:
    """Return a profile of version 2 (ICC.1:2001): primaries, and one curve for each colour."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH2x", 1, min(round(256 / gamma), 0xFFFF))
    if is_grey:
        return _with_tags(b"GRAY", {b"wtpt": _xyz(_D50), b"kTRC": curve})
    try:
        columns = _primaries(places)
    except (np.linalg.LinAlgError, ZeroDivisionError):
        return None
    tags = {b"wtpt": _xyz(_D50), b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    names = (b"rXYZ", b"gXYZ", b"bXYZ")
    return _with_tags(b"RGB ", tags | {name: _xyz(columns[:, i]) for i, name in enumerate(names)})


def _primaries(places: tuple[float, ...]) -> np.ndarray:
    """Return XYZ of red, green and blue, a column each, as seen under D50."""
    points = zip(places[::2], places[1::2], strict=True)
    xyz = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in points]).T
    white, colours = xyz[:, 0], xyz[:, 1:]
    colours = colours * np.linalg.solve(colours, white)
    cones = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    adapted: np.ndarray = np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD @ colours
    return adapted


def _xyz(value: np.ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(each) * 65536) for each in value))


def _with_tags(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    at = _HEADER_BYTES + 4 + _ENTRY_BYTES * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"", 0x02100000, b"mntr", space, b"XYZ ")
    head += struct.pack(">12x4s28x", b"acsp") + _xyz(_D50)[8:]
    return head.ljust(_HEADER_BYTES, b"\0") + table + body
