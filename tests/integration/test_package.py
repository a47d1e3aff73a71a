"""What people install: the sdist and the wheel hold everything, and the wheel runs."""

import os
import shutil
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from commands_run import ran

pytestmark = pytest.mark.long

pytest.importorskip("build")

ROOT = Path(__file__).parents[2]
SOURCES = ("imgvecd", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist and the wheel that is built from it."""
    place = tmp_path_factory.mktemp("package")
    tree = place / "tree"
    tree.mkdir()
    for name in SOURCES:  # a copy, so that no build folder is left in the checkout
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tree / name)
    out = place / "dist"
    build = (sys.executable, "-m", "build", "--no-isolation", "--outdir", out)
    ran(*build, "--sdist", tree)
    (sdist,) = out.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(place, filter="data")
    ran(*build, "--wheel", place / sdist.name.removesuffix(".tar.gz"))
    (wheel,) = out.glob("*.whl")
    return sdist, wheel


def wanted():
    """Every file of the package but what Python makes, and types for checking the page."""
    for path in (ROOT / "imgvecd").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and not path.name.endswith(".d.ts"):
            yield str(path.relative_to(ROOT))


def test_both_hold_every_file_of_the_package(built):
    sdist, wheel = built
    files = set(wanted())
    for some in ("models/imgvecd-mini.safetensors", "server/openapi.json", "web/index.html"):
        assert f"imgvecd/{some}" in files
    assert any(file.startswith("imgvecd/cli/units/") for file in files)
    assert any(file.startswith("imgvecd/data/demo/") for file in files)
    with zipfile.ZipFile(wheel) as archive:
        assert files - set(archive.namelist()) == set()
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert files - names == set()


def test_the_wheel_installs_and_both_programs_run(built, tmp_path):
    _, wheel = built
    home = tmp_path / "venv"
    venv.create(home, symlinks=True)
    install = (
        "-m",
        "pip",
        "--python",
        home / "bin" / "python",
        "install",
        "--no-deps",
        "--no-index",
    )
    ran(sys.executable, *install, wheel)
    (packages,) = home.glob("lib/python*/site-packages")
    # the dependencies, after the package itself: an editable one of the checkout must not win
    shared = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "zz_shared.pth").write_text("\n".join(shared))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    options = {"cwd": tmp_path, "env": environment}
    version = wheel.name.split("-")[1]
    assert ran(home / "bin" / "imgvec", "--version", **options) == f"imgvec {version}\n"
    assert "serve" in ran(home / "bin" / "imgvecd", "--help", **options)
    where = ran(home / "bin" / "python", "-c", "import imgvecd; print(imgvecd.__file__)", **options)
    assert where.startswith(str(packages))
