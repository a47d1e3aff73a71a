"""Finding duplicates among generated variants of real photos."""

import shutil
from pathlib import Path

import pytest
from kept_state import keep_state
from PIL import Image, ImageOps

from imgvecd import VectorDatabase
from imgvecd.errors import BadRequestError

PHOTOS = Path(__file__).parents[1] / "data" / "photos"


def taken(at):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = at
    return exif


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """For each photo one kind of duplicate; brick, grass and galaxies are alone."""
    folder = tmp_path_factory.mktemp("photos")
    for photo in PHOTOS.glob("*.jpg"):
        shutil.copy(photo, folder)
    (folder / "copy").mkdir()
    shutil.copy(folder / "cat.jpg", folder / "copy" / "cat.jpg")
    Image.open(folder / "coffee.jpg").save(folder / "coffee-lossless.png")
    rocket = Image.open(folder / "rocket.jpg")
    rocket.resize((rocket.width // 2, rocket.height // 2)).save(folder / "rocket-small.webp")
    motorcycle = Image.open(folder / "motorcycle.jpg")
    motorcycle.transpose(Image.Transpose.ROTATE_90).save(folder / "motorcycle-turned.jpg")
    ImageOps.mirror(motorcycle).save(folder / "motorcycle-mirrored.jpg", quality=60)
    astronaut = Image.open(folder / "astronaut.jpg")
    width, height = astronaut.size
    part = astronaut.crop((width // 10, height // 10, width * 9 // 10, height * 9 // 10))
    part.save(folder / "astronaut-part.jpg", quality=90)
    return folder


@pytest.fixture(scope="module")
def database(folder, tmp_path_factory):
    with VectorDatabase(
        "imgvecd-mini", db_path=keep_state(tmp_path_factory.mktemp("db"))
    ) as database:
        database.add_images_batch(sorted(folder.rglob("*.*")))
        yield database


def by_name(groups, folder):
    return {
        frozenset(str(Path(file["image_path"]).relative_to(folder)) for file in group): group
        for group in groups
    }


EXPECTED = {
    frozenset({"cat.jpg", "copy/cat.jpg"}): "same_bytes",
    frozenset({"coffee.jpg", "coffee-lossless.png"}): "same_pixels",
    frozenset({"rocket.jpg", "rocket-small.webp"}): "reencoded",
    frozenset({"motorcycle.jpg", "motorcycle-turned.jpg"}): "transformed",
    frozenset({"motorcycle.jpg", "motorcycle-mirrored.jpg"}): "edited",
    frozenset({"astronaut.jpg", "astronaut-part.jpg"}): "edited",
}


def test_each_kind_is_found_and_nothing_else(database, folder):
    groups = by_name(database.find_duplicates(), folder)
    assert set(groups) == set(EXPECTED)
    for names, kind in EXPECTED.items():
        assert {file["kind"] for file in groups[names][1:]} == {kind}
        assert [file["keep"] for file in groups[names]] == [True] + [False] * (len(names) - 1)
    kinds = [group.kind for group in database.duplicates().groups]
    assert kinds == sorted(kinds, key=list(dict.fromkeys(EXPECTED.values())).index)


def test_kinds_can_be_chosen(database, folder):
    groups = by_name(database.find_duplicates(kinds=["reencoded"]), folder)
    assert set(groups) == {frozenset({"rocket.jpg", "rocket-small.webp"})}
    with pytest.raises(BadRequestError, match="kinds"):
        database.find_duplicates(kinds=["identical"])


def test_the_keeper_follows_the_rules_in_their_order(database, folder):
    def kept(names, **choices):
        group = by_name(database.find_duplicates(**choices), folder)[frozenset(names)]
        return [str(Path(file["image_path"]).relative_to(folder)) for file in group if file["keep"]]

    rocket = ("rocket.jpg", "rocket-small.webp")
    coffee = ("coffee.jpg", "coffee-lossless.png")
    cat = ("cat.jpg", "copy/cat.jpg")
    assert kept(rocket) == ["rocket.jpg"]
    assert kept(coffee) == ["coffee.jpg"]
    assert kept(cat) == ["cat.jpg"]
    assert kept(cat, prefer=[str(folder / "copy")]) == ["copy/cat.jpg"]
    assert sorted(kept(cat, protect=[str(folder)])) == sorted(cat)
    assert kept(cat, protect=[str(folder / "copy")]) == ["copy/cat.jpg"]


def test_a_second_look_decodes_nothing(database, folder):
    database.find_duplicates()
    finder = database._runtime.duplicates

    class Refusing:
        def __getattr__(self, name):
            raise AssertionError("decoded again")

    decoder, finder._decoder = finder._decoder, Refusing()
    try:
        assert set(by_name(database.find_duplicates(), folder)) == set(EXPECTED)
    finally:
        finder._decoder = decoder


def test_bursts_are_near_in_time_and_look(tmp_path):
    photo = Image.open(PHOTOS / "cat.jpg")
    moved = photo.transform(
        photo.size, Image.Transform.AFFINE, (1, 0.03, 5, 0, 1.02, 3), Image.Resampling.BICUBIC
    )
    for name, image, at in (
        ("a.jpg", photo, "2024:05:01 12:00:00"),
        ("b.jpg", moved, "2024:05:01 12:00:02"),
        ("c.jpg", photo, "2024:05:01 13:00:00"),
    ):
        image.save(tmp_path / name, exif=taken(at), quality=95)
    with VectorDatabase("imgvecd-mini", db_path=keep_state(tmp_path / "db")) as database:
        database.add_images_batch(sorted(tmp_path.glob("*.jpg")))
        groups = by_name(database.find_duplicates(kinds=["burst", "reencoded"]), tmp_path)
        assert set(groups) == {frozenset({"a.jpg", "b.jpg"})}
        assert next(iter(groups.values()))[1]["kind"] == "burst"
        same = by_name(database.find_duplicates(kinds=["same_pixels"]), tmp_path)
        assert set(same) == {frozenset({"a.jpg", "c.jpg"})}


def test_decisions_stick_through_renames(tmp_path):
    shutil.copy(PHOTOS / "rocket.jpg", tmp_path / "a.jpg")
    Image.open(PHOTOS / "rocket.jpg").save(tmp_path / "b.jpg", quality=50)
    with VectorDatabase("imgvecd-mini", db_path=keep_state(tmp_path / "db")) as database:
        database.add_images_batch(sorted(tmp_path.glob("*.jpg")))
        (group,) = database.find_duplicates()
        hashes = [file["hash"] for file in group]
        database.decide_duplicates(hashes, "not_duplicates")
        assert database.find_duplicates() == []
        (tmp_path / "b.jpg").rename(tmp_path / "c.jpg")
        database.relocate(tmp_path / "b.jpg", tmp_path / "c.jpg")
        assert database.find_duplicates() == []
        database.decide_duplicates(hashes[::-1], "undecided")
        assert len(database.find_duplicates()) == 1


def test_do_i_have_this_one(database, folder, tmp_path):
    photo = Image.open(folder / "motorcycle.jpg")
    photo.transpose(Image.Transpose.ROTATE_180).save(tmp_path / "turned.png")
    assert {
        (Path(file["image_path"]).name, file["kind"])
        for file in database.check_duplicate(tmp_path / "turned.png")
    } == {
        ("motorcycle.jpg", "transformed"),
        ("motorcycle-turned.jpg", "transformed"),
        ("motorcycle-mirrored.jpg", "edited"),
    }
    found = database.check_duplicate(folder / "cat.jpg")
    assert {(Path(file["image_path"]).name, file["kind"]) for file in found} == {
        ("cat.jpg", "same_bytes")
    }
    Image.effect_noise((200, 100), 90).convert("RGB").save(tmp_path / "noise.jpg")
    assert database.check_duplicate(tmp_path / "noise.jpg") == []


def test_what_a_person_keeps_is_kept_also_beside_a_third_picture(tmp_path):
    for name in ("a.jpg", "copy of a.jpg"):
        shutil.copy(PHOTOS / "rocket.jpg", tmp_path / name)
    small = Image.open(PHOTOS / "rocket.jpg").reduce(2)
    small.save(tmp_path / "small.jpg")
    with VectorDatabase("imgvecd-mini", db_path=keep_state(tmp_path / "db")) as database:
        database.add_images_batch(sorted(tmp_path.glob("*.jpg")))

        def kept():
            return {
                Path(file["image_path"]).name: file["keep"]
                for group in database.find_duplicates()
                for file in group
            }

        assert kept() == {"a.jpg": True, "copy of a.jpg": False, "small.jpg": False}
        rocket = database.check_duplicate(tmp_path / "a.jpg")[0]["hash"]
        database.decide_duplicates([rocket, rocket], "keep_both")
        assert kept() == {"a.jpg": True, "copy of a.jpg": True, "small.jpg": False}
        database.decide_duplicates([rocket, rocket], "undecided")
        assert kept() == {"a.jpg": True, "copy of a.jpg": False, "small.jpg": False}
