"""Guard: keeps what tells receivers from being used to reach what only this machine, or its network, can reach.

Whoever may change a receiver's address must not be able to have Tocsin ask the platform's own services, or others
inside.  So an address is looked at after the name is resolved, all of an answer, and the connection goes to what was
looked at: the name is not asked for again.  TLS and `Host` keep the name.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from aiohttp import DefaultResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from domain.addresses import ALLOWING, EVERYBODY, Allowance, read_address
from domain.errors import UnavailableError


class Guard:
    """Judges hosts; one that allows all is none, and then whoever is asked may also send us elsewhere."""

    def __init__(self, allowance: Allowance, make_resolver: Callable[[], AbstractResolver] = DefaultResolver) -> None:
        """`make_resolver` is called on the running loop; another one is for tests."""
        self._allowance = allowance
        self._make_resolver = make_resolver

    @property
    def is_on(self) -> bool:
        """Whether anything is refused."""
        return not self._allowance.is_for_all

    def make_resolver(self) -> AbstractResolver | None:
        """What a connector resolves names with: an answer that has an address that is refused is no answer.

        None for the connector's own, where nothing is refused; else to be closed by whoever asked.
        """
        return _GuardedResolver(self, self._make_resolver()) if self.is_on else None

    def check_host(self, host: str) -> None:
        """Refuse an address that stands in the place of a name, for a connector resolves only names.

        Raises:
            UnavailableError: It is refused.  Not for good: another try comes when the configuration may be another.
        """
        address = read_address(host)
        if address is None:
            # What only an address can look like must not be one to the connector alone.
            fault = "no address" if ":" in host and self.is_on else ""
        else:
            fault = self._allowance.fault(host, address)
        if fault:
            raise _refusal(fault)

    def check_answer(self, host: str, addresses: list[str]) -> None:
        """Refuse a host for any one of the addresses that its name was resolved to.

        Raises:
            UnavailableError: It is refused.  Not for good: the next answer may be another.
        """
        if self._allowance.allows_name(host):
            return
        for text in addresses:
            address = read_address(text)
            if address is None:
                raise _refusal("no address")
            if fault := self._allowance.fault(host, address):
                raise _refusal(fault)


UNGUARDED = Guard(EVERYBODY)


def _refusal(fault: str) -> UnavailableError:
    # Without the address: the URL is often a secret.
    return UnavailableError(f"was not asked: its host has {fault}, and {ALLOWING} does not allow it")


class _GuardedResolver(AbstractResolver):
    def __init__(self, guard: Guard, resolver: AbstractResolver) -> None:
        self._guard = guard
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        self._guard.check_answer(host, [result["host"] for result in found])
        return found

    async def close(self) -> None:
        await self._resolver.close()
