import os
import time

import pytest

from imgvecd.catalog import Catalog
from imgvecd.catalog.files.companions import beside, beside_each
from imgvecd.core.files import formats
from imgvecd.core.files.companions import kind_beside, overlaid, sidecars_of
from imgvecd.core.files.shots import shot_of
from imgvecd.types import FileChanges, FoundFile, Stamp


@pytest.mark.parametrize(
    ("name", "other", "kind"),
    [
        (b"a.jpg", b"a.xmp", "sidecar"),
        (b"a.jpg", b"a.jpg.xmp", "sidecar"),
        (b"a.jpg", b"a.JPG.XMP", "sidecar"),
        (b"a.CR2", b"a.XMP", "sidecar"),
        (b"a.heic", b"a.MOV", "video"),
        (b"a.heic", b"a.heic.mov", None),
        (b"a.heic", b"a.AAE", "sidecar"),
        (b"a.jpg", b"a.cr2", "raw"),
        (b"a.cr2", b"a.jpg", "developed"),
        (b"a.jpg", b"a.png", None),
        (b"a.cr2", b"a.nef", None),
        (b"a.jpg", b"a.jpg", None),
        (b"a.jpg", b"b.xmp", None),
        (b"a.jpg", b"a.b.xmp", None),
        (b"\xff.jpg", b"\xff.xmp", "sidecar"),
    ],
)
def test_what_belongs_together(name, other, kind):
    assert kind_beside(name, other) == kind


def test_the_more_specific_sidecar_comes_first():
    names = [b"a.aae", b"a.cr2.xmp", b"a.jpg.xmp", b"a.xmp", b"a.mov"]
    assert sidecars_of(b"a.jpg", names) == [b"a.jpg.xmp", b"a.xmp"]


def test_a_sidecar_has_the_last_word():
    own = {"keywords": ["old"], "rating": 1, "camera": "X", "taken_at_source": "exif"}
    specific = {"rating": 5}
    general = {"rating": 4, "keywords": ["new"], "taken_at": "2020-01-01T00:00:00"}
    assert overlaid("2019-01-01T00:00:00", own, [specific, general]) == (
        "2020-01-01T00:00:00",
        {"keywords": ["new"], "rating": 5, "camera": "X", "taken_at_source": "sidecar"},
    )
    assert own["rating"] == 1


def test_the_same_time_without_its_offset_is_no_news():
    own = {"taken_at_source": "exif"}
    moment = "2019-01-01T00:00:00+02:00"
    assert overlaid(moment, own, [{"taken_at": "2019-01-01T00:00:00"}]) == (moment, own)


def test_the_catalog_knows_the_same_extensions(tmp_path):
    catalog = Catalog(str(tmp_path))
    (root,) = catalog.files.set_roots([b"/photos"])
    stamp = Stamp(1, 1, 1, 1)
    names = [f"a.{kind}" for kind in formats.COMPANION_EXTENSIONS | formats.IMAGE_EXTENSIONS]
    names += [name.upper() for name in names]
    added = tuple((root.id, b"", FoundFile(name.encode(), stamp)) for name in names)
    catalog.files.apply(FileChanges(added=added))
    images = [name for name in names if not formats.is_companion_name(name)]
    assert catalog.images.counts(None).seen == len(images)
    catalog.close()


@pytest.mark.parametrize(
    ("name", "other", "kind"),
    [
        ("IMG_1.JPG", "IMG_1.jpg.xmp", "sidecar"),
        ("IMG_1.JPG", "img_1.XMP", "sidecar"),
        ("img_3.jpg", "IMG_3.DNG", "raw"),
        ("IMG_3.DNG", "img_3.jpg", "developed"),
        ("caf\u00e9.jpg", "cafe\u0301.CR2", "raw"),
        ("PXL_20230101_120000123.RAW-01.COVER.jpg",
         "PXL_20230101_120000123.RAW-02.ORIGINAL.dng", "raw"),
        ("PXL_20230101_120000123.RAW-01.MP.COVER.jpg",
         "PXL_20230101_120000123.RAW-02.ORIGINAL.dng", "raw"),
        ("PXL_20230101_120000123.jpg", "PXL_20230101_120000123.dng", "raw"),
        ("PXL_20230101_120000123.MP.jpg", "PXL_20230101_120000123.TS.mp4", "video"),
        ("PXL_20230101_120000123.PORTRAIT-02.ORIGINAL.jpg",
         "PXL_20230101_120000123.PORTRAIT-01.COVER.jpg", "edited"),
        ("PXL_20230101_120000123.NIGHT.jpg", "PXL_20230101_120000123.NIGHT~2.jpg", "edited"),
        ("IMG_1234.HEIC", "IMG_E1234.HEIC", "edited"),
        ("IMG_E1234.HEIC", "IMG_1234.HEIC", "original"),
        ("IMG_E1234.JPG", "IMG_1234.MOV", "video"),
        ("IMG_1234.HEIC", "IMG_O1234.AAE", "sidecar"),
        ("IMG_1234.HEIC", "IMG_1234.AAE", "sidecar"),
        ("WP_20150101_12_00_00_Pro.jpg", "WP_20150101_12_00_00_Raw__highres.dng", "raw"),
        ("IMG_20230101_120000.jpg", "IMG_20230101_120000_RAW.dng", "raw"),
        ("a.jpg", "a-edited.jpg", "edited"),
        ("IMG_1234.HEIC", "IMG_1234 (Edited).jpeg", "edited"),
        ("IMG_1234.jpg", "IMG_1234_DxO.jpg", "edited"),
        ("IMG_1234.RW2", "IMG_1234-DxO_DeepPRIME 3.jpg", "developed"),
        ("IMG_1234.dng", "IMG_1234-DxO_DeepPRIME XD.dng", "edited"),
        ("IMG_1234.jpg", "IMG_1234-gigapixel-standard-scale-2_00x.png", "edited"),
        ("IMG_1234.jpg", "IMG_1234-topaz-denoise.tif", "edited"),
        ("IMG_1234.CRW", "IMG_1234.JPG", "developed"),
        ("GOPR0001.JPG", "GOPR0001.GPR", "raw"),
        ("a.jpg", "a-Edit.tif", "edited"),
        ("a.dng", "a-Enhanced-NR.dng", "edited"),
        ("IMG_1234.jpg", "IMG_1234-Edit-2.tif", "edited"),
        ("IMG_1234.jpg", "IMG_1234-edited~2~3.jpg", "edited"),
        ("IMG_20230101_120000.jpg", "IMG_20230101_120000_mh1672574400000.jpg", "edited"),
        ("IMG_20230101_120000.jpg", "IMG_20230101_120000_edit_1234567890123456.jpg", "edited"),
        ("a(1).jpg", "a-edited(1).jpg", "edited"),
        ("a-edited(1).jpg", "a(1).jpg", "original"),
        ("IMG_1234(12).HEIC", "IMG_1234-bearbeitet(12).jpg", "edited"),
        ("caf\u00e9(1).jpg", "cafe\u0301-modifie\u0301(1).jpg", "edited"),
        ("a.jpg", "a-edited(1).jpg", None),
        ("a(2).jpg", "a-edited(1).jpg", None),
        ("IMG_E1234(1).HEIC", "IMG_1234(1).HEIC", "original"),
        ("IMG_1234 2.HEIC", "IMG_E1234 2.MOV", "video"),
        ("IMG_1234.HEIC", "IMG_1234_HEVC.MOV", "video"),
        ("IMG_E1234(1).HEIC", "IMG_1234.HEIC", None),
        ("IMG_1234.HEIC", "IMG_1234(1).MOV", None),
        ("IMG_1234.jpg", "IMG_1234_2.jpg", None),
        ("IMG_1.jpg", "IMG_10.dng", None),
        ("IMG_20230101_120000.jpg", "IMG_20230101_120001.dng", None),
        ("IMG_20230101_120000_1.jpg", "IMG_20230101_120000_2.dng", None),
        ("PXL_20230101_120000123.RAW-01.COVER(1).jpg",
         "PXL_20230101_120000123.RAW-02.ORIGINAL(1).dng", "raw"),
        ("PXL_20230101_120000123.RAW-01.COVER(1).jpg",
         "PXL_20230101_120000123.RAW-02.ORIGINAL.dng", None),
        ("0A1B2C3D-1111-2222-3333-444455556666.heic",
         "0A1B2C3D-1111-2222-3333-444455556666_3.mov", "video"),
        ("0A1B2C3D-1111-2222-3333-444455556666.jpeg",
         "0A1B2C3D-1111-2222-3333-444455556666_4.cr2", "raw"),
        ("IMG_1234.CR2", "IMG_1234.CR2.jpg", "developed"),
        ("IMG_1234.jpg", "IMG_1234.JPG.CR2", None),
        ("IMG_1234.dng", "IMG_1234-Enhanced-NR-2.dng", "edited"),
        ("a.jpg", "A.png", None),
        ("a.jpg", "a-edited.xmp", None),
    ],
)  # fmt: skip
def test_what_makers_call_the_files_of_one_shot(tmp_path, name, other, kind):
    catalog = Catalog(str(tmp_path))
    (root,) = catalog.files.set_roots([b"/photos"])
    names = [os.fsencode(text) for text in (name, other)]
    assert kind_beside(*names) == kind
    files = tuple(
        (root.id, b"", FoundFile(raw, Stamp(1, 1, number, 1))) for number, raw in enumerate(names)
    )
    catalog.files.apply(FileChanges(added=files))
    with catalog.files._database.read() as connection:
        near = {found for _, found, _ in beside(connection, root.id, b"", names[0])}
    assert kind is None or names[1] in near
    catalog.close()


def test_what_is_beside_many_is_what_is_beside_each(tmp_path):
    catalog = Catalog(str(tmp_path))
    (root,) = catalog.files.set_roots([b"/photos"])
    names = [b"IMG_%04d.%s" % (i, end) for i in range(60) for end in (b"jpg", b"CR2", b"xmp")]
    files = tuple(
        (root.id, b"%d" % (number % 2), FoundFile(name, Stamp(1, 1, number, 1)))
        for number, name in enumerate(names)
    )
    catalog.files.apply(FileChanges(added=files))
    places = [(root.id, b"%d" % (number % 2), name) for number, name in enumerate(names)]
    places.append((root.id, b"0", b"nobody (1).jpg"))
    with catalog.files._database.read() as connection:
        found = beside_each(connection, places)
        assert found == [beside(connection, *place) for place in places]
    assert {name for _, name, _ in found[0]} == {b"IMG_0000.jpg", b"IMG_0000.xmp"}
    assert found[-1] == []
    catalog.close()


@pytest.mark.parametrize(
    "mark", ["-topaz", "_dxo", "_dxo_a", "-gigapixel-", "~1", "-edited", "_edit", "-enhanced-nr"]
)
def test_a_name_full_of_marks_of_edits_is_read_at_once(mark):
    began = time.thread_time()
    shot_of("a" + mark * (250 // len(mark)) + "!.jpg")
    assert time.thread_time() - began < 1  # each more doubled it
