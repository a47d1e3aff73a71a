"""Camera RAW, made small: a DNG with a mosaic of a picture, with or without a preview in it."""

import io
import struct

import numpy as np

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _SRATIONAL, _UNDEFINED = 1, 2, 3, 4, 5, 10, 7
_SIZES = {_BYTE: 1, _ASCII: 1, _SHORT: 2, _LONG: 4, _RATIONAL: 8, _SRATIONAL: 8, _UNDEFINED: 1}

_XYZ_TO_SRGB = [3.2406, -1.5372, -0.4986, -0.9689, 1.8758, 0.0415, 0.0557, -0.2040, 1.0570]


def _packed(kind, values):
    if kind in {_ASCII, _BYTE, _UNDEFINED}:
        return bytes(values)
    if kind in {_RATIONAL, _SRATIONAL}:
        letter = "i" if kind == _SRATIONAL else "I"
        return b"".join(struct.pack(f"<2{letter}", round(v * 10_000), 10_000) for v in values)
    return struct.pack(f"<{len(values)}{'H' if kind == _SHORT else 'I'}", *values)


def _ifd(entries, at):
    """Return a directory at that offset, with what does not fit into its entries behind it."""
    entries = sorted(entries)
    head, tail = struct.pack("<H", len(entries)), b""
    behind = at + 2 + 12 * len(entries) + 4
    for tag, kind, values in entries:
        data = _packed(kind, values)
        count = len(data) // _SIZES[kind]
        if len(data) > 4:
            place = struct.pack("<I", behind + len(tail))
            tail += data + b"\0" * (len(data) % 2)
        else:
            place = data.ljust(4, b"\0")
        head += struct.pack("<HHI", tag, kind, count) + place
    return head + struct.pack("<I", 0) + tail


def dng(picture, preview=None, *, orientation=1):
    """Return a DNG of a PIL image.

    Args:
        preview: JPEG bytes that lie in the file as its preview, and their size.
    """
    rgb = np.asarray(picture.convert("RGB")).astype(np.float64) / 255
    linear = (rgb**2.2 * 60_000).astype(np.uint16)
    mosaic = linear[..., 1].copy()  # green, with red and blue in their corners
    mosaic[::2, ::2] = linear[::2, ::2, 0]
    mosaic[1::2, 1::2] = linear[1::2, 1::2, 2]
    height, width = mosaic.shape
    out = io.BytesIO()
    out.write(b"\0" * 8)
    strip = out.tell()
    out.write(mosaic.astype("<u2").tobytes())
    raw = [
        (254, _LONG, [0]), (256, _LONG, [width]), (257, _LONG, [height]), (258, _SHORT, [16]),
        (259, _SHORT, [1]), (262, _SHORT, [32803]), (273, _LONG, [strip]), (277, _SHORT, [1]),
        (278, _LONG, [height]), (279, _LONG, [mosaic.nbytes]), (33421, _SHORT, [2, 2]),
        (33422, _BYTE, [0, 1, 1, 2]), (50717, _LONG, [60_000]),
    ]  # fmt: skip
    camera = [
        (271, _ASCII, b"Testmaker\0"), (272, _ASCII, b"Testmaker T1\0"),
        (274, _SHORT, [orientation]), (50706, _BYTE, [1, 4, 0, 0]),
        (50708, _ASCII, b"Testmaker T1\0"), (50778, _SHORT, [21]),
        (50721, _SRATIONAL, _XYZ_TO_SRGB),  # the mosaic's colours are those of a screen
        (50728, _RATIONAL, [1.0, 1.0, 1.0]),
    ]  # fmt: skip
    exif_at = out.tell()
    out.write(_ifd([(36867, _ASCII, b"2022:03:04 05:06:07\0"), (34855, _SHORT, [800])], exif_at))
    camera.append((34665, _LONG, [exif_at]))
    if preview is None:
        main = raw + camera
    else:
        data, (preview_width, preview_height) = preview
        place = out.tell()
        out.write(data + b"\0" * (len(data) % 2))
        raw_at = out.tell()
        out.write(_ifd(raw, raw_at))
        main = [
            (254, _LONG, [1]), (256, _LONG, [preview_width]), (257, _LONG, [preview_height]),
            (258, _SHORT, [8, 8, 8]), (259, _SHORT, [7]), (262, _SHORT, [6]),
            (273, _LONG, [place]), (277, _SHORT, [3]), (278, _LONG, [preview_height]),
            (279, _LONG, [len(data)]), (330, _LONG, [raw_at]), *camera,
        ]  # fmt: skip
    at = out.tell()
    out.write(_ifd(main, at))
    out.seek(0)
    out.write(struct.pack("<2sHI", b"II", 42, at))
    return out.getvalue()
