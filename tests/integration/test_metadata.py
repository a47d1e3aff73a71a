"""Metadata in files and of the user, through edits, renames and restarts of a real daemon."""

import json
import os
import shutil
import struct

import pytest
from PIL import Image
from raw_files import dng

PACKET = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/">
<rdf:Description rdf:about="" xmp:Rating="{rating}"><dc:subject><rdf:Bag><rdf:li>{keyword}</rdf:li>
</rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"""


def with_packet(jpeg, **values):
    """Return a JPEG with XMP, as photo programs write it."""
    payload = b"http://ns.adobe.com/xap/1.0/\0" + PACKET.format(**values).encode()
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


def found(daemon, **filters):
    answer = daemon.post("/v1/search", {"text": "a cat", "all": True, "filters": filters})
    return {hit["id"]: hit["path"] for hit in answer["hits"]}


def image_at(daemon, path):
    (image,) = (
        image
        for image in daemon.get("/v1/images", limit=1000)["images"]
        if any(file["path"] == str(path) for file in image["files"])
    )
    return image


@pytest.mark.any_encoder
def test_an_edit_of_metadata_is_found_and_encodes_nothing(start, shipped_photos):
    count = len(list(shipped_photos.rglob("*.jpg")))
    cat = next(shipped_photos.rglob("cat.jpg"))
    daemon = start(shipped_photos)
    daemon.wait_until_indexed(count)
    before = image_at(daemon, cat)
    assert daemon.imgvec("tag", before["id"], "+family").returncode == 0
    assert daemon.imgvec("set", before["id"], "year=1999", "note=ours").returncode == 0
    assert set(found(daemon, tags=["family"])) == {before["id"]}
    encoded = daemon.status()["encoded"]

    jpeg = cat.read_bytes()
    for rating, keyword in ((2, "kitten"), (5, "tom")):
        new = cat.with_name("new.tmp")
        new.write_bytes(with_packet(jpeg, rating=rating, keyword=keyword))
        new.rename(cat)  # as careful programs save
        daemon.sync()
        hits = found(daemon, tags=[keyword, "family"], min_rating=rating)
        assert list(hits.values()) == [str(cat)]
    (edited,) = hits
    assert edited != before["id"]
    assert before["id"] not in found(daemon)
    assert daemon.status()["encoded"] == encoded

    renamed = cat.with_name("renamed.jpg")
    cat.rename(renamed)
    daemon.sync()
    assert daemon.stop() == 0
    again = start(shipped_photos)
    again.wait_until_indexed(count)
    image = image_at(again, renamed)
    assert image["id"] == edited
    assert image["user_metadata"] == {"tags": ["family"], "year": 1999, "note": "ours"}
    assert image["metadata"]["keywords"] == ["tom"]
    assert again.status()["encoded"] == 0
    shown = again.imgvec("show", edited).stdout.decode()
    assert "keywords  tom\n" in shown
    assert "  note      ours\n" in shown


@pytest.mark.any_encoder
def test_sidecars_are_watched_and_stay_with_their_pictures(start, shipped_photos):
    count = len(list(shipped_photos.rglob("*.jpg")))
    cat = next(shipped_photos.rglob("cat.jpg"))
    sidecar = cat.with_name("cat.jpg.xmp")
    sidecar.write_text(PACKET.format(rating=2, keyword="kitten"))
    cat.with_name("cat.MOV").write_bytes(b"a film")
    daemon = start(shipped_photos)
    daemon.wait_until_indexed(count)
    encoded = daemon.status()["encoded"]
    assert list(found(daemon, tags=["kitten"], min_rating=2).values()) == [str(cat)]

    sidecar.write_text(PACKET.format(rating=5, keyword="tom"))
    daemon.sync()
    assert list(found(daemon, tags=["tom"], min_rating=5).values()) == [str(cat)]
    assert found(daemon, tags=["kitten"]) == {}

    renamed = cat.with_name("tom.jpg")
    cat.rename(renamed)
    sidecar.rename(cat.with_name("tom.jpg.xmp"))
    cat.with_name("cat.MOV").rename(cat.with_name("tom.MOV"))
    daemon.sync()
    assert list(found(daemon, tags=["tom"]).values()) == [str(renamed)]
    assert daemon.post("/v1/doctor")["healthy"]
    assert daemon.status()["encoded"] == encoded

    cat.with_name("tom.jpg.xmp").write_text("<no xmp")
    daemon.sync()
    assert found(daemon, tags=["tom"]) == {}
    (failure,) = daemon.get("/v1/failures")["failures"]
    assert failure["reason"] == "damaged"
    cat.with_name("tom.jpg.xmp").unlink()
    daemon.sync()
    assert daemon.get("/v1/failures")["failures"] == []
    assert daemon.status()["encoded"] == encoded


def test_raw_and_jpeg_of_one_shot_are_one_hit(start, shipped_photos):
    pytest.importorskip("rawpy")
    cat = next(shipped_photos.rglob("cat.jpg"))
    raw, film = cat.with_suffix(".DNG"), cat.with_suffix(".MOV")
    with Image.open(cat) as image:
        raw.write_bytes(dng(image.resize((512, 512)), (cat.read_bytes(), image.size)))
    film.write_bytes(b"a film")
    daemon = start(shipped_photos)
    daemon.wait_until_indexed(len(list(shipped_photos.rglob("*.jpg"))) + 1)
    jpeg, negative = image_at(daemon, cat), image_at(daemon, raw)
    assert negative["format"] == "raw"
    assert jpeg["companions"] == [
        {"kind": "raw", "path": str(raw), "id": negative["id"]},
        {"kind": "video", "path": str(film)},
    ]
    for order in ("score", "path"):
        answer = daemon.post("/v1/search", {"text": "a cat", "all": True, "order": order})
        hits = {hit["id"]: hit for hit in answer["hits"]}
        assert jpeg["id"] in hits
        assert negative["id"] not in hits
    assert hits[jpeg["id"]]["companions"] == jpeg["companions"]
    only_raw = found(daemon, format=["raw"])
    assert only_raw == {negative["id"]: str(raw)}
    duplicates = daemon.post("/v1/duplicates")
    assert duplicates["groups"] == []

    for file in (cat, raw, film):
        file.rename(file.with_stem("tom"))
    daemon.sync()
    renamed = image_at(daemon, cat.with_stem("tom"))
    assert renamed["id"] == jpeg["id"]
    assert {c["path"] for c in renamed["companions"]} == {
        str(raw.with_stem("tom")),
        str(film.with_stem("tom")),
    }
    shown = daemon.imgvec("show", jpeg["id"]).stdout.decode()
    assert f"video     {film.with_stem('tom')}\n" in shown
    cat.with_stem("tom").unlink()
    daemon.sync()
    assert negative["id"] in found(daemon)


@pytest.mark.any_encoder
def test_what_tells_no_time_is_dated_by_its_file(start, shipped_photos):
    cat = next(shipped_photos.rglob("cat.jpg"))
    daemon = start(shipped_photos)
    daemon.wait_until_indexed(len(list(shipped_photos.rglob("*.jpg"))))
    image = image_at(daemon, cat)
    assert image["metadata"]["taken_at_source"] == "file"
    assert image["id"] in found(daemon, taken=image["taken_at"][:10])
    older = shutil.copyfile(cat, cat.with_name("older.jpg"))
    os.utime(older, (1_000_000_000, 1_000_000_000))  # the age of the oldest, which came last
    daemon.sync()
    image = image_at(daemon, cat)
    assert (image["taken_at"][:4], image["metadata"]["taken_at_source"]) == ("2001", "file")
    cat.write_bytes(with_packet(cat.read_bytes(), rating=1, keyword="x"))
    daemon.sync()
    edited = image_at(daemon, cat)
    assert edited["id"] != image["id"]
    assert edited["taken_at"] == image["taken_at"]  # when it was rated is not when it was taken
    assert daemon.imgvec("tag", 999_999, "+x").returncode == 2


@pytest.mark.any_encoder
def test_a_name_dates_what_tells_no_time(start, shipped_photos):
    cat = next(shipped_photos.rglob("cat.jpg"))
    daemon = start(shipped_photos)
    daemon.wait_until_indexed(len(list(shipped_photos.rglob("*.jpg"))))
    by_age = image_at(daemon, cat)["taken_at"]
    named = cat.with_name("IMG_20210704_183011.jpg")
    cat.rename(named)
    daemon.sync()
    image = image_at(daemon, named)
    assert image["taken_at"] == "2021-07-04T18:30:11"
    assert image["metadata"]["taken_at_source"] == "name"
    assert image["id"] in found(daemon, taken="2021-07-04")
    named.rename(cat)
    daemon.sync()
    image = image_at(daemon, cat)
    assert (image["taken_at"], image["metadata"]["taken_at_source"]) == (by_age, "file")


@pytest.mark.any_encoder
def test_side_files_of_exports_are_watched_and_cost_no_encoding(start, shipped_photos):
    count = len(list(shipped_photos.rglob("*.jpg")))
    cat = next(shipped_photos.rglob("cat.jpg"))
    cat = cat.rename(cat.with_name("cat(1).jpg"))
    side_file = cat.with_name("cat.jpg.supplemental-metadata(1).json")
    said = {"photoTakenTime": {"timestamp": "-1000000000"}, "people": [{"name": "Ada"}]}
    side_file.write_text(json.dumps(said))
    cat.with_name("package.json").write_text("{no json")
    daemon = start(shipped_photos)
    daemon.wait_until_indexed(count)
    encoded = daemon.status()["encoded"]
    assert list(found(daemon, tags=["Ada"]).values()) == [str(cat)]
    shown = daemon.imgvec("show", str(cat)).stdout.decode()
    assert "1938-04-2" in shown
    assert side_file.name in shown

    side_file.write_text(json.dumps(said | {"people": [{"name": "Bob"}]}))
    daemon.sync()
    assert list(found(daemon, tags=["Bob"]).values()) == [str(cat)]
    side_file.write_text("{no json")
    daemon.sync()
    (failure,) = daemon.get("/v1/failures")["failures"]
    assert failure["reason"] == "damaged"
    side_file.unlink()
    daemon.sync()
    assert found(daemon, tags=["Bob"]) == {}
    assert daemon.get("/v1/failures")["failures"] == []
    assert daemon.post("/v1/doctor")["healthy"]
    assert daemon.status()["encoded"] == encoded
