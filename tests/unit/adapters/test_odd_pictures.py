"""Pictures of rarer formats, and those of which a part is damaged that others show all the same."""

import io
import struct
import tracemalloc
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import Base

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


@pytest.mark.parametrize(("tag", "value"), [(254, 1), (254, 4), (255, 2)])
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


def tiff_of(
    pieces, size, compression, *, order="<", big=False, tile=None, bits=(8, 8, 8), more=None
):
    """Return a TIFF whose strips (or tiles) are `pieces`."""
    width, height = size
    wide = "Q" if big else "I"
    kind = 16 if big else 4
    header = struct.pack(f"{order}HHHQ", 43, 8, 0, 0) if big else struct.pack(f"{order}HI", 42, 0)
    data = bytearray((b"II" if order == "<" else b"MM") + header)
    places = []
    for piece in pieces:
        places.append(len(data))
        data += piece + bytes(len(piece) % 2)
    fields = {
        256: (3, [width]), 257: (3, [height]), 258: (3, bits), 259: (3, [compression]),
        262: (3, [2]), 277: (3, [len(bits)]),
    }  # fmt: skip
    if tile:
        fields |= {322: (3, [tile]), 323: (3, [tile]), 324: (kind, places)}
        fields[325] = (kind, [len(piece) for piece in pieces])
    else:
        fields |= {273: (kind, places), 278: (3, [-(-height // len(pieces))])}
        fields[279] = (kind, [len(piece) for piece in pieces])
    fields |= more or {}
    inline, entry = (8, 20) if big else (4, 12)
    at = len(data)
    data += struct.pack(order + ("Q" if big else "H"), len(fields))
    beyond = at + (8 if big else 2) + entry * len(fields) + inline
    beyond_bytes = b""
    for tag in sorted(fields):
        kind_of, values = fields[tag]
        value = struct.pack(f"{order}{len(values)}{ {3: 'H', 4: 'I', 16: 'Q'}[kind_of] }", *values)
        if len(value) > inline:
            place = beyond + len(beyond_bytes)
            beyond_bytes += value
            value = struct.pack(order + wide, place)
        data += struct.pack(f"{order}HH{wide}", tag, kind_of, len(values)) + value.ljust(inline, b"\0")  # noqa: E501 # fmt: skip
    data += bytes(inline) + beyond_bytes
    link = 8 if big else 4
    data[link : link + inline] = struct.pack(order + wide, at)
    return bytes(data)


def strips(form=None, count=2, **options):
    bands = [NOISE.crop((0, i * 48 // count, 64, (i + 1) * 48 // count)) for i in range(count)]
    return [saved(band, form, **options) if form else band.tobytes() for band in bands]


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("compression", "pieces"),
    [
        (1, strips()),
        (8, [zlib.compress(strip) for strip in strips(count=3)]),
        (50001, strips("WEBP", lossless=True)),
        (34933, strips("PNG")),
        (34712, strips("JPEG2000", irreversible=False, no_jp2=True)),
    ],
)
def test_tiff_in_either_order_small_and_big(order, big, compression, pieces):
    info, pixels = decoded(tiff_of(pieces, NOISE.size, compression, order=order, big=big))
    assert (info.format, info.width, info.height) == ("tiff", 64, 48)
    assert pixels == decoded(saved())[1]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("compression", [1, 8])
def test_tiff_with_a_plane_of_16_bits_for_each_colour(order, mode, count, compression):
    picture = NOISE.convert(mode)
    pieces = []
    for plane in picture.split():
        values = np.asarray(plane).astype(f"{order}u2") * 257
        for part in np.array_split(values, count):
            data = part.tobytes()
            pieces.append(data if compression == 1 else zlib.compress(data))
    bits = (16,) * len(mode)
    more = {284: (3, [2]), 278: (3, [48 // count])} | ({338: (3, [2])} if mode == "RGBA" else {})
    data = tiff_of(pieces, NOISE.size, compression, order=order, bits=bits, more=more)
    assert decoded(data)[1] == decoded(saved())[1]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize(
    ("form", "kind", "low", "high"),
    [
        ("u4", 1, 0, 4_000_000_000),
        ("i4", 2, -2_000_000_000, 2_000_000_000),
        ("u2", 1, 0, 65_535),
        ("i2", 2, -30_000, 30_000),
        ("f4", 3, -1.5, 4.25),
    ],
)
def test_grey_tiff_of_any_values(order, compression, form, kind, low, high):
    grey = np.asarray(NOISE.convert("L")).astype(float)
    share = (grey - grey.min()) / (grey.max() - grey.min())
    data = (low + share * (high - low)).astype(order + form).tobytes()
    bits = (int(form[1]) * 8,)
    more = {262: (3, [1]), 339: (3, [kind])}
    pieces = [data if compression == 1 else zlib.compress(data)]
    _, pixels = decoded(tiff_of(pieces, NOISE.size, compression, order=order, bits=bits, more=more))
    expected = Image.fromarray((share * 255).astype(np.uint8)).convert("RGB")
    difference = np.frombuffer(pixels, np.uint8).astype(int) - np.frombuffer(
        decoded(saved(expected))[1], np.uint8
    )
    assert abs(difference).max() <= 2


def test_grey_of_twelve_and_sixteen_bits_keeps_its_scale():
    grey = np.asarray(NOISE.convert("L"))
    expected = np.frombuffer(decoded(saved(NOISE.convert("L")))[1], np.uint8).astype(int)
    pairs = (grey.astype(int) * 257 >> 4).reshape(-1, 2)
    packed = np.stack(
        [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], axis=1
    )
    tiff = tiff_of(
        [packed.astype(np.uint8).tobytes()], NOISE.size, 1, bits=(12,), more={262: (3, [1])}
    )
    netpbm = b"P5 64 48 65535 " + (grey.astype(int) * 257 // 2).astype(">u2").tobytes()
    for data, share in ((tiff, 1), (netpbm, 2)):
        found = np.frombuffer(decoded(data)[1], np.uint8).astype(int)
        assert abs(found * share - expected).mean() <= 1


P3 = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
OF_SRGB = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P"])
@pytest.mark.parametrize(
    ("gamma", "places", "more", "expected"),
    [
        (1.0, None, b"", (168, 202, 229)),  # linear light
        (1.0, OF_SRGB, b"", (168, 202, 229)),
        (1 / 2.2, P3, b"", (83, 153, 206)),
        (1 / 2.2, OF_SRGB, b"", (100, 150, 200)),
        (1.0, P3, chunk(b"sRGB", b"\0"), (100, 150, 200)),
        (1.0, P3, chunk(b"cICP", b"\1\x0d\0\1"), (100, 150, 200)),
        (0.0, None, b"", (100, 150, 200)),
        (1 / 2.2, (0.0,) * 8, b"", (100, 150, 200)),
    ],
)
def test_gamma_and_primaries_of_png(mode, gamma, places, more, expected):
    data = saved(Image.new("RGB", (8, 8), (100, 150, 200)).convert(mode))
    chunks = chunk(b"gAMA", struct.pack(">I", round(gamma * 100_000))) + more
    if places:
        chunks += chunk(b"cHRM", struct.pack(">8I", *(round(each * 100_000) for each in places)))
    found = np.frombuffer(decoded(data[:33] + chunks + data[33:])[1], np.uint8)[:3].astype(int)
    if mode in {"L", "LA"}:
        plain = np.frombuffer(decoded(data)[1], np.uint8)[:3].astype(int)
        assert (found > plain + 20).all() == (expected[0] == 168)
    else:
        assert abs(found - expected).max() <= 4


def test_tiff_in_tiles_of_webp():
    padded = Image.new("RGB", (64, 64))
    padded.paste(NOISE)
    tiles = [saved(padded.crop((x, y, x + 32, y + 32)), "WEBP", lossless=True) for y in (0, 32) for x in (0, 32)]  # noqa: E501 # fmt: skip
    assert decoded(tiff_of(tiles, NOISE.size, 50001, tile=32))[1] == decoded(saved())[1]


@pytest.mark.parametrize(
    ("compression", "bits", "part"),
    [(34887, (8, 8, 8), r"compression \(LERC\)"), (1, (48, 48, 48), "values of 48 bits")],
)
def test_tiff_that_is_not_supported_says_why(compression, bits, part):
    with pytest.raises(UnreadableImageError, match=part) as raised:
        decoded(tiff_of(strips(), NOISE.size, compression, bits=bits))
    assert raised.value.reason == "unsupported"


@pytest.mark.parametrize(
    ("values", "bits", "side", "reason"),
    [
        (65_535, 8, 1000, "unsupported"),
        (65_535, 32, 1000, "unsupported"),
        (1000, 16, 1, "unsupported"),
        (200, 16, 200, "too_large"),  # the decoder of these tests takes a million pixels
    ],
)
def test_tiff_of_very_many_values_a_pixel_is_refused_by_its_header(values, bits, side, reason):
    tiff = tiff_of([bytes(100)], (side, side), 8, bits=(bits,) * values)
    tracemalloc.start()
    with pytest.raises(UnreadableImageError) as raised:
        decoded(tiff)
    assert raised.value.reason == reason
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


def test_no_code_of_a_decoder_is_a_reason():
    data = bytearray(saved(form="TIFF", compression="tiff_lzw"))
    data[8:4000] = bytes(3992)
    with pytest.raises(UnreadableImageError, match="picture data is damaged") as raised:
        decoded(bytes(data))
    assert not any(character.isdigit() for character in str(raised.value))


PIXELS = np.asarray(NOISE).astype(np.uint64)


def bitmap(header, masks, rows, *, file_header=True):
    at = 14 + len(header) + len(masks)
    prefix = b"BM" + struct.pack("<IHHI", at + len(rows), 0, 0, at) if file_header else b""
    return prefix + header + masks + rows


def windows(size, bits, compression, masks=(), height=48):
    header = struct.pack("<IiiHHIIiiII", size, 64, height, 1, bits, compression, 0, 0, 0, 0, 0)
    inside = struct.pack(f"<{len(masks)}I", *masks) if masks and size > 40 else b""
    return (header + inside).ljust(size, b"\0")[:size]


def masked_rows(masks, kind, alpha=255):
    values = np.zeros(PIXELS.shape[:2], np.uint64)
    for i, mask in enumerate(masks):
        low, width = (mask & -mask).bit_length() - 1, mask.bit_count()
        band = PIXELS[..., i] if i < 3 else np.full_like(values, alpha)
        values |= (band << (width - 8) if width > 8 else band >> (8 - width)) << low
    return values[::-1].astype(kind).tobytes()


@pytest.mark.parametrize("file_header", [True, False])
@pytest.mark.parametrize("size", [40, 52, 56, 108, 124])
@pytest.mark.parametrize(
    ("bits", "masks", "near"),
    [
        (16, (0xF800, 0x7E0, 0x1F), 8), (16, (0x7C00, 0x3E0, 0x1F), 8),
        (16, (0xF00, 0xF0, 0xF), 16),
        (32, (0xFF, 0xFF00, 0xFF0000), 0), (32, (0xFF000000, 0xFF0000, 0xFF00), 0),
        (32, (0x3FF00000, 0xFFC00, 0x3FF), 1),
    ],
)  # fmt: skip
def test_bitmaps_with_any_masks(size, bits, masks, near, file_header):
    header = windows(size, bits, 3, (*masks, 0))
    behind = struct.pack("<3I", *masks) if size == 40 else b""
    rows = masked_rows(masks, "<u2" if bits == 16 else "<u4")
    info, pixels = decoded(bitmap(header, behind, rows, file_header=file_header))
    assert (info.format, info.width, info.height) == ("bmp", 64, 48)
    expected = np.frombuffer(decoded(saved())[1], np.uint8).astype(int)
    assert np.abs(np.frombuffer(pixels, np.uint8) - expected).max() <= near


def test_an_alpha_mask_counts_unless_nothing_would_show():
    masks = (0xFF, 0xFF00, 0xFF0000, 0xFF000000)
    rows = masked_rows(masks, "<u4", alpha=0)
    assert decoded(bitmap(windows(124, 32, 3, masks), b"", rows))[1] == decoded(saved())[1]
    half = NOISE.copy()
    half.putalpha(128)
    rows = masked_rows(masks, "<u4", alpha=128)
    assert decoded(bitmap(windows(124, 32, 3, masks), b"", rows))[1] == decoded(saved(half))[1]


ROWS = np.ascontiguousarray(np.asarray(NOISE)[::-1, :, ::-1]).tobytes()


@pytest.mark.parametrize("size", [16, 24, 40, 46, 64])
@pytest.mark.parametrize("file_header", [True, False])
def test_bitmaps_of_os2_whole_and_cut(size, file_header):
    header = struct.pack("<IiiHHIIiiII", size, 64, 48, 1, 24, 0, 0, 0, 0, 0, 0)[:size]
    data = bitmap(header.ljust(size, b"\0"), b"", ROWS, file_header=file_header)
    assert decoded(data)[1] == decoded(saved())[1]


@pytest.mark.parametrize("file_header", [True, False])
def test_bitmaps_of_os2_of_the_first_kind_and_in_arrays(file_header):
    header = struct.pack("<IHHHH", 12, 64, 48, 1, 24)
    data = bitmap(header, b"", ROWS, file_header=file_header)
    assert decoded(data)[1] == decoded(saved())[1]
    if file_header:
        array = b"BA" + struct.pack("<IIHH", 14, 0, 0, 0)
        inside = bytearray(data)
        inside[10:14] = struct.pack("<I", struct.unpack_from("<I", data, 10)[0] + 14)
        assert decoded(array + bytes(inside))[1] == decoded(saved())[1]


def test_bitmaps_of_os2_in_run_lengths():
    rows = b"".join(
        b"".join(b"\1" + bytes(pixel[::-1]) for pixel in row[:20])
        + b"\0\x2c" + np.ascontiguousarray(row[20:, ::-1]).tobytes() + b"\0\0"
        for row in np.asarray(NOISE)[::-1]
    )  # fmt: skip
    header = struct.pack("<IiiHHIIiiII", 64, 64, 48, 1, 24, 4, 0, 0, 0, 0, 0).ljust(64, b"\0")
    assert decoded(bitmap(header, b"", rows + b"\0\1"))[1] == decoded(saved())[1]


@pytest.mark.parametrize(("form", "compression"), [("JPEG", 4), ("PNG", 5)])
def test_pictures_in_bitmaps(form, compression):
    data = saved(form=form)
    assert decoded(bitmap(windows(40, 0, compression), b"", data))[1] == decoded(data)[1]


@pytest.mark.parametrize("keep", [0.5, 0.75, 0.9])
def test_an_avif_sequence_that_breaks_off_shows_its_beginning(keep):
    frames = [NOISE.rotate(i * 20) for i in range(6)]
    data = saved(frames[0], "AVIF", save_all=True, append_images=frames[1:])
    info, pixels = decoded(data[: int(len(data) * keep)])
    assert info.truncated
    first, found = (
        np.frombuffer(each, np.uint8).astype(int) for each in (decoded(saved())[1], pixels)
    )
    assert np.abs(first - found).mean() < 10


@pytest.mark.parametrize("keep", [0.05, 0.15, 0.6, 0.9])
def test_an_avif_image_that_breaks_off_is_truncated(keep):
    noise = Image.effect_noise((640, 480), 90).convert("RGB")
    data = saved(noise, "AVIF")
    cut = data[: int(len(data) * keep)]
    if keep > 0.5:  # its decoder conceals what is missing
        assert decoded(cut)[0].truncated
        return
    with pytest.raises(UnreadableImageError, match=r"too much|header") as raised:
        decoded(cut)
    assert raised.value.reason in {"truncated", "damaged"}


def rows_of(values, bits):
    """Return rows of values, each of so many bits, each row from a whole byte on."""
    digits = (values.reshape(len(values), -1, 1) >> np.arange(bits)[::-1]) & 1
    return [np.packbits(row.astype(np.uint8)).tobytes() for row in digits]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("form", ["u10", "u12", "u14", "u24", "u32", "f16", "f32", "f64"])
@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize(("mode", "colours"), [("RGB", 2), ("CMYK", 5), ("RGBA", 2)])
def test_colour_tiff_of_any_values(order, form, compression, mode, colours):
    bits, picture = int(form[1:]), NOISE.convert(mode)
    share = np.asarray(picture).astype(float) / 255
    if form[0] == "f":
        rows = [share.astype(f"{order}f{bits // 8}").tobytes()]
    elif bits == 24 or bits % 8:
        whole = (share * (2**bits - 1)).astype(np.int64)
        rows = rows_of(whole, bits)
        if bits == 24 and order == "<":
            rows = [np.frombuffer(row, np.uint8).reshape(-1, 3)[:, ::-1].tobytes() for row in rows]
    else:
        rows = [(share * (2**bits - 1)).astype(f"{order}u4").tobytes()]
    data = b"".join(rows)
    more = {262: (3, [colours]), 339: (3, [3 if form[0] == "f" else 1] * len(mode))}
    more |= {338: (3, [2])} if mode == "RGBA" else {}
    piece = data if compression == 1 else zlib.compress(data)
    tiff = tiff_of(
        [piece], NOISE.size, compression, order=order, bits=(bits,) * len(mode), more=more
    )
    _, expected = decoded(saved(picture, "TIFF"))
    difference = np.frombuffer(decoded(tiff)[1], np.uint8).astype(int) - np.frombuffer(
        expected, np.uint8
    )
    assert abs(difference).max() <= 2


@pytest.mark.parametrize("tile", [None, 48])
@pytest.mark.parametrize("predictor", [2, 3])
def test_tiff_of_floating_point_with_a_predictor(tile, predictor):
    """Tiles are padded, and the predictor begins anew in each."""
    share = np.asarray(NOISE).astype(np.float32) / 255
    pieces = []
    padded = np.pad(share, ((0, 0), (0, 32), (0, 0))) if tile else share
    for part in np.split(padded, 2, axis=1) if tile else [padded]:
        if predictor == 3:
            coded = imagecodecs.floatpred_encode(part.astype(">f4"), axis=-2)
        else:
            coded = imagecodecs.delta_encode(part.view("<u4"), axis=-2)
        pieces.append(zlib.compress(coded.tobytes()))
    more = {317: (3, [predictor]), 339: (3, [3] * 3)}
    tiff = tiff_of(pieces, NOISE.size, 8, tile=tile, bits=(32,) * 3, more=more)
    assert decoded(tiff)[1] == decoded(saved())[1]


def test_floating_point_beyond_1_is_stretched():
    values = (np.asarray(NOISE).astype("<f4") * 100).tobytes()
    tiff = tiff_of([values], NOISE.size, 1, bits=(32,) * 3, more={339: (3, [3] * 3)})
    found, plain = (np.frombuffer(decoded(each)[1], np.uint8) for each in (tiff, saved()))
    assert abs(found.astype(int) - plain).mean() < 12


@pytest.mark.parametrize(
    ("picture", "colours"), [(Image.merge("LAB", NOISE.split()), 8), (NOISE.convert("LA"), 1)]
)
def test_tiff_of_other_colours_of_16_bits(picture, colours):
    values = np.asarray(picture).astype("<u2") * 257
    more = {262: (3, [colours])} | ({338: (3, [2])} if picture.mode == "LA" else {})
    bits = (16,) * values.shape[2]
    tiff = tiff_of([values.tobytes()], NOISE.size, 1, bits=bits, more=more)
    _, expected = decoded(saved(picture, "TIFF"))
    difference = np.frombuffer(decoded(tiff)[1], np.uint8).astype(int) - np.frombuffer(
        expected, np.uint8
    )
    assert abs(difference).max() <= 2


def photoshop(
    picture, resources=b"", *, channels=3, layers=0, bits=8, large=False, packed=False, mode=None
):
    """Return a PSD: a flattened picture, and how many layers it says that it was made of."""
    mode = mode or {"L": 1, "RGB": 3, "RGBA": 3, "CMYK": 4, "LAB": 9}[picture.mode]
    head = struct.pack(
        ">4sH6xHIIHH", b"8BPS", 1 + large, channels, picture.height, picture.width, bits, mode
    )
    section = struct.pack(">Ih", 2, layers) if layers else b""
    rows = []
    for band in picture.split():
        values = np.asarray(band) ^ (0xFF if picture.mode == "CMYK" else 0)
        if bits == 16:
            values = (values.astype(np.uint16) * 257).astype(">u2")
        elif bits == 32:
            light = values / 255
            linear = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
            values = linear.astype(">f4")
        rows += [row.tobytes() for row in values]
    if packed:  # runs of one byte each
        rows = [b"".join(b"\0" + bytes([byte]) for byte in row) for row in rows]
    lengths = b"".join(struct.pack(">I" if large else ">H", len(row)) for row in rows)
    sections = b"".join(struct.pack(">I", len(each)) + each for each in (b"", resources))
    sections += struct.pack(">Q" if large else ">I", len(section)) + section
    body = (b"\0\1" + lengths if packed else b"\0\0") + b"".join(rows)
    return head + sections + body


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    ("mode", "bits"),
    [(mode, bits) for mode in ("L", "RGB", "CMYK", "LAB") for bits in (8, 16)]
    + [("L", 32), ("RGB", 32)],
)
def test_photoshop_files_show_the_whole_picture(mode, bits, large, packed):
    picture = NOISE.convert(mode) if mode != "LAB" else Image.merge("LAB", NOISE.split())
    data = photoshop(
        picture, channels=len(picture.getbands()), bits=bits, large=large, packed=packed
    )
    info, pixels = decoded(data)
    _, expected = decoded(saved(picture, "TIFF"))
    assert (info.format, info.width, info.height) == ("psd", 64, 48)
    difference = np.frombuffer(pixels, np.uint8).astype(int) - np.frombuffer(expected, np.uint8)
    assert abs(difference).max() <= 1


@pytest.mark.parametrize("bits", [8, 16])
def test_photoshop_files_say_what_is_known(bits):
    def resource(kind, data):
        return struct.pack(">4sHHI", b"8BIM", kind, 0, len(data)) + data + bytes(len(data) % 2)

    block = Image.Exif()
    block[Base.Model] = "X100"
    resources = resource(1028, b"\x1c\x02\x5a\0\x04Rome") + resource(1058, block.tobytes()[6:])
    info, _ = decoded(photoshop(NOISE, resources, bits=bits))
    assert info.metadata == {"camera": "X100", "city": "Rome"}


@pytest.mark.parametrize("layers", [0, 1, -1])
def test_a_saved_selection_of_photoshop_is_no_transparency(layers):
    selection = Image.new("L", NOISE.size, 0)
    data = photoshop(Image.merge("RGBA", [*NOISE.split(), selection]), channels=4, layers=layers)
    shown = decoded(data)[1] == decoded(saved())[1]
    assert shown is (layers >= 0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (photoshop(NOISE, mode=7, bits=16), "unsupported"),
        (photoshop(NOISE, bits=16)[:-9000], "truncated"),
        (photoshop(NOISE, bits=16, packed=True)[:9000], "truncated"),
        (photoshop(NOISE)[:30], "truncated"),
        (photoshop(Image.new("RGBA", (1001, 1000)), channels=4)[:60], "too_large"),
    ],
)
def test_photoshop_files_that_cannot_be_shown_say_why(data, reason):
    with pytest.raises(UnreadableImageError) as caught:
        decoded(data)
    assert caught.value.reason == reason
