"""Pictures in a terminal: kitty's and iTerm2's protocols, sixels, or blocks of two pixels.

Imported only to show pictures, since it needs Pillow.
"""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from imgvecd.client.terminal import PictureProtocol, Size

# Of a picture, in cells: three or four hits on a screen.
_MOST_COLUMNS, _MOST_ROWS = 48, 16
# Of one among others in a row: three on a terminal of 80 columns.
_CELL_COLUMNS, _CELL_ROWS = 26, 10
_CHUNK = 4096  # bytes of base64 in one of kitty's messages
_COLOURS = 256  # of a picture in sixels
_BAND = 6  # rows of pixels in one row of sixels
_RUN = re.compile(rb"([?-~])\1{3,}")
_UPPER_HALF = "\N{UPPER HALF BLOCK}"
_CUBE = 5  # steps of each colour where a terminal knows 256 of them


def thumbnail_size(protocol: PictureProtocol) -> int:
    """Return which size of thumbnail to ask the daemon for."""
    return 128 if protocol == "blocks" else 512


def picture(jpeg: bytes, protocol: PictureProtocol, size: Size) -> bytes:
    """Return what draws a picture at the cursor, and ends below it.

    Raises:
        OSError: it is no picture.
    """
    image = _opened(jpeg)
    return _drawn(image, jpeg, _fitted(image, size), protocol, size)


def per_row(size: Size) -> int:
    """Return how many pictures fit beside each other."""
    return max(size.columns // _CELL_COLUMNS, 1)


def side_by_side(jpegs: Sequence[bytes], protocol: PictureProtocol, size: Size) -> bytes:
    """Return what draws pictures in a row, all equally high, and ends below them.

    Raises:
        OSError: one of them is no picture.
    """
    if len(jpegs) == 1:
        return picture(jpegs[0], protocol, size)
    width, height = _CELL_COLUMNS * size.cell_width, _CELL_ROWS * size.cell_height
    sheet = Image.new("RGB", (len(jpegs) * width, height))
    for place, jpeg in enumerate(jpegs):
        image = ImageOps.contain(_opened(jpeg), (width - size.cell_width, height))
        sheet.paste(image, (place * width, (height - image.height) // 2))
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=90)
    return _drawn(sheet, file.getvalue(), (len(jpegs) * _CELL_COLUMNS, _CELL_ROWS), protocol, size)


def _opened(jpeg: bytes) -> Image.Image:
    with Image.open(io.BytesIO(jpeg)) as opened:
        return opened.convert("RGB")


def _drawn(
    image: Image.Image, jpeg: bytes, cells: tuple[int, int], protocol: PictureProtocol, size: Size
) -> bytes:
    columns, rows = cells
    if protocol == "kitty":
        return _kitty(image, columns, rows)
    if protocol == "iterm2":
        return _iterm2(jpeg, columns, rows)
    if protocol == "sixel":
        return _sixels(image.resize((columns * size.cell_width, rows * size.cell_height)))
    return _blocks(image.resize((columns, 2 * rows)))


def _fitted(image: Image.Image, size: Size) -> tuple[int, int]:
    """Return the columns and rows that the image takes."""
    most_columns, most_rows = min(size.columns, _MOST_COLUMNS), min(size.rows, _MOST_ROWS)
    width, height = image.width / size.cell_width, image.height / size.cell_height
    scale = min(most_columns / width, most_rows / height)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _kitty(image: Image.Image, columns: int, rows: int) -> bytes:
    png = io.BytesIO()
    image.save(png, "PNG", compress_level=1)
    data = base64.standard_b64encode(png.getvalue())
    chunks = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
    # no answers: nobody would read them, and the shell would take them for input
    keys = [f"a=T,f=100,q=2,c={columns},r={rows},".encode(), *[b""] * (len(chunks) - 1)]
    return (
        b"".join(
            b"\x1b_G%sm=%d;%s\x1b\\" % (key, i < len(chunks) - 1, chunk)
            for i, (key, chunk) in enumerate(zip(keys, chunks, strict=True))
        )
        + b"\n"
    )


def _iterm2(jpeg: bytes, columns: int, rows: int) -> bytes:
    keys = f"inline=1;size={len(jpeg)};width={columns};height={rows}".encode()
    return b"\x1b]1337;File=%s:%s\x07\n" % (keys, base64.standard_b64encode(jpeg))


def _sixels(image: Image.Image) -> bytes:
    few = image.quantize(_COLOURS)
    palette = few.getpalette() or []
    colours = [palette[i : i + 3] for i in range(0, len(palette), 3)]
    parts = [f'\x1bPq"1;1;{image.width};{image.height}'.encode()]
    for i, colour in enumerate(colours):
        red, green, blue = (round(part * 100 / 255) for part in colour)
        parts.append(f"#{i};2;{red};{green};{blue}".encode())
    pixels = np.asarray(few)
    for top in range(0, image.height, _BAND):
        parts += [*_band(pixels[top : top + _BAND]), b"-"]
    return b"".join([*parts, b"\x1b\\\n"])


def _band(pixels: np.ndarray) -> list[bytes]:
    """Return a row of sixels: for each colour the columns, each with a bit for each pixel."""
    bits = np.left_shift(1, np.arange(len(pixels), dtype=np.uint8))[:, None]
    parts = []
    for colour in np.unique(pixels):
        columns = ((pixels == colour) * bits).sum(axis=0, dtype=np.uint8) + ord("?")
        runs = _RUN.sub(lambda run: b"!%d%s" % (len(run[0]), run[1]), columns.tobytes())
        parts.append(b"#%d%s$" % (colour, runs))
    return parts


def _blocks(image: Image.Image) -> bytes:
    colour = _true if os.environ.get("COLORTERM") in {"truecolor", "24bit"} else _of_256
    pixels = np.asarray(image)
    lines = [
        "".join(
            f"\x1b[38;{colour(*above)};48;{colour(*below)}m{_UPPER_HALF}"
            for above, below in zip(upper.tolist(), lower.tolist(), strict=True)
        )
        + "\x1b[0m\n"
        for upper, lower in zip(pixels[::2], pixels[1::2], strict=True)
    ]
    return "".join(lines).encode()


def _true(red: int, green: int, blue: int) -> str:
    return f"2;{red};{green};{blue}"


def _of_256(red: int, green: int, blue: int) -> str:
    step = [round(part * _CUBE / 255) for part in (red, green, blue)]
    return f"5;{16 + 36 * step[0] + 6 * step[1] + step[2]}"
