"""Where a webhook may reach: which addresses are public, and what a name leads to."""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from urllib.parse import SplitResult, urlsplit

from pilot.notices.errors import AddressNotPublic, HostUnknown, WebhookUrlNotTaken

Resolve = Callable[[str, int], Sequence[str]]
"""From a host name and a port to the addresses it leads to, as text."""

# The only part of IPv6 that is given out; outside of it lie loopback, link-local, unique-local and multicast addresses,
# IPv4 in IPv6 clothes (::ffff:0:0/96, ::/96) and NAT64 (64:ff9b::/96): none of them is a public host of its own.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
# Inside of it, tunnels that carry an IPv4 address of anybody's choice: Teredo and 6to4.
_TUNNELS = (ipaddress.IPv6Network("2001::/32"), ipaddress.IPv6Network("2002::/16"))
_RELAY = ipaddress.IPv4Network("192.88.99.0/24")  # the IPv4 end of 6to4
_LONGEST_URL = 2000


def is_public(address: str) -> bool:
    """Whether an IP address is a host in the public internet: not private, loopback, link-local, shared, reserved,
    multicast, unspecified, nor IPv4 wrapped into IPv6 in any of its forms."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found not in _GLOBAL_UNICAST or any(found in tunnel for tunnel in _TUNNELS):
            return False
    elif found in _RELAY:
        return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def resolve(host: str, port: int) -> list[str]:
    """What the system's resolver says."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        raise HostUnknown(host=host) from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def checked_url(url: str, *, allow_private: bool) -> SplitResult:
    """The parts of an address that a webhook may have; ``WebhookUrlNotTaken`` otherwise.

    ``allow_private`` (for receivers in one's own network) also takes plain http.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # a port that is no number is found here
    except ValueError:
        raise WebhookUrlNotTaken(url=url[:200]) from None
    schemes = ("https", "http") if allow_private else ("https",)
    is_plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= _LONGEST_URL
    if parts.scheme not in schemes or not parts.hostname or "@" in parts.netloc or parts.port == 0 or not is_plain:
        raise WebhookUrlNotTaken(url=url[:200])
    return parts


def allowed_addresses(host: str, port: int, *, resolve: Resolve, allow_private: bool) -> list[str]:
    """What the host leads to, asked once: the caller connects to these very addresses and asks no more.

    Where one of them is not public, none is taken (``AddressNotPublic``): a name with two answers is a trick.
    """
    found = list(resolve(host, port))
    if not found:
        raise HostUnknown(host=host)
    for address in found:
        if not allow_private and not is_public(address):
            raise AddressNotPublic(host=host, address=address)
    return found
