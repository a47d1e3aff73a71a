"""Misspelt names of a query."""

import time

import pytest
from fakes import vector_of

from imgvecd.core.search.misspelt_names import corrected

NAMES = [
    *("nha trang", "elisabeth muller", "elisabeth", "muller", "trang", "summer camp", "da nang"),
    *("golden retriever", "zuckerfest", "beach", "paris", "hanoi", "new york", "lovelace"),
    *("hoi an", "hoi", "nha", "tranh"),
    *("thompson", "portugal", "mountain lodge", "mountain", "lodge"),
    *("thuoc", "vieno", "ngozi", "tan truc", "tuyen"),
]


def read(text):
    return corrected(text, lambda: NAMES, lambda word: word in NAMES)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Nha Tragn", "Nha Trang"),
        ("Elisabteh on the beach", "Elisabeth on the beach"),
        ("elisabteh", "elisabeth"),
        ("Da Nagn 2022", "Da Nang 2022"),
        ("Đà Nẵgn", "Da Nang"),
        ("golden retreiver", "Golden Retriever"),
        ("Pariss", "Paris"),
        ("in Portgual", "in Portugal"),
        ("new yrok", "New York"),
        ("lovelce in snow", "Lovelace in snow"),
        ("a moutain", "a mountain"),
        ("Nha Tranh", "Nha Trang"),
        ("Januray 2014", "January 2014"),
        ("Chirstmas 2015", "Christmas 2015"),
        ("Weihnchten 2015", "Weihnachten 2015"),
    ],
)
def test_the_nearest_name_is_meant(typed, meant):
    text, words = read(typed)
    assert text == meant
    assert len(words) == 1


@pytest.mark.parametrize(
    "text",
    [
        *("", "a dog on the beach", "Elisabeth", "Ha Nội", "quokka", "zzzqqq", "asdfgh qwerty"),
        *("IMG_2041", '"Nha Tragn"', "NHA TRAGN", "kettle", "Strand", "lodger", "fountain"),
        *("Hoi An", "Hoi An beach", "Nha Trang", "Hoi Polloi"),
        *("mùa hè hai năm trước", "năm ngoái", "tuần trước", "thuyền", "sinh viên ở trường"),
        "Tragn " * 13,
    ],
)
def test_other_words_are_left_as_they_are(text):
    assert read(text) == (text, {})


def test_no_text_is_slow():
    names = [f"{letter}ame{number}" for letter in "abcdefgh" for number in range(10_000)]
    started = time.process_time()
    for text in ("bame1x came2y dame3z eame4w", "Xyzzyx " * 12, "x" * 100_000):
        corrected(text, lambda: names, lambda _: False)
    assert time.process_time() - started < 2


async def test_a_misspelt_name_finds_what_bears_it(shelf):
    person = {"people": ["Elisabeth Noack"]}
    nha_trang = {"gps_latitude": 12.245, "gps_longitude": 109.194}
    photos = {
        "person": shelf.add("/photos/a.jpg", vector_of(b"a"), metadata=person),
        "place": shelf.add("/photos/b.jpg", vector_of(b"b"), metadata=nha_trang),
        "folder": shelf.add("/photos/Wanderung Brocken/c.jpg", vector_of(b"c")),
    }
    for text, meant, kind in (
        ("Elisabteh", "Elisabeth", "person"),
        ("Nha Tragn", "Nha Trang", "place"),
        ("Wandreung", "Wanderung", "folder"),
    ):
        answer = await shelf.find(text)
        assert answer.understood.corrected == {text: meant}
        found = [hit.id for hit in answer.hits if hit.matched is not None]
        assert found == [photos[kind]]
    as_typed = await shelf.find("Elisabteh", spelling=False)
    assert not any(hit.matched for hit in as_typed.hits)
