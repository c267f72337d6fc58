"""The OpenAPI document: valid, complete, told in words, and shown from what is packaged."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
import pytest_asyncio
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from adapters.wiring import ports
from endpoints.docs import ASSETS, MEDIA_TYPES
from endpoints.field_docs import field_docs
from endpoints.incident_shapes import IncidentSummary
from endpoints.openapi import document, tag_of
from endpoints.pipeline import LAST, registry
from endpoints.problems import KINDS
from tests.endpoints.asking import functions

ROOT = Path(__file__).parents[2]
METADATA = json.loads((ROOT / "tests/functions/metadata.json").read_text())


@pytest_asyncio.fixture
async def home(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The app in memory."""
    monkeypatch.setenv("TOCSIN_HOME", "memory")
    ports.cache_clear()
    yield
    await ports().close()
    ports.cache_clear()


@pytest.fixture(scope="module")
def operations() -> dict[str, dict[str, Any]]:
    assert functions()
    return {one["operationId"]: one for item in document()["paths"].values() for one in item.values()}


def test_it_is_valid() -> None:
    assert functions()
    assert [error.message for error in OpenAPIV31SpecValidator(document()).iter_errors()] == []


def test_every_route_of_the_app_is_in_it_and_nothing_else() -> None:
    routed = {
        (f"/{one['route'].strip('/')}", method)
        for name, one in METADATA.items()
        if one["trigger"] == "httpTrigger" and name != LAST
        for method in one["methods"]
    }
    told = {(path, method.upper()) for path, item in document()["paths"].items() for method in item}
    assert routed == told


def test_every_operation_says_what_it_does(operations: dict[str, dict[str, Any]]) -> None:
    known = {tag["name"] for tag in document()["tags"]}
    assert len(operations) == sum(len(item) for item in document()["paths"].values()), "two have the same name"
    for name, operation in operations.items():
        assert 5 < len(operation["summary"]) <= 140, (name, operation["summary"])
        assert set(operation["tags"]) <= known
        assert any(status < "400" for status in operation["responses"]), name


def test_whoever_asks_is_told_what_they_must_be_allowed(operations: dict[str, dict[str, Any]]) -> None:
    for entry in registry:
        security = operations[entry.name]["security"] if entry.name in operations else []
        assert {scope for one in security for scopes in one.values() for scope in scopes} == (
            {entry.scope.value} if entry.scope else set()
        )


def test_each_kind_of_problem_has_a_name_of_its_own() -> None:
    slugs = [kind.slug for kind in KINDS]
    assert len(set(slugs)) == len(slugs)
    assert {kind.status for kind in KINDS} >= {404, 405, 406, 409, 412, 413, 415, 422, 429, 503}


def test_fields_are_described_by_the_strings_under_them() -> None:
    assert field_docs(IncidentSummary)["url"] == "The page for people."
    properties = document()["components"]["schemas"]["IncidentSummary"]["properties"]
    assert properties["url"]["description"] == "The page for people."


def test_the_examples_fit_their_schemas(operations: dict[str, dict[str, Any]]) -> None:
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    resources: Registry[Any] = Registry().with_resource("urn:tocsin", DRAFT202012.create_resource(document()))
    count = 0
    for name, operation in operations.items():
        contents = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in [kind for one in contents for kind in one.get("content", {}).values() if "example" in kind]:
            schema = json.loads(json.dumps(content["schema"]).replace('"#/', '"urn:tocsin#/'))
            validator: Any = Draft202012Validator(schema, registry=resources)
            assert [error.message for error in validator.iter_errors(content["example"])] == [], name
            count += 1
    assert count >= 8


def test_there_is_no_secret_in_it() -> None:
    text = json.dumps(document())
    assert not re.search(r"toc_[0-9a-f]{6,}_", text)
    assert str(ROOT) not in text


def test_tags_follow_the_paths() -> None:
    assert tag_of("api/v1/dead-letters/{id}") == "Dead letters"
    assert tag_of("api/v2/alerts") == "Alertmanager"
    assert tag_of("incidents/{id}") == "Pages"
    assert tag_of("docs/assets/{name}") == "Documentation"
    assert tag_of("api/v1/whatever") == "Operations"


# --- the pages ------------------------------------------------------------------------------------------------------


async def get(
    operation: str, path: str = "/docs", headers: dict[str, str] | None = None, **route: str
) -> func.HttpResponse:
    asked = func.HttpRequest("GET", f"http://localhost{path}", headers=headers or {}, route_params=route, body=b"")
    response: func.HttpResponse = await functions()[operation](request=asked)
    return response


@pytest.mark.parametrize(("name", "path"), [("show_docs", "/docs"), ("show_redoc", "/redoc")])
async def test_a_page_loads_nothing_from_elsewhere(home: None, name: str, path: str) -> None:
    for up, asked in (("", path), ("../", f"{path}/")):
        response = await get(name, asked)
        html = response.get_body().decode()
        links = re.findall(r'(?:src|href|data-openapi)="([^"]+)"', html)
        assert f"{up}openapi.json" in links
        for link in links:
            place = link.removeprefix(up)
            assert place == "openapi.json" or place.removeprefix("docs/assets/") in MEDIA_TYPES
        assert "<script>" not in html
    response = await get(name, path)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; " in policy
    assert "http" not in policy
    assert "unsafe-eval" not in policy


@pytest.mark.parametrize("name", MEDIA_TYPES)
async def test_an_asset_is_kept_by_browsers(home: None, name: str) -> None:
    packed = await get("show_asset", headers={"accept-encoding": "br, gzip"}, name=name)
    plain = await get("show_asset", name=name)
    assert packed.headers["Cache-Control"] == "public, max-age=86400"
    body = packed.get_body()
    assert (gzip.decompress(body) if packed.headers.get("Content-Encoding") else body) == plain.get_body()
    assert (packed.headers["ETag"] == plain.headers["ETag"]) == (packed.get_body() == plain.get_body())
    known = await get("show_asset", headers={"if-none-match": plain.headers["ETag"]}, name=name)
    assert (known.status_code, known.get_body()) == (304, b"")


def test_the_assets_are_those_of_their_versions() -> None:
    lines = [line.split() for line in (ASSETS / "SHA256SUMS").read_text().splitlines()]
    sums = {name: digest for digest, name in lines}
    assert sums.keys() == {file.name.removesuffix(".gz") for file in ASSETS.glob("*.gz")}
    for name, digest in sums.items():
        assert hashlib.sha256(gzip.decompress((ASSETS / f"{name}.gz").read_bytes())).hexdigest() == digest
    for package in ("swagger-ui-dist", "redoc"):
        assert package in (ASSETS / "VERSIONS").read_text()
        assert (ASSETS / f"{package}.LICENSE").exists()


@pytest.mark.parametrize("name", ["../openapi.py", "VERSIONS", "swagger-ui.css.gz", ""])
async def test_nothing_else_of_the_folder_is_shown(home: None, name: str) -> None:
    assert (await get("show_asset", name=name)).status_code == 404


async def test_the_type_of_a_problem_leads_to_its_words(home: None) -> None:
    for kind in KINDS:
        response = await get("explain_problem", kind.type, kind=kind.slug)
        assert (response.status_code, kind.words in response.get_body().decode()) == (200, True)
