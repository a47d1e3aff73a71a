"""Groups and keepers."""

import gc
import random

import pytest

from imgvecd import api
from imgvecd.core.duplicates.best_copies import Link, SamePicture, worth_of
from imgvecd.core.duplicates.grouping import _surest_first, group_ids, make_group
from imgvecd.types import CopyFacts


def link(first, second, kind="reencoded", similarity=0.9):
    return Link(first, second, kind, similarity)


def test_what_is_one_picture_with_the_best_copy_takes_the_loosest_kind():
    links = [
        link(1, 2, "same_pixels"),
        link(3, 2, "transformed"),  # 1 has the pixels of 2
        link(5, 4),
        link(1, 3, "similar"),
    ]
    assert group_ids(links, copied=[2, 9]) == [
        ("transformed", [1, 2, 3]),
        ("reencoded", [4, 5]),
        ("same_bytes", [9]),
    ]


def test_links_are_taken_by_kind_and_the_closest_first():
    made = [
        link(first, 100 + second, kind, similarity)
        for kind in ("similar", "burst", "edited")
        for first, second, similarity in ((1, 1, 0.5), (2, 2, 0.9), (3, 3, 0.7))
    ]
    expected = [("edited", [1, 101]), ("edited", [2, 102]), ("edited", [3, 103])]
    for _ in range(5):
        random.shuffle(made)
        assert [each for each in group_ids(made) if each[0] == "edited"] == expected
    one, other = link(1, 2, "similar", 0.6), link(3, 2, "similar", 0.8)
    assert _surest_first([one, other, link(5, 6, "burst", 0.1)])[1:] == [other, one]


def test_what_comes_by_the_thousand_keeps_no_thread_waiting_for_the_collector():
    label = api.Label(label="cat", score=0.1, share=0.5)
    found = api.Hit(id=1, score=0.1, path="/a")
    for each in (link(1, 2), label, api.Path(path="/a"), image(1, "/a/b.jpg"), found):
        assert not gc.is_tracked(each)


def test_a_loop_closed_by_a_loose_link_stays_sure():
    links = [link(1, 2, "same_pixels"), link(2, 3, "same_pixels"), link(1, 3, "transformed")]
    assert group_ids(links) == [("same_pixels", [1, 2, 3])]


def test_an_edit_joins_no_group_by_way_of_a_small_copy():
    links = [link(1, 3), link(2, 3)]  # a picture, an edit of it, and a small copy of either
    assert group_ids(links) == [("reencoded", [1, 3])]
    assert group_ids(links, worth={1: 1.0, 2: 2.0, 3: 0.5}) == [("reencoded", [2, 3])]


def test_poor_copies_belong_to_the_best_one_whatever_they_are_to_each_other():
    # 3 and 4 are no copies of 2, as far as anybody can tell, nor 1 and 2 before they are compared
    links = [link(3, 4, similarity=1.0), link(1, 3), link(1, 4), link(2, 5)]
    worth = {1: 5.0, 2: 3.0, 3: 1.0, 4: 1.0, 5: 1.0}
    assert group_ids([*links, link(2, 3, "edited")], worth=worth)[:2] == [
        ("reencoded", [1, 3, 4]),
        ("reencoded", [2, 5]),
    ]
    assert group_ids([*links, link(1, 2)], worth=worth)[0] == ("reencoded", [1, 2, 3, 4])


def test_what_was_never_compared_with_the_best_copy_is_named():
    same = SamePicture([link(1, 2), link(2, 3), link(3, 4)])
    group, *_ = same.groups({}, unlike=lambda *_: False)
    assert (group.ids, group.unknown) == ([1, 2], [3])
    groups = same.groups({}, unlike=lambda *pair: set(pair) == {1, 3})
    assert [(each.ids, each.unknown) for each in groups] == [([1, 2], []), ([3, 4], [])]


@pytest.mark.parametrize(("shows", "best"), [(1.0, 2), (0.0, 1)])
def test_an_enlarged_copy_is_worth_less_than_what_it_was_made_from(shows, best):
    sides = {1: 346.0, 2: 693.0}
    facts = {2: CopyFacts(bands=(1.0,) * 12 + (shows,) * 12)}
    worth = worth_of(sides, facts, [link(1, 2)])
    assert max(worth, key=worth.get) == best


def test_what_is_only_similar_does_not_chain():
    links = [link(first, first + 1, "similar") for first in range(1, 6)]
    for _, ids in group_ids(links):
        assert len(ids) <= 3
    assert len({number for _, ids in group_ids(links) for number in ids}) >= 5
    assert group_ids([link(1, 2, "burst"), link(2, 3, "similar")]) == [
        ("burst", [1, 2]),
        ("similar", [2, 3]),
    ]


def image(number, *paths, **facts):
    files = tuple(
        api.ImageFile(path=path, size_bytes=1, modified_at=f"2024-01-0{number}T00:00:00+00:00")
        for path in paths
    )
    return api.Image(id=number, hash=f"{number:02}", files=files, **facts)


BIG = image(1, "/a/big.png", format="png", width=400, height=300)
OLD = image(2, "/b/old.jpg", format="jpeg", width=200, height=150, taken_at="2001-01-01T00:00:00")
TOLD = image(3, "/c/told.webp", format="webp", width=40, height=30, user_metadata={"a": 1})


@pytest.mark.parametrize(
    ("rules", "keeper"),
    [
        (("resolution", "age"), "/a/big.png"),
        (("format", "resolution"), "/b/old.jpg"),
        (("age",), "/b/old.jpg"),
        (("metadata", "resolution"), "/c/told.webp"),
        (("folder", "resolution"), "/c/told.webp"),
    ],
)
def test_the_first_rule_that_tells_them_apart_decides(rules, keeper):
    request = api.DuplicatesRequest(rules=rules, prefer=("/c", "/b"))
    group = make_group("reencoded", [BIG, OLD, TOLD], {}, request)
    assert group.files[0].path == keeper
    assert [file.keep for file in group.files] == [True, False, False]


def test_protected_files_all_stay():
    request = api.DuplicatesRequest(protect=("/b", "/c/"))
    group = make_group("reencoded", [BIG, OLD, TOLD], {}, request)
    assert {file.path: file.keep for file in group.files} == {
        "/a/big.png": False,
        "/b/old.jpg": True,
        "/c/told.webp": True,
    }
    lookalike = image(4, "/bb/x.jpg")
    assert not make_group("similar", [OLD, lookalike], {}, request).files[1].protected


def test_files_tell_how_they_relate_to_the_keeper():
    related = {(1, 2): ("same_pixels", 0.99)}
    copied = image(1, "/a/one.png", "/a/two.png", width=9, height=9)
    group = make_group("reencoded", [copied, OLD, TOLD], related, api.DuplicatesRequest(rules=()))
    assert [(file.path, file.kind, file.similarity) for file in group.files] == [
        ("/a/one.png", "same_bytes", 1.0),
        ("/a/two.png", "same_bytes", 1.0),
        ("/b/old.jpg", "same_pixels", 0.99),
        ("/c/told.webp", "reencoded", 0.0),
    ]


def test_folders_are_known_by_what_they_are(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    (real / "deep").mkdir(parents=True)
    link.symlink_to(real)
    request = api.DuplicatesRequest(protect=(str(link),))
    seen = image(1, f"{real}/deep/a.jpg", f"{tmp_path}/b.jpg", width=9, height=9)
    group = make_group("same_bytes", [seen], {}, request)
    assert {file.path: file.protected for file in group.files} == {
        f"{real}/deep/a.jpg": True,
        f"{tmp_path}/b.jpg": False,
    }
