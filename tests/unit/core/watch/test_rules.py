import pytest

from imgvecd.config.schema import RootConfig, WatchConfig
from imgvecd.core.watch import expected_files, make_lister, why_left_out
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
    ("path", "reason"),
    [
        (b"@eaDir", "thumbnails"),
        (b".@__thumb", "thumbnails"),
        (b".thumbnails", "thumbnails"),
        (b".Trash", "trash"),
        (b".Trash-1000", "trash"),
        (b".Trashes", "trash"),
        (b"#recycle", "trash"),
        (b"@Recycle", "trash"),
        (b"$RECYCLE.BIN", "trash"),
        (b".stfolder", "synchronisation"),
        (b".stversions", "synchronisation"),
        (b".~tmp~", "synchronisation"),
        (b".AppleDouble", "system"),
        (b".cache", "cache"),
        (b"node_modules", "program"),
        (b"My Previews.lrdata", "Lightroom"),
        (b"appdata_oc1x/preview", "Nextcloud"),
        (b"Photos Library.photoslibrary/resources", "photo library"),
        (b"Old.aplibrary/Thumbnails", "photo library"),
        (b"._folder", "resource fork"),
        (b"me/files_trashbin", "trash"),
        (b"me/files_versions", "versions"),
        (b".debris", "trash"),
        (b"~snapshot", "system"),
        (b"@GMT-2024.01.01-00.00.00", "system"),
        (b"@SynologyDrive", "synchronisation"),
        (b".SyncArchive", "versions"),
        (b".dtrash", "trash"),
        (b".dropbox.cache", "cache"),
        (b".sync", "synchronisation"),
        (b".DocumentRevisions-V100", "system"),
        (b"[Originals]", "ACDSee"),
        (b"iPhoto Library/Thumbnails", "thumbnails"),
        (b"Session/CaptureOne/Cache", "cache"),
        (b"Photos.cocatalog/Cache", "cache"),
        (b"Catalog.lrcat-data", "Lightroom"),
        (b"appdata_oc1a2b3c4d5e/richdocuments", "Nextcloud"),
        (b"760/remote/220/screenshots/thumbnails", "thumbnails"),
        (b"steamapps", "program"),
        (b"lib/python3.12/site-packages", "program"),
        (b"share/Trash", "trash"),
        (b"Network Trash Folder", "trash"),
        (b".$recycle_bin$", "trash"),
        (b".Recycle_bin", "trash"),
        (b".globalTrash", "trash"),
        (b"mipmaps-0a1b2c.d", "cache"),
        (b"Generated Images.bundle", "thumbnails"),
        (b"_gsdata_", "versions"),
        (b"PRIVATE/M4ROOT/THMBNL", "thumbnails"),
        (b".wdmc", "thumbnails"),
        (b"@__thumb", "thumbnails"),
        (b".face", "thumbnails"),
        (b".dthumbs", "thumbnails"),
        (b".FilesByGoogleTrash", "trash"),
        (b".ColorOSGalleryRecycler", "trash"),
        (b"trashbox", "trash"),
        (b"Takeout/Google Fotos/Papierkorb", "trash"),
        (b"Google Photos/Trash", "trash"),
        (b"piwigo/_data/i", "thumbnails"),
        (b"Plex Media Server/Metadata", "cache"),
        (b"Library/Caches", "cache"),
        (b"@docker", "system"),
        (b"Backups.backupdb", "versions"),
        (b"_PAlbTN", "thumbnails"),
        (b"bower_components", "program"),
        (b"IMG_1.jpg.download", "on its way"),
    ],
)
def test_folders_of_others_are_out_even_if_hidden_ones_are_in(path, reason):
    assert reason in rules(hidden=True).folder(b"x/" + path)
    assert reason in rules(hidden=True).path(b"x/" + path + b"/deeper")
    assert reason in rules(hidden=False).path(b"x/" + path + b"/deeper")


@pytest.mark.parametrize(
    "path",
    [
        b"Photos Library.photoslibrary/originals/0",
        b"iPhoto Library.photolibrary/Masters/2012",
        b"Mobile Downloads.lrdata",
        b"appdata_of_mine",
        b"appdata_of_mine/album",
        b"iPhoto Library/Originals",
        b"Session/CaptureOne/Trip",
        b"Photos.cocatalog/Originals",
        b"screenshots",
        b"thumbnails",
        b"share/Trash Art",
        b"bundle",
        b"mipmaps",
        b"resources",
        b"preview",
        b"trash",
        b"caches",
        b"thumbs",
        b"originals",
        b"snapshot",
        b"me/files",
        b"Google Photos/Archive",
        b"Papierkorb",
        b"Trashy Novels",
        b"recycled art",
        b"_data",
        b"i",
        b"library",
        b"downloads",
    ],
)
def test_folders_that_may_hold_photos_are_in(path):
    assert rules().path(b"x/" + path) is None


@pytest.mark.parametrize(
    "name",
    [b".pending-1700000000-a.jpg", b".trashed-1700000000-a.jpg", b".syncthing.a.jpg", b"._a.jpg",
     b"~syncthing~a.jpg", b".a.jpg.Xa3bCd", b".syncthing.a.jpg.tmp", b"SYNOPHOTO_THUMB_XL.jpg",
     b".tmp_a.jpg", b".#a.jpg", b"BatchTool-Xa3bCd.digikamtempfile.jpg"],
)  # fmt: skip
def test_files_on_their_way_are_out_even_if_hidden_ones_are_in(name):
    assert rules(hidden=True).file(b"", name)


def test_a_root_that_is_a_photo_library_is_known_by_its_own_name():
    root = RootConfig(path="/p/Photos Library.photoslibrary")
    assert Rules(root, (), WatchConfig()).folder(b"resources")
    assert Rules(root, (), WatchConfig()).folder(b"originals") is None


def test_a_folder_of_others_that_is_a_root_of_its_own_is_in():
    root = RootConfig(path="/data/me/files_trashbin")
    assert Rules(root, (), WatchConfig()).path(b"files") is None


def test_what_immich_makes_is_out_where_it_says_so(tmp_path):
    for folder in ("library", "upload", "thumbs", "encoded-video", "mine/thumbs"):
        (tmp_path / "photos" / folder / "ab").mkdir(parents=True)
        (tmp_path / "photos" / folder / "ab" / "1.jpg").touch()
        if folder != "mine/thumbs":
            (tmp_path / "photos" / folder / ".immich").touch()
    root = RootConfig(path=str(tmp_path / "photos"))
    lister = make_lister(root, (), (), WatchConfig(min_size_bytes=0), ())
    found = {directory for directory, _ in expected_files(lister)}
    assert found == {b"library/ab", b"upload/ab", b"mine/thumbs/ab"}
    for directory in (b"library/ab", b"mine/thumbs/ab"):
        assert why_left_out(lister, directory, b"1.jpg") is None
    assert ".immich" in why_left_out(lister, b"thumbs/ab", b"1.jpg")


def test_own_folders_are_out_even_if_hidden_ones_are_in():
    lister = make_lister(
        RootConfig(path="/home/me"), (), (), WatchConfig(hidden=True), ["/home/me/.local/state/x"]
    )
    assert lister.rules.path(b".local/state/x/index")
    assert lister.rules.path(b".local/state/y") is None


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
