"""What becomes due, and what a program that ends does about it."""

import pytest

from imgvecd.core.library.catalog_maintenance import maintain_at_end
from imgvecd.errors import CatalogError


class FakeCatalog:
    def __init__(self, age_s, error=None):
        self.age_s = age_s
        self.error = error
        self.backups = 0
        self.noted = 0
        self.forgotten = []

    def backup_age_s(self):
        return self.age_s

    def note_age(self):
        self.noted += 1

    def forget(self, keep_s):
        self.forgotten.append(keep_s)
        return (1, 0) if len(self.forgotten) < 3 else (0, 0)

    def back_up(self):
        if self.error is not None:
            raise self.error
        self.backups += 1
        return True


@pytest.mark.parametrize(
    ("age_s", "interval_s", "made"),
    [(None, 100, 1), (101, 100, 1), (99, 100, 0), (None, 0, 0), (101, 0, 0)],
)
def test_a_backup_is_made_at_the_end_if_one_is_due(age_s, interval_s, made):
    catalog = FakeCatalog(age_s)
    maintain_at_end(catalog, backup_interval_s=interval_s, keep_s=0)
    assert catalog.backups == made


@pytest.mark.parametrize(
    ("age_s", "interval_s", "keep_s", "noted", "forgotten"),
    [
        (None, 100, 7, 1, 3),
        (101, 100, 7, 1, 3),
        (99, 100, 7, 0, 0),
        (5, 0, 7, 1, 3),
        (5, 0, 0, 1, 0),
    ],
)
def test_it_is_tidied_at_the_end(age_s, interval_s, keep_s, noted, forgotten):
    catalog = FakeCatalog(age_s)
    maintain_at_end(catalog, backup_interval_s=interval_s, keep_s=keep_s)
    assert catalog.noted == noted
    assert catalog.forgotten == [keep_s] * forgotten


def test_a_backup_that_fails_keeps_no_program_from_ending(caplog):
    catalog = FakeCatalog(None, CatalogError("free some space"))
    maintain_at_end(catalog, backup_interval_s=100, keep_s=7)
    assert "free some space" in caplog.text
