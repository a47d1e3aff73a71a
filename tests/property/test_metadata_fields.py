"""A field that is damaged takes no other along: of EXIF, IPTC and XMP, each in turn, in any way."""

import struct

from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

from imgvecd.adapters import xmp
from imgvecd.adapters.pillow import exif, iptc
from imgvecd.adapters.pillow.tiff_fields import Fields

_ENTRY = struct.Struct(">HHI4s")


def exif_block():
    fields = Image.Exif()
    fields.update(
        {
            Base.Make: "Canon",
            Base.Model: "EOS R5",
            Base.ImageDescription: "At the lake",
            Base.Artist: "Ada",
            Base.Copyright: "(c) Ada",
            Base.XPTitle: "Lake".encode("utf-16-le"),
            Base.XPKeywords: "sea;sun".encode("utf-16-le"),
            0x4746: 4,
        }
    )
    fields.get_ifd(IFD.Exif).update(
        {
            Base.DateTimeOriginal: "2012:03:04 05:06:07",
            Base.LensModel: "50 mm",
            Base.ISOSpeedRatings: 200,
            Base.ExposureTime: 0.004,
            Base.FNumber: 2.8,
            Base.FocalLength: 50.0,
            Base.ExposureBiasValue: 0.5,
            Base.Flash: 1,
        }
    )
    fields.get_ifd(IFD.GPSInfo).update(
        {
            GPS.GPSLatitudeRef: "N",
            GPS.GPSLatitude: (51.0, 30.0, 28.8),
            GPS.GPSLongitudeRef: "W",
            GPS.GPSLongitude: (1.0, 2.0, 3.0),
            GPS.GPSAltitude: 12.5,
        }
    )
    return fields.tobytes().removeprefix(b"Exif\0\0")


def entries(block):
    """Return the places of all entries of all directories."""
    found, places = {}, [struct.unpack_from(">I", block, 4)[0]]
    while places:
        at = places.pop()
        (count,) = struct.unpack_from(">H", block, at)
        for i in range(count):
            tag, _, _, value = _ENTRY.unpack_from(block, at + 2 + 12 * i)
            if tag in {IFD.Exif, IFD.GPSInfo}:
                places.append(int.from_bytes(value))
            else:
                found.setdefault(tag, at + 2 + 12 * i)
    return found


BLOCK = exif_block()
ENTRIES = entries(BLOCK)
CLEAN = exif.facts(Fields.of_block(BLOCK))
OF_TAG = {
    Base.Make: {"camera"}, Base.Model: {"camera"}, Base.ImageDescription: {"description"},
    Base.Artist: {"creator"}, Base.Copyright: {"copyright"}, Base.XPTitle: {"title"},
    Base.XPKeywords: {"keywords"}, 0x4746: {"rating"}, Base.DateTimeOriginal: {"taken_at"},
    Base.LensModel: {"lens"}, Base.ISOSpeedRatings: {"iso"}, Base.ExposureTime: {"exposure_s"},
    Base.FNumber: {"f_number"}, Base.FocalLength: {"focal_length_mm"},
    Base.ExposureBiasValue: {"exposure_bias_ev"}, Base.Flash: {"flash"},
    **dict.fromkeys(
        (GPS.GPSLatitudeRef, GPS.GPSLatitude, GPS.GPSLongitudeRef, GPS.GPSLongitude,
         GPS.GPSAltitude),
        frozenset({"gps_latitude", "gps_longitude", "gps_altitude_m"}),
    ),
}  # fmt: skip


def test_the_block_has_them_all():
    assert set(OF_TAG) == set(ENTRIES)
    assert set.union(*OF_TAG.values()) == set(CLEAN)


@given(
    tag=st.sampled_from(sorted(OF_TAG)),
    kind=st.integers(0, 0xFFFF) | st.integers(0, 20),
    count=st.integers(0, 2**32 - 1) | st.integers(0, 30),
    value=st.binary(min_size=4, max_size=4),
)
@example(tag=Base.XPKeywords, kind=3, count=3, value=b"\0\0\0\x08")
@example(tag=Base.Make, kind=12, count=2**32 - 1, value=b"\xff" * 4)
@settings(deadline=None, max_examples=400)
def test_a_damaged_exif_field(tag, kind, count, value):
    block = bytearray(BLOCK)
    _ENTRY.pack_into(block, ENTRIES[tag], tag, kind, count, value)
    found = exif.facts(Fields.of_block(bytes(block)))
    assert {k: found.get(k) for k in CLEAN if k not in OF_TAG[tag]} == {
        k: v for k, v in CLEAN.items() if k not in OF_TAG[tag]
    }


@given(cut=st.integers(0, len(BLOCK)), flips=st.lists(st.integers(0, len(BLOCK) - 1), max_size=20))
@settings(deadline=None, max_examples=200)
def test_nothing_is_raised_for_any_bytes(cut, flips):
    block = bytearray(BLOCK)
    for place in flips:
        block[place] ^= 0xFF
    assert isinstance(exif.facts(Fields.of_block(bytes(block[:cut]))), dict)


IPTC = {
    (2, 5): ("title", b"Title"), (2, 25): ("keywords", b"sea"), (2, 55): ("taken_at", b"20120304"),
    (2, 80): ("creator", b"Ada"), (2, 90): ("city", b"Rome"), (2, 101): ("country", b"Italy"),
    (2, 116): ("copyright", b"(c)"), (2, 120): ("description", b"At the lake"),
}  # fmt: skip


@given(
    damaged=st.sampled_from(sorted(IPTC)),
    value=st.binary(max_size=20).filter(lambda value: b"\x1c" not in value),
    length=st.none() | st.integers(0, 0xFFFF),
)
@example(damaged=(2, 5), value=b"", length=None)
@example(damaged=(2, 90), value=b"Rome", length=0x8004)
@example(damaged=(2, 25), value=b"sea", length=0x7FFF)
@settings(deadline=None, max_examples=400)
def test_a_damaged_iptc_field(damaged, value, length):
    block = b""
    for tag, (_, sound) in IPTC.items():
        content = value if tag == damaged else sound
        size = length if tag == damaged and length is not None else len(content)
        block += b"\x1c" + bytes(tag) + struct.pack(">H", size) + content
    found = iptc.facts(block)
    whole = iptc.facts(
        b"".join(
            b"\x1c" + bytes(tag) + struct.pack(">H", len(sound)) + sound
            for tag, (_, sound) in IPTC.items()
        )
    )
    assert len(whole) == len(IPTC)
    assert {k: found.get(k) for k in whole if k != IPTC[damaged][0]} == {
        k: v for k, v in whole.items() if k != IPTC[damaged][0]
    }


PROPERTIES = {
    "dc:title": ("title", "Title"), "dc:creator": ("creator", "Ada"),
    "photoshop:City": ("city", "Rome"), "xmp:Rating": ("rating", "4"),
    "exif:DateTimeOriginal": ("taken_at", "2012-03-04T05:06:07"), "exif:FNumber": ("f_number", "2"),
    "aux:Lens": ("lens", "50 mm"), "dc:subject": ("keywords", "sea"),
    "tiff:Model": ("camera", "R5"),
}  # fmt: skip
SPACES = "".join(
    f' xmlns:{prefix}="{space}"'
    for prefix, space in {
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "dc": "http://purl.org/dc/elements/1.1/",
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "exif": "http://ns.adobe.com/exif/1.0/",
        "aux": "http://ns.adobe.com/exif/1.0/aux/",
        "tiff": "http://ns.adobe.com/tiff/1.0/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    }.items()
)


def packet(replaced=None, value=""):
    body = "".join(
        f"<{name}>{value if name == replaced else sound}</{name}>"
        for name, (_, sound) in PROPERTIES.items()
    )
    return (
        f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f"<rdf:RDF{SPACES}><rdf:Description>{body}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


@given(
    damaged=st.sampled_from(sorted(PROPERTIES)),
    value=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<"), max_size=20)
    | st.sampled_from(["", "&", "&nbsp;", "&#0;", "&#x1f;", "a\x0bb", "<maker:own>1</maker:own>"]),
)
@settings(deadline=None, max_examples=300)
def test_a_damaged_property(damaged, value):
    clean = xmp.read(packet())
    assert len(clean) == len(PROPERTIES)
    found = xmp.read(packet(damaged, value))
    assert {k: found.get(k) for k in clean if k != PROPERTIES[damaged][0]} == {
        k: v for k, v in clean.items() if k != PROPERTIES[damaged][0]
    }


def test_bytes_that_are_no_text():
    for name, (fact, sound) in PROPERTIES.items():
        broken = packet().replace(f">{sound}<".encode(), b">\xff\xfe%b<" % sound.encode(), 1)
        found = xmp.read(broken)
        assert {k for k in xmp.read(packet()) if k != fact} <= set(found), name


def test_a_packet_that_breaks_off():
    whole = packet()
    found = xmp.read(whole[: whole.index(b"<aux:Lens>")])
    assert found["title"] == "Title"
    assert found["taken_at"] == "2012-03-04T05:06:07"
