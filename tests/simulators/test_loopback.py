"""Every address of a site has its own place in 127/8."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model.errors import PolicyError
from simulators.loopback import LoopbackDialer, check_distinct, loopback_endpoint


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [
        ("10.20.30.40", 4028, ("127.20.30.40", 4028)),
        ("10.20.30.40", 80, ("127.20.30.40", 10_080)),
        ("10.20.30.40", 161, ("127.20.30.40", 10_161)),
        ("127.0.0.1", 4028, ("127.0.0.1", 4028)),
        ("192.168.7.1", 1023, ("127.168.7.1", 11_023)),
        ("192.168.7.1", 1024, ("127.168.7.1", 1024)),
    ],
)
def test_addresses_and_ports_move_to_loopback(host: str, port: int, expected: tuple[str, int]) -> None:
    assert loopback_endpoint(host, port) == expected
    assert LoopbackDialer().endpoint(host, port) == expected


@given(st.text(min_size=1))
def test_every_name_has_a_stable_address_that_can_be_bound(name: str) -> None:
    address, _ = loopback_endpoint(name, 4028)
    assert loopback_endpoint(name, 4028)[0] == address
    assert ipaddress.IPv4Address(address).is_loopback


def test_names_differ() -> None:
    assert loopback_endpoint("pdu-1.site", 161) != loopback_endpoint("pdu-2.site", 161)


def test_two_hosts_on_one_loopback_address_are_refused_by_name() -> None:
    check_distinct(["10.0.0.1", "10.0.0.2", "pdu-1.site"])
    with pytest.raises(PolicyError, match=r"10\.0\.0\.5 and 192\.0\.0\.5 both fall on 127\.0\.0\.5"):
        check_distinct(["10.0.0.1", "10.0.0.5", "192.0.0.5"])


def test_an_address_that_cannot_be_bound_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"10\.255\.255\.255 falls on 127\.255\.255\.255"):
        check_distinct(["10.255.255.255"])
