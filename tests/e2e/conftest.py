"""In which home the dev host of these tests lives, and the end of the stand-ins that it needs.

`TOCSIN_TEST_HOME=azure pytest tests/e2e` runs all of them on the stand-ins for Cosmos DB and Service Bus; otherwise
those that ask for fixture `home` run in both, and the rest on SQLite.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.e2e.receiver import Receiver
from tests.serving import HOME, end_homes, running_homes


@pytest.fixture(params=[os.environ[HOME]] if os.environ.get(HOME) else ["sqlite", "azure"])
def home(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which one; every `Serving` of the test is in it."""
    name = str(request.param)
    monkeypatch.setenv(HOME, name)
    return name


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def _end_homes() -> Iterator[None]:
    shared = running_homes()
    yield
    end_homes(kept=shared)
