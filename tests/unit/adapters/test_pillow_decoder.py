"""Every mode, format and orientation to the right pixels."""

import errno
import io
import struct

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from imgvecd.adapters import pillow
from imgvecd.adapters.pillow import png_colour
from imgvecd.errors import UnreadableImageError
from imgvecd.types import PreprocessSpec

SIZE = 32
SPEC = PreprocessSpec(SIZE, (0.5,) * 3, (0.5,) * 3)
MAX_PIXELS = 10_000_000
GREY = 128
pillow_heif.register_heif_opener()


def decode(data, spec=SPEC, max_pixels=MAX_PIXELS):
    info, pixels = pillow.decode(io.BytesIO(data), spec, max_pixels)
    return info, np.frombuffer(pixels, np.uint8).reshape(spec.size, spec.size, 3).astype(int)


def encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def corners(width=96, height=64):
    """Red, green / blue, grey quarters: any turn or mirroring shows. No colour is at its limit,
    where resampling would be cut off."""
    image = Image.new("RGB", (width, height), (190, 60, 60))
    image.paste((60, 190, 60), (width // 2, 0, width, height // 2))
    image.paste((60, 60, 190), (0, height // 2, width // 2, height))
    image.paste((190, 190, 190), (width // 2, height // 2, width, height))
    return image


def gradient(width=96, height=64):
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 255 - x], axis=-1).astype(np.uint8))


def close(pixels, other, tolerance):
    assert np.abs(pixels - other).mean() < tolerance


@pytest.mark.parametrize(
    ("form", "options", "name"),
    [
        ("JPEG", {"quality": 95}, "jpeg"),
        ("JPEG", {"quality": 95, "progressive": True}, "jpeg"),
        ("PNG", {}, "png"),
        ("GIF", {}, "gif"),
        ("WEBP", {"lossless": True}, "webp"),
        ("TIFF", {"compression": "tiff_lzw"}, "tiff"),
        ("BMP", {}, "bmp"),
        ("JPEG2000", {}, "jpeg2000"),
        ("AVIF", {"quality": 95}, "avif"),
        ("HEIF", {"quality": 95}, "heif"),
    ],
)
def test_formats(form, options, name):
    info, pixels = decode(encoded(gradient(), form, **options))
    assert (info.format, info.width, info.height, info.truncated) == (name, 96, 64, False)
    _, reference = decode(encoded(gradient(), "PNG"))
    close(pixels, reference, 6 if form == "GIF" else 2)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
def test_orientation(orientation, mode):
    """As stored by a camera that was held in that way, the picture comes out upright."""
    upright = corners()
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    spec = PreprocessSpec(SIZE, (0.5,) * 3, (0.5,) * 3, resize_mode=mode)
    info, pixels = decode(encoded(stored, "PNG", exif=exif), spec)
    _, reference = decode(encoded(upright, "PNG"), spec)
    assert (info.width, info.height) == (96, 64)
    # the order of the two resampling passes differs, and with it the rounding between them
    assert np.abs(pixels - reference).max() <= 4


def test_grey_palette_and_bits():
    _, reference = decode(encoded(gradient().convert("L"), "PNG"))
    for mode in ("P", "LA"):
        _, pixels = decode(encoded(gradient().convert("L").convert(mode), "PNG"))
        assert np.abs(pixels - reference).max() <= 1
    halves = Image.new("1", (64, 64), 0)
    halves.paste(1, (0, 32, 64, 64))
    _, pixels = decode(encoded(halves, "PNG"))
    assert (pixels[:12].max(), pixels[-12:].min()) == (0, 255)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_keep_their_scale(form):
    values = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    _, pixels = decode(encoded(Image.fromarray(values), form))
    _, reference = decode(encoded(Image.fromarray((values >> 8).astype(np.uint8)), "PNG"))
    assert np.abs(pixels - reference).max() <= 1


def test_floating_point_is_stretched_and_survives_nan():
    values = np.linspace(-3, 7, 64 * 64).reshape(64, 64).astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    _, pixels = decode(encoded(Image.fromarray(values), "TIFF"))
    assert pixels.min() < 10
    assert pixels.max() > 245


def test_cmyk():
    _, pixels = decode(encoded(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG", quality=95))
    red, green, blue = pixels[SIZE // 2, SIZE // 2]
    assert red > 200
    assert green < 60
    assert blue < 60


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_transparency_shows_a_neutral_ground(form):
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 32, 64))
    _, pixels = decode(encoded(image, form))
    assert list(pixels[16, 28]) == [GREY] * 3
    assert pixels[16, 4, 2] > 250


def test_transparent_palette_colour():
    image = Image.new("P", (64, 64), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    _, pixels = decode(encoded(image, "PNG", transparency=1))
    assert np.unique(pixels).tolist() == [GREY]


def test_icc_profiles_become_srgb():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    lab = Image.new("LAB", (64, 64), (128, 128 + 60, 128))
    expected = ImageCms.profileToProfile(
        lab, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
    ).getpixel((0, 0))
    _, pixels = decode(encoded(lab, "TIFF", icc_profile=profile.tobytes()))
    assert np.abs(pixels - np.array(expected)).max() <= 2


@pytest.mark.parametrize("method", [1, 2, 3])
def test_the_profile_in_the_header_of_jpeg_2000(method):
    def box(kind, data):
        return struct.pack(">I", len(data) + 8) + kind + data

    wide = (0.3127, 0.329, 0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001)
    profile = png_colour._made(1 / 1.8, wide, is_grey=False)
    plain = encoded(gradient(), "JPEG2000")
    at = plain.index(b"jp2h") - 4
    length = int.from_bytes(plain[at : at + 4])
    header = plain[at + 8 : at + length]
    header = header[: header.index(b"colr") - 4] + box(b"colr", bytes([method, 0, 0]) + profile)
    _, pixels = decode(plain[:at] + box(b"jp2h", header) + plain[at + length :])
    _, shown = decode(encoded(gradient(), "PNG", icc_profile=profile))
    _, stored = decode(plain)
    assert np.abs(pixels - (shown if method > 1 else stored)).max() <= 1
    assert np.abs(shown - stored).max() > 20


def test_a_profile_that_makes_no_sense_is_ignored():
    _, pixels = decode(encoded(gradient(), "PNG", icc_profile=b"no profile"))
    _, reference = decode(encoded(gradient(), "PNG"))
    assert (pixels == reference).all()


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animation_is_shown_by_its_middle(form):
    frames = [Image.new("RGB", (64, 64), (0, 0, shade)) for shade in (0, 60, 250, 120, 30)]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
    _, pixels = decode(data)
    assert pixels[..., 2].mean() > 240


def test_pages_are_shown_by_the_first():
    pages = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    _, pixels = decode(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert pixels[0, 0].tolist() == [255, 0, 0]


def test_a_line_of_pixels_is_a_picture():
    for size in ((3000, 1), (1, 3000)):
        info, pixels = decode(encoded(Image.new("RGB", size, "red"), "PNG"))
        assert (info.width, info.height) == size
        assert (pixels == [255, 0, 0]).all()
        spec = PreprocessSpec(SIZE, (0.5,) * 3, (0.5,) * 3, resize_mode="longest", fill=7)
        _, padded = decode(encoded(Image.new("RGB", size, "red"), "PNG"), spec)
        assert (padded == [7, 7, 7]).all(axis=-1).mean() > 0.9


def test_more_pixels_than_allowed():
    with pytest.raises(UnreadableImageError, match="96 × 64") as caught:
        decode(encoded(gradient(), "PNG"), max_pixels=6000)
    assert caught.value.reason == "too_large"


def test_a_large_jpeg_passes_at_a_reduced_scale():
    data = encoded(gradient(2400, 1600), "JPEG")
    info, pixels = decode(data, max_pixels=2400 * 1600 // 4)
    assert (info.width, info.height) == (2400, 1600)
    close(pixels, decode(encoded(gradient(2400, 1600), "PNG"))[1], 2)


def test_truncated_pictures_are_marked():
    data = encoded(gradient(640, 480), "JPEG", quality=90)
    info, pixels = decode(data[: len(data) // 2])
    assert info.truncated
    assert (info.width, info.height) == (640, 480)
    assert pixels[0].std() > 20


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "damaged"),
        (b"\0" * 5000, "unsupported"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "unsupported"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "damaged"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 99, "damaged"),
    ],
)
def test_what_is_no_picture(data, reason):
    with pytest.raises(UnreadableImageError) as caught:
        decode(data)
    assert caught.value.reason == reason


def test_too_little_of_a_truncated_picture():
    data = encoded(gradient(640, 480), "JPEG", quality=90)
    with pytest.raises(UnreadableImageError) as caught:
        decode(data[: len(data) // 10])
    assert caught.value.reason == "truncated"


@pytest.mark.parametrize("form", ["JPEG", "HEIF"])
def test_the_film_behind_a_motion_photo_is_passed_over(form):
    """Phones append a film (MP4) to the still."""
    still = encoded(gradient(), form, quality=95)
    film = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0" * 5000
    info, pixels = decode(still + film)
    assert not info.truncated
    assert (pixels == decode(still)[1]).all()


def test_what_lies_behind_the_first_picture_of_an_mpo_is_passed_over():
    pages = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    info, pixels = decode(encoded(pages[0], "MPO", save_all=True, append_images=pages[1:]))
    assert info.format == "jpeg"
    assert pixels[16, 16, 0] > 240


def test_a_kind_of_tiff_that_cannot_be_read_is_not_called_damaged():
    data = bytearray(encoded(gradient(), "TIFF"))
    at = data.index(b"\x03\x01\x03\0\1\0\0\0\1\0")  # the compression's entry
    data[at + 8 : at + 10] = b"\x39\x30"
    with pytest.raises(UnreadableImageError, match="whose compression") as caught:
        decode(bytes(data))
    assert caught.value.reason == "unsupported"


def test_large_texts_and_profiles_in_a_png_do_not_keep_it_from_being_shown():
    info = PngImagePlugin.PngInfo()
    info.add_text("workflow", "x" * 3_000_000, zip=True)
    data = encoded(gradient(), "PNG", pnginfo=info, icc_profile=bytes(3_000_000))
    assert decode(data)[0].format == "png"
    info.add_text("bomb", "x" * 100_000_000, zip=True)
    assert decode(encoded(gradient(), "PNG", pnginfo=info))[0].metadata == {}


@pytest.mark.parametrize("form", ["GIF", "PNG"])
def test_an_animation_without_its_end_is_shown_as_far_as_it_goes(form):
    rng = np.random.default_rng(1)
    frames = [Image.fromarray(rng.integers(0, 255, (64, 96, 3), np.uint8)) for _ in range(20)]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
    for tenth in range(1, 10):
        info, pixels = decode(data[: len(data) * tenth // 10])
        assert (info.width, info.height) == (96, 64)
        assert pixels.std() > 10


def test_a_tiff_without_its_end_is_truncated_not_unsupported():
    data = encoded(gradient(), "TIFF", compression="tiff_lzw")
    for size in (10, len(data) // 2, len(data) * 9 // 10):
        with pytest.raises(UnreadableImageError, match="its end is missing") as caught:
            decode(data[:size])
        assert caught.value.reason == "truncated"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP"])
def test_a_disk_that_fails_says_nothing_about_the_bytes(form):
    class FailingDisk(io.BytesIO):
        def read(self, *arguments):
            if self.tell() > 100 or not arguments:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(*arguments)

    with pytest.raises(OSError, match="Input/output"):
        pillow.decode(FailingDisk(encoded(gradient(), form)), SPEC, MAX_PIXELS)


def jpeg_xl_in_boxes(codestream, kind=b"jxlc", length=None):
    boxes = b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl "
    length = 8 + len(codestream) if length is None else length
    return boxes + length.to_bytes(4) + kind + codestream


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        (lambda stream: stream[: len(stream) // 2], "damaged", "damaged, or incomplete"),
        (lambda stream: jpeg_xl_in_boxes(stream)[:-20], "truncated", "its end is missing"),
        (lambda stream: jpeg_xl_in_boxes(b"")[:32], "damaged", "it holds no picture data"),
        (lambda stream: jpeg_xl_in_boxes(b"..", b"Exif"), "damaged", "it holds no picture data"),
        (lambda stream: jpeg_xl_in_boxes(stream[:30], length=0), "damaged", "or incomplete"),
        (lambda stream: jpeg_xl_in_boxes(stream[:30]), "damaged", "or incomplete"),
    ],
)
def test_a_damaged_jpeg_xl_is_told_in_words_for_a_person(change, reason, words):
    pytest.importorskip("pillow_jxl")
    data = encoded(gradient(), "JXL")
    assert data.startswith(b"\xff\n")
    decode(jpeg_xl_in_boxes(data))
    decode(jpeg_xl_in_boxes(data, length=0))
    with pytest.raises(UnreadableImageError, match=words) as caught:
        decode(change(data))
    assert caught.value.reason == reason
