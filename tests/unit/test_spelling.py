"""Texts and names that are the same although they are spelled otherwise."""

import unicodedata

import pytest

from imgvecd.spelling import composed, folded, spellings


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ünterkunft", "ünterkunft"),
        ("Ünterkunft", unicodedata.normalize("NFD", "ÜNTERKUNFT")),
        ("Straße", "STRASSE"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("Café", "cafe\u0301"),
        ("HOLIDAY", "holiday"),
        ("한글", unicodedata.normalize("NFD", "한글")),
    ],
)
def test_the_same_text(one, other):
    assert folded(one) == folded(other)


def test_other_texts():
    assert folded("résumé") != folded("resume")
    assert composed("Ü") != composed("ü")


def test_paths_as_they_may_be_spelled():
    nfc, nfd = "é".encode(), "e\u0301".encode()
    assert spellings(b"/plain/path") == [b"/plain/path"]
    mixed = b"/" + nfc + b"/x/" + nfd
    found = spellings(mixed)
    assert found[0] == mixed
    assert {b"/" + a + b"/x/" + b for a in (nfc, nfd) for b in (nfc, nfd)} == set(found)
    assert spellings(b"\xff/a") == [b"\xff/a"]
    assert len(spellings(b"/".join([nfc] * 100))) <= 64
