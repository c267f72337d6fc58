"""The app in the home in memory, on a clock that stands until a test moves it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.wiring import Ports, ports
from devhost.host import NAMES
from tests.contract.conftest import Clock


@asynccontextmanager
async def in_memory(monkeypatch: pytest.MonkeyPatch, configuration: str) -> AsyncIterator[tuple[Ports, Clock]]:
    """The ports that its functions ask, with that alertmanager.yml in force."""
    clock = Clock()
    for name, value in {**NAMES, "TOCSIN_HOME": "memory"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("adapters.wiring.wire.__defaults__", (clock,))
    ports.cache_clear()
    home = ports()
    await home.policy.heard(clock(), resumed=True)
    await home.configurations.push(configuration, name="alertmanager.yml")
    yield home, clock
    await home.close()
    ports.cache_clear()
