"""Addresses outside that the service may talk to: a webhook must not reach what only this machine or network can."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit, urlunsplit

from strategy_optimizer.errors import WebhookError

_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True)
class Target:
    """Where to connect, by number, and what the name of it is.

    The name is looked up once and the number is used: a name that points elsewhere a moment later is of no use.
    """

    url: str
    host: str
    host_header: str


def check_url(url: str) -> None:
    """Raise a `WebhookError` unless this is an address of the web that can be used.

    >>> check_url("ftp://example.com")
    Traceback (most recent call last):
    strategy_optimizer.errors.WebhookError: the address is 'ftp://example.com'; expected https://HOST/PATH
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise WebhookError(f"the address {url!r} cannot be read: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise WebhookError(f"the address is {url!r}; expected https://HOST/PATH")
    if parts.username is not None or parts.password is not None:
        raise WebhookError("the address has a user or a password; what is sent is signed instead")
    if not url.isascii() or any(character.isspace() or not character.isprintable() for character in url):
        raise WebhookError("the address has characters that no address has; quote them as %XX")


def find_target(url: str, *, private: bool) -> Target:
    """Look a webhook's address up.

    Parameters
    ----------
    url : str
    private : bool
        Whether addresses that the internet does not know are allowed: loopback, private networks, this machine's own.

    Raises
    ------
    WebhookError
        When it has no address, or one of its addresses is not allowed.
    """
    check_url(url)
    parts = urlsplit(url)
    assert parts.hostname is not None
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise WebhookError(f"the host {parts.hostname} is not found") from error
    numbers = [str(entry[4][0]) for entry in found]
    if not private and (inner := [number for number in numbers if not is_public(number)]):
        raise WebhookError(
            f"the host {parts.hostname} has the address {inner[0]}, which is not of the internet; private_webhooks "
            "allows such addresses"
        )
    number = numbers[0]
    place = f"[{number}]" if ":" in number else number
    inside = urlunsplit((parts.scheme, f"{place}:{port}", parts.path or "/", parts.query, ""))
    return Target(inside, parts.hostname, parts.netloc)


def is_public(number: str) -> bool:
    """Return whether an address is one of the internet.

    >>> [is_public(n) for n in ("8.8.8.8", "127.0.0.1", "10.1.1.1", "169.254.169.254", "::ffff:10.0.0.1", "fd00::1")]
    [True, False, False, False, False, False]
    """
    address = ip_address(number.partition("%")[0])
    inner = _inner(address) if isinstance(address, IPv6Address) else None
    if inner is not None and not is_public(str(inner)):
        return False
    return address.is_global and not address.is_multicast


def _inner(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 one leads to."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
