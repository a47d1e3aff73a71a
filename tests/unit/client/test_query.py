"""The syntax of queries on the command line."""

import http.server
import threading

import msgspec
import pytest

from imgvecd import api
from imgvecd.client.query import protect_negatives, terms_of
from imgvecd.errors import BadRequestError


def parsed(*words, signed=(), like=(), unlike=()):
    text, terms = terms_of(words, signed, like, unlike)
    return text, [(term.text or term.id or term.data, term.weight) for term in terms]


@pytest.mark.parametrize(
    ("words", "text", "terms"),
    [
        (["a", "dog"], "a dog", []),
        (["beach", "+sunset"], "beach", [("sunset", 1)]),
        (["+a red car", "-2:people"], None, [("a red car", 1), ("people", -2)]),
        (["2:red car"], None, [("red car", 2)]),
        (["0.5:snow", "+#316", "-#7"], None, [("snow", 0.5), (316, 1), (7, -1)]),
        (["a photo in 16:9"], "a photo in 16:9", []),
        (["16:9"], "16:9", []),  # heavier than any weight
        (["c++", "-"], "c++ -", []),
        (["+@"], None, [("@", 1)]),
        (["snow", "#316", "@"], "snow @", [(316, 1)]),
        (["#1 dad", "#2nd"], "#1 dad #2nd", []),
        (["dog -cat"], "dog", [("cat", -1)]),
        (["a dog -red car +snow"], "a dog car", [("red", -1), ("snow", 1)]),
        (['dog -2:"red car" beach'], "dog beach", [("red car", -2)]),
        (["dog -0.5:cat"], "dog", [("cat", -0.5)]),
        (["+beach -people"], None, [("beach", 1), ("people", -1)]),
        (["biển -người"], "biển", [("người", -1)]),
        (["IMG-2041 T-shirt"], "IMG-2041 T-shirt", []),
        (
            ["IMG -2041", "x -1:1", "a - b", "2019 -- 2020"],
            "IMG -2041 x a - b 2019 -- 2020",
            [("1", -1)],
        ),
    ],
)
def test_words_and_terms(words, text, terms):
    assert parsed(*words) == (text, terms)


def test_a_file_is_sent(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"photo")
    assert parsed(f"+@{tmp_path}/a.jpg") == (None, [(b"photo", 1)])
    assert parsed("night", f"@{tmp_path}/a.jpg") == ("night", [(b"photo", 1)])
    with pytest.raises(BadRequestError, match="No such file"):
        parsed(f"-@{tmp_path}/b.jpg")


def test_feedback_is_spread_over_its_images():
    _, terms = parsed("x", like=(1, 2), unlike=(3,))
    assert terms == [(1, 0.375), (2, 0.375), (3, -0.25)]


@pytest.mark.parametrize("term", ["-people", "-@photo.jpg", "-#7", "-2:people", "-é", "-a b"])
def test_negative_terms_are_no_options(term):
    assert protect_negatives(["search", term]) == ["search", f"--term={term}"]


@pytest.mark.parametrize(
    "argument", ["-0", "-h", "--limit", "-1", "-33.8,151.2,10", "-", "plain", "-x=1"]
)
def test_options_and_numbers_stay(argument):
    assert protect_negatives(["search", argument]) == ["search", argument]


def test_what_belongs_to_another_command_stays():
    given = ["watch", "x", "--exec", "ls", "-long"]
    assert protect_negatives(given) == given


def test_the_whole_way(server, imgvec):
    answer = api.SearchResponse(hits=(), searched=1, clock="c:x:1", took_ms=1, model="m")
    server.on("POST", "/v1/search", answer)
    imgvec("search", "beach", "+sunset", "-people", "--near", "-33.8,151.2,5", "--tag", "a")
    asked = msgspec.json.decode(server.asked[-1][2], type=api.SearchRequest)
    assert asked.text == "beach"
    assert [(term.text, term.weight) for term in asked.terms] == [("sunset", 1), ("people", -1)]
    assert asked.filters == api.Filters(near=(-33.8, 151.2, 5), tags=("a",))


def test_an_image_on_the_web_is_fetched(tmp_path):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/a.jpg" else 404)
            self.end_headers()
            self.wfile.write(b"photo")

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{web.server_port}"
        assert parsed(f"+@{url}/a.jpg") == (None, [(b"photo", 1)])
        with pytest.raises(BadRequestError, match="Not Found"):
            parsed(f"+@{url}/b.jpg")
        web.shutdown()
