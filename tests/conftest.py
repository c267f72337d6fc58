"""What all tests share: the programs of others that some of them need."""

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*programs): skip where a program is missing; fail there with CI=true")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            _require(name)


@pytest.fixture(scope="session")
def program() -> Callable[[str], Path]:
    """Finds a program by its name, or ends the test as the marker `needs` does."""
    return _require


@pytest.fixture(scope="module")
def collected() -> Iterator[None]:
    """What the module's tests left is collected with them, and not in a test that has nothing to do with it."""
    yield
    gc.collect()


def _require(name: str) -> Path:
    # PROMETHEUS_ALERTMANAGER=/some/where/alertmanager names a program that is not on PATH, or another version of it.
    variable = name.upper().replace("-", "_")
    found = shutil.which(os.environ.get(variable, name))
    if found is not None:
        return Path(found)
    reason = f"needs {name}: put it on PATH, or its path into {variable}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (in CI a missing program is a failure)", pytrace=False)
    pytest.skip(reason)
