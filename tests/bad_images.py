"""Makes pictures that are broken in every way that can be thought of, and good ones."""

import io
import os
import random
import shutil
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

PHOTOS = sorted((Path(__file__).parent / "data" / "photos").glob("*.jpg"))
FORMATS = {
    "jpg": ("JPEG", {"quality": 85}),
    "progressive.jpg": ("JPEG", {"quality": 85, "progressive": True}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {"quality": 80}),
    "tiff": ("TIFF", {"compression": "tiff_lzw"}),
    "raw.tiff": ("TIFF", {}),
    "gif": ("GIF", {}),
    "bmp": ("BMP", {}),
    "jp2": ("JPEG2000", {}),
    "heic": ("HEIF", {"quality": 80}),
    "avif": ("AVIF", {"quality": 70, "speed": 10}),
}
HEADER_BYTES = 64  # kept where the rest is replaced by noise
pillow_heif.register_heif_opener()


def good_images(folder, count):
    """Write `count` pictures that can be decoded; return their paths."""
    folder.mkdir(parents=True)
    return [shutil.copy(PHOTOS[n % len(PHOTOS)], folder / f"{n}.JPG") for n in range(count)]


def bad_images(folder):
    """Write some 300 pictures that cannot be decoded, or not in full; return their paths."""
    folder.mkdir(parents=True)
    rng = random.Random(5)
    files = {}
    for name, (form, options) in FORMATS.items():
        data = _encoded(form, options)
        files |= _truncated(name, data)
        files |= _foreign_middle(name, data, rng)
    files |= _bombs() | _no_pictures(rng)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    os.mkfifo(folder / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(folder, os.O_RDONLY)  # a socket's path may be no longer than 107 bytes
        listener.bind(f"/proc/self/fd/{here}/socket.jpg")
        os.close(here)
    (folder / "folder.jpg").mkdir()
    (folder / "nowhere.jpg").symlink_to(folder / "gone.jpg")
    (folder / "circle.jpg").symlink_to(folder / "circle.jpg")
    return sorted(folder.iterdir())


def _encoded(form, options):
    file = io.BytesIO()
    Image.open(PHOTOS[0]).convert("RGB").save(file, form, **options)
    return file.getvalue()


def _truncated(name, data):
    """Return the first 0 to 18 twentieths; where only a trailer is missing nothing is."""
    shares = range(19)
    return {f"cut-{n}.{name}": data[: len(data) * n // 20] for n in shares}


def _foreign_middle(name, data, rng):
    """Return noise behind a good header, zeros behind it, and the header alone twice."""
    header = data[:HEADER_BYTES]
    return {
        **{f"noise-{n}.{name}": header + rng.randbytes(5000 * (n + 1)) for n in range(5)},
        f"zeros.{name}": header + bytes(20_000),
        f"twice.{name}": header * 2,
        f"tail.{name}": data[len(data) // 2 :],
    }


def _bombs():
    """Return small files that say they are huge."""
    return {
        "bomb.png": _png(30_000, 30_000, zlib.compress(bytes(30_001 * 300), 9)),
        "heavy.png": _png(17_000, 17_000, zlib.compress(bytes(17_001 * 300), 9)),
        "bomb-2.png": _png(2**31 - 1, 2**31 - 1, b""),
        "bomb-3.png": _png(1, 2**31 - 1, zlib.compress(bytes(1 << 20), 9)),
        "zero-size.png": _png(0, 0, b""),
        "bomb.gif": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6)
        + b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x44\x01\x00;",
        "bomb.bmp": b"BM" + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 2**31 - 1, 2**31 - 1, 1, 24, 0, 0, 0, 0, 0, 0),
        "bomb.tiff": _tiff(100_000, 100_000),
        "bomb.jpg": _resized_jpeg(),
    }  # fmt: skip


def _png(width, height, data):
    def chunk(kind, content):
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def _tiff(width, height):
    tags = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1),
            (278, height), (279, width)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def _resized_jpeg():
    """Return a JPEG whose header was edited to 65,000 × 65,000 pixels."""
    data = bytearray(_encoded("JPEG", {}))
    start = data.index(b"\xff\xc0") + 5
    data[start : start + 4] = struct.pack(">HH", 65_000, 65_000)
    return bytes(data)


def _no_pictures(rng):
    program = Path(np.__file__).read_bytes()
    return {
        "empty.jpg": b"",
        "one-byte.jpg": b"\xff",
        "text.jpg": b"this is no picture\n" * 50,
        "page.png": b"<html><body>404</body></html>",
        "program.gif": program,
        "postscript.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n",
        "vector.png": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        "zip.jpg": b"PK\x03\x04" + bytes(200),
        "movie.heic": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(500),
        **{f"junk-{n}.jpg": rng.randbytes(1 << n) for n in range(4, 18)},
    }
