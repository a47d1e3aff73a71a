import pytest

from imgvecd.config.schema import RootConfig, WatchConfig
from imgvecd.core.watch.inclusion_rules import Rules


def rules(*globs, nested=(), **watch):
    return Rules(RootConfig(path="/r", exclude=globs), (), WatchConfig(**watch), nested)


@pytest.mark.parametrize(
    ("glob", "path", "fits"),
    [
        ("*.png", b"a.png", True),
        ("*.png", b"x/y/a.png", True),
        ("*.png", b"a.jpg", False),
        ("/*.png", b"a.png", True),
        ("/*.png", b"x/a.png", False),
        ("raw/*.jpg", b"raw/a.jpg", True),
        ("raw/*.jpg", b"raw/x/a.jpg", False),
        ("raw/*.jpg", b"x/raw/a.jpg", False),
        ("raw/**", b"raw/x/a.jpg", True),
        ("**/raw/*.jpg", b"x/y/raw/a.jpg", True),
        ("**/raw/*.jpg", b"raw/a.jpg", True),
        ("IMG_[0-3]?.jpg", b"IMG_27.jpg", True),
        ("IMG_[!0-3]?.jpg", b"IMG_27.jpg", False),
        ("a+(b).jpg", b"a+(b).jpg", True),
        ("*.jpg", b"new\nline.jpg", True),
        ("*é.jpg", "ré.jpg".encode(), True),
        ("only-a-folder/", b"only-a-folder", False),
    ],
)
def test_globs_fit_files(glob, path, fits):
    directory, _, name = path.rpartition(b"/")
    reason = rules(glob).file(directory, name)
    images_only = name.lower().endswith((b".png", b".jpg"))
    assert (reason is not None) is (fits or not images_only)


@pytest.mark.parametrize(
    ("glob", "directory"),
    [
        ("private", b"x/private"),
        ("private/", b"private"),
        ("x/private", b"x/private"),
        ("x/**", b"x"),
        ("x/*/z", b"x/y/z"),
    ],
)
def test_globs_fit_folders(glob, directory):
    assert rules(glob).folder(directory) == f"excluded by {glob!r}"
    assert rules(glob).folder(b"another") is None


def test_what_lies_below_an_excluded_folder_is_out():
    assert rules("private").path(b"x/private/y/z") == "excluded by 'private'"
    assert rules("private").path(b"x/public/y") is None


@pytest.mark.parametrize(
    "name", [b"@eaDir", b".Trash-1000", b"#recycle", b"$RECYCLE.BIN", b".thumbnails"]
)
def test_system_folders_are_out_even_if_hidden_ones_are_in(name):
    assert rules(hidden=True).folder(b"x/" + name) == "a system or trash folder"


def test_hidden():
    assert rules().folder(b".hidden") == "hidden"
    assert rules().file(b"", b".hidden.jpg") == "hidden"
    assert rules(hidden=True).folder(b".hidden") is None
    assert rules(hidden=True).file(b"", b".hidden.jpg") is None
    assert rules(hidden=True).file(b"", b"._a.jpg") == "a resource fork (._*)"


@pytest.mark.parametrize(
    "name", [b"a.jpg.part", b"a.jpg.tmp", b"a.jpg~", b"a.txt", b"jpg", b"a.jpg.crdownload"]
)
def test_what_is_no_image_by_its_name(name):
    assert rules().file(b"", name) == "not an image by its extension"


@pytest.mark.parametrize("name", [b"a.jpg", b"A.JPEG", b"x.HeIc", b"b.part.tiff", b"\xff.avif"])
def test_what_is_an_image_by_its_name(name):
    assert rules().file(b"x", name) is None


def test_sizes():
    bounds = rules(min_size_bytes=10, max_size_bytes=20)
    assert bounds.size(b"a.jpg", 9) == "smaller than min_size_bytes (10)"
    assert bounds.size(b"a.xmp", 9) is None
    assert bounds.size(b"a.jpg", 21) == "larger than max_size_bytes (20)"
    assert bounds.size(b"a.jpg", 10) is bounds.size(b"a.jpg", 20) is None


def test_a_root_inside_another_is_left_to_itself():
    assert rules(nested=[b"x/y"]).folder(b"x/y") == "a root of its own"
    assert rules(nested=[b"x/y"]).folder(b"x") is None
