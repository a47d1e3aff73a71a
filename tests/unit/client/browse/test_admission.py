"""Who is let in: tokens live shortly and once, heads must be those of our own page."""

import pytest

from imgvecd.client.browse.admission import TOKEN_S, OneBrowser, SecretHolders
from imgvecd.errors import ConfigError

OWN = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def admission(clock):
    return OneBrowser(8000, clock)


def token_of(address):
    return address.partition("token=")[2]


def test_a_token_lets_in_once(admission):
    token = token_of(admission.new_address())
    assert admission.enter(token)
    assert admission.enter(token) is None


def test_a_token_dies_after_seconds(admission, clock):
    token = token_of(admission.new_address())
    clock.now += TOKEN_S + 1
    assert admission.enter(token) is None


def test_once_somebody_is_in_no_other_token_is_left(admission):
    first, second = (token_of(admission.new_address()) for _ in range(2))
    assert admission.enter(first)
    assert admission.enter(second) is None


@pytest.mark.parametrize("token", ["", "x", "é", "\udcff"])
def test_what_is_no_token_lets_nobody_in(admission, token):
    admission.new_address()
    assert admission.enter(token) is None


def test_two_gateways_have_other_names_and_secrets(clock):
    one, other = OneBrowser(8000, clock), OneBrowser(8000, clock)
    host = one.new_address().split("/")[2]
    assert host != other.new_address().split("/")[2]
    assert host.endswith(".localhost:8000")
    cookie = one.enter(token_of(one.new_address()))
    other_host = other.new_address().split("/")[2]
    refusal = other.refusal("GET", "/v1/status", OWN, [other_host], cookie)
    assert refusal.status == 401


def test_our_own_page_is_let_through(admission):
    address = admission.new_address()
    host, cookie = address.split("/")[2], admission.enter(token_of(address))
    typed = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}
    write = {**OWN, "Origin": f"http://{host}", "Content-Type": "application/json; charset=utf-8"}
    assert admission.refusal("GET", "/", typed, [host], cookie) is None
    assert admission.refusal("GET", "/v1/status", OWN, [host], cookie) is None
    assert admission.refusal("POST", "/v1/tags", write, [host], cookie) is None
    assert admission.refusal("GET", "/v1/status", typed, [host], cookie).status == 403
    assert admission.refusal("POST", "/", typed, [host], cookie).status == 403


SECRET = "s" * 32


def test_the_secret_lets_in_until_too_many_were_wrong(clock):
    admission = SecretHolders("https://photos.example", SECRET, clock)
    cookie = admission.enter(SECRET)
    assert cookie
    for _ in range(10):
        assert admission.enter("wrong") is None
    assert admission.enter(SECRET) is None
    clock.now += 61
    assert admission.enter(SECRET) == cookie
    assert SecretHolders("https://photos.example", SECRET, clock).enter(SECRET) == cookie
    assert SecretHolders("https://photos.example", "t" * 32, clock).enter("t" * 32) != cookie


def test_before_the_secret_only_the_way_in_is_open(clock):
    admission = SecretHolders("https://photos.example", SECRET, clock)
    write = {**OWN, "Origin": "https://photos.example", "Content-Type": "application/json"}
    hosts = ["photos.example"]
    assert admission.refusal("POST", "/enter", write, hosts, None) is None
    assert admission.refusal("GET", "/web/enter.js", OWN, hosts, None) is None
    foreign = {**write, "Origin": "http://photos.example"}
    assert admission.refusal("POST", "/enter", foreign, hosts, None).status == 403
    assert admission.refusal("GET", "/web/main.js", OWN, hosts, None).status == 401
    assert admission.refusal("GET", "/v1/status", OWN, hosts, None).status == 401
    assert admission.refusal("GET", "/v1/status", OWN, ["evil.example"], None).status == 421


@pytest.mark.parametrize(
    ("origin", "secret"),
    [
        ("http://photos.example", SECRET),
        ("https://photos.example/", SECRET),
        ("http://192.168.1.5:8080", SECRET),
        ("https://photos.example", "short"),
        ("https://photos.example", ""),
    ],
)
def test_what_cannot_be_safe_is_refused(origin, secret):
    with pytest.raises(ConfigError, match="browse"):
        SecretHolders(origin, secret)
