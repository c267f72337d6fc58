"""The homes that every contract is asked of, with a clock that stands until a test moves it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, cast

import pytest

from adapters.settings import Settings
from adapters.wiring import Ports, wire
from devhost.pumps import LocalBroker
from domain.groups import GroupStore
from domain.inhibition import SourceStore
from domain.queues import Queues
from domain.silences import SilenceStore
from domain.situations import PolicyStore
from tests.builders import NOON


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, delta: timedelta) -> None:
        self.now += delta


class Feed(Protocol):
    def changes(self, after: int, *, limit: int) -> list[tuple[int, dict[str, Any]]]: ...


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
async def home(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Ports]:
    ports = wire(Settings.read({"TOCSIN_HOME": request.param, "TOCSIN_DATA": str(tmp_path)}), clock)
    yield ports
    await ports.close()


@pytest.fixture
def store(home: Ports) -> GroupStore:
    return home.groups


@pytest.fixture
def feed(home: Ports) -> Feed:
    return cast(Feed, home.groups)


@pytest.fixture
def queues(home: Ports) -> Queues:
    return home.queues


@pytest.fixture
def broker(home: Ports) -> LocalBroker:
    return cast(LocalBroker, home.broker)


@pytest.fixture
def policy(home: Ports) -> PolicyStore:
    return home.policy


@pytest.fixture
def silences(home: Ports) -> SilenceStore:
    return home.silences


@pytest.fixture
def sources(home: Ports) -> SourceStore:
    return home.sources
