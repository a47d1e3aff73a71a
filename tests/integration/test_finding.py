"""A tour of finding: what must come first, what must not be found, what must be empty.

Over the 200 sports, street and animal photos beside the project and the pictures of the demo, whose
names in the table are those of their files, by imgvecd-mini.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from running import RunningDaemon

import imgvecd
from benchmarks import captioned

LIBRARY = captioned.DATA / "library"
DEMO = Path(imgvecd.__file__).parent / "data" / "demo"


class Asked(NamedTuple):
    """A query over the photos.

    Attributes:
        first: these come first, in any order.
        among: the first is one of these.
        absent: these are not found.
        at_most: so many are found.
    """

    text: str
    first: tuple[str, ...] = ()
    among: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    at_most: int = 208


DOGS = ("0000068", "0000309", "0000147", "0000024", "0000026")
CATS = ("0001189", "cat", "0001694", "0000309")
TENNIS = ("0001019", "0002573", "0000246", "0001454", "0002118", "0000434", "0002577")
THERE = (
    Asked("a cat", among=CATS, first=CATS[:3], absent=("0001793", "grass"), at_most=12),
    Asked("cats", among=CATS, at_most=40),
    Asked("a kitten", among=CATS, at_most=12),
    Asked("a cup of coffee", first=("coffee",), absent=("0001019",), at_most=6),
    Asked("coffee", first=("coffee",), at_most=6),
    Asked("a motorcycle", first=("motorcycle",), absent=("cat", "0001019"), at_most=10),
    Asked("a dog", among=DOGS, absent=("0001019", "0001050")),
    Asked("two black dogs running", among=("0000147",), at_most=12),
    Asked("a dog in water", among=("0000024", "0000181"), at_most=20),
    Asked("a dog in the snow", first=("0000068",), absent=("0001019",)),
    Asked("snow", first=("0000068",), absent=("0001019", "0001050")),
    Asked("rock climbing", first=("0000022", "0000090"), at_most=8),
    Asked("a rock climber on a cliff", first=("0000022", "0000090"), at_most=12),
    Asked("an elephant", first=("0000634", "0000865"), absent=("0001019",), at_most=15),
    Asked("elephants", first=("0000634", "0000865"), absent=("0001019",), at_most=25),
    Asked("a child on a swing", first=("0000182",), at_most=25),
    Asked("a car", first=("0000189",), absent=("cat", "0001019"), at_most=15),
    Asked("an old car", first=("0000189",), at_most=15),
    Asked("rugby", first=("0002302",), absent=("coffee", "cat")),
    Asked("tennis", absent=("coffee", "cat", "0000147", "0002302")),
    Asked("a woman playing tennis", among=TENNIS, absent=("coffee", "cat", "0000147")),
    Asked("a baseball player", absent=("coffee", "cat", "0000147", "0000090")),
    Asked("soccer", absent=("coffee", "cat", "0000090")),
    Asked("children playing football", absent=("coffee", "cat", "0001689")),
    Asked("grass", absent=("0001442", "0000723")),
    Asked("a stadium", absent=("coffee", "cat", "0000147")),
)
NOT_THERE = (
    "a screenshot of a spreadsheet",
    "an x-ray",
    "a map",
    "sushi",
    "a penguin",
    "a passport",
    "a toilet",
    "birds on a wire",
    "a robot",
    "a wine glass",
    "a helicopter",
    "fnord",
    "asdfgh qwerty",
    "lorem ipsum",
)
ADA = ("0000068", "cat", "0001019")  # a dog in the snow, a cat, a tennis player: all tagged so
NAMED = (
    Asked("0000068", first=("0000068",)),
    Asked("cat", first=("cat",)),
    Asked("motorcycle", first=("motorcycle",)),
    Asked("Ada", first=ADA),
    Asked("Ada in the snow", first=("0000068",), absent=("cat", "0001019")),
    Asked("a cat with Ada", first=("cat",), absent=("0001019", "0001189")),
    Asked("Ada playing tennis", first=("0001019",), absent=("cat", "0000068")),
)
# Found all the same, by a model as small as this one (galaxies for an x-ray); "fnord" is looked for
# as "ford", a car.
MISTAKEN = {"an x-ray", "sushi", "a wine glass", "a helicopter", "fnord"}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What is answered to each query."""
    if not LIBRARY.exists():
        pytest.skip("the photos do not lie beside the project")
    home = tmp_path_factory.mktemp("finding")
    for photo in (*LIBRARY.rglob("*.jpg"), *DEMO.glob("*.jpg")):
        (home / "photos").mkdir(exist_ok=True)
        shutil.copy(photo, home / "photos")
    daemon = RunningDaemon(home / "home", [home / "photos"], {"model": "imgvecd-mini"})
    photos = len(list((home / "photos").iterdir()))
    daemon.wait_until(lambda: daemon.status()["files"]["indexed"] == photos, timeout_s=1800)

    def measured():
        hits = daemon.post("/v1/search", {"text": "a dog", "all": True, "limit": 1})["hits"]
        return hits[0].get("relevance") is not None

    daemon.wait_until(measured)
    ids = {Path(image["files"][0]["path"]).stem: image["id"] for image in listed(daemon)}
    daemon.post("/v1/tags", {"ids": [ids[name] for name in ADA], "add": ["Ada"]})
    texts = [*(asked.text for asked in (*THERE, *NAMED)), *NOT_THERE]
    searches = [{"text": text, "limit": 208} for text in texts]
    answers = daemon.post("/v1/search/batch", {"searches": searches})["answers"]
    yield dict(zip(texts, answers, strict=True))
    daemon.kill()


def listed(daemon):
    return daemon.get("/v1/images", limit=1000)["images"]


def names(answer, band="found"):
    return [Path(hit["path"]).stem for hit in answer["hits"] if hit["band"] == band]


@pytest.mark.parametrize("asked", THERE, ids=lambda asked: asked.text)
def test_what_is_there_is_found(answers, asked):
    answer = answers[asked.text]
    found = names(answer)
    assert set(asked.first) <= set(found[: len(asked.first)])
    assert not asked.among or found[0] in asked.among
    assert not set(asked.absent) & set(found)
    assert 1 <= len(found) <= asked.at_most
    assert answer["found"] == len(found)
    assert answer["weaker"] == len(names(answer, "weaker"))
    assert answer["nearest_hits"] == []


@pytest.mark.parametrize("asked", NAMED, ids=lambda asked: asked.text)
def test_whoever_is_named_comes_first(answers, asked):
    found = names(answers[asked.text])
    assert set(found[: len(asked.first)]) == set(asked.first)
    assert not set(asked.absent) & set(found)


def test_what_names_match_never_comes_below_what_its_picture_deserves(answers):
    """Among names the picture tells the order; no other picture that shows less is before them."""
    matched = 0
    for answer in answers.values():
        found = [hit for hit in answer["hits"] if hit["band"] == "found"]
        named = [hit["relevance"] for hit in found if "matched" in hit]
        assert named == sorted(named, reverse=True)
        if answer["understood"] is None or not answer["understood"]["names"]:
            least = 1.0
            for hit in found:
                if "matched" not in hit:
                    least = min(least, hit["relevance"])
                assert "matched" not in hit or hit["relevance"] <= least
        matched += len(named)
    assert matched >= 7


def test_what_is_not_there_is_not_found(answers):
    wrong = {text: names(answers[text]) for text in NOT_THERE if answers[text]["found"]}
    assert set(wrong) <= MISTAKEN, wrong
    for text in set(NOT_THERE) - set(wrong):
        assert len(answers[text]["nearest_hits"]) == 3


def test_weaker_is_the_better_part_of_the_library_where_anything_is_found(answers):
    """Where nothing is found, a quarter of it at the most."""
    for asked in THERE:
        answer = answers[asked.text]
        better = 0.6 * answer["searched"]
        assert better - 3 <= answer["found"] + answer["weaker"]
        assert answer["weaker"] <= better + 1
    for text in NOT_THERE:
        if not answers[text]["found"]:
            assert answers[text]["weaker"] <= 0.25 * answers[text]["searched"] + 1


def test_every_hit_says_how_sure_it_is(answers):
    of_names = {asked.text for asked in NAMED}
    for text, answer in answers.items():
        hits = answer["hits"]
        assert all(0 <= hit["relevance"] <= 1 for hit in hits)
        assert [hit["band"] for hit in hits] == sorted(hit["band"] for hit in hits)
        # what a name matches as well comes further up within its band
        if text not in of_names:
            relevances = [hit["relevance"] for hit in hits if "matched" not in hit]
            assert relevances == sorted(relevances, reverse=True)
