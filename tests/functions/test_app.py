"""Azure would run our app as it is."""

import json
from pathlib import Path

import pytest
from azure.functions.decorators.function_app import Function

import function_app
from tests.functions.route_check import check_routes
from tests.functions.worker_check import check, check_module, check_silent, functions_of

HOST = json.loads((Path(__file__).parents[2] / "host.json").read_text())


@pytest.fixture(scope="module")
def functions() -> list[Function]:
    functions = functions_of(function_app.app)
    assert functions, "no functions: an empty app would pass everything"
    return functions


def test_the_worker_finds_one_app() -> None:
    assert check_module(function_app) == []


def test_the_worker_indexes_every_function(functions: list[Function]) -> None:
    assert check(functions) == []


def test_no_function_fails_in_silence(functions: list[Function]) -> None:
    assert check_silent(functions) == []


def test_no_route_is_shadowed(functions: list[Function]) -> None:
    prefix = HOST.get("extensions", {}).get("http", {}).get("routePrefix", "api")
    assert check_routes(functions, prefix) == []
