"""What files say of themselves, in EXIF, XMP and IPTC, and which of them counts."""

import contextlib
import html
import io
import struct
import time
import zlib
from pathlib import Path

import pytest
from PIL import Image
from PIL.ExifTags import IFD, Base
from PIL.TiffImagePlugin import IFDRational

from imgvecd.adapters import pillow, xmp
from imgvecd.adapters.pillow import blocks
from imgvecd.types import PreprocessSpec

SPEC = PreprocessSpec(8, (0.5,) * 3, (0.5,) * 3)
REAL = Path(__file__).parents[4] / "shared" / "data" / "formats"

PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:aux="http://ns.adobe.com/exif/1.0/aux/"
 xmlns:lr="http://ns.adobe.com/lightroom/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
 xmlns:mwg="http://www.metadataworkinggroup.com/schemas/regions/"
 xmlns:ext="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
<rdf:Description rdf:about="" xmp:Rating="4" exif:GPSLatitude="52,31.2N" tiff:Make="Canon"
  exif:GPSLongitude="13,24,18W" exif:GPSAltitude="345/10" exif:GPSAltitudeRef="1"
  exif:DateTimeOriginal="2021-07-01T10:11:12.345+02:00" exif:FNumber="28/10">
 <tiff:Model>Canon EOS 5D</tiff:Model>
 <aux:Lens>EF 50mm</aux:Lens>
 <dc:title><rdf:Alt><rdf:li xml:lang="x-default">By the sea</rdf:li></rdf:Alt></dc:title>
 <dc:subject><rdf:Bag><rdf:li>sea</rdf:li>
  <rdf:li>Strand \u6d77\u8fb9</rdf:li></rdf:Bag></dc:subject>
 <lr:hierarchicalSubject><rdf:Bag><rdf:li>Places|Italy|sea</rdf:li></rdf:Bag>
 </lr:hierarchicalSubject>
 <ext:PersonInImage><rdf:Bag><rdf:li>Ada</rdf:li></rdf:Bag></ext:PersonInImage>
 <mwg:Regions rdf:parseType="Resource"><mwg:RegionList><rdf:Bag>
  <rdf:li><rdf:Description mwg:Name="Grace" mwg:Type="Face"/></rdf:li>
  <rdf:li rdf:parseType="Resource"><mwg:Name>Ada</mwg:Name><mwg:Type>Face</mwg:Type></rdf:li>
  <rdf:li><rdf:Description mwg:Name="Rex" mwg:Type="Pet"/></rdf:li>
 </rdf:Bag></mwg:RegionList></mwg:Regions>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>""".encode()


def packet(attributes, namespaces=""):
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
        ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
        ' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"'
        ' xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"'
        ' xmlns:ms="http://ns.microsoft.com/photo/1.0/">'
        f"<rdf:Description {attributes}/></rdf:RDF></x:xmpmeta>"
    ).encode()


def iptc(*fields):
    """Return IPTC as Photoshop puts it into a JPEG."""
    block = b"".join(
        b"\x1c" + bytes(tag) + struct.pack(">H", len(value)) + value for tag, value in fields
    )
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(block)) + block
    resource += b"\0" * (len(block) % 2)
    return segment(0xED, b"Photoshop 3.0\0" + resource)


def segment(marker, payload):
    return bytes((0xFF, marker)) + struct.pack(">H", len(payload) + 2) + payload


def saved(form, **options):
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(file, form, **options)
    return file.getvalue()


def facts(*, form="JPEG", segments=b"", **options):
    data = saved(form, **options)
    if segments:
        data = data[:2] + segments + data[2:]
    info, _ = pillow.decode(io.BytesIO(data), SPEC, 1000)
    return info.taken_at, info.metadata


def exif(main=None, camera=None):
    fields = Image.Exif()
    fields.update(main or {})
    fields.get_ifd(IFD.Exif).update(camera or {})
    return fields


def test_everything_in_a_packet():
    assert xmp.read(PACKET) == {
        "title": "By the sea",
        "lens": "EF 50mm",
        "camera": "Canon EOS 5D",
        "f_number": 2.8,
        "rating": 4,
        "keywords": ["sea", "Strand 海边", "Places", "Italy"],
        "people": ["Grace", "Ada"],
        "taken_at": "2021-07-01T10:11:12.345+02:00",
        "gps_latitude": 52.52,
        "gps_longitude": -13.405,
        "gps_altitude_m": -34.5,
    }


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("JPEG", {"xmp": PACKET}),
        ("WEBP", {"xmp": PACKET}),
        ("TIFF", {"tiffinfo": {700: PACKET}}),
        ("AVIF", {"xmp": PACKET}),
        ("HEIF", {"xmp": PACKET}),
    ],
)
def test_a_packet_is_found_in_every_format(form, options):
    taken_at, found = facts(form=form, **options)
    assert taken_at == "2021-07-01T10:11:12.345+02:00"
    assert (found["taken_at_source"], found["rating"]) == ("xmp", 4)
    assert found["people"] == ["Grace", "Ada"]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_an_edit_of_metadata_leaves_the_pixels(form):
    """What `hash_pixels` names stays the same, so nothing is encoded."""
    noise = Image.effect_noise((64, 64), 80).convert("RGB")
    pixels = set()
    for camera in ("one", "another"):
        file = io.BytesIO()
        noise.save(file, form, exif=exif({Base.Model: camera}))
        info, decoded = pillow.decode(io.BytesIO(file.getvalue()), SPEC, 10_000)
        assert info.metadata["camera"] == camera
        pixels.add(decoded)
    assert len(pixels) == 1


def test_a_packet_in_png():
    from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415

    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", PACKET.decode())
    assert facts(form="PNG", pnginfo=text)[1]["title"] == "By the sea"


def test_iptc():
    fields = iptc(
        ((1, 90), b"\x1b%G"),
        ((2, 5), b"Title"),
        ((2, 25), b"Strand"),
        ((2, 25), "海边".encode()),
        ((2, 55), b"20200102"),
        ((2, 60), b"030405+0100"),
        ((2, 90), b"Rome"),
    )
    taken_at, found = facts(segments=fields)
    assert taken_at == "2020-01-02T03:04:05+01:00"
    assert found == {
        "title": "Title",
        "keywords": ["Strand", "海边"],
        "city": "Rome",
        "taken_at_source": "iptc",
    }


def test_iptc_of_old_programs_is_windows_text():
    assert facts(segments=iptc(((2, 90), b"K\xf6ln")))[1] == {"city": "Köln"}


def test_the_camera_counts_for_the_time_and_people_for_words():
    camera = exif(
        {Base.Model: "EXIF", 0x4746: 1, Base.ImageDescription: "DSC"},
        {Base.DateTimeOriginal: "2019:01:01 01:01:01", Base.OffsetTimeOriginal: "+09:00"},
    )
    words = iptc(((2, 25), b"old"), ((2, 5), b"Old"))
    taken_at, found = facts(exif=camera, xmp=PACKET, segments=words)
    assert taken_at == "2019-01-01T01:01:01+09:00"
    assert found["taken_at_source"] == "exif"
    assert found["camera"] == "EXIF"
    assert found["rating"] == 4
    assert found["title"] == "By the sea"
    assert found["keywords"] == ["sea", "Strand 海边", "Places", "Italy", "old"]
    assert found["description"] == "DSC"


def test_when_it_was_last_saved_is_the_last_resort():
    saved = exif({Base.DateTime: "2024:01:01 00:00:00"})
    taken_at, found = facts(exif=saved, xmp=packet('photoshop:DateCreated="2001-02-03"'))
    assert (taken_at, found["taken_at_source"]) == ("2001-02-03", "xmp")
    assert facts(exif=saved) == ("2024-01-01T00:00:00", {"taken_at_source": "exif"})


@pytest.mark.parametrize(
    ("fields", "rating"),
    [
        ({"xmp": packet('xmp:Rating="-1"')}, -1),
        ({"xmp": packet('xmp:Rating="0"')}, 0),
        ({"xmp": packet('ms:Rating="50"')}, 3),
        ({"xmp": packet('xmp:Rating="5" ms:Rating="1"')}, 5),
        ({"exif": exif({0x4749: 99})}, 5),
        ({"xmp": packet('xmp:Rating="many"')}, None),
        ({"xmp": packet('xmp:Rating="75"')}, 4),
        ({"xmp": packet('xmp:Rating="-7"')}, None),
        ({"exif": exif({0x4746: 99})}, 5),
    ],
)
def test_ratings(fields, rating):
    assert facts(**fields)[1].get("rating") == rating


def test_what_windows_writes():
    found = facts(exif=exif({Base.XPKeywords: "sea; sun".encode("utf-16-le") + b"\0\0"}))[1]
    assert found["keywords"] == ["sea", "sun"]


@pytest.mark.parametrize("time", ["2010-13-01T00:00:00", "yesterday", "0000-00-00"])
def test_times_that_are_none(time):
    assert facts(xmp=packet(f'xmp:CreateDate="{time}"')) == (None, {})


@pytest.mark.parametrize(
    "place",
    [
        'exif:GPSLatitude="0,0.0N" exif:GPSLongitude="0,0.0E"',
        'exif:GPSLatitude="91,0.0N" exif:GPSLongitude="1,0.0E"',
        'exif:GPSLatitude="51,0.0E" exif:GPSLongitude="1,0.0N"',
        'exif:GPSLatitude="51,0.0N"',
    ],
)
def test_positions_that_are_none(place):
    assert facts(xmp=packet(place)) == (None, {})


HOSTILE = {
    "no XML": b"<x:xmpmeta",
    "another encoding": b'<?xml version="1.0" encoding="nonsense"?><a/>',
    "entities": b'<!DOCTYPE a [<!ENTITY b "b"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>',
    "a file": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "deep": b"<a>" * 20_000 + b"</a>" * 20_000,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_packet_hurts_nothing(data):
    assert facts(form="WEBP", xmp=data) == (None, {})


def test_a_hostile_sidecar_is_refused():
    with pytest.raises(ValueError, match="not XMP"):
        xmp.read(HOSTILE["a file"])


def test_damaged_exif_does_not_keep_a_picture_from_being_shown():
    block = b"Exif\0\0MM\0*" + b"\xff" * 40
    segment = b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
    assert facts(segments=segment) == (None, {})


def test_long_texts_and_many_keywords_are_cut():
    keywords = iptc(*[((2, 25), b"%d" % i) for i in range(3000)], ((2, 120), b"x" * 3000))
    found = facts(segments=keywords)[1]
    assert (len(found["keywords"]), len(found["description"])) == (2000, 2000)


def test_what_is_said_is_of_bounded_size():
    """A keyword of megabytes, a number beyond 64 bits, a packet without end."""
    long = PACKET.replace(b'Rating="4"', b'Rating="1e300"').replace(
        b">sea<", b">%b<" % (b"k" * 10**6)
    )
    found = xmp.read(long)
    assert max(map(len, found["keywords"])) == 200
    assert "rating" not in found
    with pytest.raises(ValueError, match="16,000,000 bytes at most"):
        xmp.read(PACKET + b" " * xmp.LARGEST)


@pytest.mark.parametrize(
    ("name", "taken_at", "expected"),
    [
        ("mongolels.jpg", "2009-08-29T13:18:08.17", {"rating": 3, "camera": "Canon EOS 500D"}),
        ("denali.webp", "2010-08-13T21:00:01.85", {"lens": "EF28-80mm f/3.5-5.6 USM"}),
        ("IMG_2682.heic", "2019-03-21T11:04:22.348", {"gps_latitude": 41.2203, "iso": 20}),
        ("portrait-orientation-6.jpg", None, {"people": ["Marie Curie", "Pierre Curie"]}),
        ("thompson-springs.jpg", "2022-01-10T15:15:44.31", {"city": "Thompson Springs"}),
        ("datetimeoriginal-gps.jpg", "2025-12-01T11:30:00", {"gps_longitude": -108.0}),
    ],
)
def test_real_files(name, taken_at, expected):
    if not REAL.is_dir():
        pytest.skip("the collection of real formats does not lie beside the project")
    with open(REAL / name, "rb") as file:
        info, _ = pillow.decode(file, SPEC, 20_000_000)
    assert info.taken_at == taken_at
    assert {key: info.metadata[key] for key in expected} == expected


def described(text):
    """Return EXIF of a description in these bytes."""
    block = b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x010E, 2, len(text) + 1, 26) + b"\0" * 4
    return b"Exif\0\0" + block + text + b"\0"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Größe – 翻訳".encode(), "Größe – 翻訳"),
        ("Größe, Straße".encode("latin-1"), "Größe, Straße"),
        ("caf\xe9 \x80".encode("latin-1"), "café €"),
        ("Größe".encode("utf-16"), "Größe"),
        ("翻訳".encode()[:-1], "翻"),
    ],
)
def test_texts_in_exif(form, text, expected):
    if form == "TIFF":
        found = facts(form=form, tiffinfo={270: text})
    else:
        found = facts(form=form, exif=described(text))
    assert found == (None, {"description": expected})


def test_exif_3_knows_utf_8():
    block = described("Größe, eins".encode()).replace(b"\x0e\x01\x02\0", b"\x0e\x01\x81\0")
    assert facts(exif=block) == (None, {"description": "Größe, eins"})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-16", "utf-32"])  # noqa: E501 # fmt: skip
@pytest.mark.parametrize("head", ["", '<?xml version="1.0" encoding="%s"?>'])
def test_packets_in_any_encoding(encoding, head):
    declared = {"utf-8-sig": "utf-8", "utf-16-le": "utf-16", "utf-16-be": "utf-16"}.get(encoding, encoding)  # noqa: E501 # fmt: skip
    text = packet('xmp:Rating="3" photoshop:City="Kärlsrühe 翻"').decode()
    data = ((head % declared if head else "") + text).encode(encoding)
    assert xmp.read(data) == {"rating": 3, "city": "Kärlsrühe 翻"}


def test_packets_of_other_encodings():
    text = packet('photoshop:City="Köln"').decode()
    assert xmp.read(text.encode("latin-1")) == {"city": "Köln"}
    declared = '<?xml version="1.0" encoding="iso-8859-5"?>' + text.replace("Köln", "Киев")
    assert xmp.read(declared.encode("iso-8859-5")) == {"city": "Киев"}


@pytest.mark.parametrize(
    ("name", "city"),
    [
        ("GB2312", "北京"), ("Big5", "台北"), ("Shift_JIS", "東京"), ("EUC-KR", "서울"),
        ("cp949", "서울"), ("macintosh", "Köln"), ("IBM850", "Köln"), ("cp866", "Москва"),
        ("KOI8-R", "Москва"),
    ],
)  # fmt: skip
def test_packets_in_declared_encodings(name, city):
    declared = f'<?xml version="1.0" encoding="{name}"?>'
    said = packet(f'photoshop:City="{city}"').decode()
    assert xmp.read((declared + said).encode(name)) == {"city": city}


@pytest.mark.parametrize(
    "rest", [b"\0" * 9, b"<?xpacket end='w'?>\0\1garbage", b"</x:xmpmeta>", b"<"]
)
def test_what_follows_a_packet_is_nothing(rest):
    assert xmp.read(packet('xmp:Rating="3"') + rest) == {"rating": 3}


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"\x1b%G", "utf-8"),
        (b"\x1b.A", "latin-1"),
        (b"\x1b-A", "latin-1"),
        (b"", "utf-8"),
        (b"", "cp1252"),
        (b"\x1b%G", "cp1252"),  # said, and not done
        (b"\x1b.B", "iso-8859-2"),
        (b"\x1b-A", "utf-8"),  # likewise
        (b"\x1b-L", "utf-8"),
        (b"\x1b-_", "iso-8859-14"),
        (b"\x1b%/E", "utf-16-be"),
    ],
)
def test_character_sets_of_iptc(mark, encoding):
    fields = iptc(((1, 90), mark), ((2, 90), "Köln".encode(encoding)))
    assert facts(segments=fields)[1] == {"city": "Köln"}


@pytest.mark.parametrize(
    ("mark", "encoding", "city"),
    [
        (b"\x1b$)A", "gb2312", "北京"),
        (b"\x1b$)C", "euc-kr", "서울"),
        (b"\x1b$B", "iso2022_jp", "東京"),
        (b"\x1b$B", "euc_jp", "東京"),
        (b"\x1b-T", "tis_620", "กรุงเทพ"),
        (b"", "shift_jis", "東京タワー"),  # no Latin-1 has its bytes
        (b"", "latin-1", "Tr\x8fs beau"),  # nor is this Japanese
    ],
)
def test_asian_character_sets_of_iptc(mark, encoding, city):
    assert facts(segments=iptc(((1, 90), mark), ((2, 90), city.encode(encoding))))[1] == {
        "city": city
    }


def test_a_date_of_iptc_that_is_none_takes_no_other_along():
    days = iptc(((2, 55), b"00000000"), ((2, 55), b"20210704"), ((2, 60), b"183011-0330"))
    assert facts(segments=days)[0] == "2021-07-04T18:30:11-03:30"


def test_ingredients_are_other_pictures():
    inside = (
        '<xmpMM:Pantry xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"><rdf:Bag><rdf:li>'
        '<rdf:Description xmp:Rating="5" photoshop:DateCreated="1999-01-02T03:04:05"/>'
        "</rdf:li></rdf:Bag></xmpMM:Pantry>"
    )
    data = packet('photoshop:City="Rome"').decode().replace("/></rdf:RDF>", f">{inside}</rdf:Description></rdf:RDF>")  # noqa: E501 # fmt: skip
    assert xmp.read(data.encode()) == {"city": "Rome"}


@pytest.mark.parametrize("name", ['rdf:ID="x"', 'rdf:nodeID="x"', 'rdf:about="uuid:2"'])
def test_descriptions_of_something_else(name):
    own = packet('rdf:about="uuid:1" photoshop:City="Rome"').decode()
    other = f'<rdf:Description {name} xmp:Rating="5" photoshop:DateCreated="1999"/></rdf:RDF>'
    assert xmp.read(own.replace("</rdf:RDF>", other).encode()) == {"city": "Rome"}
    more = '<rdf:Description rdf:about="" xmp:Rating="5"/></rdf:RDF>'
    assert xmp.read(own.replace("</rdf:RDF>", more).encode()) == {"city": "Rome", "rating": 5}


PEOPLE = {
    "mwg": '<r:Regions xmlns:r="http://www.metadataworkinggroup.com/schemas/regions/"'
    ' rdf:parseType="Resource"><r:RegionList><rdf:Bag>'
    '<rdf:li r:Name="Ada" r:Type="face"/></rdf:Bag></r:RegionList></r:Regions>',
    "acdsee": '<r:Regions xmlns:r="http://ns.acdsee.com/regions/" rdf:parseType="Resource">'
    '<r:RegionList><rdf:Bag><rdf:li rdf:parseType="Resource"><r:Name>Ada</r:Name>'
    "<r:Type>Face</r:Type></rdf:li></rdf:Bag></r:RegionList></r:Regions>",
    "iptc": "<ext:PersonInImageWDetails><rdf:Bag><rdf:li rdf:parseType='Resource'><ext:PersonName>"
    "<rdf:Alt><rdf:li xml:lang='x-default'>Ada</rdf:li></rdf:Alt></ext:PersonName></rdf:li>"
    "</rdf:Bag></ext:PersonInImageWDetails>",
}


@pytest.mark.parametrize("inside", PEOPLE.values(), ids=PEOPLE.keys())
def test_people_as_programs_name_them(inside):
    assert xmp.read(said_in(inside)) == {"people": ["Ada"]}


CATEGORIES = (
    "<Categories><Category Assigned='0'>Places<Category Assigned='1'>R&amp;D</Category></Category>"
    "</Categories>"
)


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (
            "<acdsee:datetime>2021-07-04T18:30</acdsee:datetime>",
            {"taken_at": "2021-07-04T18:30"},
        ),
        (
            f"<acdsee:categories>{html.escape(CATEGORIES)}</acdsee:categories>",
            {"keywords": ["Places", "R&D"]},
        ),
        (
            "<mp:CatalogSets><rdf:Bag><rdf:li>Places|Rome</rdf:li></rdf:Bag></mp:CatalogSets>",
            {"keywords": ["Places", "Rome"]},
        ),
        (
            (
                "<e:CatalogSets xmlns:e='http://ns.microsoft.com/expressionmedia/1.0/'>"
                "<rdf:Bag><rdf:li>Places|Rome</rdf:li></rdf:Bag></e:CatalogSets>"
            ),
            {"keywords": ["Places", "Rome"]},
        ),
        (
            (
                "<ext:LocationCreated><rdf:Bag><rdf:li rdf:parseType='Resource'><ext:City><rdf:Alt>"
                "<rdf:li xml:lang='x-default'>Bern</rdf:li></rdf:Alt></ext:City></rdf:li></rdf:Bag>"
                "</ext:LocationCreated>"
            ),
            {"city": "Bern"},
        ),
        (
            (
                "<t:ImageDescription>Sea</t:ImageDescription><t:Artist>Ada</t:Artist>"
                "<t:Copyright>© Ada</t:Copyright>"
            ),
            {"description": "Sea", "creator": "Ada", "copyright": "© Ada"},
        ),
        ("<exif:Flash>16</exif:Flash>", {"flash": False}),
        ("<exif:Flash>9</exif:Flash>", {"flash": True}),
        ("<exif:FNumber>f/2,8</exif:FNumber>", {"f_number": 2.8}),
        ("<exif:ExposureTime>1/250 s</exif:ExposureTime>", {"exposure_s": 0.004}),
        ("<exif:FocalLength>50.0 mm</exif:FocalLength>", {"focal_length_mm": 50}),
        ("<exif:ISOSpeedRatings>200 0</exif:ISOSpeedRatings>", {"iso": 200}),
        ("<dc:title>a &#xD83D;&#xDE00; b &#55357;&#56832;</dc:title>", {"title": "a 😀 b 😀"}),
        *(
            (
                f"<dc:title>Sea{each}</dc:title><xmp:Rating>4</xmp:Rating>",
                {"title": "Sea", "rating": 4},
            )
            for each in ("&#xD83D;", "&#56832;", "&#xFFFF;", "&#x110000;", f"&#{9**30};", "&#0;")
        ),
        ("<dc:description>OLYMPUS DIGITAL CAMERA</dc:description>", {}),
        ("<dc:description>🎉</dc:description>", {"description": "🎉"}),
    ],
)
def test_other_names_of_the_same(inside, expected):
    said = said_in(inside, 'xmlns:t="http://ns.adobe.com/tiff/1.0/"')
    assert xmp.read(said) == expected


def test_what_packets_say_of_the_picture():
    def read(inside):
        head, tail = packet("").decode().split("/></rdf:RDF>")
        space = ' xmlns:dc="http://purl.org/dc/elements/1.1/">'
        return xmp.read(f"{head}{space}{inside}</rdf:Description></rdf:RDF>{tail}".encode())

    languages = '<rdf:li xml:lang="de">Meer</rdf:li><rdf:li xml:lang="X-Default">Sea</rdf:li>'
    assert read(f"<dc:title><rdf:Alt>{languages}</rdf:Alt></dc:title>") == {"title": "Sea"}
    assert read("<dc:title><![CDATA[You & I]]></dc:title>") == {"title": "You & I"}
    assert read("<exif:FNumber>0/1</exif:FNumber><exif:ExposureTime>1/50</exif:ExposureTime>") == {
        "exposure_s": 0.02
    }


@pytest.mark.parametrize(
    ("altitude", "below", "expected"),
    [("641.5 m", "0", 641.5), ("-12.5", "1", -12.5), ("125/10", "1", -12.5), ("-12.5", "", -12.5)],
)
def test_altitudes(altitude, below, expected):
    place = f'exif:GPSLatitude="1N" exif:GPSLongitude="2E" exif:GPSAltitude="{altitude}"'
    found = xmp.read(packet(f'{place} exif:GPSAltitudeRef="{below}"'))
    assert found["gps_altitude_m"] == expected


@pytest.mark.parametrize("blanks", ["", " ", "\n\n\t", "\ufeff\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_blanks_in_front_of_a_packet(blanks, encoding):
    text = blanks + packet('photoshop:City="Köln"').decode()
    assert xmp.read(text.encode(encoding)) == {"city": "Köln"}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"Creation Time": "Sun, 04 Jul 2021 18:30:11 +0200"}, "2021-07-04T18:30:11+02:00"),
        ({"exif:DateTimeOriginal": "2021:07:04 18:30:11"}, "2021-07-04T18:30:11"),
        ({"date:create": "2024-01-01T00:00:00+00:00"}, None),  # the file's, by ImageMagick
    ],
)
def test_times_in_the_texts_of_png(tags, expected):
    from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415

    text = PngInfo()
    for name, value in tags.items():
        text.add_text(name, value)
    assert facts(form="PNG", pnginfo=text)[0] == expected


def test_words_in_the_texts_of_png():
    from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415

    text = PngInfo()
    text.add_text("Title", "Größe".encode())  # against the standard, and what many do
    text.add_text("Author", "Zoë")
    text.add_itxt("Description", "翻訳")
    text.add_text("Keywords", "sea; sun", zip=True)
    assert facts(form="PNG", pnginfo=text)[1] == {
        "title": "Größe",
        "creator": "Zoë",
        "description": "翻訳",
        "keywords": ["sea", "sun"],
    }


@pytest.mark.parametrize("kind", [b"iTXt", b"tEXt", b"zTXt"])
def test_a_packet_in_any_text_of_png(kind):
    data = packet('photoshop:City="Köln"')
    before = {b"iTXt": b"\0\0\0\0\0", b"tEXt": b"\0", b"zTXt": b"\0\0"}[kind]
    text = b"XML:com.adobe.xmp" + before + (zlib.compress(data) if kind == b"zTXt" else data)
    chunk = struct.pack(">I", len(text)) + kind + text + struct.pack(">I", zlib.crc32(kind + text))
    file = saved("PNG")
    info, _ = pillow.decode(io.BytesIO(file[:33] + chunk + file[33:]), SPEC, 1000)
    assert info.metadata == {"city": "Köln"}


def test_blocks_in_the_texts_of_png():
    """As ImageMagick and ExifTool write them."""
    from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415

    def profile(name, data):
        digits = data.hex()
        lines = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
        return f"\n{name}\n{len(data):8}\n{lines}\n"

    block = iptc(((2, 90), b"Rome"))[4:]
    text = PngInfo()
    text.add_text("Raw profile type iptc", profile("iptc", block.removeprefix(b"Photoshop 3.0\0")))
    text.add_text("Raw profile type exif", profile("exif", described(b"here")), zip=True)
    text.add_text("Raw profile type xmp", profile("xmp", packet('xmp:Rating="3"')), zip=True)
    assert facts(form="PNG", pnginfo=text)[1] == {
        "city": "Rome",
        "description": "here",
        "rating": 3,
    }


@pytest.mark.parametrize("in_blocks", [False, True])
def test_a_packet_in_gif(in_blocks):
    data = packet('xmp:Rating="3"')
    trailer = bytes([1, *range(255, -1, -1), 0])
    if in_blocks:
        parts = [data[at : at + 255] for at in range(0, len(data), 255)]
        data, trailer = b"".join(bytes([len(part)]) + part for part in parts), b"\0"
    file = io.BytesIO()
    Image.new("P", (16, 16)).save(file, "GIF")
    gif = file.getvalue()
    at = gif.index(b"\x2c")
    data = gif[:at] + b"\x21\xff\x0bXMP DataXMP" + data + trailer + gif[at:]
    info, _ = pillow.decode(io.BytesIO(data), SPEC, 1000)
    assert info.metadata == {"rating": 3}


@pytest.mark.parametrize("flags", [None, 0, 0x0C])
@pytest.mark.parametrize("name", [b"XMP ", b"XMP\0"])
def test_chunks_of_webp_that_its_header_does_not_tell_of(flags, name):
    body = saved("WEBP")[12:]
    if flags is not None:
        body = b"VP8X" + struct.pack("<I", 10) + bytes([flags, 0, 0, 0, 15, 0, 0, 15, 0, 0]) + body
    for chunk, data in ((b"EXIF", described(b"here!")), (name, packet('xmp:Rating="3"'))):
        body += chunk + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    file = b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
    info, _ = pillow.decode(io.BytesIO(file), SPEC, 1000)
    assert info.metadata == {"description": "here!", "rating": 3}


@pytest.mark.parametrize("before", [b"", b"Exif\0\0"])
def test_a_damaged_chunk_of_webp_takes_no_other_along(before):
    body = saved("WEBP")[12:]
    body = b"VP8X" + struct.pack("<I", 10) + bytes([0x08, 0, 0, 0, 15, 0, 0, 15, 0, 0]) + body
    block = before + described(b"here").removeprefix(b"Exif\0\0")
    for data in (b"junk", block):
        body += b"EXIF" + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    info, _ = pillow.decode(
        io.BytesIO(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body), SPEC, 1000
    )
    assert info.metadata == {"description": "here"}


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("0537cdab9d0c4431a72afa561f2a113e", described(b"Rome")),
        ("09a14e97c0b442e0bebf36df6f0ce36f", b"\x1c\x02\x78\0\x04Rome"),
        ("2c4c0100850440b9a03e562148d6dfeb", iptc(((2, 120), b"Rome"))[18:]),
    ],
)
def test_boxes_of_photoshop_in_jpeg_2000(kind, data):
    box = struct.pack(">I", 24 + len(data)) + b"uuid" + bytes.fromhex(kind) + data
    info, _ = pillow.decode(io.BytesIO(saved("JPEG2000") + box), SPEC, 1000)
    assert info.metadata == {"description": "Rome"}


def test_compressed_boxes_of_jpeg_xl():
    """As cjxl writes them unless it is told otherwise."""
    pytest.importorskip("pillow_jxl")
    brotli = pytest.importorskip("brotli")

    def box(kind, data):
        return struct.pack(">I", len(data) + 8) + kind + data

    head = b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"ftyp", b"jxl \0\0\0\0jxl ")
    block = b"Exif" + brotli.compress(b"\0\0\0\0" + described(b"here")[6:])
    packed = b"xml " + brotli.compress(packet('xmp:Rating="3"'))
    damaged = b"xml " + packed[4:-9]
    said = b"".join(box(b"brob", each) for each in (block, damaged, packed, b"xml x"))
    info, _ = pillow.decode(io.BytesIO(head + box(b"jxlc", saved("JXL")) + said), SPEC, 1000)
    assert info.metadata == {"description": "here", "rating": 3}


def test_compressed_boxes_share_one_limit(monkeypatch):
    brotli = pytest.importorskip("brotli")
    box = b"xml " + brotli.compress(b"x" * 1000)
    head = blocks._JPEG_XL + b"\r\n\x87\n"
    file = io.BytesIO(head + (struct.pack(">I", len(box) + 8) + b"brob" + box) * 50)
    monkeypatch.setattr(blocks, "_LARGEST", 2500)
    assert sum(len(content) for _, content in blocks._boxes(file)) == 2500


def adobe(name, data):
    return segment(0xE1, b"http://ns.adobe.com/" + name + b"\0" + data)


@pytest.mark.parametrize("other", [b"<damaged", b""])
@pytest.mark.parametrize("first", [False, True])
def test_a_damaged_packet_takes_no_other_along(first, other):
    both = [adobe(b"xap/1.0/", packet('xmp:Rating="3"')), adobe(b"xap/1.0/", other)]
    assert facts(segments=b"".join(both if first else both[::-1]))[1] == {"rating": 3}


def test_a_packet_that_was_too_large_for_one_segment():
    guid, further = b"A" * 32, packet('photoshop:City="Rome"')
    parts = [
        adobe(
            b"xmp/extension/", guid + struct.pack(">II", len(further), at) + further[at : at + 99]
        )
        for at in range(0, len(further), 99)
    ]
    main = packet(f'xmp:Rating="3" photoshop:note="{guid.decode()}"')
    foreign = parts[0].replace(b"A" * 32, b"B" * 32)
    segments = adobe(b"xap/1.0/", main) + foreign + b"".join(reversed(parts))
    assert facts(segments=segments)[1] == {"rating": 3, "city": "Rome"}


CITY = iptc(((2, 90), b"Rome"))[18:]


@pytest.mark.parametrize(
    "segments",
    [
        [CITY[:15], CITY[15:]],
        [b"8BIM\x04\x25\0\0\0\0\0\3abc" + CITY],  # not padded
        [b"PHUT\x04\x25\0\0\0\0\0\4abcd" + CITY],
        [b"8BIM\x04\x25\0\0\xff\xff\xff\xffabcd" + CITY],  # its length is wrong
        [CITY.replace(b"\4\4\0\0", b"\4\4\5named")],
        [CITY, CITY],
    ],
)
def test_iptc_among_damaged_resources(segments):
    found = b"".join(segment(0xED, b"Photoshop 3.0\0" + each) for each in segments)
    assert facts(segments=found)[1] == {"city": "Rome"}


def test_blocks_of_exif_are_read_by_themselves():
    good = segment(0xE1, b"Exif\0\0" + described(b"here").removeprefix(b"Exif\0\0"))
    damaged = segment(0xE1, b"Exif\0\0damaged")
    assert facts(segments=good + damaged)[1] == facts(segments=damaged + good)[1]
    assert facts(segments=damaged + good)[1] == {"description": "here"}


def test_exif_that_goes_on_in_another_segment():
    block = b"Exif\0\0" + described(b"a long story")[6:]
    parts = [block[:20], b"Exif\0\0" + block[20:]]
    assert facts(segments=b"".join(segment(0xE1, part) for part in parts))[1] == {
        "description": "a long story"
    }


def test_fields_in_a_directory_that_is_not_theirs():
    """As scanners and some programs write them: exposure in the first, the place below EXIF's."""
    fields = exif(
        {Base.FNumber: 2.8, Base.DateTimeOriginal: "2021:07:04 18:30:11"},
        {Base.ISOSpeedRatings: 200},
    )
    fields.get_ifd(IFD.GPSInfo).update({1: "N", 2: (51.0, 30.0, 28.8), 3: "W", 4: (0.0, 7.5, 0.0)})
    block = fields.tobytes()
    inside = {0x8825: 0x8827, 0x8827: 0x8825}  # the position's pointer, and ISO's tag, changed over
    assert all(block.count(struct.pack(">H", tag)) == 1 for tag in inside)
    swapped = {tag: block.index(struct.pack(">H", tag)) for tag in inside}
    moved = bytearray(block)
    one, other = swapped.values()
    moved[one : one + 12], moved[other : other + 12] = (
        block[other : other + 12],
        block[one : one + 12],
    )
    taken_at, found = facts(segments=segment(0xE1, bytes(moved)))
    assert taken_at == "2021-07-04T18:30:11"
    assert (found["f_number"], found["iso"], found["gps_latitude"]) == (2.8, 200, 51.508)


def test_exif_that_says_upright_counts_before_xmp():
    turned = packet('tiff:Orientation="6" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"')
    assert facts(xmp=turned)[1] == {"orientation": 6}
    assert facts(xmp=turned, exif=exif({Base.Orientation: 1}))[1] == {}


@pytest.mark.parametrize(("form", "expected"), [("JPEG", 6), ("TIFF", 6), ("HEIF", 6), ("PNG", 6), ("WEBP", 6)])  # noqa: E501 # fmt: skip
def test_the_orientation_is_told(form, expected):
    assert facts(form=form, exif=exif({Base.Orientation: 6}))[1]["orientation"] == expected


@pytest.mark.parametrize("form", ["JPEG", "TIFF", "HEIF", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", [0, 1, 9, 65_535])
def test_what_is_no_orientation_is_not_told(form, orientation):
    assert facts(form=form, exif=exif({Base.Orientation: orientation}))[1] == {}


def test_iptc_in_tiff():
    fields = b"\x1c\x02\x5a\0\x04Rome"
    assert facts(form="TIFF", tiffinfo={33723: fields})[1] == {"city": "Rome"}


def test_a_position_without_seconds():
    block = exif()
    block.get_ifd(IFD.GPSInfo).update({1: "N", 2: (51.0, 30.5, IFDRational(0, 0)), 3: "W", 4: (0.0, 7.5, 0.0)})  # noqa: E501 # fmt: skip
    found = facts(exif=block)[1]
    assert (found["gps_latitude"], found["gps_longitude"]) == (51.5083333, -0.125)


@pytest.mark.parametrize("length", [0, 2, 7])
def test_a_box_with_a_senseless_length_is_not_read_beyond_the_bound(monkeypatch, length):
    monkeypatch.setattr(blocks, "_LARGEST", 50)
    file = io.BytesIO(b"\0\0\0\x0cjP  \r\n\x87\n" + length.to_bytes(4) + b"xml " + bytes(100))
    ((kind, data),) = blocks._boxes(file)
    assert (kind, len(data)) == (b"xml ", 50)


HEAD = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
    ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
    ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    ' xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"'
    ' xmlns:ext="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    ' xmlns:acdsee="http://ns.acdsee.com/iptc/1.0/"'
    ' xmlns:mp="http://ns.iview-multimedia.com/mediapro/1.0/"'
    ' xmlns:kw="http://www.metadataworkinggroup.com/schemas/keywords/">'
)
TAIL = "</rdf:RDF></x:xmpmeta>"


def said_in(inside, attributes=""):
    return f"{HEAD}<rdf:Description {attributes}>{inside}</rdf:Description>{TAIL}".encode()


@pytest.mark.parametrize(
    ("inside", "attributes", "title"),
    [
        ("<dc:title>I < you</dc:title>", "", "I < you"),
        ("<dc:title>5 <3 & more</dc:title>", "", "5 <3 & more"),
        ("<dc:title><![CDATA[Rock & <Roll>]]></dc:title><", "", "Rock & <Roll>"),
        ("<dc:title><rdf:Alt><rdf:li>Sea</rdf:Alt></dc:title>", "", "Sea"),
        ("<dc:title>Sea</dc:title></rdf:Bag>", "", "Sea"),
        ("<dc:title><rdf:Alt><rdf:li>Sea</rdf:li></rdf:Alt>", "", "Sea"),
        ("<dc:title><rdf:Alt><rdf:li>Sea</rdf:li>", "", "Sea"),
        ("<dc:title><rdf:Alt><rdf:li>Sea", "", "Sea"),
        ("<dc:title>Sea", "", "Sea"),
        ("<dc:title>Sea</dc:title><dc:subject><rdf:Bag><rdf:li>a<rdf:li>b", "", "Sea"),
        ("<dc:title>Sea</dc:title><x:y rdf:parseType='Resource'><x:z>1</x:z></x:y><", "", "Sea"),
        ("<!-- <dc:title>none</dc:title> --><", 'dc:title="A < B"', "A < B"),
        ("", 'dc:title="Sea" dc:title="Sea"', "Sea"),
        ("", "dc:title=Sea", "Sea"),
        ("", 'dc:title="Sea"exif:FNumber="4"', "Sea"),
    ],
)
def test_one_bad_tag_takes_no_other_along(inside, attributes, title):
    after = "<photoshop:City>Bern</photoshop:City><xmp:Rating>4</xmp:Rating>"
    found = xmp.read(said_in(inside + after, attributes))
    assert (found["title"], found["city"], found["rating"]) == (title, "Bern", 4)


@pytest.mark.parametrize(
    "piece",
    ["<", "<a ", '<a "', "<a b='", "<!--", "<![CDATA[", "<?", "<a>", "</a>", "&", "<a b=''"],
)
def test_a_packet_of_rubbish_is_read_in_linear_time(piece):
    """Minutes of processor time where each of 300,000 pieces was looked at with all later ones."""
    began = time.process_time()
    with contextlib.suppress(ValueError):
        xmp.read(piece.encode() * 300_000)
    assert time.process_time() - began < 60


def test_prefixes_without_end_are_not_explained():
    """Over a minute where each 1,000 of them were looked for in the whole packet."""
    began = time.process_time()
    with contextlib.suppress(ValueError):
        xmp.read(b"<a>" + b"".join(b"<p%06d:b/>" % each for each in range(1_000_000)))
    assert time.process_time() - began < 30


def test_a_description_may_be_called_by_its_type():
    typed = said_in("", 'xmp:Rating="4"').replace(b"rdf:Description", b"xmp:Photo")
    assert xmp.read(typed) == {"rating": 4}


@pytest.mark.parametrize("space", ["xap/1.0", "xap/1.0/"])
def test_a_namespace_without_its_slash(space):
    said = said_in("", 'xmp:Rating="4"').replace(b"xap/1.0/", space.encode())
    assert xmp.read(said)["rating"] == 4


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (
            "<dc:creator><rdf:Seq><rdf:li>Ada</rdf:li><rdf:li>Bob</rdf:li></rdf:Seq></dc:creator>",
            {"creator": "Ada; Bob"},
        ),
        ("<photoshop:Headline>News</photoshop:Headline>", {"title": "News"}),
        ("<acdsee:caption>Sea</acdsee:caption>", {"title": "Sea"}),
        ("<acdsee:rating>3</acdsee:rating>", {"rating": 3}),
        ("<mp:People><rdf:Bag><rdf:li>Ada</rdf:li></rdf:Bag></mp:People>", {"people": ["Ada"]}),
        (
            (
                '<kw:Keywords rdf:parseType="Resource"><kw:Hierarchy><rdf:Bag>'
                '<rdf:li kw:Keyword="Animals"><kw:Children><rdf:Bag>'
                '<rdf:li rdf:parseType="Resource">'
                "<kw:Keyword>Dog</kw:Keyword></rdf:li></rdf:Bag></kw:Children></rdf:li></rdf:Bag>"
                "</kw:Hierarchy></kw:Keywords>"
            ),
            {"keywords": ["Animals", "Dog"]},
        ),
        (
            (
                '<ext:LocationCreated><rdf:Bag><rdf:li rdf:parseType="Resource">'
                "<ext:City>Bern</ext:City>"
                "<ext:CountryName>Schweiz</ext:CountryName></rdf:li></rdf:Bag></ext:LocationCreated>"
            ),
            {"city": "Bern", "country": "Schweiz"},
        ),
        (
            '<exif:Flash rdf:parseType="Resource"><exif:Fired>False</exif:Fired></exif:Flash>',
            {"flash": False},
        ),
        (
            (
                "<exif:ShutterSpeedValue>7/1</exif:ShutterSpeedValue>"
                "<exif:ApertureValue>4/1</exif:ApertureValue>"
            ),
            {"exposure_s": 0.0078, "f_number": 4.0},
        ),
    ],
)
def test_what_other_programs_call_it(inside, expected):
    assert xmp.read(said_in(inside)) == expected


@pytest.mark.parametrize(
    ("main", "camera", "expected"),
    [
        ({Base.Copyright: b" \0Editor\0"}, {}, {"copyright": "Editor"}),
        ({Base.XPAuthor: "Ada".encode("utf-16-le")}, {}, {"creator": "Ada"}),
        ({Base.XPComment: "Sea".encode("utf-16-le")}, {}, {"description": "Sea"}),
        ({}, {Base.UserComment: b"ASCII\0\0\0Sea   "}, {"description": "Sea"}),
        ({}, {Base.UserComment: b"UNICODE\0" + "Sea".encode("utf-16-be")}, {"description": "Sea"}),
        ({}, {Base.UserComment: b"UNICODE\0" + "Sea".encode("utf-16-le")}, {"description": "Sea"}),
        ({}, {Base.UserComment: bytes(range(128, 200))}, {}),
        ({Base.XPSubject: "Sea".encode("utf-16-le")}, {}, {"description": "Sea"}),
        (
            {},
            {Base.ISOSpeedRatings: 65535, Base.RecommendedExposureIndex: 102_400},
            {"iso": 102_400},
        ),
        ({}, {Base.ISOSpeedRatings: 65535}, {"iso": 65535}),
        (
            {},
            {Base.ShutterSpeedValue: IFDRational(7), Base.ApertureValue: IFDRational(4)},
            {"exposure_s": 0.0078, "f_number": 4.0},
        ),
    ],
)
def test_where_else_exif_says_it(main, camera, expected):
    assert facts(exif=exif(main, camera))[1] == expected


WIDE = ("utf-16-le", "utf-16-be")


@pytest.mark.parametrize("text", ["Grüße", "日本語の写真です", "Привет, мир", "😀 Grüße"])
@pytest.mark.parametrize(
    ("encoding", "rest"),
    [*((name, b"") for name in WIDE), ("utf-16-le", b"x"), ("utf-16-le", b"\0")],
)
def test_comments_of_either_order_and_of_any_length(text, encoding, rest):
    data = text.encode(encoding) + rest
    expected = {"title": text, "description": text}
    comment = {Base.UserComment: b"Unicode\0" + data}
    assert facts(exif=exif({Base.XPTitle: data}, comment))[1] == expected


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (b"JIS\0\0\0\0\0", "海です".encode("iso2022_jp")),
        (b"JIS\0\0\0\0\0", "海です".encode("shift_jis")),
        (b"ASCII   ", "海です".encode()),
        (b"        ", "海です".encode()),
        (b"\0" * 8, "海です".encode()),
        (b"", "海です".encode()),
    ],
)
def test_kinds_of_comments(kind, data):
    assert facts(exif=exif({}, {Base.UserComment: kind + data}))[1] == {"description": "海です"}


@pytest.mark.parametrize("data", [b"a comment", b"a comment".ljust(20, b"\0"), b"words"])
def test_one_byte_a_character_where_two_are_said(data):
    expected = data.rstrip(b"\0").decode()
    fields = exif({Base.XPTitle: data}, {Base.UserComment: b"UNICODE\0" + data})
    assert facts(exif=fields)[1] == {"title": expected, "description": expected}


@pytest.mark.parametrize("comment", ["Am Südstrand".encode(), "Am Südstrand".encode("cp1252")])
@pytest.mark.parametrize("form", ["JPEG", "GIF"])
def test_comments_of_people(form, comment):
    assert facts(form=form, comment=comment)[1] == {"description": "Am Südstrand"}


def test_a_comment_counts_least_and_a_programs_not_at_all():
    fields = exif({Base.ImageDescription: "Sea"})
    assert facts(exif=fields, comment=b"Beach")[1] == {"description": "Sea"}
    for comment in (b"Created with GIMP", b"CREATOR: gd-jpeg v1.0", b"\1\2\3", b" "):
        assert facts(comment=comment)[1] == {}
    for comment in (b"Created by Ada", b"Made in Italy", b"Software conference"):
        assert facts(comment=comment)[1] == {"description": comment.decode()}
    two = segment(0xFE, b"LEAD Technologies Inc. V1.01") + segment(0xFE, b"Beach")
    assert facts(segments=two)[1] == {"description": "Beach"}


def test_the_time_of_satellites_counts_where_the_camera_has_none():
    fields = Image.Exif()
    fields[Base.DateTime] = "2022:01:01 00:00:00"
    fields.get_ifd(IFD.GPSInfo).update({29: "2021:07:01", 7: (10.0, 11.0, 12.0)})
    assert facts(exif=fields)[0] == "2021-07-01T10:11:12+00:00"


def test_exif_behind_another_mark():
    block = exif({Base.Make: "Canon"}).tobytes().replace(b"Exif\0\0", b"Exif\0\xff", 1)
    assert facts(segments=segment(0xE1, block))[1] == {"camera": "Canon"}


def test_iptc_with_two_creators_and_a_headline():
    fields = ((2, 80), b"Ada"), ((2, 80), b"Bob"), ((2, 105), b"News")
    assert facts(segments=iptc(*fields))[1] == {"creator": "Ada; Bob", "title": "News"}
