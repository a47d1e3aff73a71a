"""Each format decoded to the right pixels: beside another decoder, or the picture it was made of.

The others are libraries that share nothing with ours but the codecs' specifications, bundled in
imagecodecs. Pictures are decoded at their own size, so that no resampling hides a difference.
"""

import io
import sys
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms
from raw_files import dng

from imgvecd.adapters import pillow
from imgvecd.errors import UnreadableImageError
from imgvecd.types import PreprocessSpec

imagecodecs = pytest.importorskip("imagecodecs")
pytest.importorskip("pillow_jxl")
pytest.importorskip("rawpy")
pillow_heif.register_heif_opener()

SIDE = 192
PHOTO = Path(__file__).parents[2] / "data" / "photos" / "cat.jpg"
REAL = Path(__file__).parents[4] / "shared" / "data" / "formats"


def spec(side):
    return PreprocessSpec(side, (0.5,) * 3, (0.5,) * 3, resize_mode="squash")


def decode(data, side=SIDE):
    info, pixels = pillow.decode(io.BytesIO(data), spec(side), 20_000_000)
    return info, np.frombuffer(pixels, np.uint8).reshape(side, side, 3).astype(int)


@pytest.fixture(scope="module")
def photo():
    with Image.open(PHOTO) as image:
        return image.convert("RGB").resize((SIDE, SIDE))


def encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def difference(pixels, other):
    return np.abs(pixels - np.asarray(other, int)[..., :3]).max()


@pytest.mark.parametrize(
    ("form", "options", "reference", "tolerance"),
    [
        ("JPEG", {"quality": 90}, "jpeg8_decode", 3),
        ("JPEG", {"quality": 90, "subsampling": 0, "progressive": True}, "jpeg8_decode", 3),
        ("PNG", {}, "png_decode", 0),
        ("WEBP", {"quality": 90}, "webp_decode", 1),
        ("WEBP", {"lossless": True}, "webp_decode", 0),
        ("GIF", {}, "gif_decode", 0),
        ("TIFF", {"compression": "tiff_lzw"}, "tiff_decode", 0),
        ("TIFF", {"compression": "tiff_adobe_deflate"}, "tiff_decode", 0),
        ("BMP", {}, "bmp_decode", 0),
        ("JPEG2000", {"quality_layers": [20], "irreversible": True}, "jpeg2k_decode", 1),
        ("JPEG2000", {"no_jp2": True}, "jpeg2k_decode", 0),
        ("AVIF", {"quality": 90}, "avif_decode", 3),
    ],
)
def test_beside_another_decoder(photo, form, options, reference, tolerance):
    data = encoded(photo, form, **options)
    _, pixels = decode(data)
    assert difference(pixels, getattr(imagecodecs, reference)(data)) <= tolerance


@pytest.mark.parametrize("options", [{"lossless": True}, {"level": 90}])
def test_jpeg_xl(photo, options):
    data = imagecodecs.jpegxl_encode(np.asarray(photo), **options)
    info, pixels = decode(data)
    assert (info.format, info.width, info.height) == ("jpegxl", SIDE, SIDE)
    assert difference(pixels, imagecodecs.jpegxl_decode(data)) <= 1


def test_a_turned_jpeg_that_was_made_jpeg_xl(photo):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = imagecodecs.jpegxl_encode_jpeg(encoded(photo, "JPEG", quality=95, exif=exif))
    _, pixels = decode(data)
    assert difference(pixels, imagecodecs.jpegxl_decode(data)) <= 3


@pytest.mark.parametrize("bits", [10, 12])
def test_deep_avif(photo, bits):
    deep = np.asarray(photo).astype(np.uint16) << (bits - 8)
    data = imagecodecs.avif_encode(deep, bitspersample=bits, level=95, speed=10)
    _, pixels = decode(data)
    assert difference(pixels, imagecodecs.avif_decode(data) >> (bits - 8)) <= 3


def test_heif_is_the_picture_that_it_was_made_of(photo):
    """No other decoder comes as a package: the picture itself is the reference."""
    lossless = encoded(photo, "HEIF", quality=-1, chroma=444, matrix_coefficients=0)
    _, pixels = decode(lossless)
    assert difference(pixels, photo) <= 2
    _, pixels = decode(encoded(photo, "HEIF", quality=90))
    assert np.abs(pixels - np.asarray(photo, int)).mean() < 2.5


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_a_colour(photo, form):
    deep = np.asarray(photo).astype(np.uint16) * 257
    encode = imagecodecs.png_encode if form == "PNG" else tiff16
    _, pixels = decode(encode(deep))
    assert difference(pixels, photo) == 0


def tiff16(values):
    """Return an uncompressed 16-bit TIFF, which Pillow reads but does not write."""
    import struct  # noqa: PLC0415

    height, width, _ = values.shape
    entries = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, 8), (259, 3, 1, 1), (262, 3, 1, 2),
        (273, 4, 1, 14), (277, 3, 1, 3), (278, 3, 1, height), (279, 4, 1, values.nbytes),
    ]  # fmt: skip
    body = struct.pack("<3H", 16, 16, 16) + values.astype("<u2").tobytes()
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", *entry) for entry in entries
    )
    header = struct.pack("<2sHI", b"II", 42, 8 + len(body))
    return header + body + directory + b"\0\0\0\0"


def test_raw_is_shown_by_its_preview(photo):
    preview = encoded(photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "JPEG", quality=95)
    data = dng(photo.resize((SIDE * 2, SIDE * 2)), (preview, (SIDE, SIDE)))
    info, pixels = decode(data)
    assert (info.format, info.width, info.height) == ("raw", 2 * SIDE, 2 * SIDE)
    assert difference(pixels, imagecodecs.jpeg8_decode(preview)) <= 3
    assert info.taken_at == "2022-03-04T05:06:07"
    assert info.metadata["camera"] == "Testmaker T1"
    assert info.metadata["iso"] == 800


@pytest.mark.parametrize("preview_side", [None, 64])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_raw_is_developed_if_its_preview_is_too_small(photo, preview_side, orientation):
    turns = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]  # quarters counter-clockwise, as stored
    stored = photo.resize((SIDE * 2, SIDE * 2)).rotate(90 * turns)
    preview = None
    if preview_side:
        small = Image.new("RGB", (preview_side, preview_side), "red")
        preview = (encoded(small, "JPEG"), small.size)
    _, pixels = decode(dng(stored, preview, orientation=orientation))
    # demosaicing and LibRaw's own brightness: the same picture, not the same values
    grey, other = pixels.mean(axis=-1).ravel(), np.asarray(photo.convert("L"), float).ravel()
    assert np.corrcoef(grey, other)[0, 1] > 0.97


def test_a_turned_preview(photo):
    stored = photo.rotate(90)
    preview = (encoded(stored, "JPEG", quality=95), stored.size)
    _, pixels = decode(dng(stored.resize((SIDE * 2, SIDE * 2)), preview, orientation=6))
    assert np.abs(pixels - np.asarray(photo, int)).mean() < 3


@pytest.mark.parametrize(
    ("extra", "module", "data"),
    [
        ("raw", "rawpy", dng(Image.new("RGB", (64, 64)))),
        ("raw", "rawpy", b"FUJIFILMCCD-RAW 0201" + b"\0" * 99),
        ("raw", "rawpy", b"\0\0\0\x18ftypcrx \0\0\0\1" + b"\0" * 99),
        ("jxl", "pillow_jxl", b"\xff\n" + b"\0" * 99),
    ],
)
def test_a_missing_extra_is_named(monkeypatch, extra, module, data):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UnreadableImageError, match=rf"pip install 'imgvecd\[{extra}\]'") as caught:
        decode(data)
    assert caught.value.reason == f"needs_{extra}"


def test_a_broken_raw_is_a_broken_picture():
    whole = dng(Image.new("RGB", (64, 64)))
    broken = {
        b"FUJIFILMCCD-RAW 0201" + b"\0" * 99: "unsupported",
        whole[: len(whole) // 2]: "truncated",
    }
    for data, reason in broken.items():
        with pytest.raises(UnreadableImageError) as caught:
            decode(data)
        assert caught.value.reason == reason


REFERENCES = {
    "8bit-sRGB.avif": "avif_decode",
    "8bit-sRGB.jxl": "jpegxl_decode",
    "datetimeoriginal-gps.jpg": "jpeg8_decode",
    "denali.webp": "webp_decode",
    "mongolels.jpg": "jpeg8_decode",
    "portrait-orientation-6.jpg": "jpeg8_decode",
    "thompson-springs.jpg": "jpeg8_decode",
}


@pytest.mark.parametrize(("name", "reference"), REFERENCES.items())
def test_real_files(name, reference):
    if not REAL.is_dir():
        pytest.skip("the collection of real formats does not lie beside the project")
    data = (REAL / name).read_bytes()
    other = Image.fromarray(getattr(imagecodecs, reference)(data)).convert("RGB")
    if "orientation-6" in name:
        other = other.transpose(Image.Transpose.ROTATE_270)
    with Image.open(io.BytesIO(data)) as image:
        profile = image.info.get("icc_profile")
    if profile:
        parsed = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if not ImageCms.getProfileDescription(parsed).startswith("sRGB"):  # then it is sRGB already
            other = ImageCms.profileToProfile(other, parsed, ImageCms.createProfile("sRGB"))
    side = 128
    _, pixels = decode(data, side)
    whole = np.asarray(other.resize((side, side), Image.Resampling.BICUBIC), int)
    # JPEG is decoded at a reduced scale where that leaves enough
    assert np.abs(pixels - whole).mean() < 1.5
