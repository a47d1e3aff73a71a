"""The Debian package: everything in its place; removing it leaves the state, purging takes it."""

import subprocess
import sys
from pathlib import Path

import pytest
from commands_run import ran
from debian_root import debian, need, pip_here

from tools import debian_package

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def unfilled(tmp_path_factory):
    """The package without its virtual environment."""
    need("dpkg-deb")
    place = tmp_path_factory.mktemp("package")

    debian_package.add_files(place / "root", Path(sys.executable).parent)
    (place / "root" / debian_package.HOME).mkdir(parents=True)
    return debian_package.build(place / "root", place)


def dpkg(system, *arguments):
    """Run dpkg on a system of its own, its scripts outside of any chroot."""
    return ran(
        *("dpkg", f"--root={system}", "--force-script-chrootless", "--force-depends"),
        *("--log=/dev/null", *arguments),
    )


@pytest.fixture
def system(tmp_path):
    system = tmp_path / "system"
    for folder in ("info", "updates", "triggers"):
        (system / "var/lib/dpkg" / folder).mkdir(parents=True)
    (system / "var/lib/dpkg/status").touch()
    return system


def test_everything_is_in_its_place(unfilled, system):
    dpkg(system, "--install", unfilled)
    for name in ("imgvec", "imgvecd"):
        assert (system / "usr/bin" / name).readlink() == Path(f"/usr/lib/imgvecd/bin/{name}")
    for unit in (ROOT / "systemd").iterdir():
        kind = "system" if "@" in unit.name else "user"
        assert (system / "usr/lib/systemd" / kind / unit.name).read_text() == unit.read_text()
    pages = {page.name for page in (system / "usr/share/man/man1").iterdir()}
    assert {"imgvec.1.gz", "imgvecd.1.gz", "imgvec-search.1.gz", "imgvecd-serve.1.gz"} <= pages
    assert (system / "usr/share/bash-completion/completions/imgvec").stat().st_size > 1000
    assert (system / "usr/share/doc/imgvecd/copyright").exists()


def test_removing_leaves_the_state_and_purging_takes_it(unfilled, system):
    dpkg(system, "--install", unfilled)
    kept = [system / "var/lib/imgvecd/ada", system / "var/cache/imgvecd/ada"]
    home = system / "home/ada/.local/state/imgvecd"
    for folder in [*kept, home]:
        folder.mkdir(parents=True)
    (system / "usr/lib/imgvecd/__pycache__").mkdir()
    dpkg(system, "--remove", "imgvecd")
    assert not (system / "usr/lib/imgvecd").exists()
    assert not (system / "usr/bin/imgvec").is_symlink()
    assert all(folder.exists() for folder in kept)
    dpkg(system, "--purge", "imgvecd")
    assert not any(folder.parent.exists() for folder in kept)
    assert home.exists()


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_a_real_one_installs_runs_and_goes(tmp_path, monkeypatch):
    need("dpkg-deb", "debootstrap", "chroot")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    configuration, _ = pip_here(tmp_path / "pip.conf")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    debian_package.main(["--out", str(tmp_path), "--torch-index", ""])
    (package,) = tmp_path.glob("*.deb")
    system = debian(tmp_path / "debian")
    package.rename(system / package.name)
    ran("chroot", system, "dpkg", "--install", f"/{package.name}")
    version = ran("chroot", system, "imgvecd", "--version")
    assert version.split()[-1] == debian_package.imgvecd.__version__
    script = "import torch, open_clip, faiss, openvino, pillow_heif, rawpy, imgvecd"
    ran("chroot", system, "/usr/lib/imgvecd/bin/python", "-c", script)
    subprocess.run(["chroot", str(system), "dpkg", "--purge", "imgvecd"], check=True)
    assert not (system / "usr/lib/imgvecd").exists()
