"""Addresses that this service sends to on somebody's behalf: public ones only, checked before the connection is made.

A webhook's address comes from whoever adds it, and its name's answer from whoever owns the name. So the name is
resolved once, every address of the answer is checked, and ``chains.webhook_sending`` connects to the one checked here.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from anchor.errors import WebhookError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
MAX_URL = 2000
# What is public by number and not by nature: a cloud's own services, which answer to its machines only.
_METADATA = frozenset(map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "192.0.0.192")))
# Of IPv6 only what is given out (RFC 4291, section 2.4), and of that not what leads on to an IPv4 address or a tunnel:
# 2001::/23 (Teredo among others, RFC 2928), 2002::/16 (6to4). Mapped and translated ones lie outside of 2000::/3.
_GIVEN_OUT = ipaddress.ip_network("2000::/3")
_LEADING_ON = (ipaddress.ip_network("2001::/23"), ipaddress.ip_network("2002::/16"))


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send: ``host`` as the address names it, for TLS and the Host header, and the address to connect to."""

    scheme: str
    host: str
    port: int
    path: str
    address: str


def is_public(address: Address) -> bool:
    """Say whether an address may be sent to: not private, loopback, link-local, multicast, reserved, or a way there."""
    if address in _METADATA or address.is_multicast or address.is_reserved or not address.is_global:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    return address in _GIVEN_OUT and not any(address in network for network in _LEADING_ON)


def check_url(url: str, *, is_for_tests: bool = False) -> tuple[str, str, int, str]:
    """Return scheme, host, port and path with query of an address; raise WebhookError for one that is never sent to.

    https only, without user, password or fragment; ``is_for_tests``: http to this very machine, and nothing else.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise WebhookError(f"expected the address of a webhook, got {url[:200]!r}: {error}") from error
    wanted = "http" if is_for_tests else "https"
    is_plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= MAX_URL
    if not is_plain or parts.scheme != wanted or not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise WebhookError(
            f"expected {wanted}://HOST/PATH of at most {MAX_URL} ASCII characters, without user, password or fragment, "
            f"got {url[:200]!r}"
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, parts.hostname, port or (80 if is_for_tests else 443), path


def target_of(url: str, resolve: Resolve, *, is_for_tests: bool = False) -> Target:
    """Resolve an address and return where to connect; raise WebhookError where any of its numbers is not public.

    One bad number refuses the whole answer: a name that points to both is made to be confused.
    """
    scheme, host, port, path = check_url(url, is_for_tests=is_for_tests)
    found = [ipaddress.ip_address(text.partition("%")[0]) for text in resolve(host, port)]
    for address in found:
        is_allowed = address.is_loopback if is_for_tests else is_public(address)
        if not is_allowed:
            wanted = "this machine (127.0.0.1 or ::1)" if is_for_tests else "public addresses only"
            raise WebhookError(f"{host} is {address}: expected {wanted}; nothing was sent")
    if not found:
        raise WebhookError(f"{host} has no address; nothing was sent")
    return Target(scheme, host, port, path, str(found[0]))


def resolve_name(host: str, port: int) -> list[str]:
    """Return the addresses of a host as this machine's resolver knows them; raise WebhookError where it knows none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise WebhookError(f"{host} cannot be resolved: {error}") from error
    return [str(entry[4][0]) for entry in found]
