"""docs/faults.md: every row names a test, and every test named exists and has tests in it."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "faults.md").read_text()
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| (?!fault )", line)]


def proofs(row):
    return re.findall(r"`([\w/]+\.py)`", row.rstrip(" |").rpartition(" | ")[2])


def test_the_page_has_rows():
    assert len(ROWS) >= 30


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_a_row_names_tests_that_exist(row):
    assert row.count("|") == 4
    assert proofs(row), "no test is named"
    for name in proofs(row):
        assert "\nasync def test_" in (text := (TESTS / name).read_text()) or "\ndef test_" in text
