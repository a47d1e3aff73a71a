"""`constraints.txt` locks versions that `pyproject.toml` allows, on every machine."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKED = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if not line.startswith("#")
]


def test_what_is_locked_is_allowed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = map(Requirement, [*project["dependencies"], *(line for e in extras for line in e)])
    versions = {canonicalize_name(lock.name): next(iter(lock.specifier)) for lock in LOCKED}
    checked = 0
    for requirement in wanted:
        lock = versions.get(canonicalize_name(requirement.name))
        if lock is not None:
            assert requirement.specifier.contains(lock.version, prereleases=True), requirement
            checked += 1
    assert checked > 30


def test_each_lock_is_of_one_version():
    assert len(LOCKED) > 100
    for lock in LOCKED:
        assert [specifier.operator for specifier in lock.specifier] == ["=="], lock


def test_what_depends_on_the_machine_is_not_locked():
    for lock in LOCKED:
        assert not re.match(r"(torch|triton|nvidia|cuda)", lock.name), lock
