"""Only public addresses are called: each kind of private one is refused, in whatever clothes it comes."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.notices.addresses import allowed_addresses, checked_url, is_public
from pilot.notices.errors import AddressNotPublic, HostUnknown, WebhookUrlNotTaken

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "0.0.0.0", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",  # noqa: S104 - it is refused
    "192.88.99.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "ff0e::1",
    "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::a00:1",
    "2002:7f00:1::1", "2002:808:808::1", "2001:0:808:808::1", "2001:db8::1", "fec0::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::6810:85e5", "2a00:1450:4010:c0e::65"]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_taken(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_no_dress_of_version_6_makes_an_address_of_version_4_public(inner: ipaddress.IPv4Address) -> None:
    number = int(inner)
    for prefix in ("::ffff:0:0", "::", "64:ff9b::"):
        assert not is_public(str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) + number)))
    assert not is_public(str(ipaddress.IPv6Address((0x2002 << 112) + (number << 80))))


@given(st.ip_addresses())
def test_whatever_python_calls_private_is_refused(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    odd = address.is_private or address.is_multicast or address.is_link_local or address.is_reserved
    assert not (odd and is_public(str(address)))


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(AddressNotPublic, match=r"10\.0\.0\.1"):
        allowed_addresses("h.example.org", 443, resolve=lambda *_: ["8.8.8.8", "10.0.0.1"], allow_private=False)


def test_a_name_without_an_address_is_unknown() -> None:
    with pytest.raises(HostUnknown):
        allowed_addresses("h.example.org", 443, resolve=lambda *_: [], allow_private=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/", "ftp://hooks.example.org/", "https://", "https:///path", "hooks.example.org",
        "https://user:secret@hooks.example.org/", "https://user@hooks.example.org/", "https://h.example.org:99999/",
        "https://h.example.org:0/", "https://h.example.org:x/", "https://h.example.org/a b", "https://[::1", "",
        "https://h.example.org/\r\nX-Evil: 1", "https://hämeenlinna.example.org/",
        "https://h.example.org/" + "a" * 2000,
        "file:///etc/passwd", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_a_url_that_no_webhook_may_have_is_refused(url: str) -> None:
    with pytest.raises(WebhookUrlNotTaken):
        checked_url(url, allow_private=False)


def test_plain_http_is_for_ones_own_network() -> None:
    assert checked_url("http://chat.internal:8080/x?y=1", allow_private=True).port == 8080
