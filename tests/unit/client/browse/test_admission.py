"""Who is let in: tokens live shortly and once, heads must be those of our own page."""

import pytest

from imgvecd.client.browse.admission import TOKEN_S, Admission

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
    return Admission(8000, clock)


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
    one, other = Admission(8000, clock), Admission(8000, clock)
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
