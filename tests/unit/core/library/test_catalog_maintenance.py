"""What becomes due, and what a program that ends does about it."""

import pytest

from imgvecd.core.library.catalog_maintenance import back_up_at_end
from imgvecd.errors import CatalogError


class FakeCatalog:
    def __init__(self, age_s, error=None):
        self.age_s = age_s
        self.error = error
        self.backups = 0

    def backup_age_s(self):
        return self.age_s

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
    back_up_at_end(catalog, interval_s)
    assert catalog.backups == made


def test_a_backup_that_fails_keeps_no_program_from_ending(caplog):
    back_up_at_end(FakeCatalog(None, CatalogError("free some space")), 100)
    assert "free some space" in caplog.text
