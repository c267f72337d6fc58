"""Addresses: which of them are everybody's on the internet, and which others a receiver may have all the same."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

type Address = IPv4Address | IPv6Address
type Network = IPv4Network | IPv6Network

ALLOWING = "TOCSIN_PRIVATE_RECEIVERS"
"""The setting that an `Allowance` is read from."""

_UNICAST = IPv6Network("2000::/3")
"""All that IPv6 has given out so far."""

_NAT64 = IPv6Network("64:ff9b::/96")

_WIRE_SERVER = IPv4Address("168.63.129.16")
"""Of Azure, on every virtual machine: it looks public, and is not.

Source: https://learn.microsoft.com/en-us/azure/virtual-network/what-is-ip-address-168-63-129-16
"""


def read_address(host: str) -> Address | None:
    """The address that a URL has in the place of a name, without brackets; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def fault(address: Address) -> str:
    """Why this address is not everybody's: `a loopback address`; empty for one that is.

    Of an IPv6 address that stands for an IPv4 address, that one is judged.
    """
    address = _embedded(address) or address
    if address.is_unspecified:
        return "an address of no host"
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if address.is_private:
        return "a private address"
    if isinstance(address, IPv6Address):
        is_public = address.is_global and address in _UNICAST
    else:
        is_public = address.is_global and address != _WIRE_SERVER
    return "" if is_public else "an address that is not public"


def _embedded(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


@dataclass(frozen=True, slots=True)
class Allowance:
    """Whom requests may go to although his address is not public."""

    is_for_all: bool = False
    names: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    """Each begins with a full stop: the names that end so."""
    networks: tuple[Network, ...] = ()

    def allows_name(self, host: str) -> bool:
        """Whether a host of this name may have any address."""
        name = host.rstrip(".").lower()
        return self.is_for_all or name in self.names or name.endswith(self.suffixes)

    def fault(self, host: str, address: Address) -> str:
        """Why nothing may be sent to this host at this address; empty where it may."""
        if self.allows_name(host):
            return ""
        found = fault(address)
        # Of an address in the place of another both may be meant.
        same = {address, _embedded(address) or address}
        is_allowed = any(
            each.version == network.version and each in network for each in same for network in self.networks
        )
        return "" if not found or is_allowed else found


EVERYBODY = Allowance(is_for_all=True)


def read_allowance(text: str) -> Allowance:
    """What names, addresses and networks, by commas, allow: `hooks.corp, *.internal, 10.1.0.0/16, ::1`; `*` is all.

    Raises:
        ValueError: One of them is none of these.
    """
    names, suffixes, networks = set(), [], []
    parts = [part.strip().lower().rstrip(".") for part in text.split(",")]
    for part in parts:
        if part in ("", "*"):
            continue
        if part.startswith("*.") and "*" not in part[1:]:
            suffixes.append(part[1:])
        elif (network := _read_network(part)) is not None:
            networks.append(network)
        elif any(character in part for character in "*/: "):
            raise ValueError(f"{part!r} is no name, address or network")
        else:
            names.add(part)
    return Allowance("*" in parts, frozenset(names), tuple(suffixes), tuple(networks))


def _read_network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None
