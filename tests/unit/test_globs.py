"""Globs: one meaning, in time linear in the path."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgvecd.globs import LONGEST, EntryGlob, Glob, of_path

_PARTS = ["a", "b", ".", "/", "?", "*", "**", "**/", "[ab]", "[!a]", "[a-b]"]


def _reference(glob: str) -> re.Pattern[str]:
    """Return the regular expression for a glob: right, but slow for some."""
    pieces = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[.[^]]*\])", glob)
    translated = (
        part.replace("[!", "[^/") if part.startswith("[") else pieces.get(part, re.escape(part))
        for part in parts
    )
    return re.compile("".join(translated), re.DOTALL)


@given(st.lists(st.sampled_from(_PARTS), min_size=1, max_size=8), st.text("ab./c", max_size=12))
def test_it_means_what_the_regular_expression_means(parts, path):
    glob = "".join(parts)
    assert Glob(glob).matches(path.encode()) == bool(_reference(glob).fullmatch(path))


@pytest.mark.parametrize(
    "glob",
    [
        "*a" * 12 + "*b",
        "**a" * 12 + "b",
        "**/" * 12 + "b",
        "**a" + "?" * 3000 + "c",
        "[ab]*" * 300 + "c",
    ],
)
def test_no_glob_takes_more_than_linear_time(glob):
    compiled = Glob(glob)
    names = [b"a" * length for length in (40, 4000)]
    assert not any(map(compiled.matches, names))

    def seconds(name: bytes) -> float:
        times = []
        for _ in range(3):
            fresh, began = Glob(glob), time.process_time()
            fresh.matches(name)
            times.append(time.process_time() - began)
        return min(times)

    # a hundred times as long; by backtracking one of these would take longer than the universe
    assert seconds(names[1]) < 1.0


def test_what_is_kept_is_bounded():
    glob = Glob("**a" + "?" * 40)
    for number in range(3000):
        glob.matches(f"{number:020b}".replace("0", "a").replace("1", "b").encode() * 3)
    assert sum(map(len, glob._states.values())) < 50_000


def test_a_glob_without_a_slash_means_names():
    assert of_path("*.jpg").matches(b"/photos/a.jpg")
    assert not of_path("/photos/*.jpg").matches(b"/photos/2020/a.jpg")
    assert of_path("/photos/**/*.jpg").matches(b"/photos/a.jpg")


def test_letters_count_as_characters_however_they_are_composed():
    name = "Münster.jpg"
    for form in ("NFC", "NFD"):
        stored = unicodedata.normalize(form, name).encode()
        for glob in (name, unicodedata.normalize("NFD", name), "M?nster.jpg", "M[ü]nster.*"):
            assert of_path(glob).matches(b"/p/" + stored)
    assert of_path("?.jpg").matches(b"/p/\xff.jpg")  # a byte that is no UTF-8 is one character


@pytest.mark.parametrize("glob", ["[z-a]*", "*" * 2 + "x" * LONGEST])
def test_what_cannot_be_a_glob_is_refused(glob):
    with pytest.raises(ValueError, match=r"glob"):
        Glob(glob)


@pytest.mark.parametrize("glob", ["[", "[]", "[!]", "a]", "\\", "[\\]", "(", "[[]", "[]-a]", "{1}"])
def test_every_other_character_means_itself(glob):
    Glob(glob).matches(b"x")  # does not fail
    if not glob.startswith("["):
        assert Glob(glob).matches(glob.encode())


def test_excludes():
    assert EntryGlob("raw").matches(b"a/b", b"raw", folder=True)
    assert EntryGlob("raw").matches(b"a/b", b"raw", folder=False)
    assert not EntryGlob("raw/").matches(b"", b"raw", folder=False)
    assert EntryGlob("/raw").matches(b"", b"raw", folder=True)
    assert EntryGlob("2020/*.jpg").matches(b"2020", b"a.jpg", folder=False)
    assert not EntryGlob("2020/*.jpg").matches(b"x/2020", b"a.jpg", folder=False)
    assert EntryGlob("x/**").matches(b"", b"x", folder=True)
    assert not EntryGlob("/").matches(b"", b"x", folder=True)


def test_one_exclude_is_asked_about_folder_after_folder():
    glob = EntryGlob("/*.jpg")
    asked = [(b"", True), (b"x", False), (b"", True), (b"x/y", False), (b"x", False)]
    assert [glob.matches(directory, b"a.jpg", folder=False) for directory, _ in asked] == [
        expected for _, expected in asked
    ]
