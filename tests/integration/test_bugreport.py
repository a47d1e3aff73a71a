"""`imgvecd bugreport` on a library full of telling names: none of them is in it."""

import re

import pytest
import yaml

pytestmark = pytest.mark.long

QUERY = "purple hippopotamus umbrella"
SECTIONS = {
    "versions",
    "system",
    "file systems",
    "configuration",
    "status",
    "counts",
    "journal",
    "state dump",
    "memory",
    "tasks",
    "threads",
    "log",
}


@pytest.fixture
def config_file(tmp_path, shipped_photos):
    path = tmp_path / "home" / ".config" / "imgvecd" / "imgvecd.yaml"
    path.parent.mkdir(parents=True)
    offline = tmp_path / "Hochzeit of Zoe"
    settings = {
        "roots": [str(shipped_photos), {"path": str(offline), "exclude": ["embarrassing*"]}],
        "exclude": ["tax returns/**"],
        "model": "imgvecd-mini",
        "log_level": "debug",
    }
    path.write_text(yaml.safe_dump(settings))
    return path


def assert_private(report, shipped_photos, home):
    names = {part for path in shipped_photos.rglob("*") for part in path.parts[1:]}
    names |= {path.stem for path in shipped_photos.rglob("*.*")}
    names |= {"Fotos of mine", "Hochzeit of Zoe", "embarrassing", "tax returns", str(home)}
    names -= {"tmp", "home", "2023", "2024"}  # our own placeholders, and years of dates
    for name in (*names, *QUERY.split(), "/2023", "grey gardens"):
        assert not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", report), name


def test_it_tells_all_but_names(start, shipped_photos, config_file):
    (shipped_photos / "2024" / "Mum's diary.jpg").write_bytes(b"no picture")
    (shipped_photos / "2024" / "locked away.jpg").mkdir()
    daemon = start()
    daemon.wait_until(lambda: daemon.is_idle() and daemon.status()["files"]["failed"] == 1)
    daemon.search(QUERY)
    status, _ = daemon.request("PUT", "/v1/saved/grey%20gardens", {"text": QUERY})
    assert status == 200
    done = daemon.imgvecd("bugreport")
    assert done.returncode == 0, done.stderr
    report = done.stdout.decode()
    found = re.findall(r"^\[([a-z ]+)[:\]]", report, re.MULTILINE)
    assert set(found) == SECTIONS
    assert re.search(r'failures by reason: {"\w+": 1}', report)
    for told in (
        "max_user_watches",
        "<root 1>: ",
        "the folder is missing",
        '"indexed": 8',
        'log_level: "debug"',
        "reconciler",
    ):
        assert told in report, told
    assert re.search(r"imgvecd\.server\.routes: (slow )?search", report)
    assert_private(report, shipped_photos, daemon.home)


def test_without_a_daemon_and_with_a_bad_configuration(
    start, shipped_photos, config_file, tmp_path
):
    daemon = start()
    daemon.wait_until_indexed(8)
    assert daemon.stop() == 0
    config_file.write_text(config_file.read_text() + "exlude: ['secret wedding']\n")
    done = daemon.imgvecd("bugreport", "--output", tmp_path / "report.txt")
    assert done.returncode == 0, done.stderr
    report = (tmp_path / "report.txt").read_text()
    assert "[daemon]\nno answer: " in report
    assert "[configuration]\nrefused: <config>" in report
    assert "wedding" not in report
    assert_private(report, shipped_photos, daemon.home)
