"""Which addresses are the public internet's: siblings of each entry of IANA's registries."""

import ipaddress
import socket

import pytest

from imgvecd.adapters import web_images
from imgvecd.adapters.public_addresses import is_public
from imgvecd.errors import BadRequestError

PRIVATE_4 = [
    "0.0.0.1", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255",
    "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255",
    "192.0.0.1", "192.0.0.8", "192.0.0.170", "192.0.2.1", "192.88.99.1", "192.168.0.1",
    "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
]  # fmt: skip
UNSPECIFIED = "0.0.0.0"  # noqa: S104  # nothing is bound
PUBLIC_4 = [
    "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
    "128.0.0.1", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.0.9",
    "192.0.1.0", "192.31.196.1", "192.167.255.255", "192.169.0.0", "198.17.255.255",
    "198.20.0.0", "223.255.255.255", "93.184.216.34",
]  # fmt: skip
PRIVATE_6 = [
    "::", "::1", "::2", "::7f00:1", "::10.0.0.1", "::93.184.216.34", "::ffff:0:10.0.0.1",
    "::ffff:0:93.184.216.34", "::ffff:ffff:10.0.0.1", "64:ff9b:1::1", "64:ff9b:1::10.0.0.1",
    "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "64:ff9b:2::1", "64:ff9b:0:1::10.0.0.1", "100::1",
    "100:0:0:1::1", "200::1", "400::1", "1000::1", "1fff:ffff::1", "2001::1",
    "2001:0:7f00:1::1", "2001:0:4136:e378:8000:63bf:f5ff:fffe", "2001:2::1", "2001:10::1",
    "2001:5::1", "2001:1ff:ffff::1", "2001:db8::1", "3fff::1", "3fff:fff:ffff::1", "4000::1",
    "5f00::1", "8000::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%lo", "febf::1",
    "fec0::1", "feff::1", "ff02::1", "ff0e::1",
]  # fmt: skip
PUBLIC_6 = [
    "2000::1", "2001:1::1", "2001:20::1", "2001:200::1", "2001:4:112::1", "2001:4860:4860::8888",
    "2001:db7::1", "2001:db9::1", "2003::1", "2606:2800:220:1:248:1893:25c8:1946",
    "2620:4f:8000::1", "2a00:1450::1", "3ffe::1", "3fff:1000::1",
]  # fmt: skip


def carriers(address):
    number = int(ipaddress.IPv4Address(address))
    for base in ("::ffff:0:0", "64:ff9b::"):
        yield str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(base)) | number))
    yield str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1))


@pytest.mark.parametrize("address", [UNSPECIFIED, *PRIVATE_4])
def test_what_is_not_global_is_refused_however_it_is_carried(address):
    assert not is_public(address)
    assert [carrier for carrier in carriers(address) if is_public(carrier)] == []


@pytest.mark.parametrize("address", PUBLIC_4)
def test_neighbours_are_public_however_they_are_carried(address):
    assert is_public(address)
    assert [carrier for carrier in carriers(address) if not is_public(carrier)] == []


@pytest.mark.parametrize("address", PRIVATE_6)
def test_only_what_is_given_out_is_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC_6)
def test_what_is_given_out_is_public(address):
    assert is_public(address)


@pytest.mark.parametrize("address", ["fec0::1", "64:ff9b:1::a00:1", "::7f00:1", "10.0.0.1"])
def test_a_name_that_leads_there_is_refused_even_among_public_ones(monkeypatch, address):
    """Nothing is connected to: the check comes after resolving and before connecting."""

    def resolve(_host, port, **_):
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port))
            for each in ("93.184.216.34", address)
        ]

    def connect(*_, **__):
        raise AssertionError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(BadRequestError, match="not a public address"):
        web_images.fetch("http://photos.example/a.jpg")
