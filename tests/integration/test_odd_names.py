"""Names that are no text, or hardly: from disk through catalog, API and command line, and back."""

import json
import os
import signal
import unicodedata

import pytest
from photo_world import known_files, picture

NAMES = (
    b"not-utf8-\xff\xfe.png",
    b"new\nline.png",
    b"tab\tand \x1b[31mescape.png",
    b"x" * 251 + b".png",
    "é.png".encode(),
    "e\u0301.png".encode(),  # the same to the eye, another file
    b"blank .png",
    b" leading.png",
    b"-rf.png",
    b"--json.png",
    b"quote'\"\\.png",
    b"Case.png",
    b"case.png",
    "\u202egnp.exe.png".encode(),
    b"%2e%2e.png",
    b"*.png",
)
_READ_AGAIN = "the configuration was read again"
FOLDER = b"odd \xf0\n folder"


@pytest.fixture
def library(tmp_path):
    folder = os.path.join(os.fsencode(tmp_path), b"library", FOLDER)
    os.makedirs(folder)
    for number, name in enumerate(NAMES):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(picture(number))
    return folder


@pytest.fixture
def daemon(start_fast, tmp_path, library):
    return start_fast(tmp_path / "library")


def test_odd_names_come_back_as_they_are(daemon, library):
    paths = {os.path.join(library, name) for name in NAMES}
    assert {os.fsencode(path) for path in known_files(daemon)} == paths
    assert set(daemon.imgvec("images", "-0").stdout.split(b"\0")) == paths | {b""}
    hits = daemon.imgvec("search", "anything", "--all", "--limit", 50, "-0").stdout
    assert set(hits.split(b"\0")) == paths | {b""}
    assert daemon.imgvecd("doctor").returncode == 0


def test_odd_names_can_be_searched_by(daemon, library):
    for name in NAMES[:5]:
        path = os.path.join(library, name)
        found = daemon.imgvec("search", "--image", os.fsdecode(path), "--limit", 1, "-0")
        assert found.stdout == path + b"\0", found.stderr


def test_odd_names_that_fail_are_told_exactly(daemon, library):
    broken = os.path.join(library, b"broken \xfe\n.png")
    with open(broken, "wb") as file:
        file.write(b"no picture")
    daemon.sync()
    assert daemon.imgvec("failures", "-0").stdout == broken + b"\0"
    (failure,) = (json.loads(daemon.imgvec("failures", "--json").stdout.splitlines()[0]),)
    assert known_files(daemon)[os.fsdecode(broken)][1] is False
    assert failure["path_base64"]


def test_odd_names_change_only_in_case(daemon, library):
    before = known_files(daemon)
    os.rename(os.path.join(library, b"-rf.png"), os.path.join(library, b"-RF.PNG"))
    os.rename(os.path.join(library, b"Case.png"), os.path.join(library, b"aside.png"))
    os.rename(os.path.join(library, b"case.png"), os.path.join(library, b"Case.png"))
    os.rename(os.path.join(library, b"aside.png"), os.path.join(library, b"case.png"))
    daemon.sync()
    now = known_files(daemon)

    def at(known, name):
        return known[os.fsdecode(os.path.join(library, name))]

    assert at(now, b"-RF.PNG") == at(before, b"-rf.png")
    assert at(now, b"Case.png") == at(before, b"case.png")
    assert at(now, b"case.png") == at(before, b"Case.png")
    assert os.fsdecode(os.path.join(library, b"-rf.png")) not in now


def test_a_root_is_found_however_it_is_spelled_and_stays_while_it_is_away(start_fast, tmp_path):
    given, folder = (
        tmp_path / unicodedata.normalize(form, "Möbel/Büro") for form in ("NFC", "NFD")
    )
    folder.mkdir(parents=True)
    (folder / "1.png").write_bytes(picture(1))
    daemon = start_fast(given)
    assert known_files(daemon).keys() == {str(folder / "1.png")}
    away = folder.with_name("away")
    for _ in range(2):
        folder.rename(away)
        reloads = daemon.log.read_text().count(_READ_AGAIN)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_until(lambda so_far=reloads: daemon.log.read_text().count(_READ_AGAIN) > so_far)
        daemon.wait_until(lambda: not daemon.status()["roots"][0]["online"])
        away.rename(folder)
        daemon.sync()
    assert known_files(daemon).keys() == {str(folder / "1.png")}
    assert len((tmp_path / "committed").read_text().splitlines()) == 1
