"""Times among the words of a query, in six languages."""

import datetime
import time

import numpy as np
import pytest
from fakes import DIM

from imgvecd.api import Filters, SearchRequest, Term
from imgvecd.core.search.query_dates import taken_apart, understood
from imgvecd.core.search.relevance import Scale

TODAY = datetime.date(2024, 9, 15)


@pytest.mark.parametrize(
    ("text", "left", "first", "last"),
    [
        ("beach July 2023", "beach", "2023-07-01", "2023-07-31"),
        ("beach, july of 2023", "beach", "2023-07-01", "2023-07-31"),
        ("christmas 2019", "christmas", "2019-01-01", "2019-12-31"),
        ("the 2019 trip to Rome", "trip to Rome", "2019-01-01", "2019-12-31"),
        ("last summer", "", "2024-06-01", "2024-08-31"),
        ("dogs in summer last year", "dogs", "2023-06-01", "2023-08-31"),
        ("last year's party", "party", "2023-01-01", "2023-12-31"),
        ("dog 17 May 2023", "dog", "2023-05-17", "2023-05-17"),
        ("dog May 17, 2023", "dog", "2023-05-17", "2023-05-17"),
        ("dog 2023-05-17", "dog", "2023-05-17", "2023-05-17"),
        ("dog 07/2023", "dog", "2023-07-01", "2023-07-31"),
        ("2010-2015 cats", "cats", "2010-01-01", "2015-12-31"),
        ("dogs since 2020", "dogs", "2020-01-01", None),
        ("dogs before 2010", "dogs", None, "2009-12-31"),
        ("Strand im Juli 2023", "Strand", "2023-07-01", "2023-07-31"),
        ("Strand MÄRZ 2023", "Strand", "2023-03-01", "2023-03-31"),
        ("Strand am 17. Mai 2023", "Strand", "2023-05-17", "2023-05-17"),
        ("Strand 17.05.2023", "Strand", "2023-05-17", "2023-05-17"),
        ("letzten Sommer am Meer", "am Meer", "2024-06-01", "2024-08-31"),
        ("Party letztes Jahr", "Party", "2023-01-01", "2023-12-31"),
        ("gestern", "", "2024-09-14", "2024-09-14"),
        ("plage en juillet 2023", "plage", "2023-07-01", "2023-07-31"),
        ("plage aou\u0302t 2023", "plage", "2023-08-01", "2023-08-31"),
        ("plage decembre 2022", "plage", "2022-12-01", "2022-12-31"),
        ("l'été dernier à la plage", "à la plage", "2024-06-01", "2024-08-31"),
        ("la semaine dernière", "", "2024-09-02", "2024-09-08"),
        ("playa en julio de 2023", "playa", "2023-07-01", "2023-07-31"),
        ("playa el verano pasado", "playa", "2024-06-01", "2024-08-31"),
        ("17 de mayo de 2023", "", "2023-05-17", "2023-05-17"),
        ("Đà Nẵng 2022", "Đà Nẵng", "2022-01-01", "2022-12-31"),
        ("bãi biển tháng 7 năm 2023", "bãi biển", "2023-07-01", "2023-07-31"),
        ("bãi biển tháng mười hai 2023", "bãi biển", "2023-12-01", "2023-12-31"),
        ("bai bien thang 7/2023", "bai bien", "2023-07-01", "2023-07-31"),
        ("biển mùa hè năm ngoái", "biển", "2023-06-01", "2023-08-31"),
        ("mùa thu 2022", "", "2022-09-01", "2022-11-30"),
        ("海滩 2023年7月", "海滩", "2023-07-01", "2023-07-31"),
        ("2023年十一月海滩", "海滩", "2023-11-01", "2023-11-30"),
        ("去年夏天的海滩", "海滩", "2023-06-01", "2023-08-31"),
        ("2023年5月17日", "", "2023-05-17", "2023-05-17"),
        ("dogs between 2018 and 2020", "dogs", "2018-01-01", "2020-12-31"),
        ("entre mayo de 2018 y junio 2020", "", "2018-05-01", "2020-06-30"),
        ("May 2018 - June 2020 dogs", "dogs", "2018-05-01", "2020-06-30"),
        ("dogs after June 2020", "dogs", "2020-07-01", None),
        ("Hunde nach 2020", "Hunde", "2021-01-01", None),
        ("dogs since December 2020", "dogs", "2020-12-01", None),
        ("dogs before January 2020", "dogs", None, "2019-12-31"),
        ("dogs until 2010", "dogs", None, "2010-12-31"),
        ("chiens jusqu'à 2010", "chiens", None, "2010-12-31"),
        ("2019年之前 猫", "猫", None, "2018-12-31"),
        ("2018年到2020年", "", "2018-01-01", "2020-12-31"),
        ("skiing winter 2022/23", "skiing", "2022-12-01", "2023-02-28"),
        ("Winter 2022-2023", "", "2022-12-01", "2023-02-28"),
        ("party in the 90s", "party", "1990-01-01", "1999-12-31"),
        ("2000s", "", "2000-01-01", "2009-12-31"),
        ("Hochzeit in den 80er Jahren", "Hochzeit", "1980-01-01", "1989-12-31"),
        ("années 70", "", "1970-01-01", "1979-12-31"),
        ("80年代", "", "1980-01-01", "1989-12-31"),
        ("dog 3 years ago", "dog", "2021-01-01", "2021-12-31"),
        ("two weeks ago", "", "2024-08-26", "2024-09-01"),
        ("a month ago", "", "2024-08-01", "2024-08-31"),
        ("vor zehn Tagen", "", "2024-09-05", "2024-09-05"),
        ("il y a deux ans", "", "2022-01-01", "2022-12-31"),
        ("hace un mes", "", "2024-08-01", "2024-08-31"),
        ("2 năm trước", "", "2022-01-01", "2022-12-31"),
        ("两个月前", "", "2024-07-01", "2024-07-31"),
        ("the last 3 months", "", "2024-06-15", "2024-09-15"),
        ("letzte zwei Wochen", "", "2024-09-01", "2024-09-15"),
        ("les 2 dernières semaines", "", "2024-09-01", "2024-09-15"),
        ("最近3个月", "", "2024-06-15", "2024-09-15"),
        ("last weekend", "", "2024-09-07", "2024-09-08"),  # today is a Sunday
        ("vorgestern", "", "2024-09-13", "2024-09-13"),
        ("2021/08/15", "", "2021-08-15", "2021-08-15"),
        ("dog 8/15/2021", "dog", "2021-08-15", "2021-08-15"),
        ("dog 15/8/2021", "dog", "2021-08-15", "2021-08-15"),
        ("上个月 猫", "猫", "2024-08-01", "2024-08-31"),
    ],
)
def test_a_time_is_taken_out_of_the_words(text, left, first, last):
    said = understood(text, TODAY)
    assert (said.text, said.taken_from, said.taken_to) == (left, first, last)


@pytest.mark.parametrize(
    "text",
    [
        "a dog in May",
        "march of the penguins",
        "IMG_2019",
        "IMG-2019-beach",
        "20190101_120000",
        "DSC 1850",
        "in 2045",
        "2023-13",
        "30 February 2020",
        "30 February",
        "31. April 2019",
        '"May 2023" poster',
        "“summer 2019”",
        "1080p",
        "",
        "summer",
        "x" * 501 + " 2019",
        "2019/beach.jpg",
        "7/8/2021",  # in July or in August
        "from 2020 to 2018",
        "one day",
        "ten dogs",
        "a dog before a house",
        "the last supper",
    ],
)
def test_other_words_are_left_as_they_are(text):
    assert understood(text, TODAY) is None


def test_what_is_in_quotes_stays_while_the_rest_is_understood():
    said = understood('may 2023 "July 2022"', TODAY)
    assert (said.text, said.taken) == ('"July 2022"', "2023-05")


@pytest.mark.parametrize(
    "word",
    [
        "in ",
        "2",
        "tháng ",
        "last ",
        "'",
        "去年",
        '"',
        "17 de mayo de ",
        "2 years ",
        "between 2018 ",
        "mayo de 2018 y ",
    ],
)
def test_no_text_is_slow(word):
    started = time.process_time()
    understood(word * (500 // len(word)), TODAY)
    assert time.process_time() - started < 1


def test_filters_and_requests_that_say_so_come_first():
    for request in (
        SearchRequest(text="beach 2019", filters=Filters(taken="2020")),
        SearchRequest(text="beach 2019", filters=Filters(taken_from="2018")),
        SearchRequest(text="beach 2019", dates=False),
        SearchRequest(text="2019", terms=(Term(id=1),)),
        SearchRequest(terms=(Term(text="beach 2019"),)),
    ):
        assert taken_apart(request, TODAY) == (request, None)


@pytest.fixture
def dated(shelf, monkeypatch):
    monkeypatch.setattr(Scale, "found", property(lambda _: 0.8))

    def add(path, taken_at):
        shelf.added = getattr(shelf, "added", 0) + 1
        return shelf.add(path, np.eye(DIM, dtype=np.float32)[shelf.added % DIM], taken_at=taken_at)

    return add


async def test_only_what_was_taken_then_is_found(shelf, dated):
    wanted = dated("/photos/a.jpg", "2019-07-01T10:00:00")
    dated("/photos/b.jpg", "2020-07-01T10:00:00")
    answer = await shelf.find("beach July 2019", all=True)
    assert [hit.id for hit in answer.hits] == [wanted]
    assert (answer.understood.text, answer.understood.taken) == ("beach", "2019-07")
    assert len((await shelf.find("beach July 2019", all=True, dates=False)).hits) == 2


async def test_a_time_alone_finds_all_of_it(shelf, dated):
    wanted = {dated(f"/photos/{i}.jpg", f"2019-07-{i + 1:02}T10:00:00") for i in range(9)}
    for i in range(40):
        dated(f"/photos/other{i}.jpg", "2020-07-01T10:00:00")
    answer = await shelf.find("July 2019", limit=100)
    assert {hit.id for hit in answer.hits} == wanted
    assert {hit.matched for hit in answer.hits} == {"date"}


async def test_a_name_with_a_year_is_found_whenever_it_was_taken(shelf, dated):
    wanted = dated("/photos/invoice 2019.jpg", "2021-01-01T10:00:00")
    dated("/photos/x.jpg", "2021-01-01T10:00:00")
    answer = await shelf.find("invoice 2019")
    assert [(hit.id, hit.matched) for hit in answer.hits] == [(wanted, "name")]
    filtered = await shelf.find("invoice 2019", filters=Filters(folder="elsewhere"))
    assert filtered.hits == ()
