"""Pictures of rarer formats, and those of which a part is damaged that others show all the same."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from imgvecd.adapters import pillow
from imgvecd.errors import UnreadableImageError
from imgvecd.types import PreprocessSpec

SPEC = PreprocessSpec(32, (0.5,) * 3, (0.5,) * 3)
NOISE = Image.effect_noise((64, 48), 90).convert("RGB")


def saved(picture=NOISE, form="PNG", **options):
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def decoded(data):
    return pillow.decode(io.BytesIO(data), SPEC, 10**6)


@pytest.mark.parametrize(
    ("form", "mode", "options"),
    [
        ("PPM", "RGB", {}), ("PPM", "L", {}), ("PPM", "1", {}), ("PPM", "F", {}),
        ("QOI", "RGB", {}), ("QOI", "RGBA", {}), ("TGA", "RGB", {}), ("TGA", "RGBA", {}),
        ("TGA", "P", {}), ("TGA", "L", {"compression": "tga_rle"}),
        ("ICO", "RGB", {"sizes": [(64, 48)]}),
        ("DIB", "RGB", {}), ("TIFF", "RGB", {"big_tiff": True}),
        ("TIFF", "RGB", {"compression": "jpeg"}),
    ],
)  # fmt: skip
def test_rarer_formats(form, mode, options):
    picture = NOISE.convert("L").convert(mode) if mode == "F" else NOISE.convert(mode)
    info, pixels = decoded(saved(picture, form, **options))
    assert (info.width, info.height) == (64, 48)
    _, expected = decoded(saved(picture if mode in {"L", "P", "RGBA"} else NOISE.convert("1") if mode == "1" else NOISE))  # noqa: E501 # fmt: skip
    if mode != "F" and options.get("compression") != "jpeg":
        assert pixels == expected


@pytest.mark.parametrize("data", [b"hello world " * 30, bytes(100), b"P9 1 1 255 " + bytes(99)])
def test_what_is_no_picture(data):
    with pytest.raises(UnreadableImageError) as raised:
        decoded(data)
    assert raised.value.reason == "unsupported"


def test_a_jpeg_of_twelve_bits_is_unsupported_not_damaged():
    values = np.random.default_rng(1).integers(0, 4096, (48, 64, 3), np.uint16)
    for data in (
        imagecodecs.jpeg_encode(values, bitspersample=12),
        imagecodecs.ljpeg_encode(values[..., 0]),
    ):
        with pytest.raises(UnreadableImageError, match="bits a colour, which is not") as raised:
            decoded(data)
        assert raised.value.reason == "unsupported"


def chunk(name, data, checksum=None):
    checksum = zlib.crc32(name + data) if checksum is None else checksum
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


@pytest.mark.parametrize(
    "bad",
    [
        *(chunk(name, data) for name in (b"sRGB", b"cHRM", b"pHYs", b"gAMA", b"iCCP", b"zTXt", b"iTXt", b"tRNS", b"acTL", b"fcTL", b"eXIf") for data in (b"", b"a", b"a\0\0b")),  # noqa: E501
        chunk(b"sRGB", b"\0", 5),
        chunk(b"zTXt", b"a\0\0" + zlib.compress(b"a" * 9)[:-6]),
        struct.pack(">I", 9999) + b"tEXt" + b"abc",
        struct.pack(">I", 20) + b"tEXt" + b"abc" + bytes(4),
    ],
)  # fmt: skip
def test_a_damaged_chunk_beside_the_picture(bad):
    from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415

    text = PngInfo()
    text.add_text("Title", "whole")
    data = saved(pnginfo=text)
    info, pixels = decoded(data[:33] + bad + data[33:])
    assert pixels == decoded(data)[1]
    assert not info.truncated
    assert info.metadata == {"title": "whole"}


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("keep", [0.5, 0.75])
def test_an_animation_that_is_broken_later_shows_its_beginning(form, alpha, keep):
    frames = [Image.new("RGBA" if alpha else "RGB", (64, 48), (i * 20, 250 - i * 20, 90, 200)[: 3 + alpha]) for i in range(9)]  # noqa: E501 # fmt: skip
    data = saved(frames[0], form, save_all=True, append_images=frames[1:])
    info, pixels = decoded(data[: int(len(data) * keep)])
    assert (info.width, info.height) == (64, 48)
    assert len(pixels) == 3 * 32 * 32


@pytest.mark.parametrize(("tag", "value"), [(254, 1), (255, 2)])
def test_a_page_that_is_a_small_version_is_not_the_picture(tag, value):
    small, large = NOISE.resize((16, 12)), NOISE.transpose(Image.Transpose.ROTATE_180)
    pages = io.BytesIO()
    small.save(
        pages, "TIFF", tiffinfo={tag: value, 270: "small"}, save_all=True, append_images=[large]
    )
    info, pixels = decoded(pages.getvalue())
    # Pillow writes the same fields to each page, so that both are small ones: the first is shown
    assert (info.width, info.height) == (16, 12)
    data = bytearray(pages.getvalue())
    places = [at for at in range(len(data)) if data[at : at + 2] == struct.pack("<H", tag) and data[at + 4 : at + 8] == b"\1\0\0\0"]  # noqa: E501 # fmt: skip
    data[places[-1] + 8] = 0
    info, pixels = decoded(bytes(data))
    assert (info.width, info.height) == (64, 48)
    assert pixels == decoded(saved(large))[1]


def test_a_place_where_no_file_goes_is_the_pictures_fault():
    from imgvecd.adapters.pillow.opening import is_the_systems  # noqa: PLC0415

    assert is_the_systems(OSError(5, "I/O error"))
    assert not is_the_systems(OSError(22, "Invalid argument"))
    assert not is_the_systems(OSError("image file is truncated"))
