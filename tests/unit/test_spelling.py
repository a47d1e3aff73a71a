"""Texts and names that are the same although they are spelled otherwise."""

import os
import sys
import time
import unicodedata

import pytest

from imgvecd import spelling
from imgvecd.core.search.words import tokens
from imgvecd.spelling import composed, folded, folded_words, normalized, on_disk, spellings


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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("İstanbul", "istanbul"),
        ("ISPARTA", "ısparta"),
        ("ＡＢＣ", "abc"),
        ("ﾊﾝｶｸ", "ハンカク"),
        ("ﬁlm", "FILM"),
        ("Ｃａｆé", "cafe\u0301"),
        ("Việt Nam", unicodedata.normalize("NFD", "VIỆT NAM")),
        ("👩\u200d👧", "👩\u200d👧"),
    ],
)
def test_the_same_tag(one, other):
    assert folded_words(one) == folded_words(other)
    assert folded_words("şık") != folded_words("sik")


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


def test_a_path_is_found_as_it_is_spelled_on_disk(tmp_path):
    one, other = (unicodedata.normalize(form, "Möbel/Büro") for form in ("NFC", "NFD"))
    given, spelled = (os.fsencode(tmp_path / each) for each in (one, other))
    assert on_disk(given) == given  # nowhere
    assert on_disk(given, {spelled}) == spelled  # on a drive that is away
    os.makedirs(spelled)
    assert on_disk(given) == spelled
    assert on_disk(given, {given}) == given
    os.makedirs(given)
    assert on_disk(given) == given
    assert on_disk(spelled) == spelled


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize(
    "text",
    ["Ünter\u0323kunft " * 100, "e" + "\u0301\u0323" * 15 + "x" * 500, "한글" * 400, "ﷺ ½ ﬁ" * 200],
)
def test_a_long_text_is_normalized_as_unicode_says(form, text):
    assert normalized(form, text) == unicodedata.normalize(form, text)
    assert normalized(form, unicodedata.normalize("NFD", text)) == unicodedata.normalize(form, text)


def test_it_is_known_what_begins_with_a_mark_once_decomposed():
    found = {
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if not unicodedata.combining(character)
        and unicodedata.combining(unicodedata.normalize("NFKD", character)[0])
    }
    assert found == set(spelling._LIKE_MARKS)


def test_a_name_that_is_longer_than_any_is_spelled_in_one_way():
    longest = ("\u0390" * 127).encode()  # 254 bytes, and 762 decomposed
    assert len(spellings(b"/photos/" + longest)) == 2
    marks = ("e" + "\u0301\u0323" * 4000).encode()
    assert spellings(b"/photos/" + marks) == [b"/photos/" + marks]


@pytest.mark.parametrize("fold", [composed, folded, folded_words, tokens])
@pytest.mark.parametrize("pair", ["\u0301\u0323", "\u0315\u0f73", "\u0315\uff9e"])
def test_marks_without_end_take_linear_time(fold, pair):
    def took_s(count):
        marks = "e" + pair * count
        began = time.thread_time()
        fold(marks)
        return time.thread_time() - began

    assert took_s(100_000) < 2  # all at once, it takes minutes
