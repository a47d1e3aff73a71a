"""A Debian to install into, and this machine's way to the package indexes, for packaging tests."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from commands_run import ran

MIRROR = "http://deb.debian.org/debian"


def need(*programs):
    """Skip unless this is root, with these programs."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


def debian(place):
    """Return a folder with a small Debian that has Python."""
    packages = "--include=python3,python3-venv,ca-certificates"
    ran("debootstrap", "--variant=minbase", packages, "bookworm", place, MIRROR)
    return place


def pip_here(place):
    """Return a configuration file for pip as it is set up here, and the paths that it names."""
    listed = ran(sys.executable, "-m", "pip", "config", "list").splitlines()
    values = {}
    for line in listed:
        key, _, value = line.partition("=")
        name = key.strip(":").rpartition(".")[2]
        values[name] = value.strip("'")
    lines = [f"{name} = {value}" for name, value in values.items()]
    place.write_text("\n".join(["[global]", *lines, ""]))
    words = [word.removeprefix("file://") for value in values.values() for word in value.split()]
    # beside an index lie the files that it names
    words = [word.removesuffix("/simple") for word in words]
    return place, sorted({word for word in words if word.startswith("/") and Path(word).exists()})
