"""Who may do what: every registered route with every kind of principal, and each cell's answer."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta

import pytest
import pytest_asyncio

import function_app
from adapters.wiring import ports
from domain.principals import IMPLIED, Scope
from endpoints.pipeline import LAST
from tests.endpoints.asking import (
    AUDIENCE,
    TENANT,
    Issuer,
    ask,
    basic,
    bearer,
    functions,
    give_key,
    issuing,
    new_private_key,
    routes,
    signed_in,
)
from tests.functions.worker_check import functions_of

HOUR = timedelta(hours=1)

OPEN = {
    # Whoever watches Tocsin is no user of it.
    "check_healthy",
    "check_ready",
    "show_health",
    "show_readiness",
    # The same for every Tocsin of a version; nothing of this one is in them.
    "explain_problem",
    "show_asset",
    "show_docs",
    "show_openapi",
    "show_redoc",
    # Leads to the page of the incidents, and asks there.
    "show_home",
    # Whoever has the link may: it is signed, and is in the message that told of the incident.
    "show_link",
    "follow_link",
}
"""What anybody may ask, each with its reason."""

SIGNED = {"press_slack_button", "enqueue_event", "enqueue_change"}
"""What proves itself by what stands in its body: no key in a header helps, and without that it is refused."""


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


@pytest_asyncio.fixture
async def home(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The app with `--auth`, in memory."""
    settings = {
        "HOME": "memory",
        "AUTH": "true",
        "ENTRA_TENANTS": TENANT,
        "ENTRA_AUDIENCE": AUDIENCE,
        "ENTRA_AUTHORITY": issuer.authority,
        # Some wait for what does not come here.
        "REQUEST_SECONDS": "0.2",
        "REQUESTS_BURST": "1000",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"TOCSIN_{name}", value)
    for name in ("WEBSITE_SITE_NAME", "WEBSITE_AUTH_ENABLED"):
        monkeypatch.delenv(name, raising=False)
    ports.cache_clear()
    yield
    await ports().close()
    ports.cache_clear()


type Headers = dict[str, str]
type Make = Callable[[Issuer], Awaitable[Headers]]

NOBODY: frozenset[Scope] | None = None


async def key(*scopes: Scope, **changes: object) -> Headers:
    return bearer(await give_key(*scopes, **changes))


async def token(issuer: Issuer, *roles: str, **changes: object) -> Headers:
    return bearer(issuer.sign(*roles, **changes))  # type: ignore[arg-type]


async def _revoked(_: Issuer) -> Headers:
    return await key(Scope.ADMIN, revoked_at=ports().clock())


async def _expired(_: Issuer) -> Headers:
    return await key(Scope.ADMIN, expires_at=ports().clock())


async def _wrong(_: Issuer) -> Headers:
    right = await give_key(Scope.ADMIN)
    return bearer(right[:-5] + ("AAAAA" if not right.endswith("AAAAA") else "BBBBB"))


async def _fixed(headers: Headers) -> Headers:
    return headers


def _key_of(scope: Scope) -> Make:
    return lambda _: key(scope)


def _role_of(scope: Scope) -> Make:
    return lambda issuer: token(issuer, f"Tocsin.{scope.value.capitalize()}")


def _seconds(delta: float) -> int:
    return int(time.time() + delta)


PRINCIPALS: dict[str, tuple[Make, frozenset[Scope] | None]] = {
    "none": (lambda _: _fixed({}), NOBODY),
    "a wrong key": (_wrong, NOBODY),
    "an unknown key": (lambda _: _fixed(bearer("toc_ffffffffffff_" + "a" * 43)), NOBODY),
    "no key at all": (lambda _: _fixed(bearer("hunter2")), NOBODY),
    "an unknown scheme": (lambda _: _fixed({"authorization": "Digest x"}), NOBODY),
    "a basic that is none": (lambda _: _fixed({"authorization": "Basic \xff"}), NOBODY),
    "an expired key": (_expired, NOBODY),
    "a revoked key": (_revoked, NOBODY),
    **{f"a key: {scope}": (_key_of(scope), IMPLIED[scope]) for scope in Scope},
    **{f"a role: {scope}": (_role_of(scope), IMPLIED[scope]) for scope in Scope},
    "a role of another app": (lambda issuer: token(issuer, "Other.Admin"), frozenset()),
    "no roles": (lambda issuer: token(issuer, roles=None), frozenset()),
    "roles that are none": (lambda issuer: token(issuer, roles="Tocsin.Admin"), frozenset()),
    "another tenant": (lambda issuer: token(issuer, "Tocsin.Admin", tid="0" * 36), NOBODY),
    "another tenant's issuer": (
        lambda issuer: token(issuer, "Tocsin.Admin", iss=f"{issuer.authority}/{'0' * 36}/v2.0"),
        NOBODY,
    ),
    "no tenant": (lambda issuer: token(issuer, "Tocsin.Admin", tid=None), NOBODY),
    "an expired token": (lambda issuer: token(issuer, "Tocsin.Admin", exp=_seconds(-120)), NOBODY),
    "a token that just expired": (lambda issuer: token(issuer, "Tocsin.Read", exp=_seconds(-30)), IMPLIED[Scope.READ]),
    "a token of tomorrow": (lambda issuer: token(issuer, "Tocsin.Admin", nbf=_seconds(3600)), NOBODY),
    "a token without an end": (lambda issuer: token(issuer, "Tocsin.Admin", exp=None), NOBODY),
    "another audience": (lambda issuer: token(issuer, "Tocsin.Admin", aud="api://other"), NOBODY),
    "nobody's token": (lambda issuer: token(issuer, "Tocsin.Admin", oid=None), NOBODY),
    "alg none": (lambda issuer: token(issuer, "Tocsin.Admin", algorithm="none", key=""), NOBODY),
    "alg HS256 by a key of theirs": (
        lambda issuer: token(issuer, "Tocsin.Admin", algorithm="HS256", key="k" * 64),
        NOBODY,
    ),
    "a key that is not published": (lambda issuer: token(issuer, "Tocsin.Admin", kid="two"), NOBODY),
    "another's signature": (
        lambda issuer: token(issuer, "Tocsin.Admin", key=_other_key(issuer)),
        NOBODY,
    ),
    "a forged Easy Auth header": (lambda _: _fixed(signed_in("Tocsin.Admin")), NOBODY),
    "a forged header and a reader's key": (
        lambda _: _with(signed_in("Tocsin.Admin"), key(Scope.READ)),
        IMPLIED[Scope.READ],
    ),
}
"""Each with what it sends, and what it then may; None where nobody is proven."""


async def _with(headers: Headers, others: Awaitable[Headers]) -> Headers:
    return headers | await others


def _other_key(issuer: Issuer) -> object:
    while (other := new_private_key()) is issuer.keys["one"]:
        pass
    return other


@pytest.mark.parametrize("name", PRINCIPALS)
async def test_every_route(home: None, issuer: Issuer, name: str) -> None:
    make, may = PRINCIPALS[name]
    # As our own pages' forms send it, which some of the routes are for.
    headers = {"origin": "https://tocsin.example.com", "sec-fetch-site": "same-origin", **await make(issuer)}
    faults = []
    for route in routes():
        answer = await ask(route.name, headers)
        if route.name in SIGNED:
            is_right = answer.status in (401, 415)
        elif route.scope is None:
            is_right = answer.status not in (401, 403)
        elif may is None:
            is_right = answer.status == 401 and "www-authenticate" in answer.headers
        elif route.scope not in may:
            is_right = answer.status == 403
        else:
            is_right = answer.status not in (401, 403)
        if not is_right:
            faults.append(f"{route.method} {route.path} ({route.scope}): {answer.status} {answer.text[:100]}")
    assert not faults


def test_only_what_is_meant_to_be_is_open() -> None:
    assert {route.name for route in routes() if route.scope is None} - OPEN - SIGNED == set()


def test_no_route_escapes_the_pipeline() -> None:
    """Every HTTP function of the app is one that `endpoint()` registered, or answers 404 or 405 only."""
    registered = {route.name for route in routes()}
    for found in functions_of(function_app.app):
        trigger = found.get_trigger()
        if trigger is not None and trigger.type == "httpTrigger":
            name = str(found.get_function_name())
            assert name in registered or name == LAST, name
    assert registered <= functions().keys()


# --- Easy Auth, where there is such a platform ----------------------------------------------------------------------


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch, home: None) -> None:
    monkeypatch.setenv("WEBSITE_SITE_NAME", "tocsin")
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "True")
    ports.cache_clear()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param(signed_in("Tocsin.Admin"), 200, id="an administrator"),
        pytest.param(signed_in("Tocsin.Read"), 403, id="a reader"),
        pytest.param(signed_in(), 403, id="without roles"),
        pytest.param(signed_in("Tocsin.Admin", tenant="0" * 36), 401, id="another tenant"),
        pytest.param(signed_in("Tocsin.Admin", provider="github"), 401, id="another provider"),
        pytest.param({"x-ms-client-principal": "e30="}, 401, id="empty"),
        pytest.param({"x-ms-client-principal": "W10="}, 401, id="a list"),
        pytest.param({"x-ms-client-principal": "!"}, 401, id="no base64"),
        pytest.param(signed_in("Tocsin.Admin") | {"origin": "https://evil.example"}, 403, id="another site's script"),
        pytest.param(signed_in("Tocsin.Admin") | {"sec-fetch-site": "cross-site"}, 403, id="another site's form"),
        pytest.param(signed_in("Tocsin.Admin") | {"sec-fetch-site": "same-origin"}, 200, id="our own page"),
        pytest.param(signed_in("Tocsin.Admin") | {"origin": "https://tocsin.example.com"}, 200, id="our own script"),
    ],
)
async def test_easy_auth(platform: None, headers: Headers, status: int) -> None:
    assert (await ask("list_keys", headers)).status == status


@pytest.mark.parametrize(
    ("site", "enabled"), [("", "True"), ("tocsin", ""), ("tocsin", "False"), ("tocsin", "1"), ("", "")]
)
async def test_easy_auth_is_believed_only_where_the_platform_says_so(
    home: None, monkeypatch: pytest.MonkeyPatch, site: str, enabled: str
) -> None:
    monkeypatch.setenv("WEBSITE_SITE_NAME", site)
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", enabled)
    ports.cache_clear()
    assert (await ask("list_keys", signed_in("Tocsin.Admin"))).status == 401


async def test_on_azure_everybody_is_asked_unless_it_says_otherwise(
    home: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOCSIN_AUTH")
    monkeypatch.setenv("WEBSITE_SITE_NAME", "tocsin")
    ports.cache_clear()
    assert (await ask("list_keys")).status == 401


# --- the keys of a tenant -------------------------------------------------------------------------------------------


async def test_the_keys_are_fetched_once(home: None, issuer: Issuer) -> None:
    before = issuer.asked
    for _ in range(5):
        assert (await ask("list_keys", await token(issuer, "Tocsin.Admin"))).status == 200
    for number in range(5):
        assert (await ask("list_keys", await token(issuer, "Tocsin.Admin", kid=f"no {number}"))).status == 401
    assert issuer.asked == before + 1, "an unknown key of a token makes nobody ask again within five minutes"


@pytest.mark.parametrize("claims", [{"tid": "0" * 36}, {"iss": "https://evil.example"}, {"algorithm": "HS256"}])
async def test_nothing_is_fetched_for_who_is_not_listed(home: None, issuer: Issuer, claims: dict[str, str]) -> None:
    before = issuer.asked
    changes = dict(claims)
    if changes.get("algorithm"):
        changes["key"] = "k" * 64
    assert (await ask("list_keys", await token(issuer, "Tocsin.Admin", **changes))).status == 401
    assert issuer.asked == before


async def test_a_tenant_that_does_not_answer_is_no_fault_of_the_caller(
    home: None, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = await token(issuer, "Tocsin.Admin", iss=f"http://127.0.0.1:9/{TENANT}/v2.0")
    monkeypatch.setenv("TOCSIN_ENTRA_AUTHORITY", "http://127.0.0.1:9")
    ports.cache_clear()
    answer = await ask("list_keys", signed)
    assert answer.status == 503
    assert "retry-after" in answer.headers


# --- the ways to send a key -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(bearer, id="bearer"),
        pytest.param(lambda key: {"authorization": f"bearer  {key} "}, id="bearer in small letters"),
        pytest.param(basic, id="basic"),
        pytest.param(lambda key: basic(key, ""), id="basic without a name"),
        pytest.param(lambda key: {"x-api-key": key}, id="x-api-key"),
    ],
)
async def test_a_key_may_come_as(home: None, send: Callable[[str], Headers]) -> None:
    assert (await ask("list_keys", send(await give_key(Scope.ADMIN)))).status == 200


async def test_a_browser_is_asked_for_a_password_where_there_are_pages(home: None) -> None:
    browser = {"accept": "text/html,application/xhtml+xml"}
    page = next(route.name for route in routes() if route.path == "incidents")
    assert (await ask(page, browser)).headers["www-authenticate"].startswith("Basic realm=")
    assert (await ask("list_keys")).headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}])
async def test_another_site_cannot_use_what_a_browser_remembers(home: None, headers: Headers) -> None:
    key = await give_key(Scope.ADMIN)
    assert (await ask("create_key", basic(key) | headers, body={"name": "x", "scopes": ["admin"]})).status == 403
    assert (await ask("create_key", bearer(key) | headers, body={"name": "x", "scopes": ["admin"]})).status == 201


async def test_a_key_is_held_to_its_source(home: None) -> None:
    alerts = [{"labels": {"alertname": "DiskFull"}}]
    mine, other = [await give_key(Scope.INGEST, source=source) for source in ("alertmanager", "grafana/berlin")]
    assert (await ask("receive_alerts", bearer(mine), body=alerts)).status == 200
    assert (await ask("receive_alerts", bearer(other), body=alerts)).status == 403
