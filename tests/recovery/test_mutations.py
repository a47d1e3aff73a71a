"""Whatever a disk does to the files: it is noticed, or it changes no answer."""

import os
import random
import shutil

import pytest
from stored_library import StoredLibrary, expected, opened

pytestmark = pytest.mark.long

BEFORE, AFTER = range(1, 31), range(1, 41)  # pictures at the time of the backup, and at the end


@pytest.fixture(scope="module", params=["flat", "pq"])
def stored(request, tmp_path_factory):
    """(state directory, kind of index): closed in order, with a backup, a base and a delta."""
    state = tmp_path_factory.mktemp(request.param) / "state"
    library = StoredLibrary(state, request.param)
    library.add(*BEFORE)
    library.make_sound()
    library.checkpoint()
    assert library.catalog.back_up()
    for number in sorted({*AFTER} - {*BEFORE}):
        library.add(number)
    library.add(99)
    library.checkpoint()
    library.remove(99)
    library.checkpoint()
    library.close()
    return state, request.param


def mutate(choose, path):
    """Change a file as a failing disk does, which leaves its times; return how."""
    status = os.stat(path)
    data = bytearray(path.read_bytes())
    at = choose.randrange(len(data))
    length = min(choose.choice([1, 16, 512, 4096]), len(data) - at)
    way = choose.choice(["flip", "cut", "noise", "zeros", "shift", "longer", "empty"])
    match way:
        case "flip":
            data[at] ^= 1 << choose.randrange(8)
        case "cut":
            del data[at:]
        case "noise":
            data[at : at + length] = choose.randbytes(length)
        case "zeros":
            data[at : at + length] = bytes(length)
        case "shift":
            other = choose.randrange(len(data) - length + 1)
            data[at : at + length] = data[other : other + length]
        case "longer":
            data += choose.randbytes(length)
        case "empty":
            data.clear()
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return f"{way} at {at}, {length} bytes"


def check(stored, copy, choose):
    """Mutate one file of a copy; return whether a backup had to take the catalog's place."""
    state, kind = stored
    shutil.copytree(state, copy)
    files = sorted(path for path in copy.rglob("*") if path.is_file() and path.stat().st_size)
    target = choose.choice(files)
    before = target.read_bytes()
    how = f"{target.relative_to(copy)}: {mutate(choose, target)}"
    with opened(copy, kind) as library:
        restored = library.recovery.report is not None
        if target.name == "catalog.sqlite" and target.read_bytes() != before:
            assert restored, how
        assert library.answers() == expected(BEFORE if restored else AFTER), how
    shutil.rmtree(copy)
    return restored


def test_some_hundred_mutations(stored, scratch):
    choose = random.Random(1)
    assert sum(check(stored, scratch / str(number), choose) for number in range(100))


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_ten_thousand_mutations(stored, scratch):
    choose = random.Random(2)
    assert sum(check(stored, scratch / str(number), choose) for number in range(5000))
