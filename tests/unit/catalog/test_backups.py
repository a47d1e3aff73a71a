"""Which backups there are, which is the latest, and which of them go."""

import errno
import os
import shutil

import pytest

from imgvecd.api import SavedSearch, SearchRequest
from imgvecd.catalog import Backups, Catalog
from imgvecd.errors import CatalogError

FUTURE = ("catalog-20990101T000000Z.sqlite", "catalog-20990102T000000Z.sqlite")


@pytest.fixture(params=["state", "50% of #1? yes"])
def catalog(tmp_path, request):
    catalog = Catalog(str(tmp_path / request.param), backups=2)
    yield catalog
    catalog.close()


def change(catalog):
    catalog.files.set_roots([b"/%d" % catalog.embeddings.clock()])


def test_nothing_is_backed_up_twice(catalog):
    assert catalog.backup_age_s() is None
    assert catalog.back_up()
    assert catalog.backup_age_s() < 60
    assert not catalog.back_up()
    catalog.saved_searches.save(SavedSearch(name="dogs", search=SearchRequest(text="a dog")))
    assert catalog.back_up()
    catalog.duplicates.decide([b"1" * 32, b"2" * 32], "keep_both")
    assert catalog.back_up()
    assert not catalog.back_up()


def test_backups_from_before_the_clock_was_set_back_give_way(catalog, tmp_path):
    change(catalog)
    assert catalog.back_up()
    backups = Backups(catalog.path.removesuffix("/catalog.sqlite"))
    (old,) = backups.paths()
    for name in FUTURE:
        for suffix in ("", ".seal"):
            shutil.copy(old + suffix, old.rpartition("/")[0] + "/" + name + suffix)
    for suffix in ("", ".seal"):
        os.unlink(old + suffix)
    assert catalog.backup_age_s() is None  # so that one is made soon
    change(catalog)
    assert catalog.back_up()
    assert catalog.backup_age_s() < 60
    assert not catalog.back_up()
    latest, other = backups.paths()
    assert "/catalog-2099" not in latest
    assert other.endswith(FUTURE[1])
    assert backups.sound() == latest


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_backup_that_is_interrupted_is_none(catalog, monkeypatch, call):
    left, replace = [call], os.replace

    def interrupted(*names):
        left[0] -= 1
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(*names)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(CatalogError, match="free some space"):
        catalog.back_up()
    assert catalog.backup_age_s() is None
    monkeypatch.undo()
    assert catalog.back_up()
    backups = Backups(catalog.path.removesuffix("/catalog.sqlite"))
    assert backups.paths() == [backups.sound()]
