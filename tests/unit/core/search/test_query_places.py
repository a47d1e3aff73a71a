"""Places among the words of a query."""

import time

import numpy as np
import pytest
from fakes import DIM

from imgvecd.api import Filters, SearchRequest, Term
from imgvecd.core.search import query_places
from imgvecd.core.search.relevance import Scale
from imgvecd.core.search.words import tokens
from imgvecd.types import KnownName, Town

KNOWN = {
    "hanoi": ["Hanoi, Vietnam"],
    "ha noi": ["Hanoi, Vietnam"],
    "vietnam": ["Vietnam"],
    "viet nam": ["Vietnam"],
    "da nang": ["Da Nang, Vietnam"],
    "portugal": ["Portugal"],
    "new york": ["New York, United States"],
    "york": ["York, England, United Kingdom"],
    "nice": ["Nice, Provence-Alpes-Côte d'Azur, France"],
    "reading": ["Reading, England, United Kingdom"],
    "turkey": ["Turkey"],
    "turkei": ["Turkey"],
    "paris": ["Paris, Île-de-France, France", "Paris, Texas, United States"],
    "texas": ["Texas, United States"],
    "france": ["France"],
    "united states": ["United States"],
    "springfield": [
        "Springfield, Massachusetts, United States",
        "Springfield, Illinois, United States",
    ],
    "illinois": ["Illinois, United States"],
    "massachusetts": ["Massachusetts, United States"],
    "new york city": ["New York City, New York, United States"],
    "bath": ["Bath, England, United Kingdom"],
    "y": ["Italy"],
    "河 内": ["Hanoi, Vietnam"],
    "of": ["Of, Trabzon, Turkey"],
    "orange": ["Orange, California, United States"],
    "panama": ["Panama"],
    "canoe": ["Canoe, British Columbia, Canada"],
    "china": ["China"],
    "berlin": ["Berlin, Germany"],
    "munchen": ["Munich, Bavaria, Germany"],
    "santiago": ["Santiago, Santiago Metropolitan, Chile"],
    "tours": ["Tours, Centre-Val de Loire, France"],
    "bayern": ["Bavaria, Germany"],
    "中 国": ["China"],
    "大 理": ["Dali, Yunnan, China"],
    "长 春": ["Changchun, Jilin, China"],
    "long beach": ["Long Beach, California, United States"],
    "little rock": ["Little Rock, Arkansas, United States"],
} | {
    name: [f"{name.title()}, Somewhere"]
    for name in (
        """
        charlotte florence anh duc vien rome
        cork hue boulder sandy aurora mer leon lima auch singen essen regen zug halle baden granada
        bordeaux
        """.split()  # noqa: SIM905  # one can read it
    )
}


def known(names):
    return {name: KNOWN[name] for name in names if name in KNOWN}


def called(names):
    hilton = KnownName("person", "Paris Hilton", "Paris Hilton")
    return {name: [hilton] for name in names if name == "paris hilton"}


def towns(name):
    return [Town(name, 0.0, 0.0, 1.0)] * (name in {"santiago de compostela", "north hanoi"})


def said(text, **request):
    request = SearchRequest(text=text, **request)
    asked, found = query_places.taken_apart(request, None, known, called, towns)
    if found is None:
        return None
    assert found.place == asked.filters.place
    return found.text, ", ".join(" ".join(tokens(part)) for part in found.place.split(","))


@pytest.mark.parametrize(
    ("text", "left", "place"),
    [
        ("Hanoi", "", "hanoi"),
        ("hà nội", "", "ha noi"),
        ("beach in Portugal", "beach", "portugal"),
        ("portugal beach", "beach", "portugal"),
        ("Strand bei München", "Strand", "munchen"),
        ("Biergarten München, Bayern", "Biergarten", "munchen, bayern"),
        ("plage au Portugal", "plage", "portugal"),
        ("chợ ở Đà Nẵng", "chợ", "da nang"),
        ("photos from Hanoi", "", "hanoi"),
        ("Hanoi, Vietnam", "", "hanoi, vietnam"),
        ("market Hanoi Việt Nam", "market", "viet nam, hanoi"),
        ("new york at night", "at night", "new york"),
        ("河内的夜市", "夜市", "河 内"),
        ("a boat in Nice", "a boat", "nice"),
        ("boats Nice", "boats", "nice"),
        ("a boat in nice", "a boat", "nice"),
        ("Turkey", "", "turkey"),
        ("Türkei", "", "turkei"),
        # of towns with the same name, the one in what is said beside it
        ("Paris, France", "", "paris, france"),
        ("Paris Texas", "", "paris, texas"),
        ("a market in Springfield, Illinois", "a market", "springfield, illinois"),
        ("Springfield, MA", "", "springfield, massachusetts"),
        ("Springfield IL market", "market", "springfield, illinois"),
        ("New York, USA", "", "new york, united states"),
        ("the US", "", "united states"),
        ("beach in the U.S.A.", "beach", "united states"),
        ("NYC at night", "at night", "new york city"),
        ("Ý", "", "y"),
        ("thành phố Hà Nội", "", "ha noi"),
        ("Paris Hilton in Paris", "Paris Hilton", "paris"),
        ("Nice, old town", "old town", "nice"),
        ("Nice and Paris", "", "nice paris"),
        ("Berlin wall", "wall", "berlin"),
        ("berlin", "", "berlin"),
        ("china", "", "china"),
        ("Canoe", "", "canoe"),
        ("the beach of Portugal in winter", "the beach in winter", "portugal"),
        ("plage de Nice", "plage", "nice"),
        ("Tours", "", "tours"),
        ("a castle in tours", "a castle", "tours"),
        ("Santiago de noche", "de noche", "santiago"),
        ("the market of north hanoi", "the market of north", "hanoi"),
        ("Cork", "", "cork"),
        ("a pub in cork", "a pub", "cork"),
        ("Essen", "", "essen"),
        ("Weihnachtsmarkt in Essen", "Weihnachtsmarkt", "essen"),
        ("Weihnachtsmarkt Essen", "Weihnachtsmarkt", "essen"),
        ("Kirche in Essen bei Nacht", "Kirche bei Nacht", "essen"),
        ("chợ huế", "chợ", "hue"),
        ("Long Beach at sunset", "at sunset", "long beach"),
        ("pier in Long Beach", "pier", "long beach"),
        ("catedral de León", "catedral", "leon"),
        ("中国的海滩", "海滩", "中 国"),
        ("Halle", "", "halle"),
        ("Markt in Halle", "Markt", "halle"),
        ("Therme in Baden", "Therme", "baden"),
        ("la Alhambra, Granada", "la Alhambra", "granada"),
        ("the streets of bordeaux", "the streets", "bordeaux"),
        ("大理古城", "古城", "大 理"),
        ("长春的雪", "雪", "长 春"),
        ("nyc at night", "at night", "new york city"),
        ("charlotte skyline", "skyline", "charlotte"),
        ("in Charlotte with a kite", "with a kite", "charlotte"),
        ("florence in the rain", "in the rain", "florence"),
        ("Charlotte swimming pool", "swimming pool", "charlotte"),
        ("florence walking tour", "walking tour", "florence"),
        ("Charlotte in a snowstorm", "in a snowstorm", "charlotte"),
        ("nước Đức", "", "duc"),
        ("Viên", "", "vien"),
        ("ở viên", "", "vien"),
        ("a dog outside in Rome", "a dog outside", "rome"),
    ],
)
def test_places_are_understood(text, left, place):
    assert said(text) == (left, place)


@pytest.mark.parametrize(
    "text",
    [
        "a nice dog",
        # what people do, and Vietnamese syllables
        "charlotte with a kite",
        "Charlotte smiling",
        "florence and her baby",
        "Florence in a red dress",
        "công viên",
        "đạo đức",
        "anh trai ở biển",
        # a phone begins with a capital
        "Nice view",
        "Reading a book",
        "Turkey sandwich",
        "Bath tub",
        # what things are called
        "canoe on a lake",
        "Orange juice",
        "a Panama hat",
        "China plates",
        "a girl reading a book",
        "turkey on a plate",
        "a dog in the bath",
        "a walk in nice weather",
        "Paris Hilton",
        "a dog with us",
        "MA",
        '"Hanoi"',
        'a sign "Welcome to Hanoi"',
        "Atlantis",
        "New Portugal",  # what is called new lies elsewhere
        "desert in new portugal",
        "walking tours",
        "santiago de compostela",
        "the cathedral of Santiago de Compostela by night",
        "a photo of a dog",
        "hanoibar",
        "",
        "Hanoi " * 200,
        # towns whose names are words: a small letter tells nothing of a town
        "wine cork",
        "cork in a bottle",
        "hue light",
        "boulder",
        "climbing a boulder",
        "sandy beach",
        "Sandy beach",
        "aurora borealis",
        "la mer",
        "vue sur la mer",
        "un león",
        "lima y limón",
        "auch ein Hund",
        "singen",
        "long beach at sunset",
        "a little rock in the garden",
        # German nouns have capitals, too
        "nach dem Essen",
        "beim Essen",
        "leckeres Essen",
        "Essen auf dem Tisch",
        "Essen und Trinken",
        "essen gehen",
        "im Regen",
        "Strand bei Regen",
        "mit dem Zug",
        # where things come from
        "made in China",
        "a toy made in china",
        "Hecho en Portugal",
        "中国制造",
        "woman in orange",
        # nouns and verbs of German that the lists lack, since they are names of large towns
        "in der Halle",
        "eine große Halle",
        "Baden im See",
        "baden im See",
        "Kind beim Baden",
        # a fruit that has a country's name in Spanish
        "una granada roja",
        # things that have a place's name in theirs
        "a china doll",
        "China dolls",
        "a fine china teapot",
        "长春花",
        "大理石",
        "大理石的桌子",
        # what is drunk and eaten
        "a glass of bordeaux",
        "two bottles of Bordeaux",
        "ein Glas Bordeaux",
        "un verre de Bordeaux",
        "一瓶Bordeaux",
    ],
)
def test_other_words_are_left_as_they_are(text):
    assert said(text) is None


def test_only_one_place_is_taken_where_two_are_apart():
    assert said("Hanoi Paris")[1] == "hanoi"
    assert said("Hanoi at night, Paris by day")[1] == "hanoi"


@pytest.mark.parametrize(
    ("text", "left", "place"),
    [
        ("Hanoi or Paris", "", "Hanoi; Paris"),
        ("a market in Hanoi, Paris or Da Nang", "a market", "Hanoi; Paris; Da Nang"),
        ("Hanoi und Paris, France", "", "Hanoi; Paris, France"),
        ("beach in Portugal or in New York", "beach", "Portugal; New York"),
        ("河内或Paris", "", "河内; Paris"),
        ("from Hanoi to Paris", "", "Hanoi; Paris"),
        ("between Hanoi and Paris", "", "Hanoi; Paris"),
        ("zwischen Hanoi und Paris", "", "Hanoi; Paris"),
        ("Hanoi – Paris", "", "Hanoi; Paris"),
    ],
)
def test_of_several_places_any_will_do(text, left, place):
    asked, found = query_places.taken_apart(SearchRequest(text=text), None, known, called, towns)
    assert (found.text, set(asked.filters.place.split("; "))) == (left, set(place.split("; ")))


def test_filters_and_requests_that_say_so_come_first():
    for request in (
        SearchRequest(text="beach Hanoi", filters=Filters(place="Paris")),
        SearchRequest(text="beach Hanoi", places=False),
        SearchRequest(text="Hanoi", terms=(Term(id=1),)),
        SearchRequest(terms=(Term(text="beach Hanoi"),)),
    ):
        taken = query_places.taken_apart(request, None, known, called, towns)
        assert taken == (request, None)


@pytest.mark.parametrize("word", ["in ", "Hanoi, ", "l'", '"', "河", "de la ", "Ha Noi "])
def test_no_text_is_slow(word):
    started = time.process_time()
    said(word * (500 // len(word)))
    assert time.process_time() - started < 1


@pytest.fixture
def placed(shelf, monkeypatch):
    monkeypatch.setattr(Scale, "found", property(lambda _: 0.8))

    def add(path, latitude, longitude, **info):
        shelf.added = getattr(shelf, "added", 0) + 1
        vector = np.eye(DIM, dtype=np.float32)[shelf.added % DIM]
        position = {"gps_latitude": latitude, "gps_longitude": longitude}
        return shelf.add(path, vector, metadata=position, **info)

    return add


async def test_only_what_was_taken_there_is_found(shelf, placed):
    wanted = placed("/photos/a.jpg", 38.72, -9.14)
    placed("/photos/b.jpg", 48.85, 2.35)
    answer = await shelf.find("beach in Portugal", all=True)
    assert [hit.id for hit in answer.hits] == [wanted]
    assert (answer.understood.text, answer.understood.place) == ("beach", "Portugal")
    assert len((await shelf.find("beach in Portugal", all=True, places=False)).hits) == 2
    either = await shelf.find("beach in Portugal or France", all=True)
    assert len(either.hits) == 2
    assert either.understood.text == "beach"
    nowhere = await shelf.find("beach in Norway", all=True)
    assert nowhere.understood is None
    assert len(nowhere.hits) == 2


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("beach near Paris", "beach"),
        ("a dog close to paris", "a dog"),
        ("in der Nähe von Paris", ""),
        ("Umgebung von Paris", ""),
        ("a wood on the outskirts of Paris", "a wood"),
        ("château près de Paris", "château"),
        ("autour de Paris", ""),
        ("cerca de París", ""),
        ("gần Paris", ""),
        ("巴黎附近", ""),
        ("巴黎附近的海滩", "的海滩"),
    ],
)
async def test_what_was_taken_around_a_town_is_near_it(shelf, placed, text, left):
    wanted = {placed("/photos/versailles.jpg", 48.80, 2.13), placed("/photos/p.jpg", 48.85, 2.35)}
    wanted.add(shelf.add("/photos/told.jpg", np.eye(DIM)[0], metadata={"city": "Paris"}))
    placed("/photos/orleans.jpg", 47.90, 1.90)
    answer = await shelf.find(text, all=True)
    assert {hit.id for hit in answer.hits} == wanted
    assert answer.understood.text == left
    assert answer.understood.place == "Paris"
    assert answer.understood.near == pytest.approx((48.853, 2.349, 40), abs=0.01)
    assert len((await shelf.find(text, all=True, places=False)).hits) == 4


@pytest.mark.parametrize(
    ("text", "left", "found"),
    [
        ("beach not in Portugal", "beach", 2),
        ("not in Portugal", "", 2),
        ("everything except Portugal or France", "", 1),
        ("Strand, aber nicht in Portugal", "Strand", 2),
        ("plage sauf au Portugal", "plage", 2),
        ("playa fuera de Portugal", "playa", 2),
        ("biển trừ Bồ Đào Nha", "biển", 2),
        ("除了葡萄牙以外的海滩", "海滩", 2),
        ("beach not near Paris", "beach", 2),
        ("everywhere but Portugal", "", 2),
        ("anything but Portugal", "", 2),
        ("dogs, all but Portugal", "dogs", 2),
    ],
)
async def test_all_but_a_place_is_meant_after_not(shelf, placed, text, left, found):
    placed("/photos/lisbon.jpg", 38.72, -9.14)
    placed("/photos/versailles.jpg", 48.80, 2.13)
    placed("/photos/oslo.jpg", 59.91, 10.75)
    answer = await shelf.find(text, all=True)
    assert (answer.understood.text, len(answer.hits)) == (left, found)
    assert answer.understood.without
    assert answer.understood.place is None


async def test_a_place_less_one_in_it(shelf, placed):
    wanted = placed("/photos/porto.jpg", 41.15, -8.61)
    placed("/photos/lisbon.jpg", 38.72, -9.14)
    placed("/photos/oslo.jpg", 59.91, 10.75)
    for text in ("beach in Portugal, but not in Lisbon", "Portugal without Lisbon"):
        answer = await shelf.find(text, all=True)
        assert [hit.id for hit in answer.hits] == [wanted]
        assert (answer.understood.place, answer.understood.without) == ("Portugal", ("Lisbon",))


async def test_of_namesakes_that_counts_around_which_images_were_taken(shelf, placed):
    wanted = placed("/photos/murano.jpg", 45.46, 12.35)
    placed("/photos/rome.jpg", 41.9, 12.5)
    answer = await shelf.find("near Venice", all=True)
    assert [hit.id for hit in answer.hits] == [wanted]


async def test_a_lake_s_name_in_that_of_a_town_is_no_lake(shelf, placed):
    wanted = placed("/photos/temple.jpg", 40.77, -111.89)
    placed("/photos/american fork.jpg", 40.377, -111.796)  # which is called Lake City, too
    answer = await shelf.find("Salt Lake City", all=True)
    assert [hit.id for hit in answer.hits] == [wanted]
    assert answer.understood.place == "Salt Lake City"


async def test_a_lake_has_its_name_of_a_town(shelf, placed):
    wanted = placed("/photos/malcesine.jpg", 45.76, 10.81)
    placed("/photos/milan.jpg", 45.46, 9.19)
    for text in (
        "sailing around Lake Garda",
        "sailing on Lake Garda",
        "sailing Lago di Garda",
        "sailing am Gardasee",
        "gardasee sailing",
    ):
        answer = await shelf.find(text, all=True)
        assert [hit.id for hit in answer.hits] == [wanted]
        assert answer.understood.text == "sailing"


@pytest.mark.parametrize(
    "text",
    [
        "near the water",
        "around the house",
        '"near Paris"',
        "near Bordeaux",
        "near Ada",
        "um drei Uhr",
    ],
)
async def test_other_words_are_no_surroundings(shelf, placed, text):
    placed("/photos/versailles.jpg", 48.80, 2.13)
    stratford = {"gps_latitude": 34.80, "gps_longitude": -96.96}
    shelf.add("/photos/ada.jpg", np.eye(DIM)[0], metadata={**stratford, "people": ["Ada"]})
    answer = await shelf.find(text, all=True)
    assert answer.understood is None or answer.understood.place is None


async def test_a_place_and_a_time_alone_find_all_of_them(shelf, placed):
    wanted = {
        placed(f"/photos/{i}.jpg", 16.05, 108.2, taken_at=f"2022-07-{i + 1:02}T10:00:00")
        for i in range(5)
    }
    placed("/photos/x.jpg", 16.05, 108.2, taken_at="2021-07-01T10:00:00")
    placed("/photos/y.jpg", 48.85, 2.35, taken_at="2022-07-01T10:00:00")
    answer = await shelf.find("Đà Nẵng 2022")
    assert {hit.id for hit in answer.hits} == wanted
    assert {hit.matched for hit in answer.hits} == {"place"}
    assert (answer.understood.taken, answer.understood.place) == ("2022", "Đà Nẵng")


@pytest.mark.parametrize(
    ("text", "left", "taken", "months"),
    [
        ("summer in Portugal 2022", "", "summer 2022", ()),
        ("beach July in Portugal 2022", "beach", "2022-07", ()),
        ("Portugal in July", "", None, (7,)),
        ("beach in Portugal in 2022", "beach", "2022", ()),
    ],
)
async def test_a_place_may_part_the_words_of_a_time(shelf, placed, text, left, taken, months):
    wanted = placed("/photos/a.jpg", 38.72, -9.14, taken_at="2022-07-04T10:00:00")
    placed("/photos/b.jpg", 38.72, -9.14, taken_at="2021-12-04T10:00:00")
    placed("/photos/c.jpg", 48.85, 2.35, taken_at="2022-07-04T10:00:00")
    answer = await shelf.find(text, all=True)
    said = answer.understood
    assert (said.text, said.taken, said.months, said.place) == (left, taken, months, "Portugal")
    assert "  " not in said.words
    assert [hit.id for hit in answer.hits] == [wanted]


async def test_what_is_named_after_a_place_is_found_without_a_position(shelf, placed):
    placed("/photos/a.jpg", 38.72, -9.14)
    named = shelf.add("/photos/Lisbon/tram.jpg", np.eye(DIM, dtype=np.float32)[3])
    answer = await shelf.find("tram Lisbon")
    assert named in [hit.id for hit in answer.hits]
