"""Pictures that say by code points that they are HDR, or of a wide gamut, are shown in sRGB."""

import io
import struct
import zlib

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from imgvecd.adapters import pillow
from imgvecd.adapters.pillow import cicp, png_colour
from imgvecd.types import PreprocessSpec

pillow_heif.register_heif_opener()
SIDE = 32
PQ, HLG, SRGB = 16, 18, 13
BT709, BT2020, P3 = 1, 9, 12
P3_RED = (234, 51, 35)  # of sRGB, which cannot be as red in P3


def flat(colour):
    return Image.new("RGB", (SIDE, SIDE), colour)


def png(colour, primaries, transfer, **options):
    data = io.BytesIO()
    flat(colour).save(data, "PNG", **options)
    content = b"cICP" + bytes([primaries, transfer, 0, 1])
    chunk = struct.pack(">I", 4) + content + struct.pack(">I", zlib.crc32(content))
    return data.getvalue()[:33] + chunk + data.getvalue()[33:]


def heif(colour, primaries, transfer):
    data = io.BytesIO()
    flat(colour).save(
        data,
        "HEIF",
        quality=-1,
        chroma=444,
        color_primaries=primaries,
        transfer_characteristics=transfer,
        matrix_coefficients=0,
        full_range_flag=1,
    )
    return data.getvalue()


def avif(colour, primaries, transfer):
    data = io.BytesIO()
    flat(colour).save(data, "AVIF", quality=100, subsampling="4:4:4")
    said = b"colrnclx" + struct.pack(">HH", BT709, SRGB)
    assert said in data.getvalue()
    return data.getvalue().replace(said, b"colrnclx" + struct.pack(">HH", primaries, transfer))


def with_profile(form):
    def write(colour, primaries, transfer):
        """Return a picture with a profile for sRGB that says by code points what is meant."""
        grey = {
            name: png_colour._xyz(png_colour._D50) for name in (b"wtpt", b"rXYZ", b"gXYZ", b"bXYZ")
        }
        said = b"cicp\0\0\0\0" + bytes([primaries, transfer, 0, 1])
        profile = png_colour._with_tags(b"RGB ", {**grey, b"cicp": said})
        data = io.BytesIO()
        options = {"quality": 100} if form == "JPEG" else {"lossless": True}
        flat(colour).save(data, form, icc_profile=profile, **options)
        return data.getvalue()

    return write


def shown(data):
    spec = PreprocessSpec(SIDE, (0.5,) * 3, (0.5,) * 3, resize_mode="squash")
    _, pixels = pillow.decode(io.BytesIO(data), spec, 1_000_000)
    return np.frombuffer(pixels, np.uint8).reshape(SIDE, SIDE, 3)[SIDE // 2, SIDE // 2].astype(int)


WRITERS = pytest.mark.parametrize("write", [png, heif, avif])


@pytest.mark.parametrize("write", [png, heif, avif, with_profile("JPEG"), with_profile("WEBP")])
@pytest.mark.parametrize(
    ("code", "transfer"),
    [(148, PQ), (191, HLG)],  # reference white, 203 cd/m²: 58 % of PQ, 75 % of HLG
)
def test_reference_white_is_nearly_white(write, code, transfer):
    value = shown(write((code,) * 3, BT2020, transfer))
    assert np.ptp(value) <= 3
    assert 215 <= value.mean() <= 240


@WRITERS
@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_black_stays_black_and_the_peak_becomes_white(write, transfer):
    assert shown(write((0,) * 3, BT2020, transfer)).max() <= 4
    assert shown(write((255,) * 3, BT2020, transfer)).min() >= 250


@WRITERS
def test_shadows_keep_their_light(write):
    # 20.3 cd/m², a tenth of white: 0.349 of PQ, and 0.349 of sRGB, by their formulas
    assert shown(write((89,) * 3, BT2020, PQ)) == pytest.approx([89] * 3, abs=5)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_brighter_is_never_darker(transfer):
    shades = [shown(png((code,) * 3, BT2020, transfer)).mean() for code in range(0, 256, 5)]
    assert shades == sorted(shades)


@WRITERS
def test_saturated_colours_of_a_wide_gamut_keep_their_hue(write):
    red, green, blue = shown(write((148, 60, 60), BT2020, PQ))
    assert red > 200
    assert green < 60
    assert blue < 60


@WRITERS
def test_wide_gamut_without_hdr_is_brought_to_srgb(write):
    assert shown(write(P3_RED, P3, SRGB)) == pytest.approx([255, 0, 0], abs=6)
    assert shown(write((128,) * 3, BT2020, SRGB)) == pytest.approx([128] * 3, abs=3)


@WRITERS
@pytest.mark.parametrize(("primaries", "transfer"), [(BT709, SRGB), (2, 2), (5, 6)])
def test_srgb_and_what_is_not_known_stay_as_they_are(write, primaries, transfer):
    assert shown(write((200, 100, 50), primaries, transfer)) == pytest.approx([200, 100, 50], abs=3)


def test_code_points_of_png_stand_above_its_profile():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert shown(png((148,) * 3, BT2020, PQ, icc_profile=profile)).mean() > 215


@pytest.mark.parametrize("write", [png, avif, with_profile("WEBP")])
def test_damage_anywhere_never_raises_in_the_code_points(write):
    whole = write((148,) * 3, BT2020, PQ)
    image = Image.open(io.BytesIO(whole))
    for place in range(min(len(whole), 400)):
        for value in (0, 1, 0x7F, 0xFF):
            damaged = whole[:place] + bytes([value]) + whole[place + 1 :]
            cicp.declared(image, io.BytesIO(damaged))
        cicp.declared(image, io.BytesIO(whole[:place]))
    profile = image.info.get("icc_profile") or b""
    for place in range(len(profile)):
        image.info["icc_profile"] = profile[:place] + b"\xff" * 4 + profile[place + 4 :]
        cicp.declared(image, io.BytesIO(whole))
        image.info["icc_profile"] = profile[:place]
        cicp.declared(image, io.BytesIO(whole))
