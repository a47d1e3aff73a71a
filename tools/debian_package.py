"""Builds a Debian package: a virtual environment, units, man pages and completions in their places.

    .venv/bin/python -m tools.debian_package [--out dist] [--torch-index URL]

The environment is made with the system's own /usr/bin/python3, so the package fits the Debian or
Ubuntu release, and the processor, that it is built on. Needs dpkg-deb and the network.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import imgvecd
from tools.torch_index import CPU_WHEELS

SOURCE = Path(__file__).parents[1]
PYTHON = "/usr/bin/python3"
HOME = "usr/lib/imgvecd"
PROGRAMS = ("imgvec", "imgvecd")

# DPKG_ROOT is empty, but where a system is set up from outside.
_POSTINST = """#!/bin/sh
set -e
if [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi
"""
_PRERM = """#!/bin/sh
set -e
if [ "$1" = remove ] && [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]; then
    systemctl stop 'imgvecd@*.service' 'imgvecd@*.socket' || true
fi
# compiled by running it, so dpkg does not know of it
find "$DPKG_ROOT/usr/lib/imgvecd" -name __pycache__ -type d -prune -exec rm -rf {} + || true
"""
_POSTRM = """#!/bin/sh
set -e
if [ -z "$DPKG_ROOT" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi
# State and cache of the system service; what user services keep lies in homes, and stays.
if [ "$1" = purge ]; then
    rm -rf "$DPKG_ROOT/var/lib/imgvecd" "$DPKG_ROOT/var/cache/imgvecd"
fi
"""


def main(arguments: list[str] | None = None) -> int:
    """Build the package; print its path."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_AsWritten)
    parser.add_argument("--out", default="dist", help="folder for the package (default: dist)")
    parser.add_argument(
        "--torch-index",
        default=CPU_WHEELS,
        metavar="URL",
        help=f"where PyTorch is taken from (default: {CPU_WHEELS}); '' for pip's own index",
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place, "root")
        add_environment(root, options.torch_index)
        add_files(root, Path(sys.executable).parent)
        print(build(root, Path(options.out)))  # the answer
    return 0


class _AsWritten(argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of the description."""


def add_environment(root: Path, torch_index: str) -> None:
    """Make the virtual environment below `root`, for its place on the system."""
    home = root / HOME
    _run(PYTHON, "-m", "venv", home)
    pip = (home / "bin" / "pip", "install", "--quiet", "--no-cache-dir", "--no-compile")
    if torch_index:
        _run(*pip, "torch", "torchvision", "--index-url", torch_index)
    _run(*pip, f"{SOURCE}[jxl,raw]")
    for path in [home / "pyvenv.cfg", *(home / "bin").iterdir()]:
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        if bytes(home) in data:
            path.write_bytes(data.replace(bytes(home), f"/{HOME}".encode()))
    for cache in home.rglob("__pycache__"):
        shutil.rmtree(cache)


def add_files(root: Path, programs: Path) -> None:
    """Put units, man pages, completions, licence and examples below `root`.

    Args:
        programs: folder of `imgvec` and `imgvecd` as they run here.
    """
    for name in PROGRAMS:
        link = _parent(root / "usr/bin" / name)
        link.symlink_to(f"/{HOME}/bin/{name}")
    for unit in (SOURCE / "systemd").iterdir():
        kind = "system" if "@" in unit.name else "user"
        shutil.copy(unit, _parent(root / "usr/lib/systemd" / kind / unit.name))
    manual = _parent(root / "usr/share/man/man1/any").parent
    _run(programs / "imgvecd", "manual", manual)
    for page in manual.iterdir():
        _packed(page.read_bytes(), Path(f"{page}.gz"))
        page.unlink()
    shells = {
        "bash": "bash-completion/completions/{}",
        "zsh": "zsh/vendor-completions/_{}",
        "fish": "fish/vendor_completions.d/{}.fish",
    }
    for shell, place in shells.items():
        for name in PROGRAMS:
            text = _run(programs / name, "completions", shell)
            _parent(root / "usr/share" / place.format(name)).write_text(text)
    docs = root / "usr/share/doc/imgvecd"
    shutil.copy(SOURCE / "LICENSE", _parent(docs / "copyright"))
    _packed((SOURCE / "CHANGELOG.md").read_bytes(), docs / "changelog.gz")
    shutil.copy(SOURCE / "config/imgvecd.yaml", _parent(docs / "examples/imgvecd.yaml"))


def build(root: Path, out: Path) -> Path:
    """Write the package of what lies below `root`; return its path."""
    architecture = _run("dpkg", "--print-architecture").strip()
    python = _run(PYTHON, "-c", "import sys; print(*sys.version_info[:2])").split()
    major, minor = (int(part) for part in python)
    size_kb = sum(path.lstat().st_size for path in root.rglob("*")) // 1024
    author = f"{os.environ.get('DEBFULLNAME', 'imgvecd')} <{os.environ.get('DEBEMAIL', 'nobody')}>"
    control = f"""Package: imgvecd
Version: {imgvecd.__version__}
Architecture: {architecture}
Maintainer: {author}
Installed-Size: {size_kb}
Depends: python3 (>= {major}.{minor}), python3 (<< {major}.{minor + 1}), libc6
Section: graphics
Priority: optional
Description: find your own photos by what they show
 A background service that watches photo folders, encodes each picture once, and
 answers searches by text or by example on a local socket.
"""
    _parent(root / "DEBIAN/control").write_text(control)
    for name, text in {"postinst": _POSTINST, "prerm": _PRERM, "postrm": _POSTRM}.items():
        script = root / "DEBIAN" / name
        script.write_text(text)
        script.chmod(0o755)
    out.mkdir(parents=True, exist_ok=True)
    package = out / f"imgvecd_{imgvecd.__version__}_{architecture}.deb"
    _run("dpkg-deb", "--root-owner-group", "-Zzstd", "--build", root, package)
    return package


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _packed(data: bytes, path: Path) -> None:
    _parent(path).write_bytes(gzip.compress(data, mtime=0))


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
