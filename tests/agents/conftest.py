"""What the tests of agents share: a world that hostile alerts could reach into."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.agents.red_team import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    found = World(tmp_path / "runbooks")
    found.folder.mkdir()
    await found.runner.setup()
    await web.TCPSite(found.runner, "127.0.0.1", 0).start()
    host, port = found.runner.addresses[0][:2]
    found.url = f"http://{host}:{port}"
    yield found
    await found.runner.cleanup()
