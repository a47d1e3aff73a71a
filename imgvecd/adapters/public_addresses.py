"""Whether an IP address belongs to the public internet, by IANA's registries.

Python's own `is_global` differs between versions and passes what is not listed. The tables are
those of these registries (as of 2025), where "Globally Reachable" is False or not applicable:
https://www.iana.org/assignments/iana-ipv4-special-registry
https://www.iana.org/assignments/iana-ipv6-special-registry
https://www.iana.org/assignments/ipv6-address-space (only 2000::/3 is given out at all)
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_NOT_GLOBAL_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private use
            "100.64.0.0/10",  # shared by a carrier's customers
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local
            "172.16.0.0/12",  # private use
            "192.0.0.0/24",  # IETF protocols
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",  # private use
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
_GLOBAL_AFTER_ALL_4 = tuple(map(IPv4Network, ("192.0.0.9/32", "192.0.0.10/32")))
_GIVEN_OUT_6 = IPv6Network("2000::/3")
_NOT_GLOBAL_6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # IETF protocols, Teredo among them
            "2001:db8::/32",  # documentation
            "3fff::/20",  # documentation
        ),
    )
)
_GLOBAL_AFTER_ALL_6 = tuple(
    map(
        IPv6Network,
        (
            "2001:1::1/128",
            "2001:1::2/128",
            "2001:1::3/128",
            "2001:3::/32",
            "2001:4:112::/48",
            "2001:20::/28",
            "2001:30::/28",
        ),
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")  # carries any IPv4 address, private ones too


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the public internet.

    One that carries an IPv4 address (mapped, NAT64, 6to4) is as public as that.
    """
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv4Address):
        return _is_global(parsed, _NOT_GLOBAL_4, _GLOBAL_AFTER_ALL_4)
    inner = parsed.ipv4_mapped or parsed.sixtofour
    if parsed in _NAT64:
        inner = IPv4Address(int(parsed) & 0xFFFFFFFF)
    if inner is not None:
        return _is_global(inner, _NOT_GLOBAL_4, _GLOBAL_AFTER_ALL_4)
    return parsed in _GIVEN_OUT_6 and _is_global(parsed, _NOT_GLOBAL_6, _GLOBAL_AFTER_ALL_6)


def _is_global(
    address: IPv4Address | IPv6Address,
    special: tuple[IPv4Network, ...] | tuple[IPv6Network, ...],
    but: tuple[IPv4Network, ...] | tuple[IPv6Network, ...],
) -> bool:
    return any(address in each for each in but) or not any(address in each for each in special)
